"""prism.vm.engines.admit: what is no TermGraph is refused before an engine sees it, with the row and the remedy."""

from __future__ import annotations

import numpy as np
import pytest

from prism.errors import UsageError
from prism.vm.engines.api import MAX_STEPS, Limits
from prism.vm.engines.table import ENGINES, open_engine
from prism.vm.term.graph import TermGraph

pytestmark = pytest.mark.m1


def graph(*rows: tuple[int, int, int], roots: tuple[int, ...] = (1,)) -> TermGraph:
    """Return a graph of rows as they are given."""
    op, a, b = zip(*rows, strict=True)
    return TermGraph(np.array(op, np.uint8), np.array(a, np.int32), np.array(b, np.int32), np.array(roots, np.int32))


NULL_ROW, ZERO_ROW = (0, 0, 0), (1, 0, 0)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("terms", "message"),
    [
        (graph(NULL_ROW, ZERO_ROW, (77, 1, 1)), "row 2 of a term graph must apply an op of prism.vm.term.ops, got 77"),
        (graph(ZERO_ROW, ZERO_ROW), "row 0 of a term graph must be null if it is row 0, and only then, got 1"),
        (graph(NULL_ROW, ZERO_ROW, NULL_ROW), "row 2 of a term graph must be null if it is row 0"),
        (graph(NULL_ROW, (2, 0, 0)), "row 1 of a term graph must be zero if it is row 1, got 2"),
        (graph(NULL_ROW, ZERO_ROW, (2, 5000, 0)), "row 2 of a term graph must have as operand a an earlier row"),
        (graph(NULL_ROW, ZERO_ROW, (10, 1, 2)), "row 2 of a term graph must have as operand b an earlier row"),
        (graph(NULL_ROW, ZERO_ROW, (2, 0, 0)), "row 2 of a term graph must have as operand a an earlier row"),
        (graph(NULL_ROW, ZERO_ROW, (10, 1, 0)), "row 2 of a term graph must have as operand b an earlier row"),
        (graph(NULL_ROW, ZERO_ROW, (2, 1, 1)), "operand b an earlier row, or 0 if its op takes none, got 1"),
        (graph(NULL_ROW, ZERO_ROW, roots=(1, 2)), "root 1 of a term graph must be a row from 1 to 1, got 2"),
        (graph(NULL_ROW, ZERO_ROW, roots=(0,)), "root 0 of a term graph must be a row from 1 to 1, got 0"),
    ],
)
def test_a_graph_that_breaks_its_promises_is_refused(engine, terms, message) -> None:
    """Unknown ops, dangling or missing operands and roots that are no rows are usage errors; the session lives on."""
    session = open_engine(engine, Limits())
    with pytest.raises(UsageError) as raised:
        session.normalise(terms)
    assert message in str(raised.value)
    assert str(raised.value).endswith("build it with prism.vm.term")
    assert session.count == 2


def test_an_unknown_engine_is_refused() -> None:
    """The message names the engines there are."""
    with pytest.raises(UsageError, match=f"must be one of {', '.join(ENGINES)}, got 'fast'; choose one of them"):
        open_engine("fast", Limits())


def test_limits_that_no_session_can_have_are_refused() -> None:
    """A capacity below the reserved nodes and a budget that int64 cannot count are usage errors."""
    with pytest.raises(UsageError, match="must hold the nodes NULL and ZERO, that is 2, got 1; give a larger one"):
        Limits(capacity=1)
    for budget in (-1, 1 << 63):
        with pytest.raises(UsageError, match=f"budget must be from 0 to {MAX_STEPS}, got {budget}; leave it out"):
            Limits(max_steps=budget)
