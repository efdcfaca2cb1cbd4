"""prism.vm.theory.check: claims get a witness or a counterexample, and an error planted in the checker is noticed."""

from __future__ import annotations

import pytest

from prism.vm.engines.patterns import normal_patterns
from prism.vm.theory import check as checking
from prism.vm.theory import critical
from prism.vm.theory.check import Outcome, check, check_completeness, check_confluence, check_termination
from prism.vm.theory.library import load, shipped
from prism.vm.theory.order import Search
from prism.vm.theory.read import read_theory
from tests.systems import CONFLUENT, NOT_CONFLUENT

pytestmark = [pytest.mark.m7, pytest.mark.clause("THEORY-6")]


def theory_of_text(text: str):
    """Return the theory that some declarations make."""
    return read_theory(f"(theory t) {text}".encode(), "t.theory")


def confluence(text: str) -> checking.Verdict:
    """Return the verdict on the confluence of a system."""
    return check(theory_of_text(text), normal_patterns)[1]


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFLUENT)
def test_confluent_systems_are_shown_to_be(name: str) -> None:
    """Twenty systems that the literature gives as confluent are."""
    verdict = confluence(CONFLUENT[name])
    assert verdict.outcome is Outcome.SHOWN, verdict.reason


@pytest.mark.parametrize("name", NOT_CONFLUENT)
def test_systems_that_are_not_confluent_are_refuted(name: str) -> None:
    """Twenty that are not have a counterexample, without termination too."""
    verdict = confluence(NOT_CONFLUENT[name])
    assert verdict.outcome is Outcome.REFUTED, verdict.reason


@pytest.mark.parametrize("name", shipped())
def test_shipped_theories_keep_their_claims(name: str) -> None:
    """No claim of a theory that ships fails."""
    verdicts = check(load(name), normal_patterns)
    assert len(verdicts) >= 2
    assert [verdict for verdict in verdicts if verdict.fails] == []


def test_a_counterexample_names_the_peak_and_both_normal_forms() -> None:
    """The report of a critical pair that does not join can be followed by hand."""
    reason = confluence("(op f 1) (op g 1) (var x) (rule r (f (f x)) (g x))").reason
    assert reason == "r and r at 1: (f (f (f x))) has the normal forms (g (f x)) and (f (g x))"


def test_a_rule_that_holds_its_own_left_side_refutes_termination() -> None:
    """A right side with an instance of the left side is a counterexample; a rule that only swaps is left open."""
    looping = check_termination(
        theory_of_text("(op f 1) (op g 1) (var x) (claim terminating) (rule r (f x) (g (f x)))")
    )
    assert (looping.outcome, looping.fails) == (Outcome.REFUTED, True)
    assert "rewrites (f x) to a term with (f x) in it" in looping.reason
    open_one = check_termination(theory_of_text("(op f 1) (op g 1) (var x) (rule r (f (g x)) (g (g (f (f x)))))"))
    assert open_one.outcome is Outcome.NOT_SHOWN
    assert "no recursive path order and no Knuth-Bendix order was found" in open_one.reason


def test_a_weight_order_is_found_where_no_path_order_is() -> None:
    """(f (g x)) > (g (f ...)) style systems that only weights orient are shown by them."""
    text = "(op f 1) (op g 1) (op h 1) (var x) (rule a (f (g x)) (h (h x))) (rule b (h (h x)) (g (f x)))"
    verdict = check_termination(theory_of_text(text))
    assert verdict.outcome is Outcome.SHOWN, verdict.reason


def test_a_guarded_pair_is_not_refuted() -> None:
    """Where a condition may rule a peak out, the checker says that it cannot tell."""
    text = (
        "(literals) (op f 1) (op a 0) (op b 0) (int n) (rule r (f n) a (when (< n 0))) (rule q (f n) b (when (>= n 0)))"
    )
    verdict = confluence(text)
    assert verdict.outcome is Outcome.NOT_SHOWN
    assert "a condition may rule it out" in verdict.reason


def test_an_uncovered_pattern_is_printed() -> None:
    """A missing case is named; one that only a repeated variable may cover is left open."""
    missing = "(op z 0) (op s 1) (op f 2) (var x y) (claim complete f) (rule a (f z y) y) (rule b (f (s x) z) x)"
    found = check_completeness(theory_of_text(missing), "f")
    assert (found.outcome, found.fails) == (Outcome.REFUTED, True)
    assert found.reason == "no rule is sure to match (f (s z) (s _))"
    repeated = "(op z 0) (op f 2) (var x) (claim complete f) (rule a (f x x) x)"
    assert check_completeness(theory_of_text(repeated), "f").outcome is Outcome.NOT_SHOWN


def test_a_skipped_critical_pair_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the last critical pair left out, a system that is not confluent passes: the verdict rests on every pair."""
    whole = list(critical.critical_pairs(theory_of_text(NOT_CONFLUENT["below the root"])))
    assert len(whole) == 1
    monkeypatch.setattr(checking, "critical_pairs", lambda theory: iter(list(critical.critical_pairs(theory))[:-1]))
    assert confluence(NOT_CONFLUENT["below the root"]).outcome is Outcome.SHOWN


def test_overlaps_below_the_root_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With overlaps at the root alone, systems that are not confluent pass."""
    monkeypatch.setattr(critical, "positions", lambda _pattern: iter([()]))
    wrong = [name for name in NOT_CONFLUENT if confluence(NOT_CONFLUENT[name]).outcome is Outcome.SHOWN]
    assert {"self overlap", "below the root", "half of De Morgan"} <= set(wrong)


def test_a_wrong_order_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An order that forgets to compare with the other operands shows a loop to terminate."""
    text = "(op f 2) (op c 1) (var x y) (rule r (f (c x) y) (f x (f (c x) y)))"
    assert check_termination(theory_of_text(text)).outcome is Outcome.REFUTED
    swap = theory_of_text("(op f 2) (op g 1) (op c 1) (var x y) (rule r (f (c x) y) (g (f y (c x))))")
    assert check_termination(swap).outcome is not Outcome.SHOWN
    monkeypatch.setattr(Search, "above_all", lambda _self, _one, _others, order: iter([order]))
    assert check_termination(swap).outcome is Outcome.SHOWN


def test_confluence_without_termination_needs_orthogonality() -> None:
    """All pairs may join and the question stays open; without overlaps it is settled."""
    text = "(op f 1) (op g 1) (op a 0) (var x) (rule r (f (f x)) (g x)) (rule q (f (g x)) (g (f x)))"
    verdict = check_confluence(theory_of_text(text), normal_patterns, is_terminating=False)
    assert verdict.outcome is Outcome.NOT_SHOWN
    assert verdict.reason == "all 2 critical pairs join, but termination is not shown"
