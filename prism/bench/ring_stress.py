"""Stress of the ring: every tenant feeds, workers are killed at any point, and every job is accounted for.

Each job of a batch adds 1 to a window word of its own, so that after the batch the words say how often each was run: a
job that is DONE ran once, one that is a fault for its address never, one whose worker was lost once or never.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np

from prism.errors import PrismError
from prism.ring import layout as at
from prism.ring.exec.cpu import CpuExecutor
from prism.ring.handle import Tenant
from prism.ring.layout import Opcode, Reason, SlotStatus
from prism.ring.memory import PARKING, RUNNING, WORKER_JOBS, WORKER_KILL, WORKER_PROCESS, WORKER_STATE
from prism.ring.runtime import Runtime
from prism.ring.state import RingSpec

BATCH: Final = 128
_PATIENCE_S: Final = 60.0
_HOLD_S: Final = 20.0
_NEAR_WRAP: Final = (1 << 32) - 5000


@dataclass(frozen=True, slots=True)
class Plan:
    """How many jobs of how many tenants, with how many workers of which so many are killed on the way.

    processes: workers are processes, killed by SIGKILL; otherwise threads, told to vanish at one of four points.
    """

    jobs: int
    tenants: int = 8
    workers: int = 3
    processes: bool = False
    kills: int = 40
    seed: int = 0


@dataclass
class Report:
    """What came of a stress: each job is in one of `done`, `refused` (its address), `lost` (its worker) or `wrong`.

    twice, never: jobs that ran more often, or less, than their outcome says. outside: tenants whose words
    another wrote. missed: kills that were asked for and did not happen before the jobs were over. fillers: jobs beside
    the submitted that keep queues full and change nothing. counted: what the ring's own counter says ended, which is
    submitted and fillers together, but for the runs of killed workers (RINGRUN-6).
    """

    submitted: int = 0
    done: int = 0
    refused: int = 0
    lost: int = 0
    wrong: int = 0
    twice: int = 0
    never: int = 0
    full: int = 0
    killed: int = 0
    missed: int = 0
    outside: int = 0
    seconds: float = 0.0
    fillers: int = 0
    counted: int = 0
    least_tenant: int = 0
    most_tenant: int = 0
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON holds it."""
        return asdict(self) | {"jobs_per_s": round(self.submitted / max(self.seconds, 1e-9))}

    def require_sound(self) -> None:
        """Raise PrismError unless every job ended exactly once, or is reported as lost."""
        accounted = self.done + self.refused + self.lost == self.submitted
        if self.problems or self.wrong or self.twice or self.never or self.outside or not accounted:
            raise PrismError(
                f"every job must end exactly once or be reported, but of {self.submitted} jobs {self.wrong} ended "
                f"wrong, {self.twice} ran twice and {self.never} never; {'; '.join(self.problems) or 'report the seed'}"
            )


class Pace:
    """Keeps jobs back until workers have been killed, so that all kills fall into the run."""

    def __init__(self, kills: int) -> None:
        self.kills, self.killed = kills, 0

    def hold(self, share: float, *, last: bool) -> None:
        """Wait until all kills but one of a part of the run have happened, all before the last jobs; 20 s at most."""
        wanted = self.kills if last else share * self.kills - 1
        end = time.monotonic() + _HOLD_S
        while wanted > self.killed and time.monotonic() < end:
            time.sleep(0.002)


def run_stress(plan: Plan) -> Report:
    """Run a plan; each tenant feeds from a thread of its own. Counters begin near 2^32."""
    threads, processes = (0, plan.workers) if plan.processes else (plan.workers, 0)
    executor = CpuExecutor(threads, processes)
    spec = RingSpec(
        slots=plan.tenants * BATCH * 3 // 2, tenants=plan.tenants, observables=1 + plan.tenants * (BATCH + 1)
    )
    report, lock, over = Report(), threading.Lock(), threading.Event()
    with Runtime(spec, executor=executor, shared=plan.processes) as runtime:
        _near_wrap(runtime)
        began = int(runtime.state.control[at.DONE_COUNT])
        pace = Pace(plan.kills)
        killer = threading.Thread(target=_kill, args=(runtime, plan, over, pace))
        share, rest = divmod(plan.jobs, plan.tenants)
        feeders = [
            threading.Thread(
                target=_feed, args=(tenant, share + (tenant.number < rest), plan.seed, (report, lock), pace)
            )
            for tenant in runtime.tenants
        ]
        start = time.perf_counter()
        for thread in (killer, *feeders):
            thread.start()
        for thread in feeders:
            thread.join()
        runtime.drain(_PATIENCE_S)
        report.seconds = time.perf_counter() - start
        over.set()
        killer.join()
        report.counted = (int(runtime.state.control[at.DONE_COUNT]) - began) & at.WORD_MASK
        fairness = runtime.state.tenants[: plan.tenants, at.BOOKS_TENANT.at("CLAIMED")]
        report.least_tenant, report.most_tenant = int(fairness.min()), int(fairness.max())
    report.killed, report.missed = pace.killed, plan.kills - pace.killed
    return report


