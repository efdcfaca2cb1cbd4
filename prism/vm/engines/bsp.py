"""Engine `bsp`: whole cycles over the frontier of an arena, its normal forms committed to a host ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from prism.status import Status
from prism.vm.arena.layout import HOST
from prism.vm.arena.run import FULL, Bounds, HostRun, Run, View
from prism.vm.arena.store import Loaded, Rules, load, rules_of
from prism.vm.arena.swizzle import default_swizzle
from prism.vm.engines.admit import admit
from prism.vm.engines.api import STOPS, Limits, Outcome
from prism.vm.engines.ledger_session import LedgerSession
from prism.vm.engines.project import commit
from prism.vm.engines.report import StopReason
from prism.vm.engines.schedule import MAX_COUNT, Schedule
from prism.vm.term.graph import TermGraph
from prism.vm.theory.model import Theory

Watch = Callable[[View, View], None]
"""Called with the arena before and after a cycle that landed."""


class BspEngine(LedgerSession):
    """An arena for each call and a ledger for the session [ARENA-1].

    The terms of a call are rewritten together, so what that cost is reported at the first of them. With `watches` every
    cycle runs alone, and the arena is copied between any two. `cycles` is how many the last call took. UsageError for a
    theory whose rules do not fit two slots. Cost: see `prism.vm.arena.host`; 45 bytes a node of the arena.
    """

    def __init__(self, limits: Limits, schedule: Schedule, theory: Theory, watches: Sequence[Watch] = ()) -> None:
        self._limits = limits
        self._layout, self._most_cycles = schedule.layout, schedule.cycles
        self._swizzle = schedule.swizzle or default_swizzle()
        self._watches = watches
        self.rules = rules_of(theory)
        super().__init__(limits, self.rules.ops)
        self.cycles = 0

    def normalise(self, terms: TermGraph) -> Outcome:
        """Bring every root to normal form, all at once; see `prism.vm.engines.api.Engine`.

        A term that the bounds stopped keeps a root, at what it had become.
        """
        admit(terms, self.rules.ops)
        self.cycles = 0
        if self.status is not Status.OK or not len(terms.roots):
            return self._over(len(terms.roots))
        try:
            return self._outcome(*self._ran(terms))
        except MemoryError:
            self._ledger.status = Status.OOM
            return self._over(len(terms.roots))

    def _ran(self, terms: TermGraph) -> tuple[Run, Loaded]:
        """Load terms and run to the end or to a bound; MemoryError where there is no room for their nodes."""
        loaded = load(terms, self.rules)
        if loaded.table_count > self._limits.capacity:
            raise MemoryError
        steps = min(self._limits.max_steps * len(terms.roots), MAX_COUNT)
        bounds = Bounds(self._limits.capacity, self._most_cycles, steps)
        run = open_run(loaded, self.rules, bounds, Schedule(self._layout, self._swizzle))
        self._advance(run)
        self.cycles = run.cycles
        if run.answer == FULL:
            raise MemoryError
        return run, loaded

    def _advance(self, run: Run) -> None:
        if not self._watches:
            run.advance(self._most_cycles)
        after = run.view() if self._watches else None
        while run.answer == 0 and after:
            before = after
            run.advance(run.cycles + 1)
            after = run.view()
            if after.cycles > before.cycles:
                for watch in self._watches:
                    watch(before, after)

    def _outcome(self, run: Run, loaded: Loaded) -> Outcome:
        """Commit the normal forms and say how each term ended."""
        n_terms = len(loaded.roots)
        result = run.graph()
        normal = ~_unfinished(result.op, result.a, result.b, self.rules.cases.case)[result.roots]
        before = self.count
        committed = commit(self._ledger, TermGraph(result.op, result.a, result.b, result.roots[normal]))
        if self.status is not Status.OK:
            return self._over(n_terms)
        added = self.count - before
        stop = np.where(normal, STOPS.index(StopReason.NORMAL_FORM), STOPS.index(StopReason.STEP_LIMIT))
        reused = loaded.loaded - (loaded.table_count - 2) + run.hits + committed.interned - added
        totals = (run.steps, run.count - 2 + added, reused)
        return Outcome(result, stop.astype(np.uint8), *(_at_first(total, n_terms) for total in totals))

    def _over(self, n_terms: int) -> Outcome:
        """Return the outcome of terms that have no result."""
        zero = np.zeros(2, np.int32)
        nothing = TermGraph(np.array([0, 1], np.uint8), zero, zero, np.zeros(n_terms, np.int32))
        stop = np.full(n_terms, STOPS.index(StopReason.of(self.status)), np.uint8)
        return Outcome(nothing, stop, *(np.zeros(n_terms, np.int64) for _ in range(3)))


def open_run(loaded: Loaded, rules: Rules, bounds: Bounds, schedule: Schedule) -> Run:
    """Start a run where the swizzle of a schedule says: on the host, or on JAX's device."""
    if schedule.swizzle == HOST:
        return HostRun(loaded, rules, bounds, schedule.layout)
    from prism.vm.arena.device import DeviceRun

    return DeviceRun(loaded, rules, bounds, schedule.layout, schedule.swizzle or default_swizzle())


@njit(cache=True)
def _unfinished(op, a, b, case):
    """Return which rows of a graph are redexes or have one below them: bool[n]. Operands come first."""
    found = np.zeros(len(op), np.bool_)
    for row in range(2, len(op)):
        found[row] = case[op[row], op[a[row]], op[b[row]]] != 0 or found[a[row]] or found[b[row]]
    return found


def _at_first(total: int, n_terms: int) -> NDArray[np.int64]:
    counts = np.zeros(n_terms, np.int64)
    counts[:1] = total
    return counts
