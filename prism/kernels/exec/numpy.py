"""The `numpy` executor, the living definition: every lane at its own position, the lowest position moves [ISA-17].

All lanes of some blocks are arrays; each step is carried out for the lanes that stand at it. That order lets lanes that
took different ways meet again where the ways do, and is the order that structured executors follow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from prism.kernels.exec import numeric
from prism.kernels.exec.faults import FaultKind
from prism.kernels.exec.launch import Launch
from prism.kernels.exec.machine import Fault, Machine
from prism.kernels.exec.races import Shadow
from prism.kernels.isa.address import UNITY, mirror, neighbours, phi_offset
from prism.kernels.isa.program import (
    CLASS_BYTES,
    CLASSES,
    PAGE_BYTES,
    PAGES,
    Address,
    Buffer,
    Guard,
    PhiCoordinate,
    RegisterIndirectComputed,
    Shared,
)
from prism.kernels.isa.steps import ENTER, Pool, Step
from prism.kernels.isa.table import BY_MNEMONIC, Effect
from prism.kernels.isa.types import F64, U8, U32, U64, Kind

Array = np.ndarray
_CHUNK: Final = 1 << 16
_MIRROR: Final = np.array([mirror(c) for c in range(CLASSES)], np.uint8)
_COUNT: Final = np.array([len(neighbours(c)) for c in range(CLASSES)], np.uint8)


class NumpyExecutor:
    """The definition. conflicts: look for unordered accesses to one element and fault there [ISA-18]."""

    name: str = "numpy"

    def __init__(self, *, conflicts: bool = True) -> None:
        self.conflicts = conflicts

    def bind(self, launch: Launch) -> Callable[[], None]:
        """Return what runs the launch."""
        return lambda: self._run(launch)

    def _run(self, launch: Launch) -> None:
        shadows: dict[int, Shadow] | None = {} if self.conflicts else None
        at_once = max(1, _CHUNK * launch.shape.blocks // launch.shape.lanes)
        fault: Fault | None = None
        with np.errstate(all="ignore"):
            for first in range(0, launch.shape.blocks, at_once):
                machine = Machine(launch, first, min(at_once, launch.shape.blocks - first), shadows)
                while advance(machine):
                    pass
                fault = fault or machine.fault
        if fault is not None:
            raise fault.error()


def advance(machine: Machine) -> bool:
    """Carry out one step for the lanes at the lowest position; False when all lanes have stopped."""
    group = machine.next_group()
    if group is None:
        return False
    position, at = group
    step = machine.steps[position]
    if step.op in _CONTROL:
        _CONTROL[step.op](machine, step, at)
        return True
    effect = BY_MNEMONIC[step.op].effect
    if effect is Effect.SYNC:
        at = _met(machine, step, at)
    if len(at):
        at = _ACTIONS.get(step.op, _pure)(machine, step, at)
        machine.pc[at] = position + 1
    return True


def _met(machine: Machine, step: Step, at: Array) -> Array:
    """Return the lanes of blocks that are all here; the others fault."""
    running = np.bincount(machine.row[machine.pc < len(machine.steps)], minlength=machine.blocks)
    here = np.bincount(machine.row[at], minlength=machine.blocks)
    at = machine.fail(FaultKind.DIVERGENCE, step, at, (running != here)[machine.row[at]])
    machine.epoch[np.unique(machine.row[at])] += 1
    return at


def _bra(machine: Machine, step: Step, at: Array) -> None:
    guard = step.instruction.operands[0]
    goes = np.ones(len(at), bool)
    if isinstance(guard, Guard):
        goes = machine.predicates[guard.predicate, at] != guard.negated
    here = machine.pc[at[0]]
    machine.pc[at[~goes]] += 1
    going = at[goes]
    if step.target <= here:
        going = machine.fail(FaultKind.FUEL, step, going, machine.fuel[going] < 1)
        machine.fuel[going] -= 1
    machine.pc[going] = step.target


def _enter(machine: Machine, step: Step, at: Array) -> None:
    register = step.instruction.operands[0]
    assert isinstance(register, int)
    count = machine.read(register, U32, at).astype(np.int64)
    dry = machine.fuel[at] < count
    at = machine.fail(FaultKind.FUEL, step, at, dry)
    count = count[~dry]
    machine.fuel[at] -= count
    machine.counters[step.counter, at] = count
    machine.pc[at] = np.where(count > 0, machine.pc[at] + 1, step.target)


def _loop(machine: Machine, step: Step, at: Array) -> None:
    machine.counters[step.counter, at] -= 1
    machine.pc[at] = np.where(machine.counters[step.counter, at] > 0, step.target, machine.pc[at] + 1)


def _exit(machine: Machine, step: Step, at: Array) -> None:  # noqa: ARG001 (as the others of its table)
    machine.pc[at] = len(machine.steps)


_CONTROL: Final[Mapping[str, Callable[[Machine, Step, Array], None]]] = {
    "bra": _bra,
    ENTER: _enter,
    "loop": _loop,
    "exit": _exit,
}


def _pure(machine: Machine, step: Step, at: Array) -> Array:
    """Carry out what changes registers alone."""
    op, types, operands = step.op, step.instruction.types, step.instruction.operands
    ty = types[0] if types else U8
    given: list[Any] = list(operands)
    if op == "set":
        values = numeric.compare(given[0], ty, machine.read(given[2], ty, at), machine.read(given[3], ty, at))
        machine.set_predicate(given[1], at, values)
        return at
    if op in ("div", "rem") and ty.kind is not Kind.FLOAT:
        at = machine.fail(FaultKind.DIVISION, step, at, machine.read(given[2], ty, at) == 0)
    if op == "mov_imm":
        values = np.full(len(at), numeric.from_bits(ty, given[1]))
    elif op == "cvt":
        values = numeric.cvt(ty, types[1], machine.read(given[1], types[1], at))
    elif op == "sel":
        chosen = machine.predicates[given[1], at]
        values = np.where(chosen, machine.read(given[2], ty, at), machine.read(given[3], ty, at))
    elif op in ("shl", "shr"):
        values = numeric.BINARY[op](ty, machine.read(given[1], ty, at), machine.read(given[2], U32, at))
    elif op in numeric.BINARY:
        values = numeric.BINARY[op](ty, *(machine.read(one, ty, at) for one in given[1:]))
    elif op in numeric.UNARY:
        values = numeric.UNARY[op](ty, machine.read(given[1], ty, at))
    elif op.startswith("reduce."):
        rows = [machine.read(given[1] + k, ty, at) for k in range(given[2])]
        values = numeric.fold_registers(op.partition(".")[2], ty, rows)
    else:
        ternary = {"fma": numeric.fma, "mad": numeric.mad}[op]
        values = ternary(ty, *(machine.read(one, ty, at) for one in given[1:]))
    machine.write(given[0], ty, at, values)
    return at


def _fence(machine: Machine, step: Step, at: Array) -> Array:  # noqa: ARG001 (as the others of its table)
    return at  # Steps are carried out in order: there is nothing to wait for.


def _lane_fold(machine: Machine, step: Step, at: Array) -> Array:
    dst, src = step.instruction.operands
    ty = step.instruction.types[0]
    assert isinstance(dst, int)
    assert isinstance(src, int)
    values, active = np.zeros(machine.lanes, ty.dtype), np.zeros(machine.lanes, bool)
    values[at], active[at] = machine.read(src, ty, at), True
    by_block = (machine.blocks, machine.block_size)
    folded = numeric.fold_lanes(step.op.partition(".")[2], ty, values.reshape(by_block), active.reshape(by_block))
    machine.write(dst, ty, at, folded[machine.row[at]])
    return at


def _lane_state(machine: Machine, step: Step, at: Array) -> Array:
    """Carry out what reads or changes the lane's class and phase."""
    first = step.instruction.operands[0]
    assert isinstance(first, int)
    everyone = np.ones(len(at), bool)
    if step.op == "cls.get":
        machine.write(first, U8, at, everyone * np.uint8(machine.launch.lane_class))
    elif step.op == "unity.test":
        machine.set_predicate(first, at, everyone & (machine.launch.lane_class in UNITY))
    elif step.op == "phase.get":
        machine.write(first, U32, at, machine.phase[at])
    else:
        machine.phase[at] = (machine.phase[at] + np.uint32(first % 768)) % np.uint32(768)
    return at


