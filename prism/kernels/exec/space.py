"""Which lanes a step is for, and how lanes lie in arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from prism.kernels.exec.affine import Affine, Span
from prism.kernels.exec.launch import Shape
from prism.kernels.isa.table import SPECIAL
from prism.kernels.isa.types import BY_NAME

NOBODY: Final = (1 << 31) - 1
"""The lane that there is not: lowest of none."""


@dataclass(eq=False, slots=True)
class Mask:
    """Lanes from low up to high, or those of them whose bits are set; masks are the same if they are one object.

    parent, sibling: what it was split from, and the other part.
    """

    low: int
    high: int
    bits: Array | None = None
    parent: Mask | None = field(default=None, repr=False)
    sibling: Mask | None = field(default=None, repr=False)

    @property
    def span(self) -> Span:
        """Lanes that it may have."""
        return self.low, self.high

    @property
    def empty(self) -> bool:
        """Whether it is known to have none."""
        return self.low >= self.high


EMPTY: Final = Mask(0, 0)


def siblings(parent: Mask, one: Mask, other: Mask) -> tuple[Mask, Mask]:
    """Note that two masks are the parts of one, and return them."""
    one.parent = other.parent = parent
    one.sibling, other.sibling = other, one
    return one, other


class Space:
    """How lanes lie in arrays: all that may be in a mask, from its lowest to its highest."""

    def __init__(self, shape: Shape) -> None:
        self.lanes, self.block, self.blocks = shape.lanes, prod(shape.block), shape.blocks

    def everyone(self) -> Mask:
        """Return the mask of all lanes."""
        return Mask(0, self.lanes)

    def width(self, mask: Mask) -> int:
        """Return how long arrays over a mask are."""
        return mask.high - mask.low

    def numbers(self, mask: Mask, dtype: Any = np.int32) -> Array:
        """Return the lanes' numbers."""
        found = lax.iota(np.int32, self.width(mask))
        return (found + np.int32(mask.low) if mask.low else found).astype(dtype)

    def place(self, array: Array, low: int, mask: Mask) -> Array:
        """Return an array over lanes from `low` on as one over a mask; what it lacks nobody reads."""
        if array.ndim == 0 or (low == mask.low and array.shape[0] == self.width(mask)):
            return array
        before, after = mask.low - low, low + array.shape[0] - mask.high
        array = lax.slice(array, (max(before, 0),), (array.shape[0] - max(after, 0),))
        return lax.pad(array, jnp.zeros((), array.dtype), [(max(-before, 0), max(-after, 0), 0)])

    def within(self, mask: Mask, span: Span) -> Mask:
        """Return the lanes of a mask that lie in a span."""
        low, high = max(mask.low, span[0]), min(mask.high, span[1])
        if low >= high:
            return EMPTY
        return mask if (low, high) == mask.span else self.cut(mask, low, high)

    def cut(self, mask: Mask, low: int, high: int) -> Mask:
        """Return the lanes of a mask from `low` to `high`, which lie in its span."""
        bits = mask.bits
        return Mask(low, high, bits if bits is None else lax.slice(bits, (low - mask.low,), (high - mask.low,)))

    def member(self, mask: Mask, on: Mask) -> Array | None:
        """Return which lanes of the span of `on` are in a mask; None for all of them."""
        if mask.bits is not None:
            return self.place(mask.bits, mask.low, on)
        if mask.low <= on.low and mask.high >= on.high:
            return None
        numbers = self.numbers(on)
        below = numbers < np.int32(mask.high)
        return below if mask.low <= on.low else below & (numbers >= np.int32(mask.low))

    def lowest(self, mask: Mask) -> Array:
        """Return the lowest lane of a mask, or NOBODY."""
        if mask.bits is None:
            return jnp.full((), mask.low, np.int32)
        return jnp.min(lax.select(mask.bits, self.numbers(mask), lax.full_like(mask.bits, NOBODY, np.int32)))

    def some(self, bits: Array) -> Array:
        """Tell whether any bit is set."""
        return bits.any()

    def look_up(self, table: np.ndarray[Any, Any], index: Array) -> Array:
        """Return elements of a table by whole numbers that lie in it."""
        return jnp.asarray(table)[index.astype(np.int32)]

    def pick(self, array: Array, low: int, lane: Array) -> Array:
        """Return the element of one lane."""
        return lax.dynamic_index_in_dim(array, lane - np.int32(low), 0, keepdims=False)

    def special(self, register: int, shape: Shape) -> Affine | None:
        """Return what a special register is if that is affine."""
        fixed: dict[str, int] = dict(zip(("block_dim_x", "block_dim_y", "block_dim_z"), shape.block, strict=True))
        fixed |= dict(zip(("grid_dim_x", "grid_dim_y", "grid_dim_z"), shape.grid, strict=True))
        sizes: dict[str, int] = dict(zip(("lane_idx_x", "lane_idx_y", "lane_idx_z"), shape.block, strict=True))
        sizes |= dict(zip(("block_idx_x", "block_idx_y", "block_idx_z"), shape.grid, strict=True))
        name = SPECIAL[register][0]
        if name == "global_lane_id" or (name in sizes and sizes[name] == self.lanes):
            return Affine(1, 0)
        if name in fixed:
            return Affine(0, fixed[name])
        return Affine(0, 0) if sizes.get(name) == 1 else None

    def coordinate(self, register: int, shape: Shape, mask: Mask) -> Array:
        """Return a lane's or block's coordinate, computed from the lane's number."""
        name, (gx, gy, _), (bx, by, _) = SPECIAL[register][0], shape.grid, shape.block
        numbers = self.numbers(mask)
        lane, block = (one(numbers, _like(numbers, self.block)) for one in (lax.rem, lax.div))
        first, size, count = {
            "lane_idx_x": (lane, 1, bx),
            "lane_idx_y": (lane, bx, by),
            "lane_idx_z": (lane, bx * by, 0),
            "block_idx_x": (block, 1, gx),
            "block_idx_y": (block, gx, gy),
            "block_idx_z": (block, gx * gy, 0),
        }[name]
        found = lax.div(first, _like(first, size)) if size > 1 else first
        found = lax.rem(found, _like(found, count)) if count else found
        return found.astype(BY_NAME[SPECIAL[register][1]].dtype)


def _like(array: Array, number: int) -> Array:
    return lax.full_like(array, number)
