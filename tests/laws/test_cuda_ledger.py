"""The laws of the ledger's cuda engine, whose kernels Numba's simulator runs in a process of their own."""

from __future__ import annotations

import subprocess
import sys

import numba
import pytest

from prism.errors import UsageError
from prism.gpu import open_cuda
from prism.vm.ledger.cuda import CudaLedger
from prism.vm.ledger.key import LARGEST
from tests.limits.test_ledger_limits import pairs

pytestmark = [pytest.mark.m1, pytest.mark.slow]


def campaign(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the campaign of the law."""
    command = [sys.executable, "-m", "tests.cuda_ledger", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.clause("LEDGER-3")
@pytest.mark.clause("LEDGER-5")
@pytest.mark.clause("LEDGER-6")
@pytest.mark.clause("LEDGER-7")
def test_the_cuda_engine_is_the_host():
    """Random sequences with growth, refusals, caps and runs over the end of the table have the host's outcome."""
    done = campaign("--n", "6")
    assert (done.stdout, done.returncode) == ("6 sequences, no mismatch\n", 0), done.stderr


@pytest.mark.parametrize("bug", ["order", "wrap"])
@pytest.mark.clause("LEDGER-3")
def test_planted_faults_are_seen(bug):
    """The law fails where the order of a run of slots, or of one over the end, is not put right."""
    done = campaign("--bug", bug, "--n", "6")
    assert (done.returncode, done.stdout.startswith("seed ")) == (0, True), done.stderr


def test_what_the_cuda_engine_cannot_do_is_said(monkeypatch):
    """A capacity beyond what a slot's number can say is refused; what is missing is said."""
    with pytest.raises(UsageError, match="the cuda engine of the ledger holds at most 1610612736 nodes on a GPU, got"):
        CudaLedger(LARGEST, 1 << 31, pairs(2, 3), cuda=object())
    monkeypatch.delattr(numba, "cuda", raising=False)
    monkeypatch.setitem(sys.modules, "numba.cuda", None)
    with pytest.raises(UsageError) as caught:
        open_cuda("the law")
    assert "the law needs numba-cuda, but" in str(caught.value)
    assert "; install the extra prism-vm[gpu]" in str(caught.value)
