"""prism.conform: a case passes, fails with the mismatch, or deviates by a declared rule; nothing goes unanswered."""

from __future__ import annotations

import pytest

from prism.conform import Case, Deviation, Mismatch, Outcome, judge, require_equal

pytestmark = pytest.mark.m8


def _double(case: Case) -> None:
    require_equal(case.data["expected"], 2 * case.data["input"])


def _zero(case: Case) -> None:
    require_equal(0, case.data["input"] - 7)


SEVEN = Deviation("seven is zero", "X-1", lambda case: case.data["input"] in (7, 8), _zero)


@pytest.mark.parametrize(
    ("area", "given", "expected", "outcome", "detail"),
    [
        ("double", 2, 4, Outcome.PASSED, ""),
        ("double", 2, 5, Outcome.FAILED, "Mismatch: result must be 5, got 4"),
        ("double", 2, 4.0, Outcome.FAILED, "Mismatch: result must be 4.0, got 4"),
        ("double", 7, 1, Outcome.DEVIATES, "seven is zero [X-1]"),
        ("double", 8, 16, Outcome.FAILED, "Mismatch: result must be 0, got 1"),
        ("triple", 2, 6, Outcome.FAILED, "no part of Prism answers for area 'triple'"),
    ],
)
def test_each_case_has_one_verdict(area: str, given: int, expected: object, outcome: Outcome, detail: str) -> None:
    """What differs in value or in type fails, a declared rule must hold too, and an unknown area is no pass."""
    case = Case("c", area, {"input": given, "expected": expected})
    (verdict,) = judge([case], {"double": _double}, [SEVEN])
    assert (verdict.outcome, verdict.detail) == (outcome, detail)


def test_a_check_that_breaks_fails_its_case_alone() -> None:
    """An error of a check is the verdict of that case; the next one is judged."""

    def check(case: Case) -> None:
        if case.name == "a":
            raise KeyError("x")
        raise Mismatch("no")

    first, second = judge([Case("a", "x", {}), Case("b", "x", {})], {"x": check}, [])
    assert (first.detail, second.detail) == ("KeyError: 'x'", "Mismatch: no")
