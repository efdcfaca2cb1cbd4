"""Both sides of every limit of the engine `bsp`: slots and nodes, ids of the key layout, rewrites, cycles."""

from __future__ import annotations

import pytest

from prism.status import Status
from prism.vm.arena.layout import Layout
from prism.vm.engines.api import Limits, Outcome
from prism.vm.engines.bsp import BspEngine
from prism.vm.engines.report import StopReason
from prism.vm.engines.schedule import MAX_COUNT, Schedule
from prism.vm.ledger.key import COMPACT, WIDE
from prism.vm.ledger.verify import verify
from prism.vm.term.graph import numerals
from prism.vm.term.parse import read_text
from prism.vm.theory.library import load

from .test_engine_limits import chain

pytestmark = pytest.mark.m3

LAYOUTS = {
    "no-sort": Layout(sort=False),
    "rank": Layout(),
    "morton": Layout(morton=True),
    "block": Layout(block=4),
    "hierarchy": Layout(l2=4, l1=16),
}
PROGRAM = read_text("(add (mul 5 9) (mul 10 13))").graph
ONE = read_text("1").graph

every_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
both_keys = pytest.mark.parametrize("keys", [COMPACT, WIDE], ids=lambda keys: keys.name)


def session(order: Layout = LAYOUTS["rank"], cycles: int = MAX_COUNT, **limits) -> BspEngine:
    """Open a session whose cycles run on the host."""
    return BspEngine(Limits(**limits), Schedule(order, "host", cycles), load("peano"))


def values(outcome: Outcome) -> list[int]:
    """Return the numeral at each root, -1 where it is none."""
    return numerals(outcome.result)[outcome.result.roots].tolist()


def contents(engine: BspEngine) -> tuple[bytes, bytes, int]:
    """Return all that a session stores, as it lies in memory."""
    table = engine.ledger.table
    return table.keys.tobytes(), table.index.tobytes(), table.count


def assert_over(engine: BspEngine, stop: StopReason) -> None:
    """Whatever is asked of a session that is over, it answers with its reason, and stores what it stored."""
    before = contents(engine)
    for terms in (PROGRAM, ONE):
        outcome = engine.normalise(terms)
        assert [report.stop for report in outcome.reports()] == [stop]
        assert outcome.result.roots.tolist() == [0]
        assert not outcome.steps.any()
        assert not outcome.nodes.any()
    assert contents(engine) == before
    assert StopReason.of(engine.status) is stop
    assert verify(engine.ledger) == []


def least_capacity() -> int:
    """Return the least capacity in which the program ends well, by bisection."""
    low, high = 2, 1 << 16
    while low < high:
        middle = (low + high) // 2
        is_enough = session(capacity=middle).normalise(PROGRAM).report(0).stop is StopReason.NORMAL_FORM
        low, high = (low, middle) if is_enough else (middle + 1, high)
    return low


@pytest.mark.clause("REWRITE-5")
@pytest.mark.clause("ARENA-3")
@both_keys
@every_layout
def test_capacity(layout: Layout, keys) -> None:
    """The same n slots are enough in every layout; n - 1 are oom, and leave the ledger as it was."""
    needed = least_capacity()
    for capacity in (needed, needed + 1):
        engine = session(layout, capacity=capacity, layout=keys)
        assert values(engine.normalise(PROGRAM)) == [175]
        assert engine.status is Status.OK
    engine = session(layout, capacity=needed - 1, layout=keys)
    engine.normalise(read_text("5").graph)
    before = contents(engine)
    outcome = engine.normalise(PROGRAM)
    assert [report.stop for report in outcome.reports()] == [StopReason.OOM]
    assert outcome.result.roots.tolist() == [0]
    assert contents(engine) == before
    assert_over(engine, StopReason.OOM)


@pytest.mark.clause("REWRITE-5")
def test_terms_larger_than_the_capacity() -> None:
    """Terms of n nodes fit n slots, and are oom in n - 1 before any cycle."""
    terms = chain(30)
    assert values(session(capacity=32).normalise(terms)) == [30]
    engine = session(capacity=31)
    assert engine.normalise(terms).report(0).stop is StopReason.OOM
    assert_over(engine, StopReason.OOM)


@pytest.mark.clause("REWRITE-5")
def test_largest_id() -> None:
    """Ids of normal forms run up to the layout's largest; the node after it is corrupt, whatever the capacity."""
    top = COMPACT.max_id
    for sucs in (top - 2, top - 1):
        engine = session(layout=COMPACT)
        assert values(engine.normalise(chain(sucs))) == [sucs]
        assert engine.count == sucs + 2
    for capacity in (top + 2, 1 << 20):
        engine = session(layout=COMPACT, capacity=capacity)
        assert engine.normalise(chain(top)).report(0).stop is StopReason.CORRUPT
        assert engine.count == top + 1
        assert_over(engine, StopReason.CORRUPT)


@pytest.mark.clause("REWRITE-5")
@every_layout
def test_steps(layout: Layout) -> None:
    """N rewrites end well within n and n + 1; within n - 1 the cycle that would exceed them does not land."""
    needed = int(session(layout).normalise(PROGRAM).steps[0])
    assert needed == int(session().normalise(PROGRAM).steps[0])
    for max_steps in (needed, needed + 1):
        outcome = session(layout, max_steps=max_steps).normalise(PROGRAM)
        assert (values(outcome), outcome.steps.tolist()) == ([175], [needed])
    engine = session(layout, max_steps=needed - 1)
    outcome = engine.normalise(PROGRAM)
    assert outcome.report(0).stop is StopReason.STEP_LIMIT
    assert outcome.steps[0] < needed
    assert engine.status is Status.OK
    assert engine.count == 2
    assert values(engine.normalise(ONE)) == [1]


@pytest.mark.clause("REWRITE-5")
@every_layout
def test_cycles(layout: Layout) -> None:
    """A bound of n cycles or more is the normal form; n - 1 is a timeout that keeps what the term had become."""
    free = session(layout)
    free.normalise(PROGRAM)
    needed = free.cycles
    for cycles in (needed, needed + 1):
        assert values(session(layout, cycles).normalise(PROGRAM)) == [175]
    engine = session(layout, needed - 1)
    outcome = engine.normalise(PROGRAM)
    assert outcome.report(0).stop is StopReason.STEP_LIMIT
    assert outcome.result.roots[0] != 0
    assert values(engine.normalise(outcome.result)) == [175]


def test_no_cycles_and_no_steps() -> None:
    """No cycle, or no rewrite, is enough for a normal form and for nothing else."""
    terms = read_text("3 (add 1 1) (suc 2)").graph
    for engine in (session(cycles=0), session(max_steps=0)):
        stops = [report.stop for report in engine.normalise(terms).reports()]
        assert stops == [StopReason.NORMAL_FORM, StopReason.STEP_LIMIT, StopReason.NORMAL_FORM]