def _near_wrap(runtime: Runtime) -> None:
    """Move the counters of the wire, and the tickets' low word, to shortly before they wrap."""
    state = runtime.state
    state.control[at.DONE_COUNT] = state.control[at.METRICS_BASE + Opcode.ATOMIC_ADD] = _NEAR_WRAP
    state.head[at.BOOKS_HEAD.at("CLAIMS")] = _NEAR_WRAP
    state.head[at.BOOKS_HEAD.at("NEXT_TICKET_LO")] = _NEAR_WRAP


def _kill(runtime: Runtime, plan: Plan, over: threading.Event, pace: Pace) -> None:
    """Kill workers at random moments until so many were killed or the jobs are done.

    A worker that has done no job since it was put in the place of another is left alone: with each killed before its
    first job nothing would ever end.
    """
    chance, rows = random.Random(plan.seed), runtime.block.workers
    jobs = rows[:, WORKER_JOBS].copy()
    while pace.killed < plan.kills and not over.wait(chance.uniform(0.01, 0.12)):
        worker = chance.randrange(plan.workers)
        row = rows[worker]
        if (
            int(row[WORKER_STATE]) not in (RUNNING, PARKING)
            or int(row[WORKER_KILL])
            or row[WORKER_JOBS] == jobs[worker]
        ):
            continue
        jobs[worker] = row[WORKER_JOBS]
        if not plan.processes:
            row[WORKER_KILL] = chance.randint(1, 4)
        elif not _kill_process(int(row[WORKER_PROCESS])):
            continue
        pace.killed += 1


def _kill_process(process: int) -> bool:
    """Kill a process that nobody asks first; returns whether it was there."""
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _feed(tenant: Tenant, jobs: int, seed: int, into: tuple[Report, threading.Lock], pace: Pace) -> None:
    (report, lock), whole = into, jobs
    chance = np.random.default_rng((seed, tenant.number))
    words = tenant.window_start + np.arange(BATCH)
    mark = int(chance.integers(1, 1 << 31))
    tenant.write(BATCH, mark)
    before = tenant.window
    while jobs:
        count = min(jobs, int(chance.integers(1, BATCH + 1)))
        pace.hold((whole - jobs) / whole, last=count == jobs)
        bad = chance.random(count) < 0.01
        args = np.stack([np.ones(count), np.where(bad, at.EPOCH, words[:count])], axis=1)
        full = False
        try:
            batch = tenant.submit_batch(Opcode.ATOMIC_ADD, args, priority=chance.integers(0, 5, count), timeout=0)
        except PrismError:
            full = True
            batch = tenant.submit_batch(Opcode.ATOMIC_ADD, args, priority=2, timeout=_PATIENCE_S)
        if chance.random() < 0.5:  # A second batch before the first is waited for, so that queues fill up.
            tenant.submit_batch(Opcode.NOP, np.empty((BATCH, 0)), timeout=_PATIENCE_S)
            with lock:
                report.fillers += BATCH
        _account(tenant, batch.outcomes(_PATIENCE_S), bad, before, (report, lock, full))
        before = tenant.window
        jobs -= count
    with lock:
        report.outside += int(tenant.window[BATCH]) != mark


def _account(tenant: Tenant, outcomes: Any, bad: Any, before: Any, into: Any) -> None:
    """Compare how often each job of a batch ran with what it says that it did."""
    report, lock, full = into
    ran = (tenant.window[: len(bad)] - before[: len(bad)]).astype(np.int64)
    done = np.array([ended.status is SlotStatus.DONE for ended in outcomes])
    lost = np.array([ended.reason is Reason.WORKER_LOST for ended in outcomes])
    refused = np.array([ended.reason is Reason.ADDRESS for ended in outcomes]) & bad
    with lock:
        report.submitted += len(bad)
        report.done += int(done.sum())
        report.lost += int(lost.sum())
        report.refused += int(refused.sum())
        report.wrong += int(np.count_nonzero(~(done & ~bad | lost | refused)))
        report.twice += int(np.count_nonzero((ran > 1) | ((ran > 0) & bad)))
        report.never += int(np.count_nonzero(done & (ran != 1)))
        report.full += full
