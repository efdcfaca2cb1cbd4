"""Memory as flat JAX arrays: accesses of whole masks, as slices where each lane's element follows from its number."""

from __future__ import annotations

from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from prism.kernels.exec import lanewise
from prism.kernels.exec.affine import Affine
from prism.kernels.exec.lanes import Lanes
from prism.kernels.exec.masked_steps import Atomic, Place
from prism.kernels.exec.numeric import identity
from prism.kernels.exec.space import Mask
from prism.kernels.isa.types import BY_NAME, Kind, Type


class FlatAccesses:
    """Accesses of arrays that are replaced when they are stored to.

    own: for memory of which each block (shared memory) or lane (pools) has its own, by key: how many lanes have one
    together, and its elements.
    """

    def __init__(self, own: dict[int, tuple[int, int]]) -> None:
        self.own = own

    def load(self, state: Lanes, key: int, place: Place, mask: Mask) -> Any:
        """Return the elements, as a value for all lanes or an array over the mask."""
        flat, place = state.memory[key], self._place(state, key, place, mask)
        if not isinstance(place, Affine):
            return _taken(flat, place)
        first, last = place.at(mask.low), place.at(mask.high - 1)
        if place.a == 0:
            return lax.index_in_dim(flat, place.b, keepdims=False)
        low, high = min(first, last), max(first, last)
        found = lax.slice(flat, (low,), (high + 1,), (abs(place.a),))
        return found if place.a > 0 else lax.rev(found, (0,))

    def store(self, state: Lanes, key: int, place: Place, values: Any, mask: Mask) -> None:
        """Store a value in the lanes of a mask."""
        flat, place = state.memory[key], self._place(state, key, place, mask)
        values = state.full(values, mask, flat.dtype)
        if isinstance(place, Affine) and place.a == 1:
            first, width = place.at(mask.low), state.space.width(mask)
            if mask.bits is not None:
                values = lax.select(mask.bits, values, lax.slice(flat, (first,), (first + width,)))
            whole = width == flat.size
            state.memory[key] = values if whole else lax.dynamic_update_slice(flat, values, (np.int32(first),))
            return
        index = _kept(_indices(state, place, mask), mask, flat)
        state.memory[key] = lax.scatter(flat, index, values, _SCATTER, mode=lax.GatherScatterMode.FILL_OR_DROP)

    def atomic(self, state: Lanes, what: Atomic, place: Place, sources: list[Any], mask: Mask) -> Any:
        """Change elements, one lane after the other; return what each lane found if somebody reads that."""
        key, word, read = what.key, what.word, what.read
        flat, place = state.memory[key], self._place(state, key, place, mask)
        ty = BY_NAME["bf16" if flat.dtype.name == "bfloat16" else flat.dtype.kind + str(8 * flat.dtype.itemsize)]
        values = [state.full(one, mask, flat.dtype) for one in sources]
        if not read and isinstance(place, Affine) and place.a == 0 and word in _FOLDS:
            active = jnp.ones(values[0].shape, bool) if mask.bits is None else mask.bits
            folded = _folded(word, ty, values[0], active)
            old = lax.index_in_dim(flat, place.b, keepdims=False)
            new = lanewise.BINARY[word](ty, old, folded)
            state.memory[key] = lax.dynamic_update_index_in_dim(flat, new, place.b, 0)
            return None
        index = _indices(state, place, mask)
        if not read and word in _SCATTERS and (word == "add" or ty.kind is not Kind.FLOAT):
            scatter = _SCATTERS[word]
            kept = _kept(index, mask, flat)
            state.memory[key] = scatter(flat, kept, values[0], _SCATTER, mode=lax.GatherScatterMode.FILL_OR_DROP)
            return None
        state.memory[key], found = _turns(flat, (word, ty), index, _kept(index, mask, flat)[:, 0], values)
        return found

    def clear(self, state: Lanes, key: int, mask: Mask) -> None:
        """Set the pool of each lane of a mask to zero."""
        flat, (_, length) = state.memory[key], self.own[key]
        bits = jnp.ones(state.space.width(mask), bool) if mask.bits is None else mask.bits
        everyone = state.space.everyone()
        gone = jnp.repeat(state.space.place(bits, mask.low, everyone), length)
        state.memory[key] = jnp.where(gone, jnp.zeros((), flat.dtype), flat)

    def fold(self, state: Lanes, word: str, ty: Type, values: Array, mask: Mask) -> Array:
        """Return, in each lane, the values of its block's lanes folded."""
        block = state.space.block
        low, high = mask.low // block * block, -(-mask.high // block) * block
        blocks = Mask(low, high)
        active = state.space.member(mask, blocks)
        rows = state.space.place(values, mask.low, blocks).reshape(-1, block)
        here = jnp.ones(rows.shape, bool) if active is None else active.reshape(-1, block)
        folded = lanewise.fold_lanes(word, ty, rows, here)
        return state.space.place(jnp.repeat(folded, block), low, mask)

    def meet(self, state: Lanes) -> None:
        """Do nothing: what lanes stored stands in the arrays already."""

    def _place(self, state: Lanes, key: int, place: Place, mask: Mask) -> Place:
        """Return the element in the flat array of memory of which a block or lane has its own."""
        if key not in self.own or self.own[key][0] == state.space.lanes:
            return place
        lanes, length = self.own[key]
        number = state.space.numbers(mask)
        owner = number if lanes == 1 else lax.div(number, lax.full_like(number, lanes))
        return _indices(state, place, mask).astype(np.int32) + owner * np.int32(length)


