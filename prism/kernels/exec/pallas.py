"""The `pallas` executor: a program as a Pallas kernel over a grid, one instance for so many lanes, on the masked walk.

An instance is a block where lanes of a block meet, else a tile of consecutive lanes. On a CPU the kernel is run by
`prism.pallas`, which checks its accesses once more; on a GPU Triton compiles it. Shared memory and pools lie in global
memory. Each instance says the fault of its lowest lane, and the lowest of these is the run's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton

from prism.errors import UsageError
from prism.kernels.exec.affine import Affine
from prism.kernels.exec.lanes import Held, Lanes, no_fault, own_memory
from prism.kernels.exec.lanewise import BINARY
from prism.kernels.exec.launch import FUEL, Launch, Shape, scalar_value
from prism.kernels.exec.masked import run_regions
from prism.kernels.exec.masked_steps import Atomic, Place
from prism.kernels.exec.numeric import identity
from prism.kernels.exec.space import NOBODY, Mask, Space
from prism.kernels.exec.xla import Arrays, DeviceLaunch, Faulted, Written, raise_fault
from prism.kernels.isa.program import Access
from prism.kernels.isa.show import show_instruction
from prism.kernels.isa.types import TYPES, Kind, Type
from prism.kernels.isa.verify import Verified
from prism.pallas.api import run as run_on_host

Array = jax.Array
TILE: Final = 512
"""Lanes of an instance where lanes do not meet."""
_WARP: Final = 128
"""Lanes for which an instance has one more warp, up to eight."""
_ATOMICS: Final[Mapping[str, Callable[..., Array]]] = {
    "add": triton.atomic_add,
    "min": triton.atomic_min,
    "max": triton.atomic_max,
    "and": triton.atomic_and,
    "or": triton.atomic_or,
    "xor": triton.atomic_xor,
    "exchange": triton.atomic_xchg,
}


_SCALAR: Final = ("add", "min", "max")


class _Tile(Space):
    """The lanes of one instance: arrays have one length, and masks are bits."""

    def __init__(self, shape: Shape, stride: int, first: Array) -> None:
        super().__init__(shape)
        self.stride, self.first = stride, first
        self.length = 1 << (stride - 1).bit_length()

    def everyone(self) -> Mask:
        place = lax.iota(np.int32, self.length)
        bits = None if self.length == self.stride else place < np.int32(self.stride)
        if self.lanes % self.stride:
            inside = self.first + place < np.int32(self.lanes)
            bits = inside if bits is None else bits & inside
        return Mask(0, self.lanes, bits)

    def width(self, mask: Mask) -> int:
        del mask
        return self.length

    def numbers(self, mask: Mask, dtype: Any = np.int32) -> Array:
        del mask
        return (self.first + lax.iota(np.int32, self.length)).astype(dtype)

    def place(self, array: Array, low: int, mask: Mask) -> Array:
        del low, mask
        return array

    def cut(self, mask: Mask, low: int, high: int) -> Mask:
        numbers, bits = self.numbers(mask), mask.bits
        for narrower, found in (
            (low > mask.low, numbers >= np.int32(low)),
            (high < mask.high, numbers < np.int32(high)),
        ):
            if narrower:
                bits = found if bits is None else bits & found
        return Mask(low, high, bits)

    def member(self, mask: Mask, on: Mask) -> Array | None:
        del on
        return mask.bits

    def lowest(self, mask: Mask) -> Array:
        numbers = self.numbers(mask)
        return jnp.min(numbers if mask.bits is None else jnp.where(mask.bits, numbers, np.int32(NOBODY)))

    def pick(self, array: Array, low: int, lane: Array) -> Array:
        del low
        return _picked(array, self.first + lax.iota(np.int32, self.length) == lane)

    def some(self, bits: Array) -> Array:
        return jnp.max(bits.astype(np.int32)) > 0

    def look_up(self, table: np.ndarray[Any, Any], index: Array) -> Array:
        found = lax.full_like(index, 0, dtype=table.dtype)
        for number, value in enumerate(table.tolist()):
            if value:
                found = jnp.where(index == number, table.dtype.type(value), found)
        return found


class _References:
    """Accesses of references to flat arrays. own: as for flat arrays, the memory that each block or lane has."""

    def __init__(self, references: Mapping[int, Any], own: Mapping[int, tuple[int, int]], on_gpu: bool) -> None:
        self.references, self.own, self.on_gpu = references, own, on_gpu

    def load(self, state: Lanes, key: int, place: Place, mask: Mask) -> Any:
        """Return the elements."""
        reference = self.references[key]
        index = self._index(state, key, place, mask)
        other = None if mask.bits is None else np.zeros((), reference.dtype)[()]
        return triton.load(reference.at[index], mask=mask.bits, other=other)

    def store(self, state: Lanes, key: int, place: Place, values: Any, mask: Mask) -> None:
        """Store a value in the lanes of a mask."""
        reference = self.references[key]
        values = state.full(values, mask, reference.dtype)
        triton.store(reference.at[self._index(state, key, place, mask)], values, mask=mask.bits)

    def atomic(self, state: Lanes, what: Atomic, place: Place, sources: list[Any], mask: Mask) -> Any:
        """Change elements, one lane after the other."""
        reference = self.references[what.key]
        value, index = state.full(sources[0], mask, reference.dtype), self._index(state, what.key, place, mask)
        change = _ATOMICS[what.word]
        if not self.on_gpu or what.word not in _SCALAR or reference.dtype.kind == "f":
            return change(reference, (index,), value, mask=mask.bits)
        if not what.read and isinstance(place, Affine) and place.a == 0 and what.key not in self.own:
            folded = self.fold(state, what.word, _type_of(reference.dtype), value, mask)
            return change(reference, (np.int32(place.b),), folded)
        # Triton's lowering in JAX knows whole numbers here only one by one.
        bits = jnp.ones(value.shape, bool) if mask.bits is None else mask.bits
        here = lax.iota(np.int32, value.shape[0])

        def one(k: Array, found: Array) -> Array:
            at, new, on = (_picked(array, here == k) for array in (index, value, bits.astype(np.int32)))
            old = change(reference, (at,), new, mask=on > 0)
            return jnp.where(here == k, old, found)

        return lax.fori_loop(0, value.shape[0], one, lax.full_like(value, 0))

    def clear(self, state: Lanes, key: int, mask: Mask) -> None:
        """Set the pool of each lane of a mask to zero."""

        def one(k: Array, _: None) -> None:
            index = state.full(k, mask, np.int32)
            self.store(state, key, index, np.zeros((), self.references[key].dtype)[()], mask)

        lax.fori_loop(0, self.own[key][1], one, None)

    def fold(self, state: Lanes, word: str, ty: Type, values: Array, mask: Mask) -> Array:
        """Return the values of the block's lanes folded, in the order of the tree, as one value."""
        width, start = state.space.width(mask), np.asarray(identity(word, ty))[()]
        row = values if mask.bits is None else jnp.where(mask.bits, values, state.full(start, mask, ty.dtype))
        unsigned = {8: np.uint8, 16: np.uint16, 32: np.uint32, 64: np.uint64}[ty.bits]
        while width > 1:
            width //= 2
            bits = lax.bitcast_convert_type(row, unsigned).astype(np.uint64 if ty.bits == 64 else np.uint32)
            bits = bits.reshape(2, width)
            upper = lax.broadcasted_iota(np.int32, (2, width), 0) == 1
            zero = lax.full_like(bits, 0)
            # A sum of one row and zeros is that row, bit for bit.
            halves = (jnp.sum(jnp.where(one, bits, zero), axis=0, dtype=bits.dtype) for one in (~upper, upper))
            low, high = (lax.bitcast_convert_type(one.astype(unsigned), ty.dtype) for one in halves)
            row = BINARY[word](ty, low, high)
        return row.reshape(())

    def meet(self, state: Lanes) -> None:
        """Let the lanes of each block see what the others stored."""
        del state
        if self.on_gpu:
            triton.debug_barrier()

    def _index(self, state: Lanes, key: int, place: Place, mask: Mask) -> Array:
        """Return the index of each lane's element."""
        if isinstance(place, Affine):
            largest = max(abs(place.at(mask.low)), abs(place.at(mask.high)))
            dtype = np.dtype(np.int32 if largest < 1 << 31 else np.int64)
            numbers = state.space.numbers(mask, dtype)
            place = numbers * dtype.type(place.a) + dtype.type(place.b)
        if key in self.own:
            lanes, length = self.own[key]
            owner = lax.div(state.space.numbers(mask), np.int32(lanes)) if lanes > 1 else state.space.numbers(mask)
            place = place.astype(np.int32) + owner * np.int32(length)
        return place


