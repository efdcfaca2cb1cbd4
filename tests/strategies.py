"""Hypothesis strategies that several test modules draw from."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from prism.ops import ADD, MUL, NULL, SUC, ZERO
from prism.term.denote import MEANING
from prism.term.graph import TermGraph

_OPS = (SUC, ADD, MUL, ADD, SUC, ZERO)


@st.composite
def term_graphs(draw: st.DrawFn, *, max_rows: int = 30, max_value: int = 200, max_roots: int = 4) -> TermGraph:
    """Draw graphs of shared terms, rows repeated or not, each of which stands for at most `max_value`.

    An op that would exceed it becomes ZERO, so that nothing drawn is thrown away.
    """
    number = st.integers(0, 1 << 16)
    columns, values = [(NULL.code, 0, 0), (ZERO.code, 0, 0)], [0, 0]
    for op, i, j in draw(st.lists(st.tuples(st.sampled_from(_OPS), number, number), max_size=max_rows)):
        # A small number reaches back a little, so that shrinking a term does not change all that follow.
        a, b = (len(columns) - 1 - k % (len(columns) - 1) for k in (i, j))
        a, b = (a if op.arity > 0 else 0), (b if op.arity > 1 else 0)
        value = MEANING[op.code](values[a], values[b])
        fits = value <= max_value
        columns.append((op.code, a, b) if fits else (ZERO.code, 0, 0))
        values.append(value if fits else 0)
    roots = draw(st.lists(st.integers(0, 1 << 16), min_size=1, max_size=max_roots))
    op, a, b = zip(*columns, strict=True)
    at = [len(columns) - 1 - root % (len(columns) - 1) for root in roots]
    return TermGraph(np.array(op, np.uint8), np.array(a, np.int32), np.array(b, np.int32), np.array(at, np.int32))
