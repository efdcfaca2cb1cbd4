"""TermGraph: terms as one flat, shared, immutable graph."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import count
from typing import Final

import numpy as np
from numpy.typing import NDArray

from prism.vm.term import rows


@dataclass(frozen=True, slots=True)
class TermGraph:
    """Terms in topological order: row `i` applies `op[i]` to rows `a[i]` and `b[i]`, both below `i`.

    op: uint8[n], codes of the op table. a, b: int32[n], 0 where the op takes no such operand. Row 0 is NULL and row 1
    is ZERO, as in a ledger; other rows may repeat one another. roots: int32[k], the row of each of the k terms.
    """

    op: NDArray[np.uint8]
    a: NDArray[np.int32]
    b: NDArray[np.int32]
    roots: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.op)


def share(graph: TermGraph) -> TermGraph:
    """Return the same terms with equal rows merged and unreachable ones dropped, operands in the order written.

    Rows keep the order of their first occurrence. Cost: a Python dict of the rows.
    """
    is_dead = np.ones(len(graph), np.int32)
    is_dead[graph.roots] = is_dead[:2] = 0
    spread_least(graph.a, graph.b, is_dead)
    ids: dict[tuple[int, int, int], int] = {}
    fresh = count().__next__
    row_of = np.zeros(len(graph), np.int32)
    for row in np.flatnonzero(is_dead == 0).tolist():
        key = (int(graph.op[row]), int(row_of[graph.a[row]]), int(row_of[graph.b[row]]))
        row_of[row] = ids[key] if key in ids else ids.setdefault(key, fresh())
    op, a, b = (np.array(column) for column in zip(*ids, strict=True))
    return TermGraph(op.astype(np.uint8), a.astype(np.int32), b.astype(np.int32), row_of[graph.roots])


BRIEF: Final = 1 << 12
"""The most rows for which a loop runs in plain Python where Numba is not there yet: importing it takes longer."""
_LOOPS: Final = "prism.vm.term.loops"


def is_brief(n_rows: int) -> bool:
    """Whether loops over this many rows are over sooner in plain Python than Numba is imported."""
    return n_rows <= BRIEF and _LOOPS not in sys.modules


def numerals(graph: TermGraph) -> NDArray[np.int64]:
    """Return int64[n]: the number that each row writes with `suc` and `zero` alone, -1 for every other row."""
    if is_brief(len(graph)):
        brief = [-1] * len(graph)
        rows.number_rows(graph.op.tolist(), graph.a.tolist(), brief)
        return np.array(brief, np.int64)
    from prism.vm.term import loops

    values = np.full(len(graph), -1, np.int64)
    loops.number_rows(graph.op, graph.a, values)
    return values


def spread_least(a: NDArray[np.int32], b: NDArray[np.int32], label: NDArray[np.int32]) -> None:
    """Give every row the least label of itself and the rows above it, in place.

    a, b: int32[n], operands, none where 0 or below; label: int32[n].
    """
    if is_brief(len(label)):
        brief = label.tolist()
        rows.spread_rows(a.tolist(), b.tolist(), brief)
        label[:] = brief
        return
    from prism.vm.term import loops

    loops.spread_rows(a, b, label)
