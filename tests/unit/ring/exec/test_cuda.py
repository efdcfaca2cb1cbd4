"""Host and persistent kernel understand one another, with every lane of the kernel a thread of a stand-in."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from prism.ring import layout as at
from prism.ring.codec import decode_log
from prism.ring.errors import QueueFullError
from prism.ring.exec import cuda, cuda_kernel
from prism.ring.layout import Opcode, Reason, SlotStatus
from prism.ring.program import Handler, Order, Program
from prism.ring.runtime import Runtime
from prism.ring.state import RingSpec
from tests.cuda_stand_in import StandIn

pytestmark = [pytest.mark.m9, pytest.mark.clause("RINGRUN-7")]
SPEC = RingSpec(slots=256, tenants=2, observables=1 + 2 * 64)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """Yield a stand-in for `numba.cuda` that the executor takes, one warp a block; no lane of it may fail."""
    device, before = StandIn(), sys.getswitchinterval()
    monkeypatch.setattr(cuda, "open_cuda", lambda: device)
    monkeypatch.setattr(cuda, "THREADS", 32)
    monkeypatch.setattr(cuda_kernel, "EAGER_LOOKS", 0)
    sys.setswitchinterval(0.0005)
    yield device
    sys.setswitchinterval(before)
    assert not device.failures


@pytest.mark.slow
def test_jobs_do_what_they_say(stand_in: StandIn) -> None:
    """Adds add up, faults name their reasons, a fence passes after its batch, and counters count every job once."""
    with Runtime(SPEC, executor=cuda.CudaExecutor(2, head=(1 << 32) - 150)) as runtime:
        tenant = runtime.tenant(1)
        word = tenant.window_start
        assert tenant.submit_batch(Opcode.ATOMIC_ADD, np.tile([3, word], (100, 1))).wait(20)
        assert tenant.window[0] == 300
        assert tenant.submit(Opcode.STORE_U32, (9, 3)).outcome(5) == (SlotStatus.FAULT, Reason.ADDRESS, 3)
        assert tenant.submit(77).outcome(5) == (SlotStatus.FAULT, Reason.OPCODE, 77)
        tenant.submit_fenced(Opcode.ATOMIC_ADD, np.tile([1, word], (60, 1)), tag=5).result(20)
        assert (tenant.window[0], runtime.state.control[at.EPOCH]) == (360, 1)
        tenant.write(2, [41])
        tenant.submit(Opcode.ATOMIC_ADD, (1, word + 2)).result(5)
        assert tenant.window[2] == 42
        packed = [2 | 3 << 8 | Opcode.ATOMIC_ADD << 16, Opcode.NOP | 2 << 8, 7, word + 3]
        tenant.submit(Opcode.PACKED_SLOT, packed).result(5)
        assert tenant.window[3] == 7
        runtime.executor.pump()
        assert runtime.state.control[at.DONE_COUNT] == 100 + 2 + 61 + 1 + 1
        books = runtime.state.tenants[1]
        assert (books[at.BOOKS_TENANT.at("DONE")], books[at.BOOKS_TENANT.at("FAULTED")]) == (163, 2)
    assert not stand_in.failures


def test_slots_are_taken_in_any_order_of_the_ring(stand_in: StandIn) -> None:
    """Batches whose slots lie side by side, apart, and around the end of a tenant's part, all end."""
    with Runtime(SPEC, executor=cuda.CudaExecutor(2)) as runtime:
        tenants, total = runtime.tenants, [0, 0]
        for turn, size in enumerate([1, 70, 33, 128, 5, 90, 64, 128]):
            tenant = tenants[turn & 1]
            rows = np.tile([1, tenant.window_start], (size, 1))
            batch = tenant.submit_batch(Opcode.ATOMIC_ADD, rows)
            job = tenants[1 - turn & 1].submit(Opcode.NOP)
            assert batch.wait(20)
            assert job.wait(20)
            total[turn & 1] += size
        assert [int(tenant.window[0]) for tenant in tenants] == total
    assert not stand_in.failures


