"""Hypothesis strategies that several test modules draw from."""

from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import strategies as st

from prism.vm.term.denote import MEANING
from prism.vm.term.graph import TermGraph
from prism.vm.term.ops import ADD, MUL, NULL, SUC, ZERO
from prism.vm.theory.signature import Op

_OPS = (SUC, ADD, MUL, ADD, SUC, ZERO)


def graph_of(rows: list[tuple[Op, int, int]], roots: list[int], max_value: int) -> TermGraph:
    """Build a graph of rows `(op, i, j)` whose numbers say how far back its operands lie; a root reaches back likewise.

    An op that would stand for more than `max_value` becomes ZERO, so that nothing given is thrown away.
    """
    columns, values = [(NULL.code, 0, 0), (ZERO.code, 0, 0)], [0, 0]
    for op, i, j in rows:
        # A small number reaches back a little, so that shrinking a term does not change all that follow.
        a, b = (len(columns) - 1 - k % (len(columns) - 1) for k in (i, j))
        a, b = (a if op.arity > 0 else 0), (b if op.arity > 1 else 0)
        value = MEANING[op.code](values[a], values[b])
        fits = value <= max_value
        columns.append((op.code, a, b) if fits else (ZERO.code, 0, 0))
        values.append(value if fits else 0)
    op, a, b = zip(*columns, strict=True)
    at = [len(columns) - 1 - root % (len(columns) - 1) for root in roots]
    return TermGraph(np.array(op, np.uint8), np.array(a, np.int32), np.array(b, np.int32), np.array(at, np.int32))


@st.composite
def term_graphs(draw: st.DrawFn, *, max_rows: int = 30, max_value: int = 200, max_roots: int = 4) -> TermGraph:
    """Draw graphs of shared terms, rows repeated or not, each of which stands for at most `max_value`."""
    number = st.integers(0, 1 << 16)
    rows = draw(st.lists(st.tuples(st.sampled_from(_OPS), number, number), max_size=max_rows))
    roots = draw(st.lists(number, min_size=1, max_size=max_roots))
    return graph_of(rows, roots, max_value)


def random_programs(seed: int, count: int, *, max_rows: int = 24, max_value: int = 40) -> TermGraph:
    """Return so many random programs side by side in one graph, a root for each."""
    random = Random(seed)
    columns = [np.array([NULL.code, ZERO.code], np.uint8), np.zeros(2, np.int32), np.zeros(2, np.int32)]
    roots = []
    for _ in range(count):
        n_rows = random.randint(4, max_rows)
        rows = [(random.choice(_OPS), random.randrange(8), random.randrange(8)) for _ in range(n_rows)]
        one = graph_of(rows, [0], max_value)
        shift = len(columns[0]) - 2
        roots.append(int(one.roots[0]) + shift * (one.roots[0] > 1))
        for k, column in enumerate((one.op, one.a + shift * (one.a > 1), one.b + shift * (one.b > 1))):
            columns[k] = np.concatenate((columns[k], column[2:])).astype(columns[k].dtype)
    op, a, b = columns
    return TermGraph(op, a, b, np.array(roots, np.int32))