def require_supported(verified: Verified) -> None:
    """Refuse what Pallas has no operation for; UsageError."""
    for step in verified.steps:
        kind, _, word = step.op.partition(".")
        floats = kind == "atom" and step.instruction.types[0].kind is Kind.FLOAT
        if kind == "atom" and (word == "cas" or (floats and word in ("min", "max"))):
            raise UsageError(
                f"a program on pallas must not use `{show_instruction(step.instruction)}` (instruction {step.index}): "
                "Pallas has no such operation on vectors; use another executor"
            )


def function(
    verified: Verified, shape: Shape, *, fuel: int = FUEL, lane_class: int = 0, phase: int = 0
) -> Callable[[Arrays, Arrays], tuple[Written, Faulted]]:
    """Return the program as a function of (buffers, scalars) to (written buffers, what faulted), as `xla.function`.

    It is one `pallas_call`, compiled by Triton. UsageError for what `require_supported` refuses, and 2^31 lanes.
    """
    require_supported(verified)
    if shape.lanes > NOBODY:
        raise UsageError(f"a launch on pallas must have at most {NOBODY} lanes, got {shape.lanes}; launch in parts")
    program, stride = verified.program, _stride(verified, shape)
    instances = -(-shape.lanes // stride)
    on_gpu = jax.default_backend() == "gpu"
    own = own_memory(verified, shape)

    def call(buffers: Arrays, scalars: Arrays) -> tuple[Written, Faulted]:
        flat = {one.handle: jnp.asarray(buffers[one.name]).reshape(-1) for one in program.buffers}
        lengths = {key: array.size for key, array in flat.items()} | {one.handle: one.length for one in program.shared}
        flat = {key: array if array.size else jnp.zeros(1, array.dtype) for key, array in flat.items()}
        for key, (each, length, ty) in own.items():
            flat[key] = jnp.zeros(shape.lanes // each * length, ty.dtype)
        read = [one.handle for one in program.buffers if one.access is Access.READ]
        written = [key for key in flat if key not in read]
        traced = {name: _array_of(value) for name, value in scalars.items() if _array_of(value) is not None}
        inputs = [flat[key] for key in read] + [jnp.reshape(one, (1,)) for one in traced.values()]

        may_fault: list[bool] = []

        def kernel(*references: Any) -> None:
            outs = references[len(inputs) + len(written) :]
            values = dict(zip(traced, references[len(read) : len(inputs)], strict=True))
            number = pl.program_id(0)
            space = _Tile(shape, stride, number * np.int32(stride))
            held = {name: _held(value, values.get(name)) for name, value in scalars.items()}
            state = Lanes(verified, shape, space, held, fuel)
            state.begin(lane_class, phase, lengths)
            memory = dict(zip(read, references, strict=False)) | dict(zip(written, outs, strict=False))
            run_regions(state, _References(memory, {key: one[:2] for key, one in own.items()}, on_gpu))
            may_fault.append(state.fault is not None)
            fault = state.fault or no_fault()
            said = (fault.lane, fault.kind, fault.step, *fault.values)
            for out, value in zip(outs[len(written) :], said, strict=True):
                triton.store(out.at[number], value)

        shapes = [jax.ShapeDtypeStruct(flat[key].shape, flat[key].dtype) for key in written]
        shapes += [jax.ShapeDtypeStruct((instances,), ty) for ty in (*[np.int32] * 3, *[np.uint64] * 4)]
        found = pl.pallas_call(
            kernel,
            out_shape=shapes,
            grid=(instances,),
            input_output_aliases={len(inputs) + k: k for k in range(len(written))},
            compiler_params=triton.CompilerParams(num_warps=min(max(stride // _WARP, 1), 8)),
            name=program.name or "program",
        )(*inputs, *(flat[key] for key in written))
        made = dict(zip(written, found, strict=False))
        results = {one.name: made[one.handle][: lengths[one.handle]] for one in program.buffers if one.handle in made}
        return results, _lowest(found[len(written) :]) if any(may_fault) else None

    return call


def _stride(verified: Verified, shape: Shape) -> int:
    """Return how many lanes an instance has."""
    meets = any(step.op == "bar.sync" or step.op.startswith("lane.") for step in verified.steps)
    if meets or verified.program.shared:
        return shape.lanes // shape.blocks
    return min(TILE, 1 << (shape.lanes - 1).bit_length())


def _lowest(found: list[Array]) -> dict[str, Array]:
    """Return the fault of the lowest lane of those that the instances say."""
    first = jnp.argmin(found[0])
    lane, kind, step, *values = (one[first] for one in found)
    return {"lane": lane, "kind": kind, "step": step, "values": jnp.stack(values)}


def _array_of(value: Any) -> Any:
    """Return the array of a scalar that is not known while tracing."""
    value = value.array if isinstance(value, Held) else value
    return value if isinstance(value, jax.Array) else None


def _picked(array: Array, here: Array) -> Array:
    return jnp.sum(jnp.where(here, array, lax.full_like(array, 0)), dtype=array.dtype)


def _type_of(dtype: np.dtype) -> Type:
    return next(one for one in TYPES if one.dtype == dtype)


def _held(value: Any, reference: Any) -> Any:
    if reference is None:
        return value
    read = reference[0]
    return Held(value.type, array=read, least=value.least, most=value.most) if isinstance(value, Held) else read


class PallasExecutor:
    """Runs launches as Pallas kernels: on a GPU of JAX's by Triton, else by `prism.pallas` on the host."""

    name: str = "pallas"

    def bind(self, launch: Launch) -> Callable[[], None]:
        """Return what runs the launch; UsageError for what Pallas has no operation for."""
        call = _on_gpu(launch) if jax.default_backend() == "gpu" else _on_host(launch)

        def run() -> None:
            with jax.enable_x64(True):
                written, faulted = call(launch.buffers)
            for name, array in written.items():
                launch.buffers[name].reshape(-1)[...] = np.asarray(array).reshape(-1)
            raise_fault(launch.verified, faulted)

        return run


def _on_gpu(launch: Launch) -> Callable[[Arrays], tuple[Written, Faulted]]:
    require_supported(launch.verified)
    placed = DeviceLaunch.of(launch, function)

    def call(buffers: Arrays) -> tuple[Written, Faulted]:
        try:
            return placed.run({name: jnp.asarray(array) for name, array in buffers.items()})
        except NotImplementedError as error:
            name = launch.verified.program.name
            raise UsageError(f"{name} must be what Triton can compile for pallas, got: {error}; use xla") from error

    return call


def _on_host(launch: Launch) -> Callable[[Arrays], tuple[Written, Faulted]]:
    program = launch.verified.program
    scalars = {one.name: scalar_value(one.type, launch.scalars[one.name], one.name) for one in program.scalars}
    call = function(launch.verified, launch.shape, fuel=launch.fuel, lane_class=launch.lane_class, phase=launch.phase)
    return run_on_host(lambda buffers: call(buffers, scalars))
