"""Build term graphs of any theory: applications of any arity, literals and free names as rows [THEORY-4]."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prism.errors import UsageError
from prism.vm.term.graph import TermGraph
from prism.vm.theory.encode import digits_of
from prism.vm.theory.signature import DIGIT, INT_MINUS_ONE, INT_ZERO, NULL, PAIR, SYMBOL, UNIT, Op

MAX_ROWS = 1 << 30
"""The most rows of a graph."""


class GraphBuilder:
    """Rows of a graph, equal ones merged; operands stay in the order in which they are given.

    Cost: a microsecond a node. For graphs of millions of nodes make the arrays of a `TermGraph` with NumPy instead, and
    take the rows of literals from `literal_rows`.
    """

    def __init__(self) -> None:
        self._rows: dict[tuple[int, int, int], int] = {(NULL.code, 0, 0): 0, (UNIT, 0, 0): 1}

    def node(self, code: int, a: int = 0, b: int = 0) -> int:
        """Return the row of a node over rows."""
        return self._rows.setdefault((code, a, b), len(self._rows))

    def apply(self, op: Op, operands: Sequence[int]) -> int:
        """Return the row of an application over rows; UsageError for another number of operands than it takes."""
        if len(operands) != op.arity:
            raise UsageError(
                f"{op.name} must be applied to {op.arity} operands, got {len(operands)}; give it as many as it takes"
            )
        if op.arity <= 2:
            return self.node(op.code, *operands)
        rest = operands[-1]
        for operand in operands[-2:0:-1]:
            rest = self.node(PAIR, operand, rest)
        return self.node(op.code, operands[0], rest)

    def literal(self, value: int) -> int:
        """Return the row of a literal; UsageError beyond 64 bits."""
        if not -(1 << 63) <= value < 1 << 63:
            raise UsageError(f"a literal must be an integer of 64 bits, got {value}; split it")
        digits, code = digits_of(value)
        row = self.node(code)
        for digit in digits:
            row = self.node(DIGIT + digit, row)
        return row

    def symbol(self, number: int) -> int:
        """Return the row of free name number `number`."""
        return self.node(SYMBOL, self.literal(number))

    def graph(self, roots: Iterable[int]) -> TermGraph:
        """Return all rows so far as a graph with these roots."""
        op, a, b = np.array(list(self._rows), np.int64).T
        return TermGraph(op.astype(np.uint8), a.astype(np.int32), b.astype(np.int32), np.fromiter(roots, np.int32))


def literal_rows(values: ArrayLike, first: int) -> tuple[TermGraph, NDArray[np.int32]]:
    """Return rows that write int64 literals, without the reserved two, and the row of each value: int32[n].

    The rows are to stand from row `first` of a graph on: `graph.op` is appended to its ops, and so on; equal values
    share one row. Cost: a sort of the values for each digit of the longest.
    """
    wanted = np.asarray(values, np.int64).ravel()
    levels = [np.unique(wanted)]
    while not np.isin(levels[-1], (0, -1)).all():
        levels.append(np.unique(levels[-1] >> 4))
    every = np.unique(np.concatenate([*levels, np.array([0, -1])]))
    # A literal comes after the one that it ends on: fewer digits first.
    n_digits = np.zeros(len(every), np.int64)
    rest = every.copy()
    while (more := ~np.isin(rest, (0, -1))).any():
        n_digits += more
        rest = np.where(more, rest >> 4, rest)
    order = np.argsort(n_digits, kind="stable")
    ordered = every[order]
    place = np.empty(len(every), np.int32)
    place[order] = np.arange(first, first + len(every), dtype=np.int32)
    is_end = np.isin(ordered, (0, -1))
    ends = np.where(ordered == 0, INT_ZERO, INT_MINUS_ONE)
    op = np.where(is_end, ends, DIGIT + (ordered & 15)).astype(np.uint8)
    a = np.where(is_end, 0, place[np.searchsorted(every, ordered >> 4)]).astype(np.int32)
    return TermGraph(op, a, np.zeros_like(a), np.zeros(0, np.int32)), place[np.searchsorted(every, wanted)]


def literal_values(graph: TermGraph) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the literal that each row writes, and whether it writes one: int64[n], bool[n]."""
    is_end = (graph.op == INT_ZERO) | (graph.op == INT_MINUS_ONE)
    is_digit = (graph.op >= DIGIT) & (graph.op < DIGIT + 16)
    value = np.where(graph.op == INT_MINUS_ONE, -1, 0).astype(np.int64)
    done, waits = is_end.copy(), is_digit.copy()
    while (ready := waits & done[graph.a]).any():
        value[ready] = (value[graph.a[ready]] << 4) | (graph.op[ready].astype(np.int64) - DIGIT)
        done |= ready
        waits &= ~ready
    return value, is_end | is_digit
