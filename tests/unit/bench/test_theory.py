"""prism.bench.theory: workloads agree, and a peer that is missing or wrong is said to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from prism.bench import theory as bench
from prism.bench.theory import WORKLOADS, Workload, maude_program, theory_bench
from prism.errors import PrismError, UsageError
from prism.vm.theory.library import load

pytestmark = pytest.mark.m7


def test_a_missing_peer_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the command there is a row that says so; ours has a time and a rate."""
    monkeypatch.setattr(bench.shutil, "which", lambda _name: None)
    ours, maude = theory_bench(["parity linear"], 1)
    assert ours.impl == "prism ledger"
    assert ours.rate is not None
    assert maude.unit == "missing: the command maude is not installed; install it"


def test_a_peer_runs_the_same_rules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the command prints is the answer that must agree; too few answers are an error."""
    command = tmp_path / "maude"
    command.write_text("#!/bin/sh\necho 'result S: true'\n")
    command.chmod(0o755)
    monkeypatch.setattr(bench.shutil, "which", lambda _name: str(command))
    rows = list(theory_bench(["parity linear"], 1))
    assert [row.runs for row in rows] == [1, 1]
    command.write_text("#!/bin/sh\necho 'result S: false'\n")
    with pytest.raises(PrismError, match="contenders must give one answer"):
        list(theory_bench(["parity linear"], 1))
    command.write_text("#!/bin/sh\necho oops >&2\n")
    with pytest.raises(PrismError, match="maude must reduce 1 terms, but reduced 0") as raised:
        list(theory_bench(["parity linear"], 1))
    assert "run `prism bench theory` without it" in str(raised.value)


def test_a_theory_is_written_for_maude() -> None:
    """Ops with their attributes, free names as constants, rules as equations, one reduction a term."""
    work = Workload(load("boolean"), [("and", "a", ("not", ("true",)))])
    lines = maude_program(work, ["a"]).splitlines()
    assert {"op and : S S -> S [comm] .", "op not : S -> S .", "op true : -> S .", "op a : -> S ."} <= set(lines)
    assert "eq and(xV:S,not(xV:S)) = false ." in lines
    assert lines[-2:] == ["red and(a,not(true)) .", "quit"]
    with pytest.raises(UsageError, match="a theory must be without literals to be written for Maude"):
        maude_program(Workload(load("calculus"), []), [])


def test_an_unknown_workload_is_refused() -> None:
    """The names that there are stand in the message."""
    with pytest.raises(UsageError, match="a workload must be one of parity linear"):
        list(theory_bench(["nosuch"], 1))
    assert len(WORKLOADS) == 6
