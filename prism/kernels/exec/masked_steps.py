"""The steps of the `xla` executor: what each does to the lanes of a mask."""

from __future__ import annotations

from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from prism.kernels.exec import lanewise
from prism.kernels.exec.faults import FaultKind
from prism.kernels.exec.masked import Affine, Masked
from prism.kernels.exec.numeric import from_bits, identity
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

_WRAP: Final = {32: 1 << 32, 64: 1 << 64}


def step_lanes(state: Masked, at: int, mask: Array) -> Array:
    """Carry out a step for the lanes of a mask; return those that go on."""
    step = state.steps[at]
    op, effect = BY_MNEMONIC[step.op], BY_MNEMONIC[step.op].effect
    given: list[Any] = list(step.instruction.operands)
    if effect is Effect.SYNC:
        mask = _met(state, at, mask)
        if step.op != "bar.sync":
            _fold(state, step, given, mask)
        return mask
    if step.op.startswith("pool."):
        return _pool(state, at, step, given, mask)
    if effect in (Effect.LOAD, Effect.STORE, Effect.ATOMIC):
        return _access(state, at, step, given, mask)
    if effect is Effect.LANE:
        _lane_state(state, step, given, mask)
        return mask
    if step.op in ("mirror", "nbr.count", "nbr.get", "bound.map"):
        return _class_map(state, at, step, given, mask)
    if op.mnemonic == "memfence":
        return mask
    return _pure(state, at, step, given, mask)


def _met(state: Masked, at: int, mask: Array) -> Array:
    shape = (state.blocks, state.block)
    running = state.data["alive"].reshape(shape).sum(1)
    here = mask.reshape(shape).sum(1)
    return state.fail(FaultKind.DIVERGENCE, at, mask, jnp.repeat(running != here, state.block))


def _fold(state: Masked, step: Step, given: list[Any], mask: Array) -> None:
    ty, shape = step.instruction.types[0], (state.blocks, state.block)
    word = step.op.partition(".")[2]
    folded = lanewise.fold_lanes(word, ty, state.read(given[1], ty).reshape(shape), mask.reshape(shape))
    state.write(given[0], ty, jnp.repeat(folded, state.block), mask)


def _pure(state: Masked, at: int, step: Step, given: list[Any], mask: Array) -> Array:
    op, types = step.op, step.instruction.types
    ty = types[0]
    affine = _affine(state, step, given)
    if op == "set":
        x, y = state.read(given[2], ty), state.read(given[3], ty)
        held = state.data["predicates"][given[1]]
        state.data["predicates"][given[1]] = jnp.where(mask, lanewise.COMPARE[given[0][:2]](x, y), held)
        return mask
    if op in ("div", "rem") and ty.kind is not Kind.FLOAT:
        mask = state.fail(FaultKind.DIVISION, at, mask, state.read(given[2], ty) == 0)
    if op == "mov_imm":
        values = jnp.full(state.lanes, jnp.asarray(from_bits(ty, given[1])))
    elif op == "cvt":
        values = lanewise.cvt(ty, types[1], state.read(given[1], types[1]))
    elif op == "sel":
        chosen = state.data["predicates"][given[1]]
        values = jnp.where(chosen, state.read(given[2], ty), state.read(given[3], ty))
    elif op in ("shl", "shr"):
        values = lanewise.BINARY[op](ty, state.read(given[1], ty), state.read(given[2], U32))
    elif op in lanewise.BINARY:
        values = lanewise.BINARY[op](ty, state.read(given[1], ty), state.read(given[2], ty))
    elif op in lanewise.UNARY:
        values = lanewise.UNARY[op](ty, state.read(given[1], ty))
    elif op.startswith("reduce."):
        word = op.partition(".")[2]
        values = jnp.full(state.lanes, jnp.asarray(identity(word, ty)))
        for k in range(given[2]):
            values = lanewise.BINARY[word](ty, values, state.read(given[1] + k, ty))
    else:
        ternary = {"fma": lanewise.fma, "mad": lanewise.mad}[op]
        values = ternary(ty, *(state.read(one, ty) for one in given[1:]))
    state.write(given[0], ty, values, mask)
    if affine is not None:
        state.affine[given[0], ty] = affine
    return mask


def _affine(state: Masked, step: Step, given: list[Any]) -> Affine | None:
    """Return what a step of unsigned numbers writes as a * lane + b, where it is that and surely does not wrap."""
    op, types = step.op, step.instruction.types
    if not types or types[0] not in (U32, U64):
        return None
    ty = types[0]
    if op == "mov_imm":
        return (0, given[1] % _WRAP[ty.bits])
    if op == "cvt":
        return _bounded(state, state.affine.get((given[1], types[1])), ty)
    known = [state.affine.get((one, ty)) for one in given[1:] if isinstance(one, int)]
    if op == "shl":
        amount = state.affine.get((given[2], U32))
        fixed = amount is not None and amount[0] == 0 and known[0] is not None
        scale = (0, 1 << (amount[1] % ty.bits)) if fixed and amount else None
        return _bounded(state, _times(known[0], scale), ty)
    if op == "mov" and known:
        return known[0]
    if op == "mul":
        return _bounded(state, _times(*known), ty)
    if op == "add":
        return _bounded(state, _plus(*known), ty)
    if op == "mad":
        return _bounded(state, _plus(_times(known[0], known[1]), known[2]), ty)
    return None


