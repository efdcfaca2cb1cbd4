"""prism.vm.theory.separate: counterexamples to confluence where nothing terminates, and none where there is none."""

from __future__ import annotations

import pytest

from prism.vm.theory.library import load, shipped
from prism.vm.theory.read import read_theory
from prism.vm.theory.separate import never_reaches, separated
from tests.systems import CONFLUENT, NOT_CONFLUENT

pytestmark = [pytest.mark.m7, pytest.mark.clause("THEORY-6")]

WORDS = "(op a 1) (op b 1) (op e 0) (op z 0) (op p 2) (var x y)"


def theory_of_text(text: str):
    """Return the theory that some declarations make."""
    return read_theory(f"(theory t) {text}".encode(), "t.theory")


def test_two_normal_forms_are_found() -> None:
    """Huet's system: one term with two normal forms, though no two left sides overlap."""
    found = separated(theory_of_text(NOT_CONFLUENT["Huet"]))
    assert str(found) == "(a (f zero) (f zero)) has the normal forms zero and (s zero)"


def test_a_reduct_that_goes_on_for_ever_is_told_from_a_normal_form() -> None:
    """Klop's system: the other side has no normal form, and a closed automaton shows that it never comes to zero."""
    found = separated(theory_of_text(NOT_CONFLUENT["Klop"]))
    assert str(found) == ("(g zero) has the normal form zero, and is rewritten to (f zero), which never comes to it")


@pytest.mark.parametrize("name", CONFLUENT)
def test_a_confluent_system_has_no_counterexample(name: str) -> None:
    """Nothing is found in twenty systems that are confluent."""
    assert separated(theory_of_text(CONFLUENT[name])) is None


def test_shipped_theories_that_claim_confluence_have_no_counterexample() -> None:
    """Nor in those that ship and claim it; theories with literals are not searched."""
    claiming = [name for name in shipped() if load(name).claims.confluent]
    assert {"group", "combinators"} <= set(claiming)
    assert [separated(load(name)) for name in claiming] == [None] * len(claiming)
    assert separated(load("calculus")) is None


@pytest.mark.parametrize(
    ("rules", "start", "goal", "never"),
    [
        ("(rule r (a x) (a (b x)))", ("a", ("e",)), ("e",), True),
        ("(rule r (a x) (a (b x))) (rule s (a x) x)", ("a", ("e",)), ("b", ("b", ("e",))), False),
        ("(rule r (p x x) x) (rule s (a x) (p x (a x)))", ("a", ("e",)), ("e",), True),
        ("(rule r (p x x) x) (rule s (a x) (p x (a x))) (rule t (a e) e)", ("a", ("e",)), ("e",), False),
        ("(rule r (p x y) (p y x))", ("p", ("e",), ("z",)), ("p", ("z",), ("e",)), False),
        ("(rule r (p x y) (p y x))", ("p", ("e",), ("z",)), ("p", ("z",), ("z",)), True),
        ("(rule r (a x) (b (a x)))", ("a", "x"), ("b", "x"), True),
    ],
)
def test_what_can_be_reached_is_never_denied(rules: str, start, goal, never: bool) -> None:
    """A goal is called out of reach where it is, and not where some rewriting leads to it."""
    assert never_reaches(theory_of_text(WORDS + rules).rules, start, goal) is never
