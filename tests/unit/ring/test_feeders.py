"""Feeders that are killed at any moment: their submissions land whole or not at all, and nobody else is hurt."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from prism.bench.feeder_stress import FeederReport, run_feeder_stress
from prism.cli.ring import ring as ring_command
from prism.errors import PrismError, UsageError
from prism.ring import feeders
from prism.ring import layout as at
from prism.ring.errors import RingClosedError
from prism.ring.exec import cpu_feed, landing
from prism.ring.exec.cpu import CpuExecutor
from prism.ring.exec.cpu_crew import Crew
from prism.ring.feeders import NOBODY, Left, exchange, holder_of, settle
from prism.ring.layout import Opcode, Reason, SlotStatus
from prism.ring.memory import (
    FEED_PROCESS,
    FEED_STAGE,
    LANDING,
    PENDING,
    PREPARED,
    QUEUED,
    WINDOW_LOCKS,
    WORKER_PROCESS,
    Block,
    Shape,
    fresh_block,
)
from prism.ring.processes import process_lives, this_process
from prism.ring.program import Order, Program
from prism.ring.runtime import Runtime
from prism.ring.shared import attach
from prism.ring.state import RingSpec

pytestmark = [pytest.mark.m9, pytest.mark.clause("RINGRUN-13")]
JOBS, TENANT = 5, 1
PROGRAM = Program(order=Order.PRIORITY)
CUTS = ["claimed", "half filled", "filled", *(f"{landed} landed" for landed in range(JOBS + 1)), "not queued"]
"""Where a feeder of JOBS jobs was killed: its slots claimed, some written, all; some landed; the third not queued."""


def killed(cut: str) -> tuple[Block, Any]:
    """Return a ring whose tenant 1 was killed at a point of a submission, and the slots of that submission."""
    block = fresh_block(Shape(RingSpec(24, 2, observables=1 + 2 * 8), 1))
    word = int(block.state.tenants[TENANT, 0])
    columns = (
        np.array([Opcode.ATOMIC_ADD], np.uint32),
        np.arange(JOBS, dtype=np.uint32),
        np.stack([np.ones(JOBS), word + np.arange(JOBS)], axis=1).astype(np.uint32),
    )
    chosen = np.array([15, 13, 14, 18, 17])
    block.state.slots[chosen[:2], at.STATUS] = SlotStatus.DONE  # Of jobs before.
    if cut in ("claimed", "half filled"):
        block.claims[chosen] = PREPARED
        if cut == "half filled":
            landing.fill(block.words, block.longs, TENANT, columns, (chosen[0], 0))
            landing.enter(block.words, block.longs, int(chosen[0]), np.uint64(7))
        return block, chosen
    landing.prepare(block.words, block.longs, TENANT, columns, chosen)
    if cut == "filled":
        return block, chosen
    block.feeders[TENANT, FEED_STAGE] = LANDING
    landed = 2 if cut == "not queued" else int(cut.split()[0])
    for slot in chosen[:landed]:
        landing.land(block.words, TENANT, int(slot))
    if cut == "not queued":
        block.state.slots[chosen[2], at.STATUS] = SlotStatus.PUBLISHED
        block.claims[chosen[2]] = QUEUED
    return block, chosen


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("cut", CUTS)
def test_what_a_killed_feeder_left_lands_whole_or_not_at_all(cut: str, twice: bool) -> None:
    """Wherever it was killed, all of its jobs run once, in the order of their tickets, or none does and none is left.

    Also where whoever settles it is killed as well, and another does it again.
    """
    block, chosen = killed(cut)
    whole, left, crew = cut not in ("claimed", "half filled", "filled"), Left(), Crew(block, PROGRAM)
    settle(block, TENANT, left)
    if twice:
        block.feeders[TENANT, FEED_STAGE] = LANDING if whole else 0
        settle(block, TENANT, left)
    assert not (block.claims == PREPARED).any()
    crew.limits[0] = -1
    crew.serve(0)
    low = int(block.state.tenants[TENANT, 0])
    assert block.state.control[low : low + JOBS].tolist() == [int(whole)] * JOBS
    assert set(block.state.slots[chosen, at.STATUS]) == {SlotStatus.DONE if whole else SlotStatus.EMPTY}
    assert not block.claims.any()
    assert (left.landed + left.undone > 0) == (cut not in (f"{JOBS} landed",))
    assert block.feeders[TENANT, FEED_STAGE] == 0
    assert not block.words[PENDING : PENDING + at.LEVELS].any()


@pytest.mark.parametrize("queued", [False, True])
def test_a_job_that_a_killed_feeder_was_cancelling_is_cancelled(queued: bool) -> None:
    """CLAIMED by nobody ends as CANCELLED; what a worker has is left to it."""
    block = fresh_block(Shape(RingSpec(8, 1), 1))
    column, chosen = np.zeros(1, np.uint32), np.array([2, 3])
    columns = (column, column, np.zeros((1, 0), np.uint32))
    first = landing.prepare(block.words, block.longs, 0, columns, chosen)
    for slot in chosen:
        landing.land(block.words, 0, int(slot))
    block.state.slots[chosen, at.STATUS] = SlotStatus.CLAIMED
    block.claims[chosen] = QUEUED if queued else 0, 4
    left = Left()
    settle(block, 0, left)
    assert left.cancelled == 1
    assert block.state.slots[chosen, at.STATUS].tolist() == [SlotStatus.FAULT, SlotStatus.CLAIMED]
    assert block.state.entries[2, at.BOOKS_SLOT.at("REASON")] == Reason.CANCELLED
    assert not cpu_feed.cancel(block.words, block.longs, 2, int(first))


FEEDER = """
import sys, time
from prism.ring.shared import attach
with attach(sys.argv[1], 1) as tenant:
    tenant.submit(2, [1, tenant.window_start]).result(30)
    print("fed", flush=True)
    if sys.argv[2:]:
        tenant.submit(2, [1, tenant.window_start])
        sys.stdin.readline()
