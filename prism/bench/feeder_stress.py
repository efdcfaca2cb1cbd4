"""Stress of the ring's feeders: each tenant's process is killed at any moment, and its submissions land whole or not.

Each job of a batch adds 1 to a window word of its own, so that words are equal whenever nothing is in flight: a batch
of which a part landed, or a job that ran twice, makes them differ. A process tells after each submission how many
landed.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from typing import Any, Final

import numpy as np

from prism.errors import PrismError
from prism.ring import layout as at
from prism.ring.exec.cpu import CpuExecutor, warm_up
from prism.ring.feeders import NOBODY, holder_of
from prism.ring.layout import Opcode
from prism.ring.memory import FEED_STAGE, PREPARED
from prism.ring.processes import state_of
from prism.ring.runtime import Runtime
from prism.ring.shared import attach
from prism.ring.state import RingSpec

BATCH: Final = 1024
_TOLD, _MARK, _WORDS = BATCH, BATCH + 1, BATCH + 2
_PATIENCE_S: Final = 60.0
_STOPS: Final = 300
_ACTIVE: Final = np.array(sorted(at.ACTIVE), np.uint32)


@dataclass
class FeederReport:
    """What came of it: `torn`, `lost` and `invented` count kills after which words differed, fewer submissions had
    landed than were told, or more than one beyond them; `outside` tenants whose words another wrote.

    amid: kills between two writes of a submission. landed, undone, cancelled: jobs of killed processes that were
    published for them, given up whole, found half cancelled. untold: of all kills, also of those amid, the ones after
    which one submission more had landed than the process had told.
    """

    jobs: int = 0
    kills: int = 0
    amid: int = 0
    untold: int = 0
    landed: int = 0
    undone: int = 0
    cancelled: int = 0
    torn: int = 0
    lost: int = 0
    invented: int = 0
    outside: int = 0
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON holds it."""
        return asdict(self)

    def require_sound(self) -> None:
        """Raise PrismError unless every submission landed whole or not at all, and once."""
        if self.torn or self.lost or self.invented or self.outside:
            raise PrismError(
                f"a submission must land whole or not at all, but of {self.kills} kills {self.torn} left a part, "
                f"{self.lost} lost one and {self.invented} made one up; report the seed"
            )


def feed(name: str, number: int) -> None:
    """Feed for a tenant, without end: batches of which each adds 1 to every word, and others that are cancelled."""
    with attach(name, number) as tenant:
        args = np.stack([np.ones(BATCH), tenant.window_start + np.arange(BATCH)], axis=1).astype(np.uint32)
        levels, told = np.arange(BATCH, dtype=np.uint32) % at.LEVELS, int(tenant.window[_TOLD])
        nothing = np.empty((16, 0), np.uint32)
        before = tenant.submit_batch(Opcode.NOP, nothing)
        while True:
            batch = tenant.submit_batch(Opcode.ATOMIC_ADD, args, priority=levels)
            told += 1
            tenant.write(_TOLD, [told])
            tenant.submit_batch(Opcode.NOP, nothing).cancel()
            before.wait()
            before = batch


def _nurse(pipe: Connection, name: str) -> None:
    """Fork a feeder for each number that comes; so it is ready at once, which a fresh process is after a second."""
    warm_up()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipe.send(0)
    for number in iter(pipe.recv, None):
        process = os.fork()
        if process == 0:
            feed(name, number)
        pipe.send(process)
        os.waitpid(pipe.recv(), 0)  # The one that was killed.


