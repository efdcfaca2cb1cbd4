"""The laws of a ledger over several processes [spec/shards.md], on loopback."""

from __future__ import annotations

import subprocess
import sys

import jax
import pytest

from prism.vm.ledger import processes
from prism.vm.ledger.processes import ProcessError, in_step

pytestmark = [pytest.mark.m1, pytest.mark.slow, pytest.mark.clause("SHARDS-5")]


def campaign(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the campaign of the law."""
    command = [sys.executable, "-m", "tests.ledger_processes", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def said(done: subprocess.CompletedProcess[str]) -> str:
    """Return what the campaign printed, without what Gloo may say of its ranks."""
    return "\n".join(line for line in done.stdout.splitlines() if not line.startswith("[Gloo]"))


@pytest.mark.parametrize("count", ["2", "3"])
def test_no_number_of_processes_is_seen_in_any_id(count):
    """Processes that bring parts of unequal length have the ids, keys and statuses of one host ledger."""
    done = campaign("--processes", count, "--n", "1")
    assert (said(done), done.returncode) == (f"1 sequences on {count} processes, 0 differ", 0), done.stderr


def test_a_process_that_ends_ends_the_others():
    """The others end in bounded time with an error that says so, and what each had saved loads."""
    done = campaign("--processes", "2", "--n", "3", "--kill", "1")
    assert (said(done), done.returncode) == ("process 1 ended: the others ended and said so", 0), done.stderr


def test_a_lost_process_is_an_error_of_its_own(monkeypatch):
    """What JAX raises amid a step of several processes becomes ours; with one process it stays what it is."""
    with pytest.raises(jax.errors.JaxRuntimeError, match="reset"), in_step():
        raise jax.errors.JaxRuntimeError("Connection reset by peer")
    monkeypatch.setattr(processes.jax, "process_count", lambda: 2)
    with pytest.raises(ProcessError, match="every process of a ledger must live until the last batch, but"), in_step():
        raise jax.errors.JaxRuntimeError("Connection reset by peer")
