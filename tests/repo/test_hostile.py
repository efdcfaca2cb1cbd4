"""The campaign against the workflow rules."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests import hostile

pytestmark = pytest.mark.m5


@pytest.mark.clause("CHECKER-5")
@pytest.mark.slow
def test_every_hostile_workflow_is_refused_by_the_clause_that_forbids_it() -> None:
    """At least 118 of them over the nine clauses on files, and none passes or is refused for another reason alone."""
    assert len(hostile.HOSTILE) >= 118
    assert Counter(one.clause for one in hostile.HOSTILE).keys() == {f"POLICY-{number}" for number in range(1, 10)}
    wrong = [
        (one.clause, one.name)
        for one in hostile.HOSTILE
        if one.clause not in {finding.clause for finding in hostile.refused(one)}
    ]
    assert wrong == []


def test_workflows_of_others_are_checked_one_by_one(tmp_path: Path) -> None:
    """A folder of files is read file by file, each as the only workflow of a repository."""
    (tmp_path / "good.yml").write_text(hostile.step("run: make test"))
    (tmp_path / "bad.yaml").write_text(hostile.step("run: curl x"))
    found = {path.name: {finding.clause for finding in found} for path, found in hostile.others(tmp_path)}
    assert found == {"good.yml": set(), "bad.yaml": {"POLICY-9"}}
