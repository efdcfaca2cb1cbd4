"""The ring as a service: jobs of several tenants, futures, processes, lost workers, metrics, and a stress."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from typing import Any

import numba
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from prism.bench.ring import ring_bench
from prism.bench.ring_stress import Plan, run_stress
from prism.cli.ring import ring as ring_command
from prism.cli.ring_server import server
from prism.ring import layout as at
from prism.ring.exec.cpu import CpuExecutor
from prism.ring.layout import Opcode, Priority, Reason, SlotStatus
from prism.ring.memory import WORKER_KILL
from prism.ring.metrics import Collector, sample
from prism.ring.program import Handler, Memory, Order, Program, Span
from prism.ring.runtime import Runtime
from prism.ring.state import RingSpec
from tests.ring_live import has_order

pytestmark = [pytest.mark.m9, pytest.mark.clause("RINGRUN-2")]
EXECUTORS = ["cpu", "oracle", "device"]


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.slow
def test_jobs_of_two_tenants(executor: str) -> None:
    """Every executor answers alike: sums, faults with reasons, fences, and nothing in the other tenant's window."""
    with Runtime(64, 2, executor) as runtime:
        tenant, word = runtime.tenant(1), runtime.tenant(1).window_start
        assert tenant.submit(Opcode.ATOMIC_ADD, (5, word)).outcome(60).status is SlotStatus.DONE
        assert tenant.submit(Opcode.STORE_U32, (9, 3)).outcome(60) == (SlotStatus.FAULT, Reason.ADDRESS, 3)
        assert tenant.submit(Opcode.SHUTDOWN).outcome(60).reason is Reason.TENANT
        tenant.submit_batch(Opcode.ATOMIC_ADD, np.tile([1, word], (20, 1)), priority=Priority.IDLE).result(60)
        fenced = tenant.submit_fenced(Opcode.ATOMIC_ADD, np.tile([1, word], (10, 1)), tag=77)
        assert [ended.status for ended in fenced.outcomes(60)] == [SlotStatus.DONE] * 11
        assert (tenant.window[0], runtime.state.control[at.EPOCH], runtime.state.control[at.OBSERVABLES]) == (35, 1, 77)
        assert not runtime.tenant(0).window.any()
        assert runtime.state.control[at.DONE_COUNT] == 34
        assert runtime.drain(10)


@pytest.mark.clause("RINGRUN-4")
def test_futures_can_be_awaited() -> None:
    """Jobs and batches are awaitable, many at once, and a fault is raised where it is awaited."""

    async def main(runtime: Runtime) -> list[str]:
        tenant = runtime.tenant(0)
        await asyncio.gather(*(tenant.submit(0) for _ in range(30)))
        await tenant.submit_batch(0, np.empty((50, 0)))
        try:
            await tenant.submit(99)
        except Exception as error:
            return [type(error).__name__]
        return []

    with Runtime(64) as runtime:
        assert asyncio.run(main(runtime)) == ["JobFaultError"]


@numba.njit
def double(args: Any, control: Any, start: Any, words: Any) -> int:
    """Double the word of the window that the first argument names."""
    if args[0] >= words:
        return 5
    control[start + args[0]] *= 2
    return 0


@numba.njit
def explode(args: Any, control: Any, start: Any, words: Any) -> int:  # noqa: ARG001 (a handler's signature)
    """Raise, unless asked not to."""
    if args[0] == 0:
        raise ValueError("never seen")
    return 0


def countdown(args: Any, block: Any) -> Any:
    """Yield until the slot's first argument is 0, then leave 7."""
    left = int(args[0])
    status = SlotStatus.YIELD if left else SlotStatus.DONE
    return status, np.array([max(left - 1, 0)], np.uint32), block + np.uint32(7 if not left else 0)


@pytest.mark.clause("RINGRUN-5")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Numba says what it dropped
def test_handlers_compiled_and_on_the_host() -> None:
    """Compiled handlers run in the worker, others in Python with their spans; what raises is a fault."""
    first = Span(0, 1)
    handlers = (
        Handler(64, "double", apply=lambda block: block, native=double),
        Handler(65, "explode", apply=lambda: (), native=explode),
        Handler(66, "add one", apply=lambda _args, block: block + np.uint32(1), reads=(first,), writes=(first,)),
        Handler(
            67, "count down", countdown, reads=(first,), writes=(Span(0, 1, Memory.ARGS), first), answers_status=True
        ),
    )
    with Runtime(32, program=Program(order=Order.PRIORITY, handlers=handlers)) as runtime:
        tenant = runtime.tenant(0)
        tenant.write(0, [3])
        tenant.submit(64, (0,)).result(30)
        assert tenant.submit(64, (99,)).outcome(30).reason is Reason.ARGUMENT
        assert tenant.submit(65).outcome(30).reason is Reason.HANDLER
        tenant.submit(66).result(30)
        tenant.submit(67, (3,)).result(30)
        assert tenant.window[0] == 3 * 2 + 1 + 7
        assert runtime.state.tenants[0, at.BOOKS_TENANT.at("YIELDED")] == 3


