"""Orders: which permutation of the frontier's slots a layout asks for, on NumPy and JAX arrays alike [ARENA-2].

A permutation `p` (int32[n]) says which old slot each new slot takes. Rows never move; an order only decides in which
slots of the frontier sites stand, so which slots their candidates get, and interning erases that.
"""

from __future__ import annotations

from enum import IntEnum
from types import ModuleType

from prism.vm.arena.layout import Layout
from prism.vm.arena.morton import interleave
from prism.vm.rewrite.candidates import Array


class Rank(IntEnum):
    """What a cycle does with a slot of the frontier; lower ranks come first in rank order.

    HOT fires, WARM waits for its operands, FREE holds no site.
    """

    HOT = 0
    WARM = 1
    FREE = 2


def capacity_for(n_slots: int) -> int:
    """Return the smallest power of two that is at least `n_slots` and at least 8."""
    return max(8, 1 << (n_slots - 1).bit_length())


def nearness(a: Array, b: Array, room: int) -> Array:
    """Return the Morton code of the rows of two operands, 15 high bits of each row of `room`: uint32[n]."""
    excess = max(0, (room - 1).bit_length() - 15)
    return interleave(a >> excess, b >> excess)


def levels_of(layout: Layout, n_slots: int) -> list[int]:
    """Return the block sizes inside which `layout` orders so many slots, in turn; none for no order."""
    if not layout.sort:
        return []
    if layout.block:
        return [min(layout.block, n_slots)]
    levels = [size for size in (layout.l2, layout.l1) if 0 < size < n_slots]
    if layout.whole or not (layout.l2 or layout.l1):
        size = 2 * max(levels, default=n_slots // 2)
        while size <= n_slots:
            levels.append(size)
            size *= 2
    return levels


def order_of(layout: Layout, rank: Array, near: Array, *, xp: ModuleType) -> Array:
    """Return the permutation that `layout` asks for: int32[n], n a power of two; equal keys keep their order.

    rank: uint32[n], `Rank` of each slot; near: uint32[n], as `nearness` says, looked at only by Morton orders. No slot
    leaves the largest block it is sorted in. Cost: a stable sort for each level.
    """
    n = rank.shape[0]
    key = rank << 30 | near if layout.morton else rank
    perm = xp.arange(n, dtype=xp.int32)
    for size in levels_of(layout, n):
        blocks = perm.reshape(-1, size)
        inside = xp.argsort(key[blocks], axis=1, stable=True)
        perm = xp.take_along_axis(blocks, inside, axis=1).reshape(n)
    return perm
