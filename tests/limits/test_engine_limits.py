"""Both sides of every limit of an engine: nodes, ids of the key layout, rule applications."""

from __future__ import annotations

import numpy as np
import pytest

from prism.status import Status
from prism.vm.engines.api import Limits
from prism.vm.engines.report import StopReason
from prism.vm.engines.table import open_engine
from prism.vm.engines.theory_engine import TheoryEngine
from prism.vm.ledger.key import COMPACT, WIDE
from prism.vm.term.graph import TermGraph, numerals
from prism.vm.term.ops import NULL, SUC, ZERO
from prism.vm.term.parse import read_text

pytestmark = pytest.mark.m1

every_engine = pytest.mark.parametrize("engine", ["baseline", "ledger"])
every_layout = pytest.mark.parametrize("layout", [COMPACT, WIDE], ids=lambda layout: layout.name)

PROGRAM = read_text("(add (mul 5 9) (mul 40 33))").graph
ONE = read_text("1").graph


def chain(sucs: int) -> TermGraph:
    """Return the numeral of so many sucs; it takes as many nodes, and the two reserved ones."""
    op = np.full(sucs + 2, SUC.code, np.uint8)
    op[:2] = NULL.code, ZERO.code
    a = np.arange(-1, sucs + 1, dtype=np.int32)
    a[:2] = 0
    return TermGraph(op, a, np.zeros(sucs + 2, np.int32), np.array([sucs + 1], np.int32))


def contents(session):
    """Return all that a session stores, as it lies in memory."""
    if isinstance(session, TheoryEngine):
        memo = session._memo
        return memo.keys.tobytes(), memo.index.tobytes(), memo.count
    return list(session._op), list(session._a), list(session._b), dict(session._hints)


def assert_over(session, stop: StopReason) -> None:
    """Whatever is asked of a session that is over, it answers with its reason, and stores what it stored."""
    before = contents(session)
    for terms in (PROGRAM, ONE):
        outcome = session.normalise(terms)
        assert outcome.report(0).stop is stop
        assert outcome.result.roots.tolist() == [0]
        assert not outcome.steps.any()
        assert not outcome.nodes.any()
    assert contents(session) == before
    assert StopReason.of(session.status) is stop


@pytest.mark.clause("REWRITE-5")
@every_engine
@every_layout
def test_capacity(engine, layout) -> None:
    """A run that needs n nodes ends well in n and n + 1, and in n - 1 with oom, n - 1 nodes and no result."""
    free = open_engine(engine, Limits(layout=layout))
    free.normalise(PROGRAM)
    needed = free.count
    for capacity in (needed, needed + 1):
        session = open_engine(engine, Limits(capacity=capacity, layout=layout))
        outcome = session.normalise(PROGRAM)
        assert numerals(outcome.result)[outcome.result.roots].tolist() == [1365]
        assert session.count == needed
        assert session.status is Status.OK
    session = open_engine(engine, Limits(capacity=needed - 1, layout=layout))
    outcome = session.normalise(PROGRAM)
    assert outcome.report(0).stop is StopReason.OOM
    assert outcome.result.roots.tolist() == [0]
    assert session.count == needed - 1
    assert_over(session, StopReason.OOM)


@pytest.mark.clause("REWRITE-5")
@every_engine
@pytest.mark.slow
def test_largest_id(engine) -> None:
    """Ids run up to the layout's largest; the node after it is corrupt, whatever the capacity."""
    top = COMPACT.max_id
    for sucs in (top - 2, top - 1):
        session = open_engine(engine, Limits(layout=COMPACT))
        outcome = session.normalise(chain(sucs))
        assert numerals(outcome.result)[outcome.result.roots].tolist() == [sucs]
        assert session.count == sucs + 2
    session = open_engine(engine, Limits(layout=COMPACT))
    outcome = session.normalise(chain(top))
    assert outcome.report(0).stop is StopReason.CORRUPT
    assert session.count == top + 1
    assert_over(session, StopReason.CORRUPT)


@pytest.mark.clause("REWRITE-5")
@every_engine
@pytest.mark.parametrize(("spare", "stop"), [(-1, StopReason.OOM), (0, StopReason.CORRUPT), (1, StopReason.CORRUPT)])
def test_capacity_against_largest_id(engine, spare, stop) -> None:
    """A node beyond both limits is corrupt, for no capacity would help; one id short of that it is oom."""
    session = open_engine(engine, Limits(capacity=COMPACT.max_id + 1 + spare, layout=COMPACT))
    assert session.normalise(chain(COMPACT.max_id)).report(0).stop is stop


@pytest.mark.clause("REWRITE-5")
@every_engine
@every_layout
def test_steps(engine, layout) -> None:
    """A run of n rule applications ends well within n and n + 1; within n - 1 it stops, and the session goes on."""
    needed = int(open_engine(engine, Limits(layout=layout)).normalise(PROGRAM).steps[0])
    for max_steps in (needed, needed + 1):
        outcome = open_engine(engine, Limits(max_steps=max_steps, layout=layout)).normalise(PROGRAM)
        assert outcome.report(0).stop is StopReason.NORMAL_FORM
        assert outcome.steps.tolist() == [needed]
    session = open_engine(engine, Limits(max_steps=needed - 1, layout=layout))
    outcome = session.normalise(PROGRAM)
    assert outcome.report(0).stop is StopReason.STEP_LIMIT
    assert outcome.steps.tolist() == [needed - 1]
    assert outcome.result.roots.tolist() == [0]
    assert session.status is Status.OK
    assert session.normalise(ONE).report(0).stop is StopReason.NORMAL_FORM


@every_engine
def test_no_steps(engine) -> None:
    """A budget of no steps is enough for a normal form, and for nothing else."""
    terms = read_text("3 (add 1 1) (suc 2)").graph
    outcome = open_engine(engine, Limits(max_steps=0)).normalise(terms)
    assert [report.stop for report in outcome.reports()] == [
        StopReason.NORMAL_FORM,
        StopReason.STEP_LIMIT,
        StopReason.NORMAL_FORM,
    ]


@every_engine
def test_terms_before_the_limit_keep_their_results(engine) -> None:
    """In one call, the roots before the one that runs out of nodes are right; that one and all later ones are oom."""
    terms = read_text("(add 1 2) (mul 3 3) (mul 90 90) 1 (add 1 2)").graph
    outcome = open_engine(engine, Limits(capacity=400)).normalise(terms)
    assert numerals(outcome.result)[outcome.result.roots[:2]].tolist() == [3, 9]
    assert outcome.result.roots[2:].tolist() == [0, 0, 0]
    stops = [report.stop for report in outcome.reports()]
    assert stops == [StopReason.NORMAL_FORM] * 2 + [StopReason.OOM] * 3
