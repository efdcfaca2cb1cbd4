"""Steps that are more than one operation of one type: moves, memory, atomics, reductions, classes, pools."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from prism.kernels.exec import cpu_ops as ops
from prism.kernels.exec.cpu_record import Memory, variable
from prism.kernels.exec.faults import FaultKind
from prism.kernels.isa.program import (
    CLASS_BYTES,
    CLASSES,
    PAGE_BYTES,
    PAGES,
    Address,
    BufferOffset,
    PhiCoordinate,
    RegisterIndirect,
    RegisterIndirectComputed,
)
from prism.kernels.isa.steps import Pool, Step
from prism.kernels.isa.types import F64, U8, U32, U64


class Lane(Protocol):
    """A lane's statements under construction."""

    memory: Memory

    def line(self, text: str) -> None:
        """Add a line."""
        ...

    def number(self, name: str) -> int | None:
        """Return what a variable is if it is one whole number all the time."""
        ...

    def fault_if(self, condition: str, kind: FaultKind, step: Step) -> None:
        """Write that a lane faults where a condition holds."""
        ...

    def place(self, step: Step, address: Address) -> str:
        """Write the checks of an access and return the index of its element."""
        ...


def _mov(lane: Lane, step: Step) -> None:
    (ty,), (dst, src) = step.instruction.types, _ints(step)
    lane.line(f"{variable(dst, ty)} = {variable(src, ty)}")


def _mov_imm(lane: Lane, step: Step) -> None:
    (ty,), (dst, value) = step.instruction.types, _ints(step)
    lane.line(f"{variable(dst, ty)} = {ops.constant(ty, value)}")


def _cvt(lane: Lane, step: Step) -> None:
    (to, given), (dst, src) = step.instruction.types, _ints(step)
    lane.line(f"{variable(dst, to)} = {ops.convert(to, given, variable(src, given))}")


def _shift(lane: Lane, step: Step) -> None:
    (ty,), (dst, src, amount) = step.instruction.types, _ints(step)
    known = lane.number(variable(amount, U32))
    value = ops.shift(step.op, ty, variable(src, ty), variable(amount, U32) if known is None else known)
    lane.line(f"{variable(dst, ty)} = {value}")


def _set(lane: Lane, step: Step) -> None:
    (ty,), (pred, a, b) = step.instruction.types, _ints(step)
    condition = str(step.instruction.operands[0])
    lane.line(f"p{pred} = {ops.comparison(condition, variable(a, ty), variable(b, ty))}")


def _sel(lane: Lane, step: Step) -> None:
    (ty,), (dst, pred, a, b) = step.instruction.types, _ints(step)
    lane.line(f"{variable(dst, ty)} = _chosen(p{pred}, {variable(a, ty)}, {variable(b, ty)})")


def _load(lane: Lane, step: Step) -> None:
    (ty,), dst = step.instruction.types, _ints(step)[0]
    index = lane.place(step, address_of(step))
    lane.line(f"{variable(dst, ty)} = {lane.memory.load(step, index)}")


def _store(lane: Lane, step: Step) -> None:
    (ty,), src = step.instruction.types, _ints(step)[-1]
    index = lane.place(step, address_of(step))
    lane.line(lane.memory.store(step, index, variable(src, ty)))


_CHANGES: Final = ("add", "min", "max", "and", "or", "xor")


def _atom(lane: Lane, step: Step) -> None:
    (ty,), (dst, *given) = step.instruction.types, _ints(step)
    index = lane.place(step, address_of(step))
    # Lanes of a program with atomics run one after the other: a load and a store are one step.
    old = f"old_{ty.name}"
    lane.line(f"{old} = {lane.memory.load(step, index)}")
    args = [variable(one, ty) for one in given]
    change = step.op.removeprefix("atom.")
    if change == "cas":
        new = f"_chosen({old} == {args[0]}, {args[1]}, {old})"
    else:
        new = args[0] if change == "exchange" else ops.binary(change, ty, old, args[0])
    lane.line(lane.memory.store(step, index, new))
    lane.line(f"{variable(dst, ty)} = {old}")


def _reduce(lane: Lane, step: Step) -> None:
    (ty,), (dst, base, count) = step.instruction.types, _ints(step)
    change = step.op.removeprefix("reduce.")
    total = f"total_{ty.name}"
    lane.line(f"{total} = {ops.start_of(change, ty)}")
    for register in range(base, base + count):
        lane.line(f"{total} = {ops.binary(change, ty, total, variable(register, ty))}")
    lane.line(f"{variable(dst, ty)} = {total}")


def _class_get(lane: Lane, step: Step) -> None:
    lane.line(f"{variable(_ints(step)[0], U8)} = lane_class")


def _checked_class(lane: Lane, step: Step, register: int) -> str:
    name = variable(register, U8)
    lane.fault_if(f"{name} >= {CLASSES}", FaultKind.CLASS, step)
    return name


