"""Conformance: cases from a file, checked by the part that they are about, with deviations declared by rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

Check = Callable[["Case"], None]
"""Runs one case: returns if it passes, raises `Mismatch` if it does not."""


class Outcome(Enum):
    """What came of a case; the value is the word that reports print."""

    PASSED = "passed"
    FAILED = "failed"
    DEVIATES = "deviates"


@dataclass(frozen=True, slots=True)
class Case:
    """One case of a conformance file: its name there, the area it is about, and the data as they stand in the file."""

    name: str
    area: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Deviation:
    """A rule by which this project answers differently from the original on purpose.

    applies: whether the rule is about a case. check: what is answered instead; a case that does neither what the file
    says nor what the rule says fails. clause: the clause of the specification that gives the reason.
    """

    rule: str
    clause: str
    applies: Callable[[Case], bool]
    check: Check


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one case; `detail` is the mismatch, or the rule and clause of a deviation."""

    case: Case
    outcome: Outcome
    detail: str = ""


class Mismatch(Exception):  # noqa: N818 (an answer, not an error)
    """A case was answered otherwise than the file says."""


def require_equal(expected: Any, got: Any, what: str = "result") -> None:
    """Raise Mismatch unless two values are equal and of like type: 1, 1.0 and True differ."""
    if type(expected) is not type(got) or expected != got:
        raise Mismatch(f"{what} must be {expected!r}, got {got!r}")


def judge(cases: Iterable[Case], checks: Mapping[str, Check], deviations: Iterable[Deviation]) -> Iterator[Verdict]:
    """Yield the verdict on each case, in order; an area without a check fails, and so does any error of a check."""
    declared: Final = tuple(deviations)
    for case in cases:
        deviation = next((one for one in declared if one.applies(case)), None)
        check = deviation.check if deviation else checks.get(case.area)
        if check is None:
            yield Verdict(case, Outcome.FAILED, f"no part of Prism answers for area {case.area!r}")
            continue
        try:
            check(case)
        except Exception as error:
            yield Verdict(case, Outcome.FAILED, f"{type(error).__name__}: {error}")
        else:
            declared_as = f"{deviation.rule} [{deviation.clause}]" if deviation else ""
            yield Verdict(case, Outcome.DEVIATES if deviation else Outcome.PASSED, declared_as)
