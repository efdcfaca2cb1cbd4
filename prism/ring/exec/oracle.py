"""The `oracle` executor: the model itself, one step at a time, while somebody waits."""

from __future__ import annotations

import threading
import time
from typing import Any, Final

import numpy as np

from prism.ring import layout as at
from prism.ring.exec import cpu_feed
from prism.ring.exec.unfed import Unfed
from prism.ring.layout import SlotStatus
from prism.ring.memory import AT_CURSORS, HEAD, LINE, PENDING, QUEUED, QUEUES, TAIL, Block
from prism.ring.model import advance
from prism.ring.program import Program

_OVER: Final = np.array([SlotStatus.EMPTY, SlotStatus.DONE, SlotStatus.FAULT], np.uint32)
_POLL: Final = np.array([0, 0, 0, 0], np.int64)


class OracleExecutor(Unfed):
    """Takes the model's steps on the block itself; deterministic, and slow: each step looks at every slot."""

    def __init__(self) -> None:
        self.name, self.rows = "oracle", 0
        self.guard = threading.RLock()
        self._block: Block | None = None
        self._program, self._owners = Program(), np.empty(0, np.int64)

    def allocate(self, words: int) -> None:
        """Leave the memory to the runtime."""

    def start(self, block: Block, program: Program) -> None:
        """Take a block over."""
        self._block, self._program, self._owners = block, program, block.owners()

    def wait(self, slots: Any, first: int, seconds: float) -> int:
        """Take steps until the jobs are over or time is; returns how many are not over."""
        assert self._block is not None
        end = time.monotonic() + seconds
        while True:
            left = cpu_feed.wait_over(self._block.words, self._block.longs, slots, first, _POLL)
            if not left or not self.step() or time.monotonic() >= end:
                return left

    def step(self) -> bool:
        """Take one step; returns whether a slot was claimed or one still waits."""
        assert self._block is not None
        with self.guard:
            claimed = advance(self._block.state, self._program, self._owners) is not None
            forget_queues(self._block)
            return claimed or bool(np.any(self._block.state.slots[:, at.STATUS] == SlotStatus.WAIT_IO))

    def pump(self) -> None:
        """Take one step."""
        if self._block is not None:
            self.step()

    def stop(self) -> None:
        """Take no further step."""
        self._block = None


def forget_queues(block: Block) -> None:
    """Empty the queues, and free the slots of ended jobs: whoever scans the slots themselves needs no queue."""
    cursors = block.words[int(block.words[AT_CURSORS]) :][: 2 * LINE * QUEUES].reshape(QUEUES, 2 * LINE)
    cursors[:, HEAD] = cursors[:, TAIL]
    block.words[PENDING : PENDING + at.LEVELS] = 0
    # A slot that is PREPARED is a feeder's, whatever its last job came to.
    block.claims[(block.claims == QUEUED) & np.isin(block.state.slots[:, at.STATUS], _OVER)] = 0
