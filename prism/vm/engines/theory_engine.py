"""Engine `ledger` for any theory: memoised normalisation on the canonical ids of a host ledger [THEORY-5]."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prism.errors import UsageError
from prism.status import Status
from prism.vm.engines import theory_loop
from prism.vm.engines.admit import admit, admit_literals
from prism.vm.engines.api import Limits, Outcome
from prism.vm.engines.ledger_loop import NO_FRAME, Work
from prism.vm.engines.memo import MemoEngine
from prism.vm.engines.theory_match import BUDGET, COUNT, ID_BITS, LOGGED, NO_LOG, OVERFLOW, ROOT, ROW, STATE_SIZE, Store
from prism.vm.ledger.optable import op_table
from prism.vm.ledger.table import NO_ROOM
from prism.vm.term.graph import TermGraph
from prism.vm.theory.automaton import compile_theory
from prism.vm.theory.model import Theory


class TheoryEngine(MemoEngine):
    """A host ledger and its memo, driven by the matching automaton of a theory.

    Each distinct node is rewritten once in a session. `steps_taken` are the rule applications of a session that
    `is_logged`. Cost: about 100 ns a node and a rule application; 25 bytes a node, and for each node that waits 8 and
    the registers of its rule.
    """

    def __init__(self, limits: Limits, theory: Theory, *, is_logged: bool = False) -> None:
        self.theory = theory
        self._table = op_table(theory.signature)
        super().__init__(limits, self._table)
        self._automaton = compile_theory(theory)
        self._waiting = np.empty((1024, 2), np.int32)
        self._frames = np.empty(4096 + int(self._automaton.sizes.sum()), np.int32)
        self._log = np.empty((1024 * is_logged, 2), np.int32)
        self._n_logged = 0
        self.has_overflowed = False

    def applications(self, start: int = 0) -> tuple[NDArray[np.int32], TermGraph]:
        """Return the rule applications of the session from number `start` on: the rule of each, and redexes as roots.

        rules: int32[n], indices into the rules of the theory. UsageError unless the session is logged.
        """
        if not len(self._log):
            raise UsageError("a session must be logged from the start to say what it applied, got one that is not")
        nodes, variants = self._log[start : self._n_logged].T
        return self._automaton.variant[variants, 0], self._decode(np.ascontiguousarray(nodes))

    def normalise(self, terms: TermGraph) -> Outcome:
        """Bring every root to normal form, in order; see `prism.vm.engines.api.Engine`.

        A literal that leaves 64 bits is CORRUPT, and ends the session.
        """
        admit(terms, self._table)
        admit_literals(terms)
        return self._normalised(terms)

    def _run(self, work: Work) -> int:
        """Evaluate the roots; return how many of them came to an end of their own."""
        state = np.zeros(STATE_SIZE, np.int64)
        state[COUNT], state[ROW] = self._ledger.count, 2
        state[BUDGET], state[ID_BITS] = self._max_steps, self._ledger.layout.id_bits
        state[LOGGED] = self._n_logged
        registers = np.zeros(self._automaton.sizes[0], np.int64)
        operands = np.zeros(self._automaton.sizes[2], np.int64)
        while True:
            table = self._ledger.table
            store = Store(
                table.keys,
                table.index,
                self._forward,
                self._table.commutes,
                self._waiting,
                self._frames,
                registers,
                operands,
                self._log,
            )
            answer = theory_loop.run(self._automaton, store, work, state)
            table.count, self._n_logged = int(state[COUNT]), int(state[LOGGED])
            if answer == OVERFLOW:
                self.has_overflowed, self._ledger.status = True, Status.CORRUPT
                return int(state[ROOT])
            if answer not in (NO_ROOM, NO_FRAME, NO_LOG):
                return len(work.roots)
            if not self._make_room(int(answer)):
                return int(state[ROOT])

    def _make_room(self, answer: int) -> bool:
        """Double what the loop ran out of, or end the session."""
        try:
            if answer == NO_FRAME:
                self._waiting, self._frames = _doubled(self._waiting), _doubled(self._frames)
            elif answer == NO_LOG:
                self._log = _doubled(self._log)
            else:
                return self._make_memo_room()
        except MemoryError:
            self._ledger.status = Status.OOM
            return False
        return True


def _doubled(array: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the array with room for as many rows again."""
    return np.concatenate((array, np.empty_like(array)))
