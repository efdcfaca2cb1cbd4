"""From the rows that a reader found to a graph, in the one order that reading gives [TERMS-6]."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from prism.vm.term.graph import TermGraph, spread_least
from prism.vm.term.ops import NULL, OPS, SUC, ZERO

_IS_BINARY: Final = np.zeros(256, bool)
_IS_BINARY[[op.code for op in OPS if op.arity == 2]] = True


def graph_of_rows(rows: NDArray[np.int32], refs: NDArray[np.int32]) -> TermGraph:
    """Return the terms that `refs` stand for; rows: int32[n, 3], refs: int32[k], as in `prism.vm.term.scan.ScanState`.

    After NULL and ZERO, the rows that each term adds to those before it follow one another [TERMS-6]: first its part
    of the one chain of suc that all numerals share, then its applications.
    """
    order, term = _by_first_term(rows, refs)
    op, a, b = rows[order].T
    needs = np.maximum(-refs, 0)  # the largest numeral of each term, then of all terms up to it
    np.maximum.at(needs, term, -np.minimum(a, b))
    chain_ends = np.maximum.accumulate(needs)
    chain_parts = np.diff(chain_ends, prepend=np.int32(0))
    row_at = np.arange(2, len(order) + 2, dtype=np.int32) + chain_ends[term]
    rows_before = np.searchsorted(term, np.arange(len(refs))).astype(np.int32)
    length = int(chain_parts.sum())
    value_at = np.concatenate(
        (np.ones(1, np.int32), np.arange(2, length + 2, dtype=np.int32) + np.repeat(rows_before, chain_parts))
    )
    place = np.zeros(len(rows), np.int32)
    place[order] = row_at

    def placed(refs: NDArray[np.int32]) -> NDArray[np.int32]:
        return np.where(refs > 0, place[np.maximum(refs, 0)], value_at[np.maximum(-refs, 0)])

    graph_op = np.full(len(order) + length + 2, SUC.code, np.uint8)
    graph_a, graph_b = np.zeros(len(graph_op), np.int32), np.zeros(len(graph_op), np.int32)
    graph_op[:2] = NULL.code, ZERO.code
    graph_op[row_at], graph_a[row_at] = op, placed(a)
    graph_a[value_at[1:]] = value_at[:-1]
    graph_b[row_at] = np.where(_IS_BINARY[op], placed(b), NULL.code)
    return TermGraph(graph_op, graph_a, graph_b, placed(refs))


def _by_first_term(rows: NDArray[np.int32], refs: NDArray[np.int32]) -> tuple[NDArray, NDArray[np.int32]]:
    """Return the rows that terms need, grouped by the first that does and otherwise in order; and that term of each."""
    unused = np.int32(len(refs))
    first = np.full(len(rows), unused)
    is_row = np.flatnonzero(refs > 0)[::-1]  # last to first: of equal references the first term stays
    first[refs[is_row]] = is_row
    spread_least(rows[:, 1].copy(), rows[:, 2].copy(), first)
    order = np.argsort(first, kind="stable")
    order = order[: np.count_nonzero(first < unused)]
    return order, first[order]