def _times(x: Affine | None, y: Affine | None) -> Affine | None:
    if x is None or y is None or (x[0] and y[0]):
        return None
    return (x[0] * y[1] + y[0] * x[1], x[1] * y[1])


def _plus(x: Affine | None, y: Affine | None) -> Affine | None:
    return None if x is None or y is None else (x[0] + y[0], x[1] + y[1])


def _bounded(state: Masked, x: Affine | None, ty: Type) -> Affine | None:
    return x if x is not None and x[0] * state.lanes + x[1] < _WRAP[ty.bits] else None


def _lane_state(state: Masked, step: Step, given: list[Any], mask: Array) -> None:
    data = state.data
    if step.op == "cls.get":
        state.write(given[0], U8, jnp.full(state.lanes, state.lane_class, jnp.uint8), mask)
    elif step.op == "unity.test":
        data["predicates"][given[0]] = jnp.where(mask, state.lane_class in UNITY, data["predicates"][given[0]])
    elif step.op == "phase.get":
        state.write(given[0], U32, data["phase"], mask)
    else:
        moved = (data["phase"] + jnp.uint32(given[0] % 768)) % jnp.uint32(768)
        data["phase"] = jnp.where(mask, moved, data["phase"])


def _class_map(state: Masked, at: int, step: Step, given: list[Any], mask: Array) -> Array:
    cls = state.read(given[1], U8)
    wrong = cls >= CLASSES
    if step.op == "bound.map":
        wrong = wrong | (state.read(given[2], U8) >= PAGES)
    mask = state.fail(FaultKind.CLASS, at, mask, wrong)
    if step.op == "bound.map":
        page, byte = (state.read(one, U8).astype(jnp.uint64) for one in given[2:])
        place = cls.astype(jnp.uint64) * jnp.uint64(CLASS_BYTES) + page * jnp.uint64(PAGE_BYTES) + byte
        state.write(given[0], U64, place, mask)
        return mask
    rows = {
        "mirror": mirror,
        "nbr.count": lambda c: len(neighbours(c)),
        "nbr.get": lambda c: neighbours(c)[given[2]] if given[2] < len(neighbours(c)) else 0,
    }
    table = jnp.asarray(np.array([rows[step.op](c) for c in range(CLASSES)] + [0] * (256 - CLASSES), np.uint8))
    state.write(given[0], U8, table[cls.astype(jnp.int32)], mask)
    return mask


def _offset(state: Masked, address: Address) -> tuple[Array, Affine | None]:
    """Return the byte offset in each lane, and what it is of the lane's number if that is known."""
    if isinstance(address, RegisterIndirectComputed):
        return state.read(address.offset, U64), state.affine.get((address.offset, U64))
    fixed = (
        phi_offset(address.cls, address.page, address.byte) if isinstance(address, PhiCoordinate) else address.offset
    )
    return jnp.full(state.lanes, fixed, jnp.uint64), (0, fixed)


def _inside(state: Masked, at: int, mask: Array, offset: Array, ty: Type, length: int) -> Array:
    """Stop the lanes whose access is outside or not aligned."""
    last = jnp.uint64(max(length * ty.size - ty.size, 0))
    mask = state.fail(FaultKind.BOUNDS, at, mask, (offset > last) if length else jnp.ones_like(mask))
    return state.fail(FaultKind.MISALIGNED, at, mask, offset % jnp.uint64(ty.size) != 0)


