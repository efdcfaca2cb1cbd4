"""A worker's life in one process: the compiled loop, and what of it needs Python."""

from __future__ import annotations

import os
import threading
from typing import Any, Final

import numpy as np

from prism.ring.effects import Job, Outcome, apply, fault
from prism.ring.exec import cpu_work
from prism.ring.exec.cpu_atomics import lock, unlock
from prism.ring.exec.cpu_books import tenant_of
from prism.ring.exec.cpu_handlers import Table
from prism.ring.exec.cpu_words import REQUEUES, YIELDS
from prism.ring.layout import ARGS, BOOKS_SLOT, BOOKS_TENANT, OPCODE, Reason, SlotStatus
from prism.ring.memory import ENDED, LOCKS, RUNNING, WORKER_PROCESS, WORKER_STATE, Block
from prism.ring.program import Program

IDLE_LOOKS: Final = 2000
"""Idle looks of a worker before it sleeps, some tens of microseconds."""
_SLEEP: Final = (0, 50_000_000)
_SHORT: Final = (0, 200_000)
_CODES: Final = {SlotStatus.YIELD: YIELDS, SlotStatus.REQUEUE: REQUEUES, SlotStatus.DONE: 0}
_DETAIL: Final = BOOKS_SLOT.at("DETAIL")
_WINDOW: Final = BOOKS_TENANT.at("WINDOW_START")


class Crew:
    """What serves one row of a block's workers in this process, over and over as a worker is lost."""

    def __init__(self, block: Block, program: Program) -> None:
        self.block, self.program = block, program
        self.table = Table(program, block)
        self.limits = np.array([IDLE_LOOKS, *_SLEEP, *_SHORT], np.int64)
        self._host = threading.Lock()

    def serve(self, worker: int) -> None:
        """Drain the block as one of its workers, until it halts, shuts down or tells this worker to vanish."""
        block = self.block
        row = block.workers[worker]
        desk = np.zeros(cpu_work.DESK_WORDS + block.shape.spec.slots, np.int64)
        row[WORKER_PROCESS], row[WORKER_STATE] = os.getpid(), RUNNING
        while True:
            code = cpu_work.work(block.words, block.longs, worker, self.table.words, desk, self.limits)
            if code == cpu_work.HOST:
                self._on_host(worker, int(desk[cpu_work.HOST_SLOT]), desk)
            elif code == cpu_work.KILLED:
                return
            else:
                row[WORKER_STATE] = ENDED
                return

    def _on_host(self, worker: int, slot: int, desk: Any) -> None:
        state = self.block.state
        words = state.slots[slot]
        job = Job(
            slot, int(tenant_of(self.block.words, slot)), int(words[OPCODE]), [int(word) for word in words[ARGS:]]
        )
        window = int(state.tenants[job.tenant, _WINDOW]) % LOCKS
        with self._host:
            lock(self.table.locks, window, np.uint32(os.getpid()))
            try:
                outcome = apply(state, self.program, job)
            except Exception:  # A handler is a guest: the worker goes on whatever it does.
                outcome = fault(Reason.HANDLER, job.opcode)
            finally:
                unlock(self.table.locks, window)
        cpu_work.finish(self.block.words, worker, slot, self._code(slot, outcome), desk)

    def _code(self, slot: int, outcome: Outcome) -> int:
        if outcome.status in _CODES:
            return _CODES[outcome.status]
        self.block.state.entries[slot, _DETAIL] = outcome.detail
        return int(outcome.reason)
