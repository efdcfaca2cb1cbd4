"""Memo: a host ledger and the normal forms known of its nodes, which both forms of engine `ledger` are built on."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from prism.status import Status
from prism.vm.engines import ledger_loop
from prism.vm.engines.api import STOPS, Limits, Outcome
from prism.vm.engines.ledger_loop import Work, work_of
from prism.vm.engines.ledger_session import LedgerSession
from prism.vm.engines.report import StopReason
from prism.vm.ledger.optable import OpTable
from prism.vm.term.graph import TermGraph


class MemoEngine(LedgerSession, ABC):
    """An engine whose loop works on a ledger and `_forward`: int32, a row for each row of the ledger.

    A subclass runs its loop over a `Work`, and calls `_make_memo_room` where that ends for want of rows.
    """

    def __init__(self, limits: Limits, ops: OpTable) -> None:
        self._max_steps = limits.max_steps
        super().__init__(limits, ops)
        self._forward = np.zeros(len(self._ledger.table.keys), np.int32)
        self._forward[1] = 1

    @abstractmethod
    def _run(self, work: Work) -> int:
        """Evaluate the roots; return how many of them came to an end of their own."""

    def _normalised(self, terms: TermGraph) -> Outcome:
        """Bring every root of an admitted graph to normal form, in order."""
        work = work_of(terms)
        done = self._run(work) if self._ledger.status is Status.OK else 0
        stop = np.where(work.out_of_steps, STOPS.index(StopReason.STEP_LIMIT), STOPS.index(StopReason.NORMAL_FORM))
        stop[done:] = STOPS.index(StopReason.of(self._ledger.status))
        return Outcome(self._decode(work.normal), stop.astype(np.uint8), work.steps, work.nodes, work.reused)

    def _make_memo_room(self) -> bool:
        """Double the room of ledger and memo, or end the session."""
        if not self._ledger.make_room(self._ledger.count):
            return False
        try:
            forward = np.zeros(len(self._ledger.table.keys), np.int32)
        except MemoryError:
            self._ledger.status = Status.OOM
            return False
        forward[: len(self._forward)] = self._forward
        self._forward = forward
        return True

    def _decode(self, normal: NDArray[np.int32]) -> TermGraph:
        keys, count, id_bits = self._ledger.table.keys, self._ledger.count, self._ledger.layout.id_bits
        nodes = np.sort(ledger_loop.reach(keys, count, id_bits, normal))
        return TermGraph(*ledger_loop.renumber(keys, count, id_bits, nodes, normal))
