"""Engine `ledger`: memoised normalisation on the canonical ids of a host ledger, for any theory [THEORY-5]."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from prism.errors import UsageError
from prism.status import Status
from prism.vm.engines import theory_loop
from prism.vm.engines.admit import admit, admit_literals
from prism.vm.engines.api import STOPS, Limits, Outcome
from prism.vm.engines.memo import Memo
from prism.vm.engines.report import StopReason
from prism.vm.engines.theory_match import (
    BUDGET,
    COUNT,
    ID_BITS,
    LOGGED,
    NO_FRAME,
    NO_LOG,
    OVERFLOW,
    ROOM,
    ROOT,
    ROW,
    STATE_SIZE,
    Store,
)
from prism.vm.engines.work import Work, reach, renumber, work_of
from prism.vm.ledger.host import HostLedger
from prism.vm.ledger.nodes import require_ops
from prism.vm.ledger.optable import op_table
from prism.vm.ledger.table import NO_ROOM
from prism.vm.term.graph import TermGraph
from prism.vm.theory.automaton import UNIT_REGISTER, compile_theory
from prism.vm.theory.model import Theory
from prism.vm.theory.signature import UNIT

_LITERAL_NODES: Final = 17
"""The most nodes that one instruction makes: those of a literal."""
_EVER: Final = np.iinfo(np.int64).max


class TheoryEngine:
    """A host ledger and its memo, driven by the matching automaton of a theory.

    Each distinct node is rewritten once in a session [REWRITE-4]. All terms of a call are normalised in one Numba loop,
    which comes back here only for room. `steps_taken` are the rule applications of a session that `is_logged`. Cost:
    about 30 ns a node and a rule application; at most 25 bytes a node, and for each node that waits 8 and the registers
    of its rule.
    """

    def __init__(self, limits: Limits, theory: Theory, *, is_logged: bool = False) -> None:
        self.theory = theory
        self._limits = limits
        self._ops = op_table(theory.signature)
        require_ops(limits.layout, self._ops)
        self._automaton = compile_theory(theory)
        limit, self._overflow = limits.layout.bound(limits.capacity)
        self._memo = Memo.of(limits.layout, limit)
        self._status = Status.OK
        self._waiting = np.empty(1024, np.int32)
        self._frames = np.empty(1024 + 2 * int(self._automaton.sizes[0]), np.int32)
        self._log = np.empty((1024 * is_logged, 2), np.int32)
        self._n_logged = 0
        self.has_overflowed = False

    @property
    def count(self) -> int:
        """Nodes in the memo."""
        return self._memo.count

    @property
    def status(self) -> Status:
        """OK, or the sticky reason why the session is over."""
        return self._status

    @property
    def ledger(self) -> HostLedger:
        """A ledger with the nodes and the status that there are now; linear in the nodes."""
        ledger = HostLedger(self._limits.layout, self._limits.capacity, self._ops)
        ledger.restore(self._memo.keys[: self.count].copy(), self.status)
        return ledger

    def applications(self, start: int = 0) -> tuple[NDArray[np.int32], TermGraph]:
        """Return the rule applications of the session from number `start` on: the rule of each, and redexes as roots.

        rules: int32[n], indices into the rules of the theory. UsageError unless the session is logged.
        """
        if not len(self._log):
            raise UsageError("a session must be logged from the start to say what it applied, got one that is not")
        nodes, variants = self._log[start : self._n_logged].T
        return self._automaton.code[variants], self._decode(np.ascontiguousarray(nodes))

    def normalise(self, terms: TermGraph) -> Outcome:
        """Bring every root to normal form, in order; see `prism.vm.engines.api.Engine`.

        A literal that leaves 64 bits is CORRUPT, and ends the session.
        """
        admit(terms, self._ops)
        admit_literals(terms)
        work = work_of(terms)
        done = self._run(work) if self.status is Status.OK else 0
        stop = np.where(work.out_of_steps, STOPS.index(StopReason.STEP_LIMIT), STOPS.index(StopReason.NORMAL_FORM))
        stop[done:] = STOPS.index(StopReason.of(self.status))
        return Outcome(self._decode(work.normal), stop.astype(np.uint8), work.steps, work.nodes, work.reused)

    def _run(self, work: Work) -> int:
        """Evaluate the roots; return how many of them came to an end of their own."""
        state = np.zeros(STATE_SIZE, np.int64)
        state[COUNT], state[ROW] = self.count, 2
        state[BUDGET], state[ID_BITS] = self._limits.max_steps, self._limits.layout.id_bits
        state[LOGGED] = self._n_logged
        registers = np.zeros((2, self._automaton.sizes[0]), np.int64)
        registers[:, UNIT_REGISTER] = UNIT
        operands = np.zeros(self._automaton.sizes[2], np.int64)
        while True:
            memo = self._memo
            # A right side begun is built: only at its limit is a memo asked for its last row.
            spare = _LITERAL_NODES * int(self._automaton.sizes[1]) + 1
            state[ROOM] = _EVER if len(memo.keys) == memo.limit else len(memo.keys) - spare
            store = Store(
                memo.keys,
                memo.index,
                memo.forward,
                self._ops.commutes,
                self._waiting,
                self._frames,
                registers.ravel(),
                operands,
                self._log,
            )
            answer = theory_loop.run(self._automaton, store, work, state)
            memo.count, self._n_logged = int(state[COUNT]), int(state[LOGGED])
            if answer == OVERFLOW:
                self.has_overflowed, self._status = True, Status.CORRUPT
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
            elif not self._memo.grow():
                self._status = self._overflow
        except MemoryError:
            self._status = Status.OOM
        return self._status is Status.OK

    def _decode(self, normal: NDArray[np.int32]) -> TermGraph:
        keys, count, id_bits = self._memo.keys, self.count, self._limits.layout.id_bits
        nodes = np.sort(reach(keys, count, id_bits, normal))
        return TermGraph(*renumber(keys, count, id_bits, nodes, normal))


def _doubled(array: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the array with room for as many rows again."""
    return np.concatenate((array, np.empty_like(array)))