def _class_map(machine: Machine, step: Step, at: Array) -> Array:
    """Carry out what looks a class up."""
    given: list[Any] = list(step.instruction.operands)
    wrong = machine.read(given[1], U8, at) >= CLASSES
    if step.op == "bound.map":
        wrong |= machine.read(given[2], U8, at) >= PAGES
    at = machine.fail(FaultKind.CLASS, step, at, wrong)
    cls = machine.read(given[1], U8, at)
    if step.op == "mirror":
        machine.write(given[0], U8, at, _MIRROR[cls])
    elif step.op == "nbr.count":
        machine.write(given[0], U8, at, _COUNT[cls])
    elif step.op == "nbr.get":
        table = [neighbours(c)[given[2]] if given[2] < _COUNT[c] else 0 for c in range(CLASSES)]
        machine.write(given[0], U8, at, np.array(table, np.uint8)[cls])
    else:
        page, byte = (machine.read(one, U8, at).astype(np.uint64) for one in given[2:])
        place = cls.astype(np.uint64) * np.uint64(CLASS_BYTES) + page * np.uint64(PAGE_BYTES) + byte
        machine.write(given[0], U64, at, place)
    return at


def _byte_offset(machine: Machine, address: Address, at: Array) -> Array:
    if isinstance(address, RegisterIndirectComputed):
        return machine.read(address.offset, U64, at)
    if isinstance(address, PhiCoordinate):
        return np.full(len(at), phi_offset(address.cls, address.page, address.byte), np.uint64)
    return np.full(len(at), address.offset, np.uint64)