def test_a_barred_tenant_waits_and_another_does_not(stand_in: StandIn) -> None:
    """Jobs of a barred tenant stay PUBLISHED and can be cancelled; once it is allowed, the rest run."""
    with Runtime(SPEC, executor=cuda.CudaExecutor(1)) as runtime:
        runtime.state.control[at.TENANT_MASKS + 1] = 0
        barred, free = runtime.tenant(1), runtime.tenant(0)
        jobs = [barred.submit(Opcode.ATOMIC_ADD, (1 << k, barred.window_start)) for k in range(4)]
        free.submit(Opcode.NOP).result(5)
        assert [job.poll() for job in jobs] == [1] * 4
        assert runtime.state.slots[jobs[0].slots[0], at.STATUS] == SlotStatus.PUBLISHED
        assert jobs[3].cancel() == 1
        runtime.state.control[at.TENANT_MASKS + 1] = at.ALLOWED
        later = barred.submit(Opcode.ATOMIC_ADD, (16, barred.window_start))
        assert [job.outcome(5).reason for job in jobs] == [Reason.NONE] * 3 + [Reason.CANCELLED]
        later.result(5)
        assert barred.window[0] == 0b10111
        runtime.executor.pump()
        assert runtime.state.control[at.DONE_COUNT] == 6
        assert runtime.state.tenants[1, at.BOOKS_TENANT.at("FAULTED")] == 1
    assert not stand_in.failures


def test_an_idle_kernel_ends_and_is_launched_again(stand_in: StandIn) -> None:
    """After its idle looks the kernel is gone; the next job finds it again."""
    executor = cuda.CudaExecutor(2, looks=5)
    with Runtime(SPEC, executor=executor) as runtime:
        tenant = runtime.tenant(0)
        tenant.submit(Opcode.NOP).result(20)
        end = time.monotonic() + 10
        while int(executor._bell[16]) != executor.launches and time.monotonic() < end:
            time.sleep(0.01)
        tenant.submit(Opcode.ATOMIC_ADD, (1, tenant.window_start)).result(20)
        assert tenant.window[0] == 1
        assert executor.launches >= 2
    assert not stand_in.failures


