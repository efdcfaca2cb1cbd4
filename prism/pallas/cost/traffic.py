"""What the pipeline of a grid moves: a block is fetched when its index changes, and written back when it is left.

index of the block in six steps:  0 0 1 1 0 0     fetched 3 times of 6, once of them again
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prism.pallas.dtypes import Array, bit_width
from prism.pallas.grid import Table


@dataclass(frozen=True, slots=True)
class Traffic:
    """What is moved of one operand: its name, whether it is written back, its block, and how often and how much.

    `blocks` are different ones; `fetches` counts moves, so that `fetches - blocks` were moved before.
    """

    name: str
    output: bool
    block: tuple[int, ...]
    space: str
    blocks: int
    fetches: int
    bytes: int

    @property
    def refetches(self) -> int:
        """Moves of a block that was moved before."""
        return self.fetches - self.blocks


def traffic_of(table: Table, order: Sequence[int], space: str, *, output: bool) -> Traffic:
    """Return what is moved of an operand whose blocks lie by `table`, when steps run in `order`.

    A block that reaches over the end of its array is moved as far as the array goes.
    """
    starts = table.starts[np.asarray(order, np.int64)]
    block = table.block
    if space in ("hbm", "any"):
        return Traffic(block.name, output, block.sizes, "hbm", 0, 0, 0)
    moved = np.ones(len(starts), np.bool_)
    moved[1:] = (starts[1:] != starts[:-1]).any(axis=1)
    size = int((_inside(table, starts[moved])).sum()) * bit_width(block.dtype) // 8
    blocks = len(np.unique(starts, axis=0)) if starts.shape[1] else min(len(starts), 1)
    return Traffic(block.name, output, block.sizes, space, blocks, int(moved.sum()), size)


def _inside(table: Table, starts: Array) -> Array:
    """Return how many elements of each block are in the array."""
    block = table.block
    count = np.ones(len(starts), np.int64)
    for axis, (size, (low, _), extent) in enumerate(zip(block.sizes, block.padding, block.shape, strict=True)):
        first = np.maximum(starts[:, axis] - low, 0)
        last = np.minimum(starts[:, axis] - low + size, extent)
        count *= np.maximum(last - first, 0)
    return count
