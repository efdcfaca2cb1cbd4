"""What each step does to the lanes of a mask, on JAX arrays; what is known of numbers is carried along."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

import jax.numpy as jnp
import numpy as np
from jax import Array

from prism.kernels.exec import lanewise, numeric
from prism.kernels.exec.affine import Affine, combined, inside, where
from prism.kernels.exec.faults import FaultKind
from prism.kernels.exec.lanes import ALLOCATED, PHASE, PREDICATE, Held, Lanes
from prism.kernels.exec.lanewise import as_jax
from prism.kernels.exec.space import EMPTY, Mask
from prism.kernels.isa.address import UNITY, mirror, neighbours, phi_offset
from prism.kernels.isa.flow import registers_of
from prism.kernels.isa.program import (
    CLASS_BYTES,
    CLASSES,
    PAGE_BYTES,
    PAGES,
    Address,
    Buffer,
    PhiCoordinate,
    RegisterIndirectComputed,
    Shared,
)
from prism.kernels.isa.steps import Pool, Step
from prism.kernels.isa.table import BY_MNEMONIC, Effect
from prism.kernels.isa.types import F64, U8, U32, U64, Kind, Type

Place = Affine | Array
"""The element that each lane is about, lying inside its memory."""


@dataclass(frozen=True, slots=True)
class Atomic:
    """An atomic change: of which memory, its word in the table, and whether somebody reads what it found."""

    key: int
    word: str
    read: bool


class Accesses(Protocol):
    """How an executor reaches memory: `key` is a handle, or -1 - the number of a pool."""

    def load(self, state: Lanes, key: int, place: Place, mask: Mask) -> Any:
        """Return the elements, as a value for all lanes or an array over the mask."""
        ...

    def store(self, state: Lanes, key: int, place: Place, values: Any, mask: Mask) -> None:
        """Store a value in the lanes of a mask."""
        ...

    def atomic(self, state: Lanes, what: Atomic, place: Place, sources: list[Any], mask: Mask) -> Any:
        """Change elements, one lane after the other; return what each lane found if somebody reads that."""
        ...

    def clear(self, state: Lanes, key: int, mask: Mask) -> None:
        """Set the pool of each lane of a mask to zero."""
        ...

    def fold(self, state: Lanes, word: str, ty: Type, values: Array, mask: Mask) -> Array:
        """Return, in each lane, the values of its block's lanes folded [ISA-20]."""
        ...

    def meet(self, state: Lanes) -> None:
        """Let the lanes of each block see what the others stored."""
        ...


def step_lanes(state: Lanes, accesses: Accesses, at: int, mask: Mask) -> Mask:
    """Carry out a step for the lanes of a mask; return those that go on."""
    if mask.empty:
        return mask
    step = state.steps[at]
    op, effect = BY_MNEMONIC[step.op], BY_MNEMONIC[step.op].effect
    given: list[Any] = list(step.instruction.operands)
    if effect is Effect.SYNC:
        return _met(state, accesses, at, given, mask)
    if step.op.startswith("pool."):
        return _pool(state, accesses, at, given, mask)
    if effect in (Effect.LOAD, Effect.STORE, Effect.ATOMIC):
        return _access(state, accesses, at, given, mask)
    if effect is Effect.LANE:
        _lane_state(state, step, given, mask)
        return mask
    if step.op in ("mirror", "nbr.count", "nbr.get", "bound.map"):
        return _class_map(state, at, given, mask)
    return mask if op.mnemonic == "memfence" else _pure(state, at, given, mask)


def _met(state: Lanes, accesses: Accesses, at: int, given: list[Any], mask: Mask) -> Mask:
    step = state.steps[at]
    if mask is not state.alive:
        ones = {one: state.full(_bits(one), one, bool).astype(jnp.uint32) for one in (mask, state.alive)}
        counts = [accesses.fold(state, "add", U32, bits, one) for one, bits in ones.items()]
        counts = [state.space.place(one, of.low, mask) for one, of in zip(counts, ones, strict=True)]
        mask = state.fail(FaultKind.DIVERGENCE, at, mask, counts[0] != counts[1])
    if step.op == "bar.sync":
        accesses.meet(state)
        return mask
    ty = step.instruction.types[0]
    values = state.full(state.read(given[1], mask), mask, ty.dtype)
    state.write(given[0], ty, accesses.fold(state, step.op.partition(".")[2], ty, values, mask), mask)
    return mask


def _bits(mask: Mask) -> Any:
    return True if mask.bits is None else mask.bits


