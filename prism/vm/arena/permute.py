"""Rearrange rows: move each to its place and let every pointer and root follow; the one swizzle."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Cells(NamedTuple):
    """Rows of nodes and where roots point: op uint8[n]; a, b int32[n]; roots int32[k]. Row 0 is NULL, row 1 ZERO."""

    op: NDArray[np.uint8]
    a: NDArray[np.int32]
    b: NDArray[np.int32]
    roots: NDArray[np.int32]


def inverse(perm: NDArray[np.int32], rows: int) -> NDArray[np.int32]:
    """Return where each of `rows` rows goes when row `perm[i]` moves to row i: int32[rows], 0 for those left behind."""
    to = np.zeros(rows, np.int32)
    to[perm] = np.arange(len(perm), dtype=np.int32)
    return to


def apply(cells: Cells, perm: NDArray[np.int32]) -> Cells:
    """Move row `perm[i]` to row i, for every i, and let every pointer and every root follow [ARENA-2].

    `perm` keeps rows 0 and 1, so NULL stays NULL and ZERO stays ZERO; rows that it lacks are left behind.
    """
    to = inverse(perm, len(cells.op))
    return pointed(Cells(cells.op[perm], cells.a[perm], cells.b[perm], cells.roots), to)


def pointed(moved: Cells, to: NDArray[np.int32]) -> Cells:
    """Return rows that were moved with their pointers, and the roots, at where those rows went."""
    return Cells(
        op=moved.op,
        a=to[moved.a],
        b=to[moved.b],
        roots=to[moved.roots],
    )
