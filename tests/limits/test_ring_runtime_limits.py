"""What a ring's runtime refuses, in words that say what to do."""

from __future__ import annotations

import os
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from prism.bench.ring import ThroughRing, _timed
from prism.bench.ring_stress import Report
from prism.cli.ring import ring as ring_command
from prism.errors import CorruptError, PrismError, UsageError
from prism.ring import layout as at
from prism.ring.errors import JobFaultError, LaunchError, QueueFullError, RingClosedError, RingError, RingTimeoutError
from prism.ring.exec import cuda, line
from prism.ring.exec.cpu import CpuExecutor
from prism.ring.exec.cuda import CudaExecutor, _device_handlers, open_cuda
from prism.ring.exec.device import DeviceExecutor
from prism.ring.exec.oracle import OracleExecutor
from prism.ring.handle import Tenant
from prism.ring.layout import Opcode
from prism.ring.memory import AT_WORKERS, FEED_PROCESS, Shape, fresh_block, read_block
from prism.ring.program import Handler, Order, Program, Workspace
from prism.ring.runtime import PRIORITY, Runtime
from prism.ring.segment import map_segment
from prism.ring.shared import attach
from prism.ring.state import RingSpec

pytestmark = [pytest.mark.m9, pytest.mark.clause("RINGRUN-3")]


def bound(_: Any) -> Any:
    """Be a handler that runs on the host alone."""
    return ()


HOSTED = Handler(64, "hosted", apply=bound, on_host=True)


@pytest.fixture(scope="module")
def runtime() -> Any:
    """Yield a small ring whose model runs when asked."""
    with Runtime(8, 2, "oracle") as ring:
        yield ring


@pytest.mark.slow
@pytest.mark.parametrize(
    ("submit", "words"),
    [
        (lambda t: t.submit(0xFFF5), "is the worker's own"),
        (lambda t: t.submit_batch([0, 0xFFF5], np.zeros((2, 1))), "is the worker's own"),
        (lambda t: t.submit(-1), "an opcode and its arguments must be whole numbers"),
        (lambda t: t.submit(0, (1 << 32,)), "an opcode and its arguments must be whole numbers"),
        (lambda t: t.submit(0, (1.5,)), "an opcode and its arguments must be whole numbers"),
        (lambda t: t.submit(0, (1, "x")), "an opcode and its arguments must be whole numbers"),
        (lambda t: t.submit(0, range(13)), "a job must have at most 12 arguments"),
        (lambda t: t.submit(0, priority=5), "a job must have at most 12 arguments"),
        (lambda t: t.submit_batch([0, 0, 0], np.zeros((2, 1))), "columns must have one length"),
        (lambda t: t.submit_batch(0, np.zeros((5, 1))), "has 4 slots, got 5 jobs at once; split the batch"),
        (lambda t: t.write(20, [1]), "words from 20; stay inside"),
    ],
)
def test_a_submission_that_does_not_fit_writes_nothing(runtime: Runtime, submit: Any, words: str) -> None:
    """It is refused in words, and no word of the ring has changed."""
    before = runtime.block.words.copy()
    with pytest.raises(QueueFullError, match=words):
        submit(runtime.tenant(1))
    assert runtime.block.words.tolist() == before.tolist()


@pytest.mark.slow
def test_a_full_tenant_refuses_and_another_does_not_notice() -> None:
    """With its slots taken a tenant is refused at once for timeout 0; another tenant still has its own."""
    block = fresh_block(Shape(RingSpec(8, 2), 0))
    first, second = (Tenant(block, number, Idle()) for number in range(2))
    first.submit_batch(0, np.empty((4, 0)))
    with pytest.raises(QueueFullError, match="must have 1 free slots, but its 4 are taken"):
        first.submit(0, timeout=0)
    assert second.submit(0, timeout=0).poll() == 1


class Idle:
    """Drains nothing."""

    feeds = False

    def __init__(self) -> None:
        self.guard = nullcontext()

    def wait(self, slots: Any, first: int, seconds: float) -> int:
        """Wait in vain."""
        time.sleep(min(seconds, 0.001 + 0 * first))
        return len(slots)

    def pump(self) -> None:
        """Do nothing."""

    def feed(self, chosen: Any) -> None:
        """Do nothing."""

    def wrote(self, start: int, values: Any) -> None:
        """Do nothing."""


