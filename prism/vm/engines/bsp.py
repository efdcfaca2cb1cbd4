"""Engine `bsp`: whole-array cycles in an arena of any layout, its normal forms committed to a host ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import jax
import numpy as np
from numpy.typing import NDArray

from prism.status import Status
from prism.vm.arena import host
from prism.vm.arena.layout import HOST, Layout
from prism.vm.arena.run import Bounds, Run, goes_on, start, step, until_stop
from prism.vm.arena.store import Arena, capacity_for, load
from prism.vm.arena.swizzle import default_swizzle
from prism.vm.arena.unload import unload
from prism.vm.engines.admit import admit
from prism.vm.engines.api import STOPS, Limits, Outcome
from prism.vm.engines.project import commit, project
from prism.vm.engines.report import StopReason
from prism.vm.engines.schedule import MAX_COUNT, Schedule
from prism.vm.ledger.host import HostLedger
from prism.vm.ledger.key import WIDE
from prism.vm.term.graph import TermGraph, numerals

Watch = Callable[[Run, Run], None]
"""Called with a run before and after a cycle that landed."""


class BspEngine:
    """An arena for each call and a ledger for the session [ARENA-1].

    The terms of a call are rewritten together, so what that cost is reported at the first of them. With
    `watches` every cycle runs alone instead of inside a device loop. Cost: a pass over the arena
    for each cycle, whatever is left to rewrite; 9 bytes a slot, and as much again while a cycle lands.
    """

    def __init__(self, limits: Limits, schedule: Schedule, watches: Sequence[Watch] = ()) -> None:
        self._limits = limits
        self._layout, self._cycles = schedule.layout, schedule.cycles
        self._swizzle = schedule.swizzle or default_swizzle()
        self._watches = watches
        self._ledger = HostLedger(limits.layout, limits.capacity)

    @property
    def count(self) -> int:
        """Nodes in the ledger: the normal forms of the session."""
        return self._ledger.count

    @property
    def status(self) -> Status:
        """OK, or the sticky reason why the session is over."""
        return self._ledger.status

    @property
    def ledger(self) -> HostLedger:
        """The ledger; to be read only."""
        return self._ledger

    def normalise(self, terms: TermGraph) -> Outcome:
        """Bring every root to normal form, all at once; see `prism.vm.engines.api.Engine`.

        A term that the bounds stopped keeps a root, at what it had become.
        """
        admit(terms)
        if self.status is not Status.OK or not len(terms.roots):
            return self._outcome(_nothing(len(terms.roots)), 0, 0)
        image = project(terms)
        distinct, which = _distinct(image.roots, len(image.keys))
        run = self._run(TermGraph(*WIDE.unpack(image.keys), distinct), len(terms.roots))
        result = unload(run.arena._replace(roots=run.arena.roots[: len(distinct)]))
        result = TermGraph(result.op, result.a, result.b, result.roots[which])
        return self._outcome(result, int(run.rewrites), int(run.made))

    def _run(self, terms: TermGraph, n_terms: int) -> Run:
        """Run to the end or to a bound, making room as needed."""
        budget = min(self._limits.max_steps * n_terms, MAX_COUNT)
        most = capacity_for(self._limits.capacity)
        if len(terms) > self._limits.capacity:
            self._ledger.status = Status.OOM
            return start(_load(_nothing(len(terms.roots)), most))
        run = start(_load(terms, min(most, capacity_for(2 * len(terms)))))
        cycles = -1
        while True:
            slots = min(run.arena.op.shape[0], self._limits.capacity)
            bounds = Bounds(*(np.int32(bound) for bound in (slots, self._cycles, budget)))
            run = self._advance(run, bounds)
            if run.landed or int(run.needed) <= slots:
                return run
            # Right after room was made, a cycle that asks for more than there may be is beyond the capacity.
            if int(run.cycles) == cycles:
                self._ledger.status = Status.OOM
                return run
            cycles = int(run.cycles)
            kept = unload(run.arena)
            room = 2 * (len(kept) + int(run.needed) - int(run.arena.used))
            run = run._replace(arena=_load(kept, min(most, capacity_for(room))), landed=np.bool_(True))

    def _advance(self, run: Run, bounds: Bounds) -> Run:
        if not self._watches:
            return run_cycles(run, bounds, self._layout, self._swizzle)
        one = host.step if self._swizzle == HOST else partial(_step, swizzle=self._swizzle)
        while goes_on(run, bounds):
            before, run = run, one(run, bounds, self._layout)
            if int(run.cycles) > int(before.cycles):
                for watch in self._watches:
                    watch(before, run)
        return run

    def _outcome(self, result: TermGraph, rewrites: int, made: int) -> Outcome:
        """Commit the normal forms and say how each term ended."""
        normal = numerals(result)[result.roots] >= 0
        before, interned = self.count, 0
        if self.status is Status.OK:
            interned = commit(self._ledger, TermGraph(result.op, result.a, result.b, result.roots[normal])).interned
        added = self.count - before
        stop = np.where(normal, STOPS.index(StopReason.NORMAL_FORM), STOPS.index(StopReason.STEP_LIMIT))
        if self.status is not Status.OK:
            result = _nothing(len(stop))
            stop = np.full(len(stop), STOPS.index(StopReason.of(self.status)))
        totals = (rewrites, made + added, interned - added)
        return Outcome(result, stop.astype(np.uint8), *(_at_first(total, len(stop)) for total in totals))


def run_cycles(run: Run, bounds: Bounds, layout: Layout, swizzle: str) -> Run:
    """Run cycles until nothing is left or a bound is met, where `swizzle` says; traced once a shape on a device."""
    if swizzle == HOST:
        return host.until_stop(run, bounds, layout)
    return _until_stop(run, bounds, layout, swizzle)


_until_stop = jax.jit(until_stop, static_argnames=("layout", "swizzle"))
_step = jax.jit(step, static_argnames=("layout", "swizzle"))


def _distinct(roots: NDArray[np.int32], n_rows: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the rows among some roots, ascending, and for each root which of them it is."""
    is_root = np.zeros(n_rows, np.bool_)
    is_root[roots] = True
    place = np.cumsum(is_root, dtype=np.int32) - 1
    return np.flatnonzero(is_root).astype(np.int32), place[roots]


def _load(terms: TermGraph, capacity: int) -> Arena:
    """Load terms with their roots padded to a power of two, so that few shapes are traced."""
    n_roots = len(terms.roots)
    roots = np.pad(terms.roots, (0, capacity_for(n_roots) - n_roots))
    return load(TermGraph(terms.op, terms.a, terms.b, roots), capacity)


def _nothing(n_roots: int) -> TermGraph:
    """Return a graph that has no result for any root."""
    zero = np.zeros(2, np.int32)
    return TermGraph(np.array([0, 1], np.uint8), zero, zero, np.zeros(n_roots, np.int32))


def _at_first(total: int, n_terms: int) -> NDArray[np.int64]:
    counts = np.zeros(n_terms, np.int64)
    counts[:1] = total
    return counts
