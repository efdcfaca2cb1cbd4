"""prism.vm.theory.model: a theory built from objects keeps to its signature."""

from __future__ import annotations

import pytest

from prism.errors import UsageError
from prism.vm.theory.automaton import compile_theory
from prism.vm.theory.library import load
from prism.vm.theory.model import Claims, theory_of
from prism.vm.theory.rule import Rule
from prism.vm.theory.signature import Op, Signature

pytestmark = [pytest.mark.m7, pytest.mark.clause("THEORY-2")]


def test_objects_make_the_theory_that_a_file_makes() -> None:
    """Ops get the lowest free codes, on top of a base too."""
    theory = theory_of("t", [("h", 1), ("x", 2, True)], [("hh", ("h", ("h", "p")), "p")])
    assert [(op.code, op.name, op.arity, op.commutes) for op in theory.signature.ops] == [
        (2, "h", 1, False),
        (3, "x", 2, True),
    ]
    assert theory.rules == (Rule("hh", ("h", ("h", "p")), "p"),)
    above = theory_of("u", [("k", 0)], base=load("peano"))
    assert above.op("k").code == 3
    assert above.rules == load("peano").rules


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: theory_of("t", [("f", 65)]), "must take from 0 to 64 operands, and two if it commutes"),
        (lambda: theory_of("t", [("f", 1, True)]), "and two if it commutes, got 1"),
        (lambda: theory_of("t", [("f", 1), ("f", 2)]), "every op must have a name of its own"),
        (lambda: theory_of("t", [Op(230, "f", 1, False)]), "the code of an op must be from 1 to 223"),
        (lambda: theory_of("t", [("f", 1)], [("r", "x", "x")]), "its left side must apply an op, got x"),
        (lambda: theory_of("t", [("f", 1)], [("r", ("f", "x"), "y")]), "must occur on the left"),
        (lambda: theory_of("t", [("f", 1)], [("r", ("f", 1), 1)]), "a number must be a literal of 64 bits"),
        (lambda: theory_of("t", [("f", 1)], [("r", ("f", "x"), "x")] * 2), "a rule must have a name of its own"),
        (lambda: theory_of("t", [("f", 1)], claims=Claims(complete=("g",))), "a claim must name ops of the theory"),
        (
            lambda: theory_of("t", [("min", 2)], words=Signature((), has_literals=True)),
            "an op must not be called like arithmetic",
        ),
        (lambda: theory_of("t", [("f", 1)]).op("g"), "must have the op, got 'g'"),
        (lambda: load("peano").with_rules([Rule("r", ("zero",), ("suc", ("zero",)))]), "is in every ledger and must"),
        (
            lambda: theory_of("t", base=load("peano"), words=Signature((), has_literals=True)),
            "numbers must have one meaning in",
        ),
        (lambda: theory_of("t", [("f", 1)], [("r", ("f", "x"), deep(200))]), "a side must nest at most 100 deep"),
    ],
)
def test_what_means_nothing_is_refused(build, words: str) -> None:
    """Every way to break the signature is an error that says which rule or op."""
    with pytest.raises(UsageError, match=words):
        build()


def deep(levels: int):
    """Return a pattern of so many ops."""
    pattern = "x"
    for _ in range(levels):
        pattern = ("f", pattern)
    return pattern


def test_a_rule_with_too_many_orders_is_refused() -> None:
    """Orders of operands double with each commuting op; beyond a bound that is an error."""
    pattern = "x0"
    for index in range(1, 13):
        pattern = ("f", ("s", pattern), f"x{index}")
    theory = theory_of("t", [("f", 2, True), ("s", 1)], [("r", pattern, "x0")])
    with pytest.raises(UsageError, match="it must match in at most 1024 orders of operands"):
        compile_theory(theory)


def test_rules_with_too_many_states_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The size of an automaton is bounded, and the error says what to split."""
    monkeypatch.setattr("prism.vm.theory.automaton.MAX_STATES", 4)
    with pytest.raises(UsageError, match="the rules of a theory must compile to fewer than"):
        compile_theory(load("peano"))