def test_quotas_hold_at_submission() -> None:
    """More at once than the quota is refused for good, more in flight than it until some have ended."""
    block = fresh_block(Shape(RingSpec(8, 1, quota=2), 0))
    tenant = Tenant(block, 0, Idle())
    with pytest.raises(QueueFullError, match="slots in flight, got 3 at once"):
        tenant.submit_batch(0, np.empty((3, 0)), timeout=0)
    tenant.submit_batch(0, np.empty((2, 0)), timeout=0)
    with pytest.raises(QueueFullError, match="must have 1 free slots"):
        tenant.submit(0, timeout=0)


def test_waits_end() -> None:
    """A wait in vain ends in time, an outcome that does not come is an error, and so is a wait after a shutdown."""
    block = fresh_block(Shape(RingSpec(8), 0))
    job = Tenant(block, 0, Idle()).submit(0)
    assert not job.wait(0.01)
    with pytest.raises(RingTimeoutError, match=r"jobs must end within 0.01 s"):
        job.outcome(0.01)
    block.state.control[at.SHUTDOWN] = 1
    with pytest.raises(RingClosedError, match="but the shutdown word is set"):
        job.wait()
    with pytest.raises(RingClosedError, match="a ring takes no job once"):
        Tenant(block, 0, Idle()).submit(0)


@pytest.mark.slow
def test_a_fault_is_raised_where_its_result_is_asked_for(runtime: Runtime) -> None:
    """`result` names the reason; `outcome` returns it, also after the slot has another job."""
    job = runtime.tenant(1).submit(99)
    with pytest.raises(JobFaultError, match="must end as done, got a fault, OPCODE"):
        job.result(5)
    for _ in range(8):
        runtime.tenant(1).submit(0).result(5)
    assert job.outcome().reason is at.Reason.OPCODE


def test_forgotten_outcomes_are_not_made_up() -> None:
    """A job older than the faults that are kept has no outcome any more, instead of a wrong one."""
    with Runtime(4, executor="oracle") as ring:
        tenant = ring.tenant(0)
        old = tenant.submit(99)
        old.wait(5)
        tenant.reclaim()
        tenant.submit_batch(0, np.empty((4, 0))).wait(5)
        tenant._forgotten = tenant._faults.popitem()[0]
        with pytest.raises(RingError, match="of tenant 0, and is forgotten now; look at outcomes as jobs end"):
            old.outcome()


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (lambda: Runtime(8, executor="gpu"), UsageError, "an executor must be one of"),
        (lambda: Runtime(2, 3), UsageError, "must have a slot for each of its 3 tenants"),
        (lambda: Shape(RingSpec(8), 65), UsageError, "a ring must have at most 64 workers"),
        (lambda: map_segment("none-such"), RingClosedError, "must be a segment of this machine"),
        (lambda: read_block(np.zeros(500, np.uint32)), CorruptError, "shared memory must begin as a ring"),
        (lambda: Runtime(8, executor=CpuExecutor(0, 1)), LaunchError, "workers in processes need a shared ring"),
        (lambda: CudaExecutor(3), UsageError, "a cuda executor needs a power of two"),
        (
            lambda: Runtime(8, executor=DeviceExecutor(), program=Program(handlers=(HOSTED,))),
            LaunchError,
            "must be traceable and do no io, but handler 'hosted' runs on the host; give it to the oracle",
        ),
        (lambda: _device_handlers(Program(handlers=(HOSTED,))), LaunchError, "must have device code for its handlers"),
        (
            lambda: Runtime(8, program=Program(workspace=Workspace("w", 4, before=bound))),
            LaunchError,
            "the cpu executor prepares no workspace",
        ),
        (
            lambda: Report(twice=1).require_sound(),
            PrismError,
            "every job must end exactly once or be reported, but of 0 jobs 0 ended wrong, 1 ran twice and 0 never; "
            "report the seed",
        ),
    ],
)
def test_what_cannot_be_is_refused(make: Any, kind: type[Exception], words: str) -> None:
    """Each is refused by a typed error that names it."""
    with pytest.raises(kind, match=words):
        make()