def _pure(state: Lanes, at: int, given: list[Any], mask: Mask) -> Mask:
    step = state.steps[at]
    op, types = step.op, step.instruction.types
    ty = types[0]
    if op == "set":
        _compare(state, given, ty, mask)
        return mask
    if op == "mov":
        held = state.held.get(given[1])
        state.held[given[0]] = held or Held(ty, array=state.read(given[1], mask), low=mask.low)
        return mask
    if op == "mov_imm":
        number = numeric.from_bits(ty, given[1])
        known = None if ty.kind is Kind.FLOAT else Affine(0, int(number))
        state.held[given[0]] = Held(ty, known, None if known else number)
        return mask
    if op == "sel":
        _select(state, given, ty, mask)
        return mask
    if op in ("div", "rem") and ty.kind is not Kind.FLOAT:
        divisor = state.known(given[2])
        if divisor is None or divisor.a or not divisor.b:
            mask = state.fail(FaultKind.DIVISION, at, mask, state.read(given[2], mask) == 0)
    sources = [given[1] + k for k in range(given[2])] if op.startswith("reduce.") else given[1:]
    found = combined(op, ty, [state.known(one) for one in sources], mask.span)
    if found is not None:
        state.held[given[0]] = Held(ty, found)
        return mask
    state.held[given[0]] = _computed(state, step, ty, sources, mask)
    return mask


def _computed(state: Lanes, step: Step, ty: Type, sources: list[int], mask: Mask) -> Held:
    """Compute a step on constants, on one value for all lanes, or on one for each."""
    operands = [state.read(one, mask) for one in sources]
    if all(isinstance(one, np.generic) for one in operands):
        with np.errstate(all="ignore"):
            number = _value(numeric, step, [np.array([one]) for one in operands])[0]
        return Held(ty, array=number) if ty.kind is Kind.FLOAT else Held(ty, Affine(0, int(number)))
    if any(np.ndim(one) for one in operands):
        operands = [state.full(one, mask, one.dtype) for one in operands]
    values = _value(lanewise, step, [as_jax(one) for one in operands])
    held = state.held.get(sources[0])
    bounds = {}
    if step.op == "cvt" and held is not None and held.least is not None and ty.kind is not Kind.FLOAT:
        most = np.iinfo(ty.dtype).max if held.most is None else held.most
        if held.type is not None and held.type.bits <= ty.bits and most <= np.iinfo(ty.dtype).max:
            bounds = {"least": held.least, "most": held.most}
    return Held(ty, array=values, low=mask.low, factor=_factor(state, step, sources), **bounds)


def _factor(state: Lanes, step: Step, sources: list[int]) -> int:
    """Return a power of two that the result is surely a multiple of."""
    factors = []
    for one in sources:
        known, held = state.known(one), state.held.get(one)
        if known is not None and not known.a and known.b:
            factors.append(min(known.b & -known.b, 64))
        else:
            factors.append(held.factor if held else 1)
    if step.op == "shl":
        amount = state.known(sources[1])
        return min(factors[0] << min(amount.b, 6), 64) if amount and not amount.a else factors[0]
    if step.op == "mul":
        return min(factors[0] * factors[1], 64)
    if step.op in ("add", "sub"):
        return min(factors)
    if step.op == "mad":
        return min(factors[0] * factors[1], factors[2], 64)
    return 1


def _value(meaning: Any, step: Step, operands: list[Any]) -> Any:
    """Compute a pure step by the definition (`numeric`) or on JAX arrays (`lanewise`)."""
    op, types = step.op, step.instruction.types
    if op == "cvt":
        return meaning.cvt(types[0], types[1], operands[0])
    if op in meaning.BINARY:
        return meaning.BINARY[op](types[0], *operands)
    if op in meaning.UNARY:
        return meaning.UNARY[op](types[0], operands[0])
    if op.startswith("reduce."):
        return meaning.fold_registers(op.partition(".")[2], types[0], operands)
    return {"fma": meaning.fma, "mad": meaning.mad}[op](types[0], *operands)


def _compare(state: Lanes, given: list[Any], ty: Type, mask: Mask) -> None:
    condition, key = given[0][:2], PREDICATE + given[1]
    x, y = state.known(given[2]), state.known(given[3])
    if x is not None and y is not None:
        span, holds = where(condition, x, y, mask.span)
        rest = _complement(span, mask)
        if holds or rest is not None:
            state.held[key] = Held(None, span=span if holds else rest)
            return
    operands = [state.read(one, mask) for one in given[2:]]
    if any(np.ndim(one) for one in operands):
        operands = [state.full(one, mask, ty.dtype) for one in operands]
    constant = all(isinstance(one, np.generic) for one in operands)
    meaning: Any = numeric if constant else lanewise
    bits = meaning.COMPARE[condition](*(one if constant else as_jax(one) for one in operands))
    if constant:
        state.held[key] = Held(None, span=mask.span if bool(bits) else (mask.low, mask.low))
    else:
        hulls = (_hull(state, condition, given, mask), _hull(state, _NOT[condition], given, mask))
        state.write(key, None, bits, mask, hulls=hulls)


