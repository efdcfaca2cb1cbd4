"""The persistent worker on a GPU: its results, its end, its wrap, and what a killed process leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from prism.errors import UsageError
from prism.ring import layout as at
from prism.ring.codec import decode_log
from prism.ring.exec.cuda import CudaExecutor, open_cuda
from prism.ring.layout import Opcode, Reason, SlotStatus
from prism.ring.program import Handler, Order, Program
from prism.ring.runtime import Runtime
from prism.ring.state import RingSpec
from tests.ring_live import Live


def _missing() -> str:
    try:
        open_cuda()
    except UsageError as error:
        return str(error)
    return ""


WHY = _missing()
pytestmark = [
    pytest.mark.m9,
    pytest.mark.clause("RINGRUN-7"),
    pytest.mark.skipif(bool(WHY), reason=WHY or "there is a GPU"),
]


def ring(**options: Any) -> Runtime:
    """Return a ring on the GPU with two tenants."""
    return Runtime(RingSpec(slots=8192, tenants=2, observables=1 + 2 * 64), executor=CudaExecutor(**options))


def test_jobs_do_what_they_say() -> None:
    """Adds add up, faults name their reasons, a fence passes after its batch, and a window is read back."""
    with ring() as runtime:
        tenant = runtime.tenant(1)
        word = tenant.window_start
        batch = tenant.submit_batch(Opcode.ATOMIC_ADD, np.tile([3, word], (4096, 1)))
        assert batch.wait(20)
        assert tenant.window[0] == 3 * 4096
        assert tenant.submit(Opcode.STORE_U32, (9, 3)).outcome(5) == (SlotStatus.FAULT, Reason.ADDRESS, 3)
        assert tenant.submit(77).outcome(5) == (SlotStatus.FAULT, Reason.OPCODE, 77)
        fenced = tenant.submit_fenced(Opcode.ATOMIC_ADD, np.tile([1, word], (100, 1)), tag=5)
        fenced.result(5)
        assert (tenant.window[0], runtime.state.control[at.EPOCH]) == (3 * 4096 + 100, 1)
        tenant.write(2, [41])
        tenant.submit(Opcode.ATOMIC_ADD, (1, word + 2)).result(5)
        assert tenant.window[2] == 42
        runtime.executor.pump()
        assert runtime.state.control[at.DONE_COUNT] == 4096 + 2 + 101 + 1


def test_the_line_wraps() -> None:
    """Positions pass 2^32 as a day of jobs makes them, and every job is done once."""
    with ring(head=(1 << 32) - 5000) as runtime:
        tenant = runtime.tenant(0)
        for _ in range(4):
            assert tenant.submit_batch(Opcode.ATOMIC_ADD, np.tile([1, tenant.window_start], (4000, 1))).wait(20)
        assert tenant.window[0] == 16_000


def test_an_idle_kernel_ends_and_is_launched_again() -> None:
    """After its idle looks the kernel is gone; the next job finds it again."""
    executor = CudaExecutor(looks=2000)
    with Runtime(1024, executor=executor) as runtime:
        tenant = runtime.tenant(0)
        tenant.submit(Opcode.NOP).result(20)
        time.sleep(1)
        tenant.submit(Opcode.ATOMIC_ADD, (1, tenant.window_start)).result(20)
        assert tenant.window[0] == 1
        assert executor.launches >= 2


def test_a_ring_that_shuts_down_ends_its_kernel() -> None:
    """SHUTDOWN by tenant 0 ends the kernel; closing cancels what it left."""
    runtime = ring()
    runtime.tenant(0).submit(Opcode.SHUTDOWN)
    time.sleep(0.2)
    assert runtime.close(drain=False) <= 1


@pytest.mark.clause("RING-10")
def test_what_is_urgent_passes_what_waits() -> None:
    """With a line of 64, urgent jobs of one tenant pass 3,000 idle ones of another that were submitted before them."""
    spec = RingSpec(slots=8192, tenants=2, observables=1 + 2 * 8, log_records=4096)
    with Runtime(spec, executor=CudaExecutor(ahead=64)) as runtime:
        masks = runtime.state.control[at.TENANT_MASKS : at.TENANT_MASKS + 2]
        masks[:] = 0
        columns = np.empty((3000, 0), np.uint32)
        idle = runtime.tenant(0).submit_batch(Opcode.PRINTF, columns, priority=at.Priority.IDLE)
        urgent = runtime.tenant(1).submit_batch(Opcode.PRINTF, columns[:100], priority=at.Priority.CRITICAL)
        with runtime.executor.guard:
            masks[:] = at.ALLOWED
        assert idle.wait(20)
        assert urgent.wait(20)
        runtime.executor.pump()
        records = decode_log(runtime.state.log)
        places = [place for place, record in enumerate(records) if record[3] // at.SLOT_WORDS >= 4096]
        assert (len(places), len(records)) == (100, 3100)
        # The idle level has its turns: 8 jobs after at most 17 runs of 8 urgent ones, and what lies on the line.
        assert max(places) < 100 + 8 + 2 * 64
        assert runtime.state.control[at.PRIORITY_FAIRNESS : at.PRIORITY_FAIRNESS + 5].tolist() == [100, 0, 0, 0, 3000]


def double_word(args: Any, control: Any, start: Any, words: Any) -> Any:
    """Double the window's first word as often as the first argument says."""
    if words == 0:
        return 2
    for _ in range(args[0]):
        control[start] = control[start] * np.uint32(2)
    return 0


def test_handlers_are_device_functions() -> None:
    """A handler's `native` runs on the GPU, and its reason is the slot's."""
    handler = Handler(64, "double", apply=lambda _: (), native=double_word)
    with Runtime(256, executor=CudaExecutor(), program=Program(order=Order.PRIORITY, handlers=(handler,))) as runtime:
        tenant = runtime.tenant(0)
        tenant.write(0, [3])
        tenant.submit(64, (4,)).result(20)
        assert tenant.window[0] == 48


class LiveCuda(Live):
    """The persistent kernel under whatever tenants and the host do, from shortly before its positions wrap."""

    def executor(self) -> CudaExecutor:
        """Return the executor."""
        return CudaExecutor(head=(1 << 32) - 20)


@pytest.mark.clause("RINGRUN-2")
def test_the_kernel_answers_as_some_order_of_the_jobs_does() -> None:
    """Outcomes, windows, counters and compare-and-swaps are those of some order, in many short lives of the kernel."""
    steps = settings(
        max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    assert run_state_machine_as_test(LiveCuda, settings=steps) is None


INTERRUPTED = """
import time
from prism.ring.runtime import Runtime
with Runtime(1024, executor="cuda") as runtime:
    runtime.submit(0).result(30)
    print("ready", flush=True)
    time.sleep(60)
"""


def test_an_interrupt_ends_the_kernel() -> None:
    """A process that is interrupted stops its kernel and exits within seconds."""
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=os.environ.copy()
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) != 0