def _access(state: Masked, at: int, step: Step, given: list[Any], mask: Array) -> Array:
    memory, effect = step.memory, BY_MNEMONIC[step.op].effect
    assert isinstance(memory, Buffer | Shared)
    flat, known = state.memory[memory.handle], None
    length = memory.length if isinstance(memory, Shared) else flat.size
    ty = step.instruction.types[0] if step.instruction.types else F64
    if step.op == "res.accum":
        mask = state.fail(FaultKind.CLASS, at, mask, state.read(given[0], U8) >= CLASSES)
        offset = state.read(given[0], U8).astype(jnp.uint64) * jnp.uint64(ty.size)
    else:
        offset, known = _offset(state, next(one for one in given if isinstance(one, Address)))
    mask = _inside(state, at, mask, offset, ty, length)
    element = (offset // jnp.uint64(ty.size)).astype(jnp.int64)
    if isinstance(memory, Shared):
        element = element + jnp.repeat(jnp.arange(state.blocks) * memory.length, state.block)
    elif effect is not Effect.ATOMIC and known is not None and known[0] == ty.size and known[1] % ty.size == 0:
        return _contiguous(state, memory, (effect, ty, given), known[1] // ty.size, mask)
    if effect is Effect.LOAD:
        values = flat[jnp.where(mask, element, 0)] if flat.size else jnp.zeros(state.lanes, flat.dtype)
        state.write(given[0], ty, values, mask)
    elif effect is Effect.STORE:
        place = jnp.where(mask, element, flat.size)
        state.memory[memory.handle] = flat.at[place].set(state.read(given[1], ty), mode="drop")
    elif step.op == "res.accum":
        place = jnp.where(mask, element, flat.size)
        state.memory[memory.handle] = flat.at[place].add(state.read(given[1], ty), mode="drop")
    else:
        _atomic(state, step, given, mask, element)
    return mask


def _contiguous(state: Masked, memory: Buffer, what: tuple[Effect, Type, list[Any]], first: int, mask: Array) -> Array:
    """Load or store the elements `first` + lane, as a slice; lanes past the end have stopped."""
    effect, ty, given = what
    flat = state.memory[memory.handle]
    missing = max(first + state.lanes - flat.size, 0)
    padded = jnp.pad(flat, (0, missing)) if missing else flat
    seen = lax.slice(padded, (first,), (first + state.lanes,))
    if effect is Effect.LOAD:
        state.write(given[0], ty, seen, mask)
        return mask
    new = jnp.where(mask, state.read(given[1], ty), seen)
    whole = new if first == 0 and new.size == padded.size else lax.dynamic_update_slice(padded, new, (first,))
    state.memory[memory.handle] = whole[: flat.size] if missing else whole
    return mask


_SCATTERS: Final = {"add": "add", "min": "min", "max": "max"}


def _atomic(state: Masked, step: Step, given: list[Any], mask: Array, element: Array) -> None:
    """Change elements lane by lane in ascending order; all at once where nobody reads what was found."""
    memory, ty = step.memory, step.instruction.types[0]
    assert isinstance(memory, Buffer | Shared)
    word, flat = step.op.partition(".")[2], state.memory[memory.handle]
    sources = [state.read(one, ty) for one in given[2:]]
    read = any(r == given[0] and not writes for s in state.steps for r, _, writes in registers_of(s.instruction))
    if not read and word in _SCATTERS and ty.kind is not Kind.FLOAT:
        place = jnp.where(mask, element, flat.size)
        state.memory[memory.handle] = getattr(flat.at[place], _SCATTERS[word])(sources[0], mode="drop")
        state.write(given[0], ty, jnp.zeros(state.lanes, ty.dtype), mask)
        return

    def lane(k: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        now, found = carry
        old = now[element[k]]
        if word == "cas":
            new = jnp.where(old == sources[0][k], sources[1][k], old)
        else:
            new = sources[0][k] if word == "exchange" else lanewise.BINARY[word](ty, old, sources[0][k])
        return now.at[jnp.where(mask[k], element[k], flat.size)].set(new, mode="drop"), found.at[k].set(old)

    start = (flat, jnp.zeros(state.lanes, ty.dtype))
    state.memory[memory.handle], found = jax.lax.fori_loop(0, state.lanes, lane, start)
    state.write(given[0], ty, found, mask)


def _pool(state: Masked, at: int, step: Step, given: list[Any], mask: Array) -> Array:
    pool, data = step.memory, state.data
    assert isinstance(pool, Pool)
    length, live = pool.size // pool.type.size, data["allocated"][pool.number]
    flat = data["pools"][pool.number]
    if step.op == "pool.alloc":
        mask = state.fail(FaultKind.POOL, at, mask, live)
        data["pools"][pool.number] = jnp.where(jnp.repeat(mask, length), jnp.zeros_like(flat), flat)
        data["allocated"][pool.number] = live | mask
        state.write(given[0], U64, jnp.full(state.lanes, pool.handle, jnp.uint64), mask)
        return mask
    mask = state.fail(FaultKind.POOL, at, mask, ~live)
    if step.op == "pool.free":
        data["allocated"][pool.number] = live & ~mask
        return mask
    register, where = (given[0], given[2]) if step.op == "pool.load" else (given[2], given[1])
    offset = state.read(where, U64)
    mask = _inside(state, at, mask, offset, pool.type, length)
    element = (offset // jnp.uint64(pool.type.size)).astype(jnp.int64) + jnp.arange(state.lanes) * length
    if step.op == "pool.load":
        state.write(register, pool.type, flat[jnp.where(mask, element, 0)], mask)
    else:
        place = jnp.where(mask, element, flat.size)
        data["pools"][pool.number] = flat.at[place].set(state.read(register, pool.type), mode="drop")
    return mask