def test_a_segment_that_was_cut_is_refused() -> None:
    """A block shorter than its header says is corrupt."""
    block = fresh_block(Shape(RingSpec(64), 1))
    with pytest.raises(CorruptError, match="got 600; the segment was cut, make a new one"):
        read_block(block.words[:600])
    assert int(read_block(block.words).words[AT_WORKERS]) == 1


def test_tenants_and_names(runtime: Runtime) -> None:
    """There is no tenant beyond the last, and no name of a ring that is not shared."""
    with pytest.raises(UsageError, match="a tenant must be 0 to 1"):
        runtime.tenant(2)
    with pytest.raises(RingClosedError, match="only a shared ring has a name"):
        _ = runtime.name


def test_attaching(monkeypatch: pytest.MonkeyPatch) -> None:
    """One process feeds for a tenant at a time, and only for tenants that there are; without segments none shares."""
    with Runtime(8, 2, "oracle", shared=True) as ring:
        with pytest.raises(RingClosedError, match="a tenant of this ring must be 0 to 1"):
            attach(ring.name, 2)
        ring.block.feeders[1, FEED_PROCESS] = os.getppid()
        with pytest.raises(RingClosedError, match="must be fed by one process"):
            attach(ring.name, 1)
        with attach(ring.name, 0) as tenant:
            assert tenant.submit(0).poll() == 1
    monkeypatch.setattr("prism.ring.segment._FOLDER", Path("/none"))
    with pytest.raises(RingClosedError, match="a shared ring needs"):
        Runtime(8, executor="oracle", shared=True)


def _has_gpu() -> bool:
    try:
        return open_cuda() is not None
    except UsageError:
        return False


def test_without_a_gpu_the_cuda_executor_says_so() -> None:
    """It names what is missing and what to take instead; with a GPU it opens."""
    if _has_gpu():
        assert open_cuda() is not None
    else:
        with pytest.raises(
            UsageError,
            match=r"the cuda executor needs numba-cuda, but|the cuda executor needs a GPU that numba-cuda can use",
        ):
            open_cuda()
    assert cuda.THREADS & (cuda.THREADS - 1) == 0


def test_a_kernel_that_does_not_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop that waits in vain for the kernel says so, and has set the stop word; the clock and bell stand in."""
    monkeypatch.setattr(cuda, "open_cuda", lambda: None)
    monkeypatch.setattr(cuda, "_STOP_S", 0.01)
    executor = CudaExecutor()
    bell = np.zeros(line.BELL_LONGS, np.uint64)
    executor._block, executor._bell, executor.launches = fresh_block(Shape(RingSpec(8), 0)), bell, 1
    with pytest.raises(RingError, match="of the stop word, but a handler runs on; end the process, and bound"):
        executor.stop()
    assert bell[line.BELL_STOP] == 1


class Miscounting(ThroughRing):
    """A ring whose counter of ended jobs stands still."""

    def ended(self) -> int:
        """Return what no job changes."""
        return 7


def test_a_bench_that_did_not_do_its_jobs_says_so() -> None:
    """A time is only given for jobs that the ring's own counter knows."""
    way = Miscounting(OracleExecutor(), 1, PRIORITY, 4)
    try:
        with pytest.raises(PrismError, match="jobs were submitted and must be done, but the ring counts 0"):
            _timed(way, 1)
        assert way.runtime.state.control[at.DONE_COUNT] > 0
    finally:
        way.close()


def test_a_stress_takes_one_size() -> None:
    """Several numbers of jobs are a usage error."""
    answer = CliRunner().invoke(ring_command, ["stress", "--jobs", "10,20"])
    assert isinstance(answer.exception, UsageError)
    assert str(answer.exception) == "--jobs takes one number, got 2; pass one"


def test_cancelling() -> None:
    """A job that nobody has claimed ends as cancelled, once; one that ended cannot be cancelled."""
    with Runtime(RingSpec(8), executor="oracle", program=Program(order=Order.PRIORITY)) as ring:
        tenant = ring.tenant(0)
        job = tenant.submit(Opcode.ATOMIC_ADD, (1, tenant.window_start))
        assert job.cancel() == 1
        assert job.cancel() == 0
        assert job.outcome().reason is at.Reason.CANCELLED
        assert tenant.window[0] == 0
        after = tenant.submit(0)
        after.result(5)
        assert after.cancel() == 0
