"""Bounds, decided once for every mode [PALLAS-10]: which starts fit, which places exist, and where a clamp moves them.

A span reaches over the elements from its first to its last one; a single place has reach 1. A start fits if all of its
reach lies within the extent. What is known of a value before the kernel runs may settle that, else a run tests it. For
example, of 2 elements from `i` in an extent of 8, with `i` from a loop over range(7), no test is written.
"""

from __future__ import annotations

import numpy as np

from prism.pallas.dtypes import Array, Numeric
from prism.pallas.indexing import Item, coordinates


def fits(start: Numeric, reach: Numeric, extent: Numeric) -> Numeric:
    """Whether spans of some reach from `start` lie within an extent; of numbers or arrays."""
    return (start >= 0) & (start <= extent - reach)


def settled(low: int, high: int, reach: int, extent: int) -> bool | None:
    """Whether every start from `low` to `high` fits, or none of them does; None if the value decides."""
    if low >= 0 and high <= extent - reach:
        return True
    return False if high < 0 or low > extent - reach else None


def fits_text(start: str, reach: int, extent: int) -> str:
    """Return the source of the test that a run makes."""
    return f"0 <= {start} <= {extent - reach}"


def clamped(start: Numeric, reach: Numeric, extent: Numeric) -> Numeric:
    """Return the nearest start that fits, as XLA's dynamic slices do; 0 if none does."""
    if isinstance(start, int):
        return max(0, min(start, extent - reach))
    return np.clip(start, 0, np.maximum(extent - reach, 0))


def strays(index: Array, extent: int) -> bool:
    """Whether any entry of an index array is out of bounds; negative ones count from the end, as in NumPy."""
    return index.size > 0 and bool(index.min() < -extent or index.max() >= extent)


def counted(index: Array, extent: int) -> Array:
    """Return the places that the entries of an index array within bounds stand for."""
    return np.where(index < 0, index + extent, index)


def lanes(index: tuple[Item, ...], shape: tuple[int, ...]) -> tuple[list[Numeric], list[Numeric], Numeric]:
    """Return the coordinates that lanes ask for, those moved to elements that exist, and which lanes asked for others.

    Each coordinate broadcasts to the selected shape; there a mask decides whether the lane is on, and nothing counts
    from the end.
    """
    asked, moved, beyond = coordinates(index), [], np.False_
    for values, extent in zip(asked, shape, strict=True):
        if values.size and (values.min() < 0 or values.max() >= extent):
            beyond = beyond | (values < 0) | (values >= extent)
            values = clamped(values, 1, extent)
        moved.append(values)
    return asked, moved, beyond