def _mirror(lane: Lane, step: Step) -> None:
    dst, src = _ints(step)
    lane.line(f"{variable(dst, U8)} = _MIRROR[{_checked_class(lane, step, src)}]")


def _unity(lane: Lane, step: Step) -> None:
    lane.line(f"p{_ints(step)[0]} = (lane_class == 1) | (lane_class == 4)")


def _neighbours(lane: Lane, step: Step) -> None:
    if step.op == "nbr.count":
        dst, cls = _ints(step)
        lane.line(f"{variable(dst, U8)} = _NEIGHBOURS[{_checked_class(lane, step, cls)}, 0]")
        return
    dst, cls, index = _ints(step)
    name = _checked_class(lane, step, cls)
    # Rows are a count and up to six neighbours; past the last there is 0.
    lane.line(f"{variable(dst, U8)} = " + (f"_NEIGHBOURS[{name}, {index + 1}]" if index < 6 else "np.uint8(0)"))


def _residue(lane: Lane, step: Step) -> None:
    cls, value = _ints(step)
    index = f"np.uint64({_checked_class(lane, step, cls)})"
    assert step.memory is not None
    lane.fault_if(f"{index} >= {lane.memory.length(step.memory)}", FaultKind.BOUNDS, step)
    lane.line(lane.memory.store(step, index, f"{lane.memory.load(step, index)} + {variable(value, F64)}"))


def _phase(lane: Lane, step: Step) -> None:
    (given,) = _ints(step)
    if step.op == "phase.get":
        lane.line(f"{variable(given, U32)} = phase")
    else:
        lane.line(f"phase = np.uint32((phase + np.uint32({given})) % np.uint32(768))")


def _bound_map(lane: Lane, step: Step) -> None:
    dst, cls, page, byte = _ints(step)
    cls_name, page_name = variable(cls, U8), variable(page, U8)
    lane.fault_if(f"({cls_name} >= {CLASSES}) | ({page_name} >= {PAGES})", FaultKind.CLASS, step)
    terms = (
        f"np.uint64({cls_name}) * np.uint64({CLASS_BYTES})",
        f"np.uint64({page_name}) * np.uint64({PAGE_BYTES})",
        f"np.uint64({variable(byte, U8)})",
    )
    lane.line(f"{variable(dst, U64)} = {' + '.join(terms)}")


def _pool(lane: Lane, step: Step) -> None:
    pool = step.memory
    assert isinstance(pool, Pool)
    live = f"live{pool.number}"
    if step.op == "pool.alloc":
        lane.fault_if(live, FaultKind.POOL, step)
        lane.line(f"{live} = True")
        lane.line(f"_clear({lane.memory.pointer(pool)}, {pool.size})")
        lane.line(f"{variable(_ints(step)[0], U64)} = np.uint64({pool.handle})")
        return
    lane.fault_if(f"not {live}", FaultKind.POOL, step)
    if step.op == "pool.free":
        lane.line(f"{live} = False")
    elif step.op == "pool.load":
        dst, handle, offset = _ints(step)
        index = lane.place(step, RegisterIndirectComputed(handle, offset))
        lane.line(f"{variable(dst, pool.type)} = {lane.memory.load(step, index)}")
    else:
        handle, offset, src = _ints(step)
        index = lane.place(step, RegisterIndirectComputed(handle, offset))
        lane.line(lane.memory.store(step, index, variable(src, pool.type)))


def _ints(step: Step) -> list[int]:
    """Return the operands that are registers, predicates or whole numbers."""
    return [one for one in step.instruction.operands if isinstance(one, int)]


def address_of(step: Step) -> Address:
    """Return the address that a step names."""
    for one in step.instruction.operands:
        if isinstance(one, BufferOffset | PhiCoordinate | RegisterIndirect | RegisterIndirectComputed):
            return one
    raise AssertionError(step.op)


Writer = Callable[[Lane, Step], None]

WRITERS: Final[Mapping[str, Writer]] = {
    "mov": _mov,
    "mov_imm": _mov_imm,
    "cvt": _cvt,
    "shl": _shift,
    "shr": _shift,
    "set": _set,
    "sel": _sel,
    "ldg": _load,
    "lds": _load,
    "stg": _store,
    "sts": _store,
    "cls.get": _class_get,
    "mirror": _mirror,
    "unity.test": _unity,
    "nbr.count": _neighbours,
    "nbr.get": _neighbours,
    "res.accum": _residue,
    "phase.get": _phase,
    "phase.adv": _phase,
    "bound.map": _bound_map,
    **{f"atom.{one}": _atom for one in (*_CHANGES, "exchange", "cas")},
    **{f"reduce.{one}": _reduce for one in ("add", "min", "max", "mul")},
    **{f"pool.{one}": _pool for one in ("alloc", "free", "load", "store")},
}
"""What writes a step, by mnemonic; operations of one type and plain operands are not here."""
