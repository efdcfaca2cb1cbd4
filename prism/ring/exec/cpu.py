"""The `cpu` executor: threads, and processes, that run one compiled loop over a block until they are told to end.

A worker that vanishes is noticed within `WATCH_S`; what it had is settled by `cpu_recover`, and another takes its row.
"""

from __future__ import annotations

import threading
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from multiprocessing.process import BaseProcess
from typing import Any, Final

import numpy as np

from prism.ring.errors import LaunchError
from prism.ring.exec import cpu_feed, cpu_recover, publisher
from prism.ring.exec.cpu_crew import IDLE_LOOKS, Crew
from prism.ring.exec.cpu_process import launch
from prism.ring.exec.unfed import Unfed
from prism.ring.memory import (
    AT_ORDER,
    AT_PATIENCE,
    BANDS,
    DIRECT,
    ENDED,
    HALT,
    LOCKS,
    LOST,
    PRIORITY,
    WINDOW_LOCKS,
    WORKER_KILL,
    WORKER_PROCESS,
    WORKER_STATE,
    Block,
    Shape,
    fresh_block,
)
from prism.ring.program import Order, Program
from prism.ring.state import RingSpec

WATCH_S: Final = 0.05
END_S: Final = 5.0
"""How long a worker in a process may take to end."""
ORDERS: Final = {Order.DIRECT: DIRECT, Order.PRIORITY: PRIORITY, Order.BANDS: BANDS}
"""Orders, as a block has them."""


@dataclass
class Losses:
    """Workers that vanished so far, the slots that they had, and how many of these are faults."""

    workers: int = 0
    slots: int = 0
    faults: int = 0


class CpuExecutor(Unfed):
    """`workers` threads of this process, and `processes` processes of their own, which need a shared ring.

    Threads answer soonest; a process is a worker that may die without the others.
    """

    def __init__(self, workers: int = 1, processes: int = 0) -> None:
        self.name, self.rows, self.processes = "cpu", workers + processes, processes
        self.losses = Losses()
        self.guard = nullcontext()
        self._threads: dict[int, threading.Thread] = {}
        self._children: dict[int, BaseProcess] = {}
        self._program = Program()
        self._crew: Crew | None = None
        self._watch = threading.Thread(target=self._watching, name="prism-ring-watch", daemon=True)
        self._stop = threading.Event()
        self._settling = threading.Lock()

    def allocate(self, words: int) -> None:
        """Leave the memory to the runtime."""

    def start(self, block: Block, program: Program) -> None:
        """Start the workers on a block."""
        if program.workspace and program.workspace.before:
            raise LaunchError(
                f"the cpu executor prepares no workspace, but {program.workspace.name!r} asks for it before each slot; "
                "use the oracle"
            )
        block.words[AT_ORDER], block.words[AT_PATIENCE] = ORDERS[program.order], program.io_patience
        if self.processes and block.name is None:
            raise LaunchError("workers in processes need a shared ring, and this one is not; open it with shared=True")
        warm_up()
        self._crew, self._program = Crew(block, program), program
        for worker in range(self.rows):
            self._launch(worker)
        self._watch.start()

    def _launch(self, worker: int) -> None:
        assert self._crew is not None
        if worker >= self.rows - self.processes:
            assert self._crew.block.name is not None
            self._children[worker] = launch(self._crew.block.name, worker, self._program)
            return
        thread = threading.Thread(target=self._crew.serve, args=(worker,), name=f"prism-ring-{worker}", daemon=True)
        self._threads[worker] = thread
        thread.start()

    def _watching(self) -> None:
        while not self._stop.wait(WATCH_S):
            self.check()

    def check(self) -> None:
        """Settle what lost workers had, and put new threads in the place of lost threads."""
        if self._crew is None:
            return
        block = self._crew.block
        with self._settling:
            for worker, row in enumerate(block.workers):
                if int(row[WORKER_STATE]) in (0, ENDED, LOST) or self._lives(worker, int(row[WORKER_PROCESS])):
                    continue
                self._settle(worker)
                if not int(block.words[HALT]):
                    self._launch(worker)

    def _lives(self, worker: int, process: int) -> bool:
        if worker in self._threads:
            return self._threads[worker].is_alive()
        return self._children[worker].is_alive() or self._children[worker].pid != process

    def _settle(self, worker: int) -> None:
        assert self._crew is not None
        block, found = self._crew.block, np.zeros(2, np.int64)
        if worker in self._children:  # It may have had a window's lock, which the next job of its tenant waits for.
            locks = block.words[WINDOW_LOCKS : WINDOW_LOCKS + LOCKS]
            locks[locks == block.workers[worker, WORKER_PROCESS]] = 0
        cpu_recover.recover(block.words, worker, found)
        block.workers[worker, WORKER_KILL] = 0
        block.workers[worker, WORKER_STATE] = LOST
        self.losses.workers += 1
        self.losses.slots += int(found[0])
        self.losses.faults += int(found[1])

    def wait(self, slots: Any, first: int, seconds: float) -> int:
        """Wait at most so long for the jobs in `slots`, with tickets from `first`; returns how many are not over."""
        assert self._crew is not None
        block = self._crew.block
        return cpu_feed.wait_over(block.words, block.longs, slots, first, wait_limits(seconds))

    def pump(self) -> None:
        """Do nothing: the workers work by themselves."""

    def stop(self) -> None:
        """End the workers and settle what they had begun and not ended; returns when all are gone."""
        if self._crew is None:
            return
        block = self._crew.block
        self._stop.set()
        self._watch.join()
        cpu_feed.halt(block.words, 1)
        for thread in self._threads.values():
            thread.join()
        for child in self._children.values():
            child.join(END_S)
            if child.is_alive():  # It may be in a handler that does not end; what it had is settled below.
                child.kill()
                child.join()
        with self._settling:
            for worker, row in enumerate(block.workers):
                if int(row[WORKER_STATE]) not in (0, LOST):
                    found = np.zeros(2, np.int64)
                    cpu_recover.recover(block.words, worker, found)
                    row[WORKER_STATE] = LOST
        self._crew = None


@cache
def warm_up() -> None:
    """Compile, or load, what a ring needs, on a tiny one: so that no first job waits for it. Cost: up to 20 s, once."""
    block = fresh_block(Shape(RingSpec(4), 1))
    column, rows, chosen = np.zeros(1, np.uint32), np.zeros((1, 1), np.uint32), np.empty(1, np.int64)
    publisher.publish(block.words, block.longs, (0, 0), (column, column, rows), chosen)
    first = publisher.publish_one(publisher.post_of(block.words, 0, 0), chosen, False)
    cpu_feed.wait_over(block.words, block.longs, chosen, first, wait_limits(0))
    cpu_feed.cancel(block.words, block.longs, int(chosen[0]), first)
    cpu_feed.halt(block.words, 1)
    Crew(block, Program()).serve(0)
    cpu_recover.recover(block.words, 0, np.zeros(2, np.int64))


def wait_limits(seconds: float) -> Any:
    """Return the limits of `cpu_feed.wait_over` for a wait of so long: some looks first, then sleeps of 5 ms."""
    rounds = max(0, min(int(seconds / 0.005), 1 << 30))
    return np.array([IDLE_LOOKS if seconds > 0 else 0, rounds, 0, 5_000_000], np.int64)
