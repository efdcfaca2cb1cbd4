""".ci/run itself: it stops at the first failure, falls back for the proofs alone, and ends with the tests' outcome."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.repo.source import ROOT

pytestmark = [pytest.mark.m5, pytest.mark.clause("POLICY-11")]

PROGRAMS = ("bash", "cat", "dirname", "grep", "id", "mktemp", "rm", "sh", "tail", "tee")
OUTCOME = "12 passed in 3.00s"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return copies of .ci/run and of scripts/prove.sh among tools that all succeed, and a PATH without more."""
    for name in (".ci/run", "scripts/prove.sh"):
        (tmp_path / name).parent.mkdir()
        shutil.copy(ROOT / name, tmp_path / name)
    for name in PROGRAMS:
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).symlink_to(shutil.which(name) or name)
    tool(tmp_path / "bin" / "make", f"echo '{OUTCOME}'; echo 'short test summary'")
    tool(tmp_path / "scripts" / "check_agda_container.sh", "exit 0")
    return tmp_path


def tool(path: Path, body: str) -> None:
    """Write an executable that records its call and then does `body`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\necho "{path.name} $*" >>calls\n{body}\n', encoding="utf-8")
    path.chmod(0o755)


def run(folder: Path, script: str = ".ci/run") -> tuple[int, str, list[str]]:
    """Return the status of a script, its last line and the tools it called."""
    result = subprocess.run(
        [str(folder / "bin" / "bash"), str(folder / script)],
        env={"PATH": str(folder / "bin")},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    calls = (folder / "calls").read_text(encoding="utf-8").splitlines()
    return result.returncode, (result.stdout.splitlines() or [""])[-1], calls


def test_success_ends_with_the_outcome_of_the_tests(folder: Path) -> None:
    """Every check is made once, and the last line counts the tests."""
    assert run(folder) == (0, OUTCOME, ["make lint", "make test", "make proofs"])


@pytest.mark.parametrize("target", ["lint", "test", "proofs"])
def test_a_failure_stops_the_run(folder: Path, target: str) -> None:
    """The first check that fails is the last one made, and its failure is the run's."""
    tool(folder / "bin" / "make", f"[ $1 != {target} ] && echo '{OUTCOME}'")
    status, _, calls = run(folder)
    assert status != 0
    assert calls[-1] == f"make {target}"


@pytest.mark.parametrize(("status", "fallback"), [(3, "--allow-host"), (4, "--accept-drift")])
def test_without_the_pinned_container_the_proofs_are_checked_elsewhere(
    folder: Path, status: int, fallback: str
) -> None:
    """No container (3) and an image that cannot be rebuilt (4) are no verdict: the fallback gives it."""
    tool(folder / "scripts" / "check_agda_container.sh", f'[ "$1" = {fallback} ] || exit {status}')
    assert run(folder, "scripts/prove.sh")[0] == 0
    tool(folder / "scripts" / "check_agda_container.sh", f'[ "$1" = {fallback} ] && exit 1; exit {status}')
    ended, _, calls = run(folder, "scripts/prove.sh")
    assert ended == 1
    assert calls[-2:] == ["check_agda_container.sh ", f"check_agda_container.sh {fallback}"]


@pytest.mark.parametrize("verdict", [0, 1, 2, 42])
def test_a_verdict_on_the_proofs_stands(folder: Path, verdict: int) -> None:
    """Any other status of the proofs is the answer, and is not tried again elsewhere."""
    tool(folder / "scripts" / "check_agda_container.sh", f'[ "$1" ] || exit {verdict}')
    status, _, calls = run(folder, "scripts/prove.sh")
    assert (status, calls) == (verdict, ["check_agda_container.sh "])


def test_no_passed_test_fails_the_run(folder: Path) -> None:
    """An empty outcome is not a success."""
    tool(folder / "bin" / "make", "echo 'no tests ran in 0.01s'")
    assert run(folder)[0] != 0
