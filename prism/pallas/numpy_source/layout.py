"""The loop nest of a fast program: which grid axes are loops, which are batched, and where each window is made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prism.pallas.analysis import Use
from prism.pallas.call import Call
from prism.pallas.dtypes import Numeric
from prism.pallas.grid import Table

_STEP_BYTES = 256 * 1024
"""A step that touches more than this gains nothing from batching: the work outweighs NumPy's call overhead."""
_CHUNK_BYTES = 512 * 1024
"""What a chunk of batched steps may touch, so that temporaries stay in the second-level cache."""


@dataclass(frozen=True, slots=True)
class Layout:
    """`serial` axes are Python loops, outermost first; `batched` axes are leading array axes, the first in chunks.

    An axis of one step is neither.
    """

    grid: tuple[int, ...]
    serial: tuple[int, ...]
    batched: tuple[int, ...] = ()
    chunk: int = 0

    @property
    def chunked(self) -> bool:
        """Whether the first batched axis does not fit one chunk."""
        return bool(self.batched) and self.chunk < self.grid[self.batched[0]]

    @property
    def extents(self) -> tuple[str, ...]:
        """How many steps each batched axis has in the current chunk, as source text."""
        whole = tuple(str(self.grid[axis]) for axis in self.batched)
        return ("length", *whole[1:]) if self.chunked else whole


def serial_layout(grid: tuple[int, ...]) -> Layout:
    """Return the layout that runs one step after the other."""
    return Layout(grid, _loops(grid, ()))


def independent_axes(call: Call, tables: Sequence[Table], uses: Sequence[Use], grid: tuple[int, ...]) -> list[int]:
    """Return the axes whose steps cannot meet in memory, as far as blocks tell.

    `uses` are of all references in the kernel's order. Along such an axis no step writes what another reads or writes;
    an output that is one block for all steps is left to the code generator, which sees the stores themselves.
    """
    count = len(call.prefetched)
    inputs, outputs = len(call.inputs), len(call.outputs)
    carried = [*uses[: count + inputs]]
    if any(use.written for use in carried) or any(
        call.shares_aliases or _same_block(call, pair) for pair in call.aliases
    ):
        return []
    axes = [axis for axis, extent in enumerate(grid) if extent > 1]
    for table, use in zip(tables[inputs:], uses[count + inputs : count + inputs + outputs], strict=True):
        axes = [axis for axis in axes if _apart(table, axis) or (table.block.whole and not use.read)]
    return [axis for axis in axes if all(t.slopes is not None for t in tables)]


def _same_block(call: Call, pair: tuple[int, int]) -> bool:
    position = pair[0] - len(call.prefetched)
    return position < 0 or call.inputs[position].whole


def _apart(table: Table, axis: int) -> bool:
    """Whether blocks at different indices of `axis` never overlap, whatever the other indices are."""
    if table.slopes is None:
        return False
    return any(
        abs(int(row[axis])) >= size and not np.delete(row, axis).any()
        for row, size in zip(table.slopes, table.block.sizes, strict=True)
    )


def batched_layout(grid: tuple[int, ...], candidates: Sequence[int], step_bytes: int) -> Layout:
    """Return a layout that batches as many of the candidate axes, innermost first, as fit the cache."""
    if step_bytes > _STEP_BYTES or not candidates:
        return serial_layout(grid)
    taken: list[int] = []
    bytes_now, chunk = max(step_bytes, 1), 0
    for axis in reversed(candidates):
        chunk = max(1, min(grid[axis], _CHUNK_BYTES // bytes_now))
        if chunk == 1:
            break
        taken.insert(0, axis)
        bytes_now *= grid[axis]
        if chunk < grid[axis]:
            break
    if not taken:
        return serial_layout(grid)
    first = min(grid[taken[0]], max(1, _CHUNK_BYTES // (max(step_bytes, 1) * math.prod(grid[a] for a in taken[1:]))))
    return Layout(grid, _loops(grid, taken), tuple(taken), first)


def _loops(grid: tuple[int, ...], taken: Sequence[int]) -> tuple[int, ...]:
    return tuple(axis for axis, extent in enumerate(grid) if axis not in taken and extent != 1)


def step_bytes(tables: Sequence[Table]) -> int:
    """Return how many bytes one step moves: operands that stay in place are shared by all steps."""
    moving = [t.block for t in tables if t.slopes is None or t.slopes.any()]
    return sum(math.prod(block.sizes) * block.dtype.itemsize for block in moving)


def covers(table: Table, visited: Numeric) -> bool:
    """Whether visited blocks cover their whole array."""
    block = table.block
    padded = [n + low + high for n, (low, high) in zip(block.shape, block.padding, strict=True)]
    sizes = np.asarray(block.sizes, np.int64)
    if not math.prod(block.shape):
        return True
    if (visited % sizes == 0).all():
        return len(visited) * math.prod(block.sizes) >= math.prod(padded)
    seen = np.zeros(padded, np.bool_)
    for starts in visited.tolist():
        seen[tuple(slice(a, a + n) for a, n in zip(starts, block.sizes, strict=True))] = True
    interior = tuple(slice(low, low + n) for n, (low, _) in zip(block.shape, block.padding, strict=True))
    return bool(seen[interior].all())