@pytest.mark.clause("RINGRUN-6")
@pytest.mark.parametrize("point", [1, 2, 3, 4])
def test_a_lost_worker_loses_no_job(point: int) -> None:
    """Whenever a worker vanishes, each job that it had ends once: done, or a fault that says WORKER_LOST."""
    executor = CpuExecutor(1)
    with Runtime(256, executor=executor) as runtime:
        tenant = runtime.tenant(0)
        words = tenant.window_start + np.arange(15)
        tenant.submit(0).result(30)
        runtime.block.workers[0, WORKER_KILL] = point
        before = tenant.window
        batch = tenant.submit_batch(Opcode.ATOMIC_ADD, np.stack([np.ones(15), words], axis=1))
        outcomes = batch.outcomes(30)
        ran = tenant.window[:15] - before[:15]
        for ended, times in zip(outcomes, ran, strict=True):
            assert (ended.status is SlotStatus.DONE and times == 1) or (
                ended.reason is Reason.WORKER_LOST and times <= 1
            )
        # One that vanished after its last job is missed a moment after that job is done.
        until = time.monotonic() + 30
        while not executor.losses.workers and time.monotonic() < until:
            time.sleep(0.01)
        assert executor.losses.workers == 1
        assert runtime.state.tenants[0, at.BOOKS_TENANT.at("HELD")] == 0
        tenant.submit(0).result(30)


CHILD = """
import sys
from prism.ring.shared import attach
with attach(sys.argv[1], 1) as tenant:
    tenant.submit_batch(2, [[1, tenant.window_start]] * 20).result(30)
    print(tenant.window[0])
"""


@pytest.mark.slow
@pytest.mark.clause("RINGRUN-8")
def test_another_process_feeds_for_its_tenant() -> None:
    """It attaches by name, and its jobs run here and are seen here."""
    with Runtime(64, 2, shared=True) as runtime:
        run = subprocess.run([sys.executable, "-c", CHILD, runtime.name], capture_output=True, text=True, check=True)
        assert run.stdout == "20\n"
        assert not runtime.tenant(0).window.any()
        result = CliRunner().invoke(ring_command, ["top", runtime.name, "--once", "--json"])
        assert json.loads(result.output)["tenants"][1]["done"] == 20
        shown = CliRunner().invoke(ring_command, ["top", runtime.name, "--once", "--every", "0.01"])
        assert "in flight" in shown.output


FORGER = """
import sys
from prism.ring import layout as at
from prism.ring.layout import Opcode
from prism.ring.shared import attach
with attach(sys.argv[1], 1) as tenant:
    victim = int(sys.argv[2])
    jobs = [tenant.submit(*job) for job in ((Opcode.STORE_U32, (9, victim)), (Opcode.SHUTDOWN,), (Opcode.NOP,))]
    slots = tenant._block.state.slots
    for place in range(*tenant._slots.indices(len(slots)))[: len(jobs) - 1]:
        assert slots[place, at.STATUS] == 1
        slots[place, at.TENANT] = 0
    print("forged", flush=True)
    sys.stdin.readline()
    print(*(job.outcome(30).reason.name for job in jobs))
"""