_GATHER: Final = lax.GatherDimensionNumbers(offset_dims=(), collapsed_slice_dims=(0,), start_index_map=(0,))
_SCATTER: Final = lax.ScatterDimensionNumbers(
    update_window_dims=(), inserted_window_dims=(0,), scatter_dims_to_operand_dims=(0,)
)
_SCATTERS: Final[dict[str, Any]] = {"add": lax.scatter_add, "min": lax.scatter_min, "max": lax.scatter_max}
_FOLDS: Final[dict[str, Any]] = {"add": 0, "min": None, "max": None, "and": -1, "or": 0, "xor": 0}
"""Atomics whose order does not show, and what the fold of their operands starts with where `identity` does not say."""


def _taken(flat: Array, place: Array) -> Array:
    if not flat.size:
        return lax.full(place.shape, 0, flat.dtype)
    return lax.gather(flat, place[:, None], _GATHER, (1,), mode=lax.GatherScatterMode.CLIP)


def _indices(state: Lanes, place: Place, mask: Mask) -> Array:
    if not isinstance(place, Affine):
        return place
    dtype = np.dtype(np.int32 if max(abs(place.at(mask.low)), abs(place.at(mask.high))) < 1 << 31 else np.int64)
    return state.space.numbers(mask, dtype) * dtype.type(place.a) + dtype.type(place.b)


def _kept(index: Array, mask: Mask, flat: Array) -> Array:
    """Return indices of which those of lanes outside the mask lie outside the array."""
    wide = index.astype(np.int64 if flat.size >= (1 << 31) - 1 else index.dtype)
    found = wide if mask.bits is None else lax.select(mask.bits, wide, lax.full_like(wide, flat.size))
    return found[:, None]


def _folded(word: str, ty: Type, values: Array, active: Array) -> Array:
    """Fold the operands of lanes that change one element; a float sum in any order, as [ISA-18] allows."""
    if ty.kind is Kind.FLOAT and word != "add":
        return lanewise.fold_lanes(word, ty, values[None], active[None])[0]
    start = np.asarray(_FOLDS[word] if _FOLDS[word] is not None else identity(word, ty)).astype(ty.dtype)[()]
    kept = lax.select(active, values, lax.full_like(values, start))
    return lax.reduce(kept, start, lambda x, y: lanewise.BINARY[word](ty, x, y), (0,))


def _turns(
    flat: Array, what: tuple[str, Type], index: Array, places: Array, values: list[Array]
) -> tuple[Array, Array]:
    """Change elements lane by lane in ascending order; return the memory, and what each lane found."""
    word, ty = what

    def lane(k: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        now, found = carry
        old, source = now[index[k]], values[0][k]
        if word == "cas":
            new = jnp.where(old == source, values[1][k], old)
        else:
            new = source if word == "exchange" else lanewise.BINARY[word](ty, old, source)
        return now.at[places[k]].set(new, mode="drop"), found.at[k].set(old)

    return lax.fori_loop(0, index.shape[0], lane, (flat, lax.full_like(values[0], 0)))