def _elements(
    machine: Machine, step: Step, memory: Buffer | Shared | Pool, at: Array, offset: Array
) -> tuple[Array, Array]:
    """Return the lanes whose access is inside and aligned, and the element of each; the others fault."""
    size = memory.type.size
    wrong = offset > np.uint64(max(machine.length(memory) * size - size, 0))
    wrong |= machine.length(memory) == 0
    at, offset = machine.fail(FaultKind.BOUNDS, step, at, wrong), offset[~wrong]
    wrong = offset % np.uint64(size) != 0
    at, offset = machine.fail(FaultKind.MISALIGNED, step, at, wrong), offset[~wrong]
    return at, (offset // np.uint64(size)).astype(np.int64)


def _access(machine: Machine, step: Step, at: Array) -> Array:
    """Carry out a load, a store or an atomic of a buffer or of shared memory."""
    memory, effect = step.memory, BY_MNEMONIC[step.op].effect
    assert isinstance(memory, Buffer | Shared)
    given: list[Any] = list(step.instruction.operands)
    ty = step.instruction.types[0] if step.instruction.types else F64
    if step.op == "res.accum":
        cls = machine.read(given[0], U8, at)
        at = machine.fail(FaultKind.CLASS, step, at, cls >= CLASSES)
        offset = machine.read(given[0], U8, at).astype(np.uint64) * np.uint64(ty.size)
    else:
        address = next(one for one in given if isinstance(one, Address))
        offset = _byte_offset(machine, address, at)
    at, elements = _elements(machine, step, memory, at, offset)
    flat, places = machine.place(memory, at, elements)
    shadow = machine.shadow(memory)
    if shadow is not None:
        note = {Effect.LOAD: shadow.load, Effect.STORE: shadow.store, Effect.ATOMIC: shadow.atomic}[effect]
        wrong = note(places, machine.accesses(at))
        at, places = machine.fail(FaultKind.CONFLICT, step, at, wrong), places[~wrong]
    if effect is Effect.LOAD:
        machine.write(given[0], ty, at, flat[places])
    elif effect is Effect.STORE:
        flat[places] = machine.read(given[1], ty, at)
    elif step.op == "res.accum":
        np.add.at(flat, places, machine.read(given[1], ty, at))
    else:
        sources = [machine.read(one, ty, at) for one in given[2:]]
        machine.write(given[0], ty, at, _atomic(step.op.partition(".")[2], ty, flat, places, sources))
    return at


def _atomic(word: str, ty: Any, flat: Array, places: Array, sources: list[Array]) -> Array:
    """Change elements one lane after the other, in ascending order of lanes; return what each lane found.

    Lanes of distinct elements go together: the k-th of each element in round k.
    """
    order = np.argsort(places, kind="stable")
    starts = np.flatnonzero(np.r_[True, places[order][1:] != places[order][:-1]]) if len(order) else order
    turn = np.empty(len(order), np.int64)
    turn[order] = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    found = np.zeros(len(places), flat.dtype)
    for one in range(int(turn.max(initial=-1)) + 1):
        now = turn == one
        old, new = flat[places[now]], [source[now] for source in sources]
        found[now] = old
        if word == "cas":
            flat[places[now]] = np.where(old == new[0], new[1], old)
        else:
            flat[places[now]] = new[0] if word == "exchange" else numeric.BINARY[word](ty, old, new[0])
    return found


def _pool(machine: Machine, step: Step, at: Array) -> Array:
    """Carry out what is about the lane's own pools."""
    pool = step.memory
    given: list[Any] = list(step.instruction.operands)
    assert isinstance(pool, Pool)
    live = machine.allocated[pool.number]
    if step.op == "pool.alloc":
        at = machine.fail(FaultKind.POOL, step, at, live[at])
        machine.pools[pool.number][at], live[at] = 0, True
        machine.write(given[0], U64, at, np.full(len(at), pool.handle, np.uint64))
        return at
    at = machine.fail(FaultKind.POOL, step, at, ~live[at])
    if step.op == "pool.free":
        live[at] = False
        return at
    dst, offset = (given[0], given[2]) if step.op == "pool.load" else (given[2], given[1])
    at, elements = _elements(machine, step, pool, at, machine.read(offset, U64, at))
    flat, places = machine.place(pool, at, elements)
    if step.op == "pool.load":
        machine.write(dst, pool.type, at, flat[places])
    else:
        flat[places] = machine.read(dst, pool.type, at)
    return at


def _meet(machine: Machine, step: Step, at: Array) -> Array:  # noqa: ARG001 (as the others of its table)
    return at  # That all are here was checked.


_ACTIONS: Final[Mapping[str, Callable[[Machine, Step, Array], Array]]] = {
    "bar.sync": _meet,
    "memfence": _fence,
    **dict.fromkeys(("cls.get", "unity.test", "phase.get", "phase.adv"), _lane_state),
    **dict.fromkeys(("mirror", "nbr.count", "nbr.get", "bound.map"), _class_map),
    **dict.fromkeys((name for name in BY_MNEMONIC if name.startswith("lane.")), _lane_fold),
    **dict.fromkeys((name for name in BY_MNEMONIC if name.startswith("pool.")), _pool),
    **dict.fromkeys((name for name in BY_MNEMONIC if name.startswith("atom.")), _access),
    **dict.fromkeys(("ldg", "stg", "lds", "sts", "res.accum"), _access),
}
