"""Engine `ledger`: memoised normalisation on the canonical ids of a host ledger."""

from __future__ import annotations

import numpy as np

from prism.vm.engines import ledger_loop
from prism.vm.engines.admit import admit
from prism.vm.engines.api import Limits, Outcome
from prism.vm.engines.ledger_loop import BUDGET, COUNT, ID_BITS, NO_FRAME, ROOT, ROW, STATE_SIZE, Store, Work
from prism.vm.engines.memo import MemoEngine
from prism.vm.ledger.optable import BUILT_IN
from prism.vm.ledger.table import NO_ROOM
from prism.vm.rewrite.cases import CASES
from prism.vm.term.graph import TermGraph


class LedgerEngine(MemoEngine):
    """A host ledger and its memo; each distinct node is rewritten once in a session [REWRITE-4].

    All terms of a call are normalised in one Numba loop, which comes back here only for room.
    Cost: about 50 ns a node and a rule application; at most 25 bytes a node.
    """

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits, BUILT_IN)
        self._waiting = np.empty(1024, np.int32)

    def normalise(self, terms: TermGraph) -> Outcome:
        """Bring every root to normal form, in order; see `prism.vm.engines.api.Engine`."""
        admit(terms)
        return self._normalised(terms)

    def _run(self, work: Work) -> int:
        """Evaluate the roots; return how many of them came to an end of their own."""
        state = np.zeros(STATE_SIZE, np.int64)
        state[COUNT], state[ROW] = self._ledger.count, 2
        state[BUDGET], state[ID_BITS] = self._max_steps, self._ledger.layout.id_bits
        while True:
            table = self._ledger.table
            store = Store(
                table.keys, table.index, self._forward, BUILT_IN.commutes, CASES.case, CASES.rewrites, self._waiting
            )
            answer = ledger_loop.run(store, work, state)
            table.count = int(state[COUNT])
            if answer == NO_FRAME:
                self._waiting = np.concatenate((self._waiting, np.empty_like(self._waiting)))
            elif answer != NO_ROOM:
                return len(work.roots)
            elif not self._make_memo_room():
                return int(state[ROOT])