def test_levels_and_turns_hold_where_more_waits_than_the_kernel_runs(stand_in: StandIn) -> None:
    """With a line of 8, ten urgent jobs of one tenant pass 90 idle ones of another that were submitted before them."""
    program = Program(order=Order.PRIORITY)
    spec = RingSpec(slots=256, tenants=2, observables=1 + 2 * 8, log_records=256)
    with Runtime(spec, executor=cuda.CudaExecutor(1, ahead=8), program=program) as runtime:
        masks = runtime.state.control[at.TENANT_MASKS : at.TENANT_MASKS + 2]
        masks[:] = 0
        columns = np.empty((90, 0), np.uint32)
        idle = runtime.tenant(0).submit_batch(Opcode.PRINTF, columns, priority=at.Priority.IDLE)
        urgent = runtime.tenant(1).submit_batch(Opcode.PRINTF, columns[:10], priority=at.Priority.CRITICAL)
        with runtime.executor.guard:
            masks[:] = at.ALLOWED
        assert idle.wait(30)
        assert urgent.wait(30)
        runtime.executor.pump()
        records = decode_log(runtime.state.log)
        places = [place for place, record in enumerate(records) if record[3] // at.SLOT_WORDS >= 128]
        assert (len(places), len(records)) == (10, 100)
        # The ten, what lay on the line with the last of them, and a turn of the level that was passed over.
        assert max(places) < 10 + 8
        control = runtime.state.control
        assert control[at.PRIORITY_FAIRNESS : at.PRIORITY_FAIRNESS + 5].tolist() == [10, 0, 0, 0, 90]
        assert control[at.TENANT_FAIRNESS : at.TENANT_FAIRNESS + 2].tolist() == [90, 10]
        held = at.BOOKS_TENANT.at("HELD")
        assert runtime.state.tenants[:2, held].tolist() == [0, 0]
    assert not stand_in.failures


def hold_up(args: Any, control: Any, start: Any, words: Any) -> int:  # noqa: ARG001 (a handler's signature)
    """Be long: end once the window's second word is set."""
    while not control[start + 1]:
        time.sleep(0.001)
    return 0


def test_a_long_job_loses_no_job_behind_it(stand_in: StandIn) -> None:
    """While a job holds the second block up, the first's go on, and those that wait for the second are not lost."""
    handler = Handler(64, "hold up", apply=lambda _: (), native=hold_up)
    program = Program(order=Order.PRIORITY, handlers=(handler,))
    with Runtime(
        RingSpec(slots=64, tenants=1, observables=8), executor=cuda.CudaExecutor(2), program=program
    ) as runtime:
        tenant, done = runtime.tenant(0), 0
        word = tenant.window_start
        tenant.submit_batch(Opcode.NOP, np.empty((32, 0), np.uint32)).result(20)
        long = tenant.submit(64)
        held = []
        for _ in range(40):
            try:
                batch = tenant.submit_batch(Opcode.ATOMIC_ADD, np.tile([1, word], (8, 1)), timeout=0.05)
            except QueueFullError:
                break  # Every slot is held up.
            batch.wait(0.2)
            held.append(batch)
        assert long.poll() == 1
        tenant.write(1, [1])
        for batch in [long, *held]:
            batch.result(30)
            done += len(batch)
        assert tenant.window[0] == done - 1
        assert done - 1 == 8 * len(held)
    assert not stand_in.failures


def nothing(args: Any, control: Any, start: Any, words: Any) -> int:  # noqa: ARG001 (a handler's signature)
    """Be a handler."""
    return 0


def test_a_kernel_is_compiled_once_for_equal_handlers(stand_in: StandIn) -> None:
    """Rings of any size share a kernel while their handlers are the same functions; another handler needs another."""
    handler = Handler(64, "nothing", apply=lambda _: (), native=nothing)
    other = Handler(65, "nothing", apply=lambda _: (), native=nothing)
    for slots, handlers, compiled in (
        (64, (), 1),
        (16, (), 1),
        (16, (handler,), 2),
        (64, (handler,), 2),
        (64, (other,), 3),
    ):
        with Runtime(slots, executor=cuda.CudaExecutor(1), program=Program(handlers=handlers)) as runtime:
            runtime.submit(handlers[0].opcode if handlers else 0).result(20)
        assert stand_in.compiled == compiled


def test_a_shutdown_ends_the_kernel_and_is_told(stand_in: StandIn) -> None:
    """After SHUTDOWN by tenant 0 nothing is taken, what was queued is cancelled at the end, and the kernel is gone."""
    runtime = Runtime(SPEC, executor=cuda.CudaExecutor(1))
    runtime.tenant(0).submit(Opcode.SHUTDOWN).wait(10)
    end = time.monotonic() + 10
    while not runtime.state.control[at.SHUTDOWN] and time.monotonic() < end:
        time.sleep(0.01)
    with pytest.raises(Exception, match="a ring takes no job once"):
        runtime.tenant(0).submit(0)
    assert runtime.close(drain=False) == 0
    assert not stand_in.failures


def test_a_look_at_a_bell_that_is_being_rung_is_taken_for_none() -> None:
    """A head without the run that belongs to it changes nothing: the lanes go on with what they know."""
    held: dict[str, Any] = {}

    class Catch(StandIn):
        """Keeps device functions by name."""

        def jit(self, function: Any = None, *, device: bool = False) -> Any:
            """Keep it."""
            if device:
                return lambda given: held.setdefault(given.__name__, given)
            return function

    cuda_kernel.make_kernel(Catch(), None, 32)
    seen, verdict = np.zeros(4, np.int64), np.zeros(4, np.uint32)
    told = np.array([7 | 3 << 32, 100 | 6 << 32, 0, 0], np.uint64)
    held["judge"](told, verdict, seen)
    assert verdict.tolist() == [0, 0, 0, 0]
    told[1] = 100 | 7 << 32
    held["judge"](told, verdict, seen)
    assert (verdict.tolist(), seen[0]) == ([7, 0, 3, 100], 7)
