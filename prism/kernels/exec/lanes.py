"""The lanes of a run on JAX arrays: which of them a step is for, what their registers hold, how they fault.

A register holds what is known of it (a constant, a multiple of the lane's number) for as long as nothing needs an
array; so guards, offsets and bounds that follow from the shape of a launch are decided while it is traced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from prism.kernels.exec.affine import Affine, Span
from prism.kernels.exec.faults import FaultKind
from prism.kernels.exec.lanewise import as_jax
from prism.kernels.exec.launch import Shape
from prism.kernels.exec.space import EMPTY, NOBODY, Mask, Space, siblings
from prism.kernels.isa.flow import registers_of
from prism.kernels.isa.table import PREDICATES, SPECIAL
from prism.kernels.isa.types import BY_NAME, I64, U32, U64, Kind, Type
from prism.kernels.isa.verify import Verified

PREDICATE: Final = 256
"""Predicate k is kept as register 256 + k, beside the lane's fuel, phase and live pools."""
FUEL: Final = 300
PHASE: Final = 301
ALLOCATED: Final = 400
_VALUES: Final = 4


@dataclass(frozen=True, eq=False, slots=True)
class Held:
    """What a register holds in the lanes that may read it.

    type: None for a predicate. known: a multiple of the lane's number. array: a constant, one value for all lanes (no
    dimensions), or one for each lane from `low` on; None where `known` or `span` says it. span: the lanes in which a
    predicate holds; hulls: where it may hold, and where it may not, if known. least, most: bounds of one value.
    factor: it is a multiple of that.
    """

    type: Type | None
    known: Affine | None = None
    array: Any = None
    low: int = 0
    span: Span | None = None
    hulls: tuple[Span | None, Span | None] = (None, None)
    least: int | None = None
    most: int | None = None
    factor: int = 1

    @property
    def dtype(self) -> np.dtype:
        """The dtype of its elements."""
        return np.dtype(bool) if self.type is None else self.type.dtype


Registers = dict[int, Held]
Left = tuple[Mask, Registers]
"""Lanes that went somewhere, and what their registers held."""


@dataclass(frozen=True, slots=True)
class TracedFault:
    """The fault of the lowest lane so far, as scalars; `lane` is NOBODY where there is none."""

    lane: Any
    kind: Any
    step: Any
    values: tuple[Any, ...]


