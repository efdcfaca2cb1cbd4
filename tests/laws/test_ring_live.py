"""Running executors answer as some order of the jobs answers, whatever tenants, host and lost workers do."""

from __future__ import annotations

import sys
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from prism.ring.exec import cuda, cuda_kernel
from prism.ring.exec.cpu import CpuExecutor
from prism.ring.exec.oracle import OracleExecutor
from prism.ring.program import Program
from prism.ring.runtime import Executor
from tests.cuda_stand_in import StandIn
from tests.laws.test_ring_machine import YIELDING
from tests.ring_live import Live

pytestmark = [pytest.mark.m9, pytest.mark.clause("RINGRUN-2"), pytest.mark.clause("RINGRUN-6")]
SETTINGS = settings(
    max_examples=12, stateful_step_count=15, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


class LiveCpu(Live):
    """Two workers in threads, of which some vanish."""

    program: ClassVar[Program] = YIELDING
    handled = True

    def executor(self) -> Executor:
        """Return two workers."""
        return CpuExecutor(2)


class LiveOracle(Live):
    """The oracle, which works while somebody waits."""

    program: ClassVar[Program] = YIELDING
    handled = True

    def executor(self) -> Executor:
        """Return the oracle."""
        return OracleExecutor()


class LiveCuda(Live):
    """The persistent kernel, by a stand-in: two blocks of one warp."""

    def executor(self) -> Executor:
        """Return the executor on the stand-in."""
        return cuda.CudaExecutor(2, head=(1 << 32) - 20)


def test_workers_answer_as_some_order_does() -> None:
    """Two cpu workers, killed at any point, with jobs that yield."""
    assert run_state_machine_as_test(LiveCpu, settings=SETTINGS) is None


def test_the_oracle_answers_as_some_order_does() -> None:
    """The oracle, under the same acts."""
    assert run_state_machine_as_test(LiveOracle, settings=SETTINGS) is None


@pytest.mark.clause("RINGRUN-7")
@pytest.mark.slow
def test_a_kernel_answers_as_some_order_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cuda executor on the stand-in, under the same acts; no lane fails."""
    device, before = StandIn(), sys.getswitchinterval()
    monkeypatch.setattr(cuda, "open_cuda", lambda: device)
    monkeypatch.setattr(cuda, "THREADS", 32)
    monkeypatch.setattr(cuda_kernel, "EAGER_LOOKS", 0)
    sys.setswitchinterval(0.0005)
    try:
        assert run_state_machine_as_test(LiveCuda, settings=settings(SETTINGS, max_examples=6)) is None
    finally:
        sys.setswitchinterval(before)
    assert not device.failures
