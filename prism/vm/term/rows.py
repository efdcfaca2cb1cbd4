"""Loops over the rows of a graph in plain Python: run as they are on a few rows, compiled in `prism.vm.term.loops`."""

from __future__ import annotations

from typing import Any

from prism.vm.term.ops import SUC, ZERO

_ZERO, _SUC = ZERO.code, SUC.code


def number_rows(op: Any, a: Any, values: Any) -> None:
    """Do the work of `prism.vm.term.graph.numerals`, on lists or arrays; `values` holds -1 everywhere."""
    for row in range(len(op)):
        if op[row] == _ZERO:
            values[row] = 0
        elif op[row] == _SUC and values[a[row]] >= 0:
            values[row] = values[a[row]] + 1


def spread_rows(a: Any, b: Any, label: Any) -> None:
    """Do the work of `prism.vm.term.graph.spread_least`, on lists or arrays, in plain Python."""
    for row in range(len(label) - 1, -1, -1):
        if a[row] > 0:
            label[a[row]] = min(label[a[row]], label[row])
        if b[row] > 0:
            label[b[row]] = min(label[b[row]], label[row])
