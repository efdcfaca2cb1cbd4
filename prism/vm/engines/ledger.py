"""Engine `ledger`: memoised normalisation on the canonical ids of a host ledger."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prism.status import Status
from prism.vm.engines import ledger_loop
from prism.vm.engines.admit import admit
from prism.vm.engines.api import STOPS, Limits, Outcome
from prism.vm.engines.ledger_loop import BUDGET, COUNT, ID_BITS, NO_FRAME, ROOT, ROW, STATE_SIZE, Store, Work, work_of
from prism.vm.engines.report import StopReason
from prism.vm.ledger.host import HostLedger
from prism.vm.ledger.optable import COMMUTES
from prism.vm.ledger.table import NO_ROOM
from prism.vm.rewrite.cases import CASES
from prism.vm.term.graph import TermGraph


class LedgerEngine:
    """A host ledger and its memo; each distinct node is rewritten once in a session [REWRITE-4].

    All terms of a call are normalised in one Numba loop, which comes back here only for room.
    Cost: about 50 ns a node and a rule application; at most 25 bytes a node.
    """

    def __init__(self, limits: Limits) -> None:
        self._max_steps = limits.max_steps
        self._ledger = HostLedger(limits.layout, limits.capacity)
        self._forward = np.zeros(len(self._ledger.table.keys), np.int32)
        self._forward[1] = 1
        self._waiting = np.empty(1024, np.int32)

    @property
    def count(self) -> int:
        """Nodes in the ledger."""
        return self._ledger.count

    @property
    def status(self) -> Status:
        """OK, or the sticky reason why the session is over."""
        return self._ledger.status

    @property
    def ledger(self) -> HostLedger:
        """The ledger; to be read only, for the memo follows it."""
        return self._ledger

    def normalise(self, terms: TermGraph) -> Outcome:
        """Bring every root to normal form, in order; see `prism.vm.engines.api.Engine`."""
        admit(terms)
        work = work_of(terms)
        done = self._run(work) if self._ledger.status is Status.OK else 0
        stop = np.where(work.out_of_steps, STOPS.index(StopReason.STEP_LIMIT), STOPS.index(StopReason.NORMAL_FORM))
        stop[done:] = STOPS.index(StopReason.of(self._ledger.status))
        return Outcome(self._decode(work.normal), stop.astype(np.uint8), work.steps, work.nodes, work.reused)

    def _run(self, work: Work) -> int:
        """Evaluate the roots; return how many of them came to an end of their own."""
        state = np.zeros(STATE_SIZE, np.int64)
        state[COUNT], state[ROW] = self._ledger.count, 2
        state[BUDGET], state[ID_BITS] = self._max_steps, self._ledger.layout.id_bits
        while True:
            table = self._ledger.table
            store = Store(table.keys, table.index, self._forward, COMMUTES, CASES.case, CASES.rewrites, self._waiting)
            answer = ledger_loop.run(store, work, state)
            table.count = int(state[COUNT])
            if answer == NO_FRAME:
                self._waiting = np.concatenate((self._waiting, np.empty_like(self._waiting)))
            elif answer != NO_ROOM:
                return len(work.roots)
            elif not self._make_room():
                return int(state[ROOT])

    def _make_room(self) -> bool:
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
