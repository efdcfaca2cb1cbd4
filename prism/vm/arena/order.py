"""Orders: combinators that turn an arena into a permutation of its slots.

`partition` orders by rank and `sort` by any key, each inside blocks of a size; `compose` runs orders one after
another, and `order_of` builds what a `Layout` asks for. A permutation `p` (int32[n]) says which old slot each new slot
takes, and keeps slots 0 and 1.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from prism.vm.arena.layout import Layout
from prism.vm.arena.morton import interleave
from prism.vm.arena.permute import apply, inverse
from prism.vm.arena.store import Arena, Rank, ranks

Key = Callable[[Arena], Array]
Order = Callable[[Arena], Array]

KEPT: Final = np.array([0, 1], np.uint32)
"""The sort keys of NULL and ZERO, before those of all other slots."""
MOST_KEY: Final = np.uint32(0xFFFFFFFF - len(KEPT))
"""Where the keys of other slots saturate, so that they do not wrap when they make way for `KEPT`."""


def partition(size: int) -> Order:
    """Order by rank inside each block of `size` slots, hot first; equal ranks keep their order, no slot leaves.

    A counting sort over the ranks, which outruns a comparison sort. Cost: one prefix sum of n a rank, one scatter.
    """

    def order(arena: Arena) -> Array:
        n = arena.op.shape[0]
        # Class 0 is for NULL and ZERO, which stay in front.
        classes = (ranks(arena) + 1).at[:2].set(0).reshape(-1, min(n, size))
        place, start = jnp.zeros_like(classes, jnp.int32), jnp.zeros((classes.shape[0], 1), jnp.int32)
        for each in range(len(Rank) + 1):
            here = classes == each
            count = jnp.cumsum(here, axis=1, dtype=jnp.int32)
            place = jnp.where(here, start + count - 1, place)
            start += count[:, -1:]
        place += jnp.arange(classes.shape[0], dtype=jnp.int32)[:, None] * classes.shape[1]
        return inverse(place.reshape(n))

    return order


def by_rank_and_morton(arena: Arena) -> Array:
    """Key: hot slots first, free slots last, and within a rank nodes whose operands are neighbours are neighbours.

    The coordinates are the 15 high bits of the two operand slots, so one key fits 32 bits: uint32[n].
    """
    excess = max(0, arena.op.shape[0].bit_length() - 1 - 15)
    near = interleave(arena.a >> excess, arena.b >> excess)
    return ranks(arena) << 30 | near


def sort(size: int, key: Key) -> Order:
    """Order by `key` inside each block of `size` slots; equal keys keep their order, no slot leaves its block."""

    def order(arena: Arena) -> Array:
        n = arena.op.shape[0]
        shape = (-1, min(n, size))
        keys = jnp.minimum(key(arena), MOST_KEY) + len(KEPT)
        keys = keys.at[: len(KEPT)].set(KEPT).reshape(shape)
        slots = jnp.arange(n, dtype=jnp.int32).reshape(shape)
        return jax.lax.sort((keys, slots), dimension=1, is_stable=True, num_keys=1)[1].reshape(n)

    return order


def compose(*orders: Order) -> Order:
    """Run orders one after another, each on the arena as the ones before left it."""

    def order(arena: Arena) -> Array:
        identity = jnp.arange(arena.op.shape[0], dtype=jnp.int32)

        def step(state: tuple[Arena, Array], each: Order) -> tuple[Arena, Array]:
            moved, so_far = state
            perm = each(moved)
            return apply(moved, perm), so_far[perm]

        return reduce(step, orders, (arena, identity))[1]

    return order


def levels_of(layout: Layout, n_slots: int) -> list[int]:
    """Return the block sizes inside which `layout` orders an arena of `n_slots`, in turn; none for no order."""
    if not layout.sort:
        return []
    if layout.block:
        return [layout.block]
    levels = [size for size in (layout.l2, layout.l1) if 0 < size < n_slots]
    if layout.whole or not (layout.l2 or layout.l1):
        size = 2 * max(levels, default=n_slots // 2)
        while size <= n_slots:
            levels.append(size)
            size *= 2
    return levels


def order_of(layout: Layout, n_slots: int) -> Order | None:
    """Return the order that `layout` asks for on an arena of `n_slots`, None for none at all."""
    inside = partial(sort, key=by_rank_and_morton) if layout.morton else partition
    levels = [inside(size) for size in levels_of(layout, n_slots)]
    return compose(*levels) if len(levels) > 1 else next(iter(levels), None)