_NOT: Final = {"lt": "ge", "ge": "lt", "le": "gt", "gt": "le", "eq": "ne", "ne": "eq"}


def _complement(span: tuple[int, int], mask: Mask) -> tuple[int, int] | None:
    if span[0] >= span[1]:
        return mask.span
    if span[0] <= mask.low:
        return span[1], mask.high
    return (mask.low, span[0]) if span[1] >= mask.high else None


def _hull(state: Lanes, condition: str, given: list[Any], mask: Mask) -> tuple[int, int] | None:
    """Return where a comparison with one value of known bounds may hold."""
    flipped = {"lt": "gt", "gt": "lt", "le": "ge", "ge": "le"}
    for one, other, word in ((given[2], given[3], condition), (given[3], given[2], flipped.get(condition, ""))):
        known, held = state.known(one), state.held.get(other)
        if known is None or held is None or held.known is not None:
            continue
        bound = {"lt": held.most, "le": held.most, "gt": held.least, "ge": held.least}.get(word)
        if bound is not None:
            span, holds = where(word, known, Affine(0, bound), mask.span)
            return span if holds else _complement(span, mask)
    return None


def _select(state: Lanes, given: list[Any], ty: Type, mask: Mask) -> None:
    chosen = state.held[PREDICATE + given[1]]
    registers = given[2:]
    if chosen.span is not None and state.space.within(mask, chosen.span) in (mask, EMPTY):
        registers = [given[2 if state.space.within(mask, chosen.span) is mask else 3]] * 2
    x, y = (state.held.get(one) or Held(ty, array=state.read(one, mask), low=mask.low) for one in registers)
    bits = state.full(state.array(chosen, mask), mask, bool)
    state.held[given[0]] = state.merge(bits, x, y, mask)


def _lane_state(state: Lanes, step: Step, given: list[Any], mask: Mask) -> None:
    if step.op == "cls.get":
        state.held[given[0]] = Held(U8, Affine(0, state.lane_class))
    elif step.op == "unity.test":
        span = mask.span if state.lane_class in UNITY else (mask.low, mask.low)
        state.held[PREDICATE + given[0]] = Held(None, span=span)
    elif step.op == "phase.get":
        state.held[given[0]] = state.held[PHASE]
    else:
        known, amount = state.known(PHASE), given[0] % 768
        if known is not None:
            state.held[PHASE] = Held(U32, Affine(0, (known.b + amount) % 768))
        else:
            state.write(PHASE, U32, (state.read(PHASE, mask) + jnp.uint32(amount)) % jnp.uint32(768), mask)


def _class_map(state: Lanes, at: int, given: list[Any], mask: Mask) -> Mask:
    step = state.steps[at]
    cls = jnp.asarray(state.read(given[1], mask))
    wrong = cls >= jnp.uint8(CLASSES)
    if step.op == "bound.map":
        wrong = wrong | (jnp.asarray(state.read(given[2], mask)) >= jnp.uint8(PAGES))
    mask = state.fail(FaultKind.CLASS, at, mask, wrong)
    if step.op == "bound.map":
        cls, page, byte = (jnp.asarray(state.read(one, mask)).astype(jnp.uint64) for one in given[1:])
        place = cls * jnp.uint64(CLASS_BYTES) + page * jnp.uint64(PAGE_BYTES) + byte
        state.write(given[0], U64, place, mask)
        return mask
    rows = {
        "mirror": mirror,
        "nbr.count": lambda c: len(neighbours(c)),
        "nbr.get": lambda c: neighbours(c)[given[2]] if given[2] < len(neighbours(c)) else 0,
    }
    table = np.array([rows[step.op](c) for c in range(CLASSES)] + [0] * (256 - CLASSES), np.uint8)
    state.write(given[0], U8, state.space.look_up(table, cls), mask)
    return mask


def _offset(address: Address) -> int | Affine:
    """Return the register that holds the byte offset, or the offset."""
    if isinstance(address, RegisterIndirectComputed):
        return address.offset
    fixed = isinstance(address, PhiCoordinate)
    return Affine(0, phi_offset(address.cls, address.page, address.byte) if fixed else address.offset)


