"""The compiled loops over the rows of a graph; what runs without Numba on few rows has one source."""

from __future__ import annotations

from numba import njit

from prism.vm.term import rows

number_rows = njit(cache=True)(rows.number_rows)
spread_rows = njit(cache=True)(rows.spread_rows)


@njit(cache=True)
def add_widths(op, a, b, applied, widths):
    """Set the widths of the rows that are applications; `applied` says which those are, and the width of each name."""
    is_applied, names = applied
    for row in range(1, len(op)):
        if is_applied[row]:
            widths[row] = names[op[row]] + 2
            if a[row] > 0:
                widths[row] += 1 + widths[a[row]]
            if b[row] > 0:
                widths[row] += 1 + widths[b[row]]