def own_memory(verified: Verified, shape: Shape) -> dict[int, tuple[int, int, Type]]:
    """Return the memory that blocks and lanes have for themselves: shared memory by its handle, pools by -1 - number.

    For each: how many lanes have one together, its elements and their type.
    """
    own = {one.handle: (prod(shape.block), one.length, one.type) for one in verified.program.shared}
    return own | {-1 - one.number: (1, one.size // one.type.size, one.type) for one in verified.pools}


def no_fault() -> TracedFault:
    """Return that nobody has faulted."""
    zero = jnp.zeros((), jnp.int32)
    return TracedFault(jnp.full((), NOBODY, jnp.int32), zero, zero, (jnp.zeros((), jnp.uint64),) * _VALUES)


class Lanes:
    """The state of a run: registers of the lanes that are here, memory, who is alive, what faulted.

    scalars: a number, a JAX value, or `Held` with what is known of it. memory: what the run's accesses work on, by
    handle.
    """

    def __init__(self, verified: Verified, shape: Shape, space: Space, scalars: Mapping[str, Any], fuel: int) -> None:
        self.verified, self.steps, self.shape, self.space = verified, verified.steps, shape, space
        self.lane_class = 0
        self.memory: dict[int, Any] = {}
        self.lengths: dict[int, int] = {}
        self.held: Registers = {FUEL: Held(I64, Affine(0, fuel)), PHASE: Held(U32, Affine(0, 0))}
        for register, (_, name) in SPECIAL.items():
            known = space.special(register, shape)
            if known is not None:
                self.held[register] = Held(BY_NAME[name], known)
        for scalar in verified.program.scalars:
            self.held[scalar.register] = _scalar(scalar.type, scalars[scalar.name])
        for pool in range(len(verified.pools)):
            self.held[ALLOCATED + pool] = Held(None, span=(0, 0))
        self.alive = space.everyone()
        self.meets = any(step.op == "bar.sync" or step.op.startswith("lane.") for step in self.steps)
        self.fault: TracedFault | None = None
        self.left: dict[int, list[Left]] = {}

    def begin(self, lane_class: int, phase: int, lengths: Mapping[int, int]) -> None:
        """Set what lanes start with, and how many elements each memory has, by handle."""
        self.lane_class, self.held[PHASE] = lane_class, Held(U32, Affine(0, phase))
        self.lengths = dict(lengths)
        handles = {one.name: one.handle for one in self.verified.program.buffers}
        for size in self.verified.program.sizes:
            self.held[size.register] = Held(U64, Affine(0, lengths[handles[size.buffer]]))

    def known(self, register: int) -> Affine | None:
        """Return what is known of a register."""
        return self.held[register].known if register in self.held else None

    def read(self, register: int, mask: Mask) -> Any:
        """Return a register as a constant, one value, or an array over a mask."""
        if register not in self.held:
            return self.space.coordinate(register, self.shape, mask)
        return self.array(self.held[register], mask)

    def array(self, held: Held, mask: Mask) -> Any:
        """Return what is held as a constant, one value, or an array over a mask."""
        if held.array is not None:
            return self.space.place(held.array, held.low, mask) if np.ndim(held.array) else held.array
        if held.span is not None:
            numbers = self.space.numbers(mask)
            return (numbers >= np.int32(held.span[0])) & (numbers < np.int32(held.span[1]))
        assert held.known is not None
        assert held.type is not None
        return self._affine(held.known, held.type, lambda dtype: self.space.numbers(mask, dtype))

    @staticmethod
    def _affine(known: Affine, ty: Type, numbers: Any) -> Any:
        wrap = 1 << ty.bits
        a, b = (
            np.array(one % wrap, np.uint64).astype(f"u{ty.size}").astype(ty.dtype)[()] for one in (known.a, known.b)
        )
        if known.a == 0:
            return b
        scaled = numbers(ty.dtype) if known.a == 1 else numbers(ty.dtype) * as_jax(a)
        return scaled + as_jax(b) if known.b else scaled

    def full(self, value: Any, mask: Mask, dtype: Any) -> Array:
        """Return a value as an array over a mask."""
        found = as_jax(
            np.asarray(value).astype(dtype)[()] if isinstance(value, int | np.generic) else value.astype(dtype)
        )
        return found if found.ndim else lax.broadcast(found, (self.space.width(mask),))

    def write(self, register: int, ty: Type | None, array: Any, mask: Mask, **known: Any) -> None:
        """Set a register of the lanes that are here."""
        self.held[register] = Held(ty, array=array, low=mask.low, **known)

    def split(self, mask: Mask, bits: Array) -> tuple[Mask, Mask]:
        """Return the lanes of a mask whose bits are set, and the others."""
        bits = self.full(bits, mask, bool)
        rest = ~bits
        if mask.bits is not None:
            bits, rest = mask.bits & bits, mask.bits & rest
        return siblings(mask, Mask(mask.low, mask.high, bits), Mask(mask.low, mask.high, rest))

    def split_span(self, mask: Mask, span: Span) -> tuple[Mask, Mask]:
        """Return the lanes of a mask that lie in a span, and the others."""
        inside = self.space.within(mask, span)
        if inside is mask or inside.empty:
            return (mask, EMPTY) if inside is mask else (EMPTY, mask)
        if inside.low == mask.low:
            rest = self.space.within(mask, (inside.high, mask.high))
        elif inside.high == mask.high:
            rest = self.space.within(mask, (mask.low, inside.low))
        else:
            numbers = self.space.numbers(mask)
            inner = (numbers >= np.int32(span[0])) & (numbers < np.int32(span[1]))
            return siblings(mask, inside, self.split(mask, inner)[1])
        return siblings(mask, inside, rest)

    def choose(self, predicate: int, mask: Mask) -> tuple[Mask, Mask]:
        """Return the lanes of a mask in which a predicate holds, and the others."""
        held = self.held[PREDICATE + predicate]
        if held.span is not None:
            return self.split_span(mask, held.span)
        yes, no = self.split(mask, self.array(held, mask))
        yes, no = (
            one if hull is None else self.space.within(one, hull)
            for one, hull in zip((yes, no), held.hulls, strict=True)
        )
        if yes.empty or no.empty:
            return (EMPTY, mask) if yes.empty else (mask, EMPTY)
        return siblings(mask, yes, no)

    def union(self, masks: Sequence[Mask]) -> Mask:
        """Return the lanes of several masks; parts of one mask make that mask again."""
        todo = [one for one in masks if not one.empty]
        at = 0
        while at < len(todo):
            other = todo[at].sibling
            partner = next((k for k, one in enumerate(todo) if other is not None and one is other), None)
            if partner is None:
                at += 1
                continue
            parent = todo[at].parent
            assert parent is not None
            todo = [one for k, one in enumerate(todo) if k not in (at, partner)] + [parent]
            at = 0
        if len(todo) < 2:
            return todo[0] if todo else EMPTY
        whole = Mask(min(one.low for one in todo), max(one.high for one in todo))
        found: Array | None = None
        for one in todo:
            bits = self.space.member(one, whole)
            if bits is None:
                return whole
            found = bits if found is None else found | bits
        return replace(whole, bits=found)

    def join(self, parts: Sequence[Left]) -> Left:
        """Return the lanes of all parts, with each register as its lane's part has it."""
        parts = [one for one in parts if not one[0].empty]
        if len(parts) < 2:
            return parts[0] if parts else (EMPTY, self.held)
        whole = self.union([mask for mask, _ in parts])
        merged = parts[0][1]
        for mask, held in parts[1:]:
            bits = self.space.member(mask, whole)
            merged = {
                key: self.merge(bits, held[key], old, whole)
                for key, old in merged.items()
                if key in held and held[key].type is old.type
            }
        return whole, merged

    def merge(self, bits: Array | None, new: Held, old: Held, mask: Mask) -> Held:
        """Return what is held where bits choose between two."""
        if new is old or bits is None:
            return new
        if new.known is not None and new.known == old.known:
            return Held(new.type, new.known, factor=new.factor)
        x, y = (self.array(one, mask) for one in (new, old))
        if isinstance(x, np.generic) and isinstance(y, np.generic) and x.tobytes() == y.tobytes():
            return Held(new.type, array=x)
        values = lax.select(bits, self.full(x, mask, new.dtype), self.full(y, mask, new.dtype))
        return Held(new.type, array=values, low=mask.low)

    def stop(self, mask: Mask) -> None:
        """Let lanes stop."""
        if not self.meets or mask.empty:
            return
        if mask is self.alive:
            self.alive = EMPTY
        elif mask.parent is self.alive and mask.sibling is not None:
            self.alive = mask.sibling
        else:
            gone = self.space.member(mask, self.alive)
            bits = self.full(False, self.alive, bool) if gone is None else ~gone
            held = self.alive.bits
            self.alive = Mask(self.alive.low, self.alive.high, bits if held is None else held & bits)

    def fail(self, kind: FaultKind, step: int, mask: Mask, wrong: Any) -> Mask:
        """Stop the lanes of a mask that are wrong; return the others."""
        if mask.empty or (isinstance(wrong, np.generic) and not wrong):
            return mask
        if isinstance(wrong, np.generic):
            self._record(kind, step, mask)
            return EMPTY
        bad, good = self.split(mask, wrong)
        self._record(kind, step, bad)
        return good

    def fail_outside(self, kind: FaultKind, step: int, mask: Mask, span: Span) -> Mask:
        """Stop the lanes of a mask outside a span; return the others. Costs nothing where that is known to be none."""
        good, bad = self.split_span(mask, span)
        if not bad.empty:
            self._record(kind, step, bad)
        return good

    def _record(self, kind: FaultKind, step: int, bad: Mask) -> None:
        old = self.fault or no_fault()
        lane = self.space.lowest(bad)
        now = lane < old.lane
        reads = [r for r, _, writes in registers_of(self.steps[step].instruction) if not writes][:_VALUES]
        values = tuple(
            jnp.where(now, self._bits_at(reads[k], lane, bad), old.values[k]) if k < len(reads) else old.values[k]
            for k in range(_VALUES)
        )
        kinds = (jnp.where(now, np.int32(kind), old.kind), jnp.where(now, np.int32(step), old.step))
        self.fault = TracedFault(jnp.where(now, lane, old.lane), *kinds, values)
        self.stop(bad)

    def _bits_at(self, register: int, lane: Array, mask: Mask) -> Array:
        """Return the bits of what a register holds in one lane."""
        held = self.held.get(register)
        if held is not None and held.known is not None:
            assert held.type is not None
            value: Any = self._affine(held.known, held.type, lane.astype)
        else:
            value = self.read(register, mask)
        ty = held.type if held is not None and held.type is not None else U32
        if isinstance(value, np.generic):
            return as_jax(value.astype(ty.dtype)[None].view(f"u{ty.size}")[0].astype(np.uint64))
        unsigned: Any = {8: jnp.uint8, 16: jnp.uint16, 32: jnp.uint32, 64: jnp.uint64}[ty.bits]
        bits = lax.bitcast_convert_type(value, unsigned).astype(jnp.uint64)
        return self.space.pick(bits, mask.low, lane) if bits.ndim else bits


def _scalar(ty: Type, value: Any) -> Held:
    if isinstance(value, Held):
        return value
    if isinstance(value, Array):
        return Held(ty, array=value.astype(ty.dtype))
    number = np.asarray(value).astype(ty.dtype)[()]
    return Held(ty, array=number) if ty.kind is Kind.FLOAT else Held(ty, Affine(0, int(number)))


assert PREDICATE + PREDICATES <= FUEL
assert U64.bits == 64
