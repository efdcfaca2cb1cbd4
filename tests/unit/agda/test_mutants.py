"""The mutation gate refuses to judge by killers that fail anyway."""

from __future__ import annotations

import pytest

from agda.tools import mutants
from agda.tools.mutants import MUTANTS, MutantError, require_sound

pytestmark = [pytest.mark.m5, pytest.mark.clause("TRUSTED-2")]


def test_a_killer_that_fails_anyway_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that fails on the unbroken code kills nothing, so the gate stops with pytest's status."""
    monkeypatch.setattr(mutants, "_pytest", lambda _root, _tests: 1)
    with pytest.raises(
        MutantError, match="the killers must pass on the unbroken code, and pytest ended with 1; run them"
    ):
        require_sound(MUTANTS[:1])


def test_every_survivor_is_an_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One surviving mutant makes the exit status 1, and it is named."""
    monkeypatch.setattr(mutants, "require_sound", lambda _chosen: None)
    monkeypatch.setattr(mutants, "killed", lambda mutant: mutant.id != "drop-the-cap")
    assert mutants.main(["drop-the-cap", "swap-a-rule"]) == 1
    said = capsys.readouterr().out
    assert "SURVIVED drop-the-cap by tests/laws/test_agda_model.py" in said
    assert "mutants: 1 killed, 1 survived" in said
    assert mutants.main(["swap-a-rule"]) == 0