class Nursery:
    """A process for each tenant that forks its feeders, one after the other."""

    def __init__(self, name: str, number: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._number, (self._pipe, theirs) = number, context.Pipe()
        self._process = context.Process(target=_nurse, args=(theirs, name), daemon=True)
        self._process.start()

    def ready(self) -> None:
        """Wait until it can fork."""
        self._pipe.recv()

    def begin(self) -> None:
        """Fork a feeder."""
        self._pipe.send(self._number)
        self.feeder = int(self._pipe.recv())

    def kill(self) -> None:
        """Kill the feeder by SIGKILL."""
        os.kill(self.feeder, signal.SIGKILL)
        self._pipe.send(self.feeder)

    def close(self) -> None:
        """End the process; its feeder is dead."""
        self._pipe.send(None)
        self._process.join(10)


def run_feeder_stress(jobs: int, kills: int, tenants: int = 8, workers: int = 3, seed: int = 0) -> FeederReport:
    """Run at least so many jobs, and kill feeders so often, all of them at the end; each is checked and replaced."""
    spec = RingSpec(slots=tenants * BATCH * 3, tenants=tenants, observables=1 + tenants * _WORDS)
    report, chance, start = FeederReport(), random.Random(seed), time.perf_counter()
    with Runtime(spec, executor=CpuExecutor(workers), shared=True) as runtime:
        marks = [chance.randrange(1, 1 << 31) for _ in range(tenants)]
        runtime.state.head[at.BOOKS_HEAD.at("NEXT_TICKET_LO")] = (1 << 32) - 5000
        for tenant, mark in zip(runtime.tenants, marks, strict=True):
            tenant.write(_MARK, [mark])
        nurseries = [Nursery(runtime.name, number) for number in range(tenants)]
        for nursery in nurseries:
            nursery.ready()
            nursery.begin()
        while report.kills < kills - tenants or report.jobs < jobs:
            number = chance.randrange(tenants)
            _feeds(runtime, number)
            report.amid += _aim(runtime, number, nurseries[number].feeder, chance)
            nurseries[number].kill()
            _judge(runtime, number, report)
            report.jobs = sum(BATCH * int(tenant.window[0]) for tenant in runtime.tenants)
            nurseries[number].begin()
        for number, nursery in enumerate(nurseries):
            nursery.kill()
            _judge(runtime, number, report)
            nursery.close()
        report.jobs = sum(BATCH * int(tenant.window[0]) for tenant in runtime.tenants)
        report.outside = sum(
            int(tenant.window[_MARK]) != mark for tenant, mark in zip(runtime.tenants, marks, strict=True)
        )
        assert runtime.feeders is not None
        left = runtime.feeders.left
        report.landed, report.undone, report.cancelled = left.landed, left.undone, left.cancelled
    report.seconds = time.perf_counter() - start
    return report


def _feeds(runtime: Runtime, number: int) -> None:
    """Wait until a tenant's process feeds."""
    tenant, end = runtime.tenant(number), time.monotonic() + _PATIENCE_S
    before = tenant.window[_TOLD]
    while tenant.window[_TOLD] == before and time.monotonic() < end:
        time.sleep(0.001)


def _aim(runtime: Runtime, number: int, process: int, chance: random.Random) -> bool:
    """Stop a feeder at random moments until one lies between two writes of a submission; returns whether one did."""
    block = runtime.block
    for _ in range(_STOPS):
        time.sleep(chance.random() * 0.001)
        os.kill(process, signal.SIGSTOP)
        while state_of(process) not in "TtZ":
            time.sleep(0)
        if block.feeders[number, FEED_STAGE] or np.any(block.claims[block.owned(number)] == PREPARED):
            return True
        os.kill(process, signal.SIGCONT)
    return False


def _judge(runtime: Runtime, number: int, report: FeederReport) -> None:
    """Wait until what a killed process left is settled and done, and see that its submissions landed whole."""
    block, tenant, end = runtime.block, runtime.tenant(number), time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        flying = np.isin(block.state.slots[block.owned(number), at.STATUS], _ACTIVE)
        if holder_of(block, number) == NOBODY and not np.any(flying):
            break
        time.sleep(0.002)
    words = tenant.window
    told, landed = int(words[_TOLD]), int(words[0])
    report.kills += 1
    report.torn += bool(np.any(words[:BATCH] != landed))
    report.lost += landed < told
    report.invented += landed > told + 1
    report.untold += landed == told + 1
    tenant.write(_TOLD, [landed])
