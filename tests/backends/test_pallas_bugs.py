"""Forty planted kernel bugs: the interpreter reports each by its kind and its source line."""

from __future__ import annotations

import jax
import pytest

from prism.bench.pallas import bug_report
from prism.bench.planted import KINDS, Bug

pytestmark = pytest.mark.m6

BUGS = [pytest.param(bug, id=f"{kind}: {bug.name}") for kind, bugs in KINDS.items() for bug in bugs]


def test_there_are_ten_bugs_of_each_of_four_kinds() -> None:
    """The yardstick has forty different programs."""
    assert [len(bugs) for bugs in KINDS.values()] == [10] * 4
    assert len({bug.program for bugs in KINDS.values() for bug in bugs}) == 40


@pytest.mark.parametrize("mode", ["debug", "fast"])
@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_reported_at_its_line(bug: Bug, mode) -> None:
    """The report has the bug's type and names the marked line of its source."""
    report = bug_report(bug, mode)
    file, line = bug.place
    assert type(report) is bug.error
    assert report.site.file.endswith(file)
    assert report.site.line == line
    assert f"{file}:{line}" in str(report)


def test_stock_reports_none_of_a_sample() -> None:
    """Stock interpret=True runs a bug of each kind without a word, so that the yardstick measures something."""
    answers = [bugs[0].program(True) for bugs in KINDS.values()]
    assert all(jax.tree.leaves(answer) for answer in answers)