@pytest.mark.slow
@pytest.mark.clause("RINGRUN-8")
@pytest.mark.parametrize("executor", ["cpu", "oracle", "device"])
def test_a_forged_slot_is_a_fault_and_writes_nothing(executor: str) -> None:
    """A process that writes tenant 0's number into its slots can neither write for it nor shut the ring down."""
    with Runtime(64, 2, executor, shared=True) as runtime:
        control, victim = runtime.state.control, runtime.tenant(0)
        control[at.TENANT_MASKS + 1] = 0  # It may not run until its slots are forged.
        command = [sys.executable, "-c", FORGER, runtime.name, str(victim.window_start)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            assert child.stdout.readline() == "forged\n"
            control[at.TENANT_MASKS + 1] = at.ALLOWED
            runtime.executor.wrote(at.TENANT_MASKS + 1, control[at.TENANT_MASKS + 1 : at.TENANT_MASKS + 2])
            assert runtime.drain(30)
            assert child.communicate("\n", timeout=30)[0] == "TENANT TENANT NONE\n"
        assert not victim.window.any()
        assert not control[at.SHUTDOWN]
        assert victim.submit(0).outcome(30).status is SlotStatus.DONE


@pytest.mark.slow
@pytest.mark.clause("RINGRUN-6")
def test_worker_processes_may_be_killed() -> None:
    """A killed process is noticed and replaced; every job ends once."""
    executor = CpuExecutor(0, 1)
    with Runtime(64, executor=executor, shared=True) as runtime:
        tenant = runtime.tenant(0)
        tenant.submit(0).result(60)
        os.kill(int(runtime.block.workers[0, 3]), 9)
        batch = tenant.submit_batch(Opcode.ATOMIC_ADD, np.tile([1, tenant.window_start], (50, 1)))
        done = sum(ended.status is SlotStatus.DONE for ended in batch.outcomes(60))
        assert done <= tenant.window[0] <= 50
        assert executor.losses.workers == 1


@pytest.mark.slow
@pytest.mark.clause("RINGRUN-6")
def test_a_stress_with_fewer_kills_says_so() -> None:
    """Jobs that are over before every kill that was asked for are reported with how many are missing."""
    found = CliRunner().invoke(ring_command, ["stress", "--jobs", "5", "--kills", "3", "--tenants", "2"])
    assert found.exit_code == 0
    assert "workers fewer were killed than asked for" in found.output


@pytest.mark.clause("RINGRUN-6")
def test_a_small_stress() -> None:
    """4,000 jobs of 8 tenants with 3 workers, some of which vanish, counters at their wrap: all accounted for."""
    report = run_stress(Plan(jobs=4000, kills=5))
    assert (report.killed, report.missed) == (5, 0)
    report.require_sound()
    assert report.submitted == 4000
    # A killed worker's last run, 128 jobs at most, may be counted twice or not at all.
    assert abs(report.counted - report.submitted - report.fillers) <= 128 * report.killed


@pytest.mark.clause("RINGRUN-9")
def test_metrics_and_the_page() -> None:
    """A sample adds up, the page and the metrics are served, and counters go on over their wrap."""
    with Runtime(64, 2) as runtime:
        collector = Collector(runtime.block)
        runtime.state.control[at.DONE_COUNT] = 0xFFFF_FFFE
        list(collector.collect())
        runtime.tenant(1).submit_batch(0, np.empty((10, 0))).result(30)
        runtime.tenant(1).submit(99).wait(30)
        now = sample(runtime.block)
        assert sum(now.statuses.values()) == 64
        assert now.tenants[1]["done"] == 10
        assert now.faults == {"opcode": 1}
        ended = next(iter(collector.collect()))
        assert ended.samples[0].value == 0xFFFF_FFFE + 11
        with server(runtime.block, "127.0.0.1", 0) as web:
            threading.Thread(target=web.serve_forever, daemon=True).start()
            url = f"http://127.0.0.1:{web.server_port}"
            with urllib.request.urlopen(f"{url}/metrics") as answer:
                text = answer.read().decode()
            with urllib.request.urlopen(f"{url}/") as answer:
                page = answer.read().decode()
            web.shutdown()
        assert 'prism_ring_tenant_jobs_total{outcome="done",tenant="1"} 10.0' in text
        assert text.endswith("# EOF\n")
        assert "<h1>Prism ring</h1>" in page


@pytest.mark.slow
@pytest.mark.clause("RINGRUN-10")
def test_the_bench_measures_equal_work() -> None:
    """Rows for the ring and a peer in one run; a contender that is missing says why."""
    names = ["ring cpu", "ThreadPoolExecutor", "ring cuda"]
    rows = list(ring_bench((1, 64), (1,), 1, names))
    rated = {(row.case, row.impl) for row in rows if row.rate}
    assert {("64 jobs, 1 tenants", "ring cpu"), ("64 jobs, 1 tenants", "ThreadPoolExecutor")} <= rated
    assert all(row.rate or row.unit.startswith("missing: ") for row in rows)


@pytest.mark.clause("RINGRUN-2")
@settings(max_examples=6, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=9))
def test_concurrent_compare_swaps_have_an_order(pairs: list[tuple[int, int]]) -> None:
    """Two workers' answers to compare-and-swaps on one word are those of some order of them."""
    spec = RingSpec(slots=32, tenants=1, observables=32)
    with Runtime(spec, executor=CpuExecutor(2)) as runtime:
        tenant = runtime.tenant(0)
        word = tenant.window_start
        rows = [[word, old, new, word + 1 + job - at.OBSERVABLES] for job, (old, new) in enumerate(pairs)]
        tenant.submit_batch(Opcode.COMPARE_SWAP, np.array(rows)).result(30)
        window = [int(value) for value in tenant.window]
    answers = window[1 : 1 + len(pairs)]
    assert has_order(frozenset(range(len(pairs))), 0, window[0], list(zip(pairs, answers, strict=True)), set())


def test_closing_cancels_what_is_left() -> None:
    """Jobs of a tenant that may not run stay queued, and end as cancelled when the ring closes."""
    runtime = Runtime(16, 2)
    runtime.state.control[at.TENANT_MASKS + 1] = 0
    tenant = runtime.tenant(1)
    batch = tenant.submit_batch(0, np.empty((3, 0)))
    runtime.tenant(0).submit(0).result(30)
    time.sleep(0.01)
    assert batch.poll() == 3
    assert runtime.close(drain=False) == 3
    assert {ended.reason for ended in tenant.outcomes(batch.slots, batch.first)} == {Reason.CANCELLED}
    assert runtime.close() == 0
