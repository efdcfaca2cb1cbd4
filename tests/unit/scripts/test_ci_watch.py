"""scripts/ci_watch.sh against a stub of `gh` and a bare repository as the remote."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.m4, pytest.mark.clause("TELEMETRY-4")]

SCRIPT = Path(__file__).parents[3] / "scripts" / "ci_watch.sh"

STUB = """#!/usr/bin/env bash
echo "$*" >>"$GH_LOG"
case "$1 $2" in
  "run list") [[ -z $GH_RUN ]] || echo "$GH_RUN" ;;
  "run watch") exit "$GH_STATUS" ;;
  "run download") mkdir -p "${@: -1}/report" && echo data >"${@: -1}/report/file" ;;
esac
"""


def _git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.invalid")
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make a repository with one commit, a bare `origin`, and a stubbed `gh` in ../bin."""
    remote, work, stub = tmp_path / "remote.git", tmp_path / "work", tmp_path / "bin" / "gh"
    _git(tmp_path, "init", "-q", "--bare", str(remote))
    _git(tmp_path, "init", "-q", "-b", "topic", str(work))
    _git(work, "commit", "-q", "--allow-empty", "-m", "first")
    _git(work, "remote", "add", "origin", str(remote))
    stub.parent.mkdir()
    stub.write_text(STUB)
    stub.chmod(0o755)
    return work


def _watch(checkout: Path, *arguments: str, run: str = "77", status: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PATH": f"{checkout.parent / 'bin'}:{os.environ['PATH']}",
        "GH_LOG": str(checkout.parent / "log"),
        "GH_RUN": run,
        "GH_STATUS": str(status),
        "CI_WATCH_PAUSE": "0",
    }
    return subprocess.run(
        [str(SCRIPT), *arguments], cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )


def test_pushes_watches_and_downloads(checkout: Path) -> None:
    """The commit reaches the remote, its own run is watched, and the artifacts land under the folder named."""
    done = _watch(checkout, "--artifacts-dir", "got")
    head = _git(checkout, "rev-parse", "HEAD")
    assert done.returncode == 0, done.stderr
    assert _git(checkout.parent / "remote.git", "rev-parse", "topic") == head
    assert (checkout / "got" / "77" / "report" / "file").read_text() == "data\n"
    log = (checkout.parent / "log").read_text()
    assert f"--commit {head}" in log
    assert "run watch 77 --exit-status" in log


def test_a_failed_run_is_the_exit_status_and_keeps_its_artifacts(checkout: Path) -> None:
    """The status of the CI run is passed on, after its artifacts were fetched."""
    done = _watch(checkout, status=1)
    assert done.returncode == 1
    assert (checkout / "out" / "ci" / "77" / "report" / "file").exists()


def test_no_run_is_an_error_not_a_wait_for_ever(checkout: Path) -> None:
    """When no run appears for the commit the script stops with status 2 and says so."""
    done = _watch(checkout, "--no-push", run="")
    assert done.returncode == 2
    assert "no run of ci.yml appeared for" in done.stderr


def test_an_unknown_argument_is_refused_before_anything_is_pushed(checkout: Path) -> None:
    """A misspelt option pushes nothing and names itself."""
    done = _watch(checkout, "--artefacts", "x")
    assert done.returncode == 2
    assert "unknown argument '--artefacts'" in done.stderr
    assert not (checkout.parent / "log").exists()