"""


def feeder(name: str) -> subprocess.Popen[str]:
    """Return a process that feeds for tenant 1 until it is killed, once it fed."""
    command = [sys.executable, "-c", FEEDER, name, "on"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "fed\n"
    return process


def test_nobody_has_a_tenant_while_it_is_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a gone feeder left is settled under a name that no process has, the ring's own included."""
    seen = []
    monkeypatch.setattr(feeders, "settle", lambda block, tenant, _: seen.append(holder_of(block, tenant)))
    with Runtime(64, 2, shared=True) as runtime:
        gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
        assert exchange(runtime.block, 1, NOBODY, (int(gone.stdout), 1))
        end = time.monotonic() + 30
        while holder_of(runtime.block, 1) != NOBODY and time.monotonic() < end:
            time.sleep(0.01)
    assert [process == os.getpid() and (process, since) != this_process() for process, since in seen] == [True]


def test_a_killed_feeder_makes_room_for_another() -> None:
    """While it lives the ring's own handle is refused; killed, its submission is undone and another attaches."""
    with Runtime(64, 2, shared=True) as runtime:
        with feeder(runtime.name) as process:
            with pytest.raises(RingClosedError, match="must be fed by the process that attached for it"):
                runtime.tenant(1).submit(0)
            runtime.tenant(0).submit(0).result(30)
            process.send_signal(signal.SIGSTOP)
            block = runtime.block
            free = block.owned(1).start + 9
            block.claims[free] = PREPARED
            process.kill()
            process.wait(30)
        assert runtime.feeders is not None
        with attach(runtime.name, 1) as tenant:
            assert (runtime.feeders.left.feeders, runtime.feeders.left.undone) == (1, 1)
            assert block.claims[free] == 0
            tenant.submit_batch(Opcode.NOP, np.empty((32, 0))).result(30)
        runtime.tenant(1).submit(0).result(30)
        assert runtime.drain(10)


def test_a_process_of_the_same_number_is_another() -> None:
    """A feeder is known by its number and when it began, so a number that is given anew does not hold a tenant."""
    process, since = this_process()
    assert process_lives(process)
    assert process_lives(process, since)
    assert not process_lives(process, since + 1)
    with Runtime(8, 2, "oracle", shared=True) as runtime:
        runtime.block.feeders[1, FEED_PROCESS : FEED_PROCESS + 2] = os.getppid(), 1
        with attach(runtime.name, 1) as tenant:
            assert tenant.number == 1


OWNER = """
import sys, time
from prism.ring.exec.cpu import CpuExecutor
from prism.ring.runtime import Runtime
with Runtime(64, 2, CpuExecutor(0, 1), shared=True) as runtime:
    runtime.tenant(0).submit(0).result(60)
    runtime.state.control[3 + 1] = 0  # Tenant 1 is barred: its jobs wait.
    print(runtime.name, int(runtime.block.workers[0, 3]), flush=True)
    time.sleep(60)
"""


def test_a_killed_owner_ends_its_workers_and_frees_who_waits() -> None:
    """Whoever waits for a job of a ring whose owner was killed is told, none attaches any more, and no worker stays."""
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        name, worker = process.stdout.readline().split()
        with attach(name, 1) as tenant:
            job = tenant.submit(0)
            process.kill()
            process.wait(30)
            with pytest.raises(RingClosedError, match="which holds this ring, but is gone"):
                job.wait(30)
            end = time.monotonic() + 30
            while process_lives(int(worker)) and time.monotonic() < end:
                time.sleep(0.05)
            assert not process_lives(int(worker))


def test_a_killed_worker_gives_back_its_locks() -> None:
    """A lock of a window that a killed process held is free once it is settled; those of others stay."""
    executor = CpuExecutor(0, 1)
    with Runtime(16, executor=executor, shared=True) as runtime:
        runtime.submit(0).result(60)
        process = int(runtime.block.workers[0, WORKER_PROCESS])
        locks = runtime.block.words[WINDOW_LOCKS : WINDOW_LOCKS + 3]
        locks[:] = process, 0, os.getpid()
        os.kill(process, signal.SIGKILL)
        end = time.monotonic() + 30
        while not executor.losses.workers and time.monotonic() < end:
            time.sleep(0.01)
        assert locks.tolist() == [0, 0, os.getpid()]
        locks[:] = 0


def test_a_small_stress_of_feeders() -> None:
    """Feeders of two tenants are killed six times, some amid a submission: what landed is whole, and as was told."""
    report = run_feeder_stress(1, 6, tenants=2, workers=1)
    report.require_sound()
    assert report.kills >= 6
    assert report.jobs > 0
    assert json.loads(json.dumps(report.as_dict()))["torn"] == 0


def test_a_stress_of_feeders_tells_what_was_torn() -> None:
    """A submission of which a part landed is an error, and workers and feeders are not killed in one run."""
    with pytest.raises(PrismError, match="a submission must land whole or not at all"):
        FeederReport(kills=3, torn=1).require_sound()
    found = CliRunner().invoke(ring_command, ["stress", "--feeders", "--processes"])
    assert isinstance(found.exception, UsageError)
    assert "a stress kills workers or feeders" in str(found.exception)
