"""prism.vm.engines.bsp: the engine of cycles beyond the laws of the arena."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from prism.errors import UsageError
from prism.vm.arena.layout import Layout
from prism.vm.arena.run import View
from prism.vm.engines.api import Limits, Outcome
from prism.vm.engines.bsp import BspEngine
from prism.vm.engines.report import StopReason
from prism.vm.engines.schedule import MAX_COUNT, Schedule
from prism.vm.engines.table import open_engine
from prism.vm.ledger.verify import verify
from prism.vm.term.graph import TermGraph, numerals
from prism.vm.term.parse import read_text
from prism.vm.theory.library import load

pytestmark = pytest.mark.m3
PEANO = load("peano")


def values(outcome: Outcome) -> list[int]:
    """Return the numeral at each root, -1 where it is none."""
    return numerals(outcome.result)[outcome.result.roots].tolist()


def test_the_ledger_holds_the_normal_forms_of_the_session() -> None:
    """Each call adds the nodes of its results that are new, and the ledger stays sound."""
    engine = BspEngine(Limits(), Schedule(), PEANO)
    first = engine.normalise(read_text("(add 2 3) (mul 2 2)").graph)
    assert (values(first), engine.count) == ([5, 4], 2 + 5)
    again = engine.normalise(read_text("(mul 2 2) 7").graph)
    assert (values(again), engine.count) == ([4, 7], 2 + 7)
    assert verify(engine.ledger) == []


def test_what_a_call_cost_is_reported_at_its_first_term() -> None:
    """Rewrites, nodes and reuse are those of the batch, which is rewritten as a whole."""
    outcome = BspEngine(Limits(), Schedule(), PEANO).normalise(read_text("(add 1 2) (add 3 4) 9").graph)
    assert outcome.steps[0] > 1
    assert outcome.nodes[0] > 0
    assert not outcome.steps[1:].any()
    assert not outcome.nodes[1:].any()
    assert not outcome.reused[1:].any()


def test_equal_terms_are_rewritten_once() -> None:
    """A thousand equal sums cost what one costs, and each has its result."""
    one, many = (
        BspEngine(Limits(), Schedule(), PEANO).normalise(read_text("(add 8 8)\n" * count).graph) for count in (1, 1000)
    )
    assert values(many) == [16] * 1000
    assert many.steps[0] == one.steps[0]


def test_no_terms_are_no_work() -> None:
    """A graph without roots gives an outcome without results."""
    zero = np.zeros(2, np.int32)
    outcome = BspEngine(Limits(), Schedule(), PEANO).normalise(
        TermGraph(np.array([0, 1], np.uint8), zero, zero, zero[:0])
    )
    assert (len(outcome.stop), len(outcome.result.roots)) == (0, 0)


def test_rows_that_no_root_reaches_are_left_behind() -> None:
    """Operands of terms that were given but not asked for cost nothing."""
    terms = read_text("(def x (mul 30 30)) 2").graph
    outcome = BspEngine(Limits(), Schedule(), PEANO).normalise(terms)
    assert (values(outcome), outcome.steps[0]) == ([2], 0)


@pytest.mark.clause("ARENA-5")
def test_watches_see_each_cycle_that_landed() -> None:
    """A watch is told the run before and after each cycle, in turn, and changes nothing."""
    seen: list[tuple[int, int]] = []

    def watch(before: View, after: View) -> None:
        seen.append((before.cycles, after.cycles))

    outcome = BspEngine(Limits(), Schedule(), PEANO, [watch]).normalise(read_text("(mul 3 3)").graph)
    assert values(outcome) == [9]
    assert seen == [(i, i + 1) for i in range(len(seen))]
    assert len(seen) > 3


@pytest.mark.clause("ARENA-7")
@pytest.mark.parametrize(("backend", "swizzle"), [("cpu", "host"), ("gpu", "jax"), ("tpu", "jax")])
def test_cycles_run_on_the_host_where_there_is_no_accelerator(backend, swizzle, monkeypatch) -> None:
    """Without a swizzle that was asked for, JAX's backend decides."""
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    assert BspEngine(Limits(), Schedule(), PEANO)._swizzle == swizzle
    assert BspEngine(Limits(), Schedule(swizzle="triton"), PEANO)._swizzle == "triton"


def test_a_schedule_goes_to_bsp_alone() -> None:
    """Another engine refuses one; bsp takes the default when it has none."""
    with pytest.raises(UsageError, match="a schedule must go to one of bsp, got engine 'ledger'; leave it out"):
        open_engine("ledger", Limits(), Schedule())
    assert values(open_engine("bsp", Limits()).normalise(read_text("(add 1 1)").graph)) == [2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"swizzle": "cuda"},
            "a swizzle must be one of host, jax, pallas, triton, got 'cuda'; choose one of them",
        ),
        (
            {"cycles": -1},
            f"cycles must be from 0 to {MAX_COUNT}, got -1; leave it out to run to the end",
        ),
        (
            {"cycles": MAX_COUNT + 1},
            f"cycles must be from 0 to {MAX_COUNT}, got {MAX_COUNT + 1}; leave it out to run to the end",
        ),
    ],
)
def test_schedules_that_mean_nothing_are_refused(options, message) -> None:
    """A schedule names its mistake and the remedy."""
    with pytest.raises(UsageError, match=message):
        Schedule(**options)


def test_a_stopped_term_does_not_stop_the_others() -> None:
    """Terms that are done when the bound is met have their results; the others keep what they had become."""
    outcome = BspEngine(Limits(), Schedule(Layout(), cycles=2), PEANO).normalise(
        read_text("(add 1 1) (mul 9 9) 4").graph
    )
    stops = [report.stop for report in outcome.reports()]
    assert stops == [StopReason.NORMAL_FORM, StopReason.STEP_LIMIT, StopReason.NORMAL_FORM]
    assert values(outcome) == [2, -1, 4]
