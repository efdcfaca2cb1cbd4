"""Whole processes beside peers: the programs of the peers mean the same terms, and the rows say what is missing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from prism.bench import processes
from prism.bench.harness import Contender, Missing, race
from prism.bench.processes import LANGUAGES, numbers, process_contenders, start_bench, written
from prism.vm.term.parse import read_text

pytestmark = [pytest.mark.m1, pytest.mark.slow]

PROGRAM = "(def x (mul 3 (suc 1))) (add x x) zero 1 (mul x (add x 0)) " + "(add 1 " * 70 + "x" + ")" * 70
VALUES = [12, 0, 1, 36, 76]


@pytest.mark.clause("BENCH-5")
@pytest.mark.parametrize("name", LANGUAGES)
def test_a_peer_reduces_the_same_terms(name: str, tmp_path: Path) -> None:
    """What is written for a peer, with named parts, reduces to what the terms denote, root by root."""
    language = LANGUAGES[name]
    text = written(language, read_text(PROGRAM).graph)
    assert "p" in text
    if shutil.which(language.command[0]) is None:
        pytest.skip(f"{language.command[0]} is not installed")
    file = tmp_path / f"p{language.suffix}"
    file.write_text(text)
    done = subprocess.run([*language.command, str(file)], capture_output=True, text=True, check=True, timeout=60)
    assert numbers(language, done.stdout) == VALUES


@pytest.mark.clause("BENCH-5")
def test_what_is_not_there_or_too_slow_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that is not installed, or does not end in time, is missing and says why; ours is always there."""
    terms = read_text("(add 1 2)").graph
    monkeypatch.setattr(processes.shutil, "which", lambda _: None)
    ours, *peers = process_contenders("sum", "(add 1 2)", terms, tmp_path)
    assert isinstance(ours, Contender)
    assert ours.prepare()() == 3
    assert [peer.reason for peer in peers if isinstance(peer, Missing)] == [
        "the command maude is not installed; install it",
        "the command swipl is not installed; install it",
    ]

    def slow(command: tuple[str, ...]) -> str:
        raise subprocess.TimeoutExpired(command, 1)

    monkeypatch.setattr(processes.shutil, "which", lambda _: "/bin/true")
    monkeypatch.setattr(processes, "_ended", slow)
    reasons = [peer.reason for peer in process_contenders("sum", "", terms, tmp_path)[1:] if isinstance(peer, Missing)]
    assert reasons == ["it did not end within 10 s"] * 2
    monkeypatch.setattr(processes, "_ended", lambda _: "")
    reasons = [peer.reason for peer in process_contenders("sum", "", terms, tmp_path)[1:] if isinstance(peer, Missing)]
    assert reasons[0] == "maude must reduce 1 terms, but reduced 0; run the bench without it"


@pytest.mark.clause("BENCH-5")
def test_a_start_is_measured_beside_imports(tmp_path: Path) -> None:
    """The case of a start has a row for the imports that bound it and one for a run with next to nothing to do."""
    rows = start_bench(1, tmp_path)
    assert [row.impl for row in rows] == ["import numba (process)", "import numpy (process)", "prism run (process)"]
    assert all(row.median_s for row in rows)


def test_a_process_that_fails_is_named(tmp_path: Path) -> None:
    """A command that does not end with 0 is an error with its last words."""
    with pytest.raises(processes.PrismError, match=r"`.*` must end with 0, but ended with 2: "):
        race(processes.Case("x", "y", 1, "z"), [Contender("x", lambda: lambda: _fail(tmp_path))], runs=1)


def _fail(folder: Path) -> str:
    return processes._ended(processes._prism(folder / "nosuch"))