def _place(state: Lanes, at: int, mask: Mask, offset: int | Affine, ty: Type, length: int) -> tuple[Mask, Place]:
    """Stop the lanes whose access is outside or not aligned; return the others, and the element of each."""
    known = offset if isinstance(offset, Affine) else state.known(offset)
    size = ty.size
    if known is not None and known.a % size == 0 and known.b % size == 0:
        element = Affine(known.a // size, known.b // size)
        return state.fail_outside(FaultKind.BOUNDS, at, mask, inside(element, length, mask.span)), element
    held = Held(U64, known) if isinstance(offset, Affine) else state.held[offset]
    bytes_ = state.full(state.array(held, mask), mask, np.uint64)
    wrong = bytes_ > jnp.uint64(length * size - size) if length else np.True_
    mask = state.fail(FaultKind.BOUNDS, at, mask, wrong)
    if held.factor % size:
        mask = state.fail(FaultKind.MISALIGNED, at, mask, bytes_ % jnp.uint64(size) != 0)
    # Lanes that are here lie inside, so that 31 bits hold their elements where they hold the length.
    return mask, (bytes_ // jnp.uint64(size)).astype(np.int32 if length < 1 << 31 else np.int64)


def _access(state: Lanes, accesses: Accesses, at: int, given: list[Any], mask: Mask) -> Mask:
    step = state.steps[at]
    memory, effect = step.memory, BY_MNEMONIC[step.op].effect
    assert isinstance(memory, Buffer | Shared)
    ty = step.instruction.types[0] if step.instruction.types else F64
    if step.op == "res.accum":
        cls = jnp.asarray(state.read(given[0], mask))
        mask = state.fail(FaultKind.CLASS, at, mask, cls >= CLASSES)
        length = np.uint64(state.lengths[memory.handle])
        cls = state.full(cls, mask, np.uint64)
        mask = state.fail(FaultKind.BOUNDS, at, mask, cls >= length)
        place: Place = cls.astype(np.int32)
    else:
        offset = _offset(next(one for one in given if isinstance(one, Address)))
        mask, place = _place(state, at, mask, offset, ty, state.lengths[memory.handle])
    if mask.empty:
        return mask
    if effect is Effect.LOAD:
        state.write(given[0], ty, accesses.load(state, memory.handle, place, mask), mask)
    elif effect is Effect.STORE:
        accesses.store(state, memory.handle, place, state.read(given[1], mask), mask)
    else:
        _atomic(state, accesses, (step, ty), place, mask)
    return mask


def _atomic(state: Lanes, accesses: Accesses, what: tuple[Step, Type], place: Place, mask: Mask) -> None:
    step, ty = what
    given: list[Any] = list(step.instruction.operands)
    word, memory = step.op.partition(".")[2], step.memory
    assert isinstance(memory, Buffer | Shared)
    if step.op == "res.accum":
        accesses.atomic(state, Atomic(memory.handle, "add", False), place, [state.read(given[1], mask)], mask)
        return
    read = any(r == given[0] and not writes for s in state.steps for r, _, writes in registers_of(s.instruction))
    sources = [state.read(one, mask) for one in given[2:]]
    found = accesses.atomic(state, Atomic(memory.handle, word, read), place, sources, mask)
    if read:
        state.write(given[0], ty, found, mask)
    else:
        state.held[given[0]] = Held(ty, Affine(0, 0)) if ty.kind is not Kind.FLOAT else Held(ty, array=ty.dtype.type(0))


def _pool(state: Lanes, accesses: Accesses, at: int, given: list[Any], mask: Mask) -> Mask:
    step = state.steps[at]
    pool = step.memory
    assert isinstance(pool, Pool)
    key, live = -1 - pool.number, ALLOCATED + pool.number
    fresh = step.op == "pool.alloc"
    held = state.held[live]
    if held.span is not None:
        inner = state.space.within(mask, held.span)
        certain = inner.empty if fresh else inner is mask
    else:
        certain = False
    if not certain:
        allocated = state.array(held, mask)
        mask = state.fail(FaultKind.POOL, at, mask, allocated if fresh else ~allocated)
    if fresh or step.op == "pool.free":
        if fresh:
            if not certain:
                accesses.clear(state, key, mask)
            state.held[given[0]] = Held(U64, Affine(0, pool.handle))
        state.held[live] = Held(None, span=(0, state.space.lanes) if fresh else (0, 0))
        return mask
    register, offset = (given[0], given[2]) if step.op == "pool.load" else (given[2], given[1])
    mask, place = _place(state, at, mask, offset, pool.type, pool.size // pool.type.size)
    if mask.empty:
        return mask
    if step.op == "pool.load":
        state.write(register, pool.type, accesses.load(state, key, place, mask), mask)
    else:
        accesses.store(state, key, place, state.read(register, mask), mask)
    return mask
