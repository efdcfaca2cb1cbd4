"""Runs: cycles over one arena to the fixpoint or to a bound, on the host; what every run offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from prism.vm.arena import host
from prism.vm.arena.host import CYCLES, HITS, STEPS, Frontier, Tables, frontier_of
from prism.vm.arena.layout import Layout
from prism.vm.arena.order import capacity_for, nearness, order_of
from prism.vm.arena.store import Loaded, Rows, Rules, make_room
from prism.vm.arena.unload import read_out
from prism.vm.ledger.key import WIDE
from prism.vm.ledger.table import Table
from prism.vm.rewrite.commit import followed
from prism.vm.term.graph import TermGraph

DONE, STOPPED, FULL = 1, 2, 3
"""Why a run is over: nothing is left to fire; a cycle would exceed the cycles or the rule applications; the nodes."""


_SMALL = 1 << 16


@dataclass(frozen=True, slots=True)
class Bounds:
    """What bounds a run: rows in use, cycles, rule applications."""

    nodes: int
    cycles: int
    steps: int


class View(NamedTuple):
    """An arena between two cycles, copied to the host.

    op, a, b: the rows in use, as stored. forward: int32[count], the row that stands for each, total and idempotent.
    roots: the rows asked for. sites: int32[m], the frontier. cycles: how many landed so far.
    """

    op: NDArray[np.uint8]
    a: NDArray[np.int32]
    b: NDArray[np.int32]
    forward: NDArray[np.int32]
    roots: NDArray[np.int32]
    sites: NDArray[np.int32]
    cycles: int


class Run(Protocol):
    """Cycles over an arena; it is over once `answer` is not 0.

    cycles, steps: landed so far. count: rows in use; after FULL those that the cycle needed. hits: candidates that were
    there already.
    """

    answer: int

    @property
    def cycles(self) -> int: ...  # noqa: D102

    @property
    def steps(self) -> int: ...  # noqa: D102

    @property
    def count(self) -> int: ...  # noqa: D102

    @property
    def hits(self) -> int: ...  # noqa: D102

    def advance(self, cycles: int) -> None:
        """Run until it is over or has landed so many cycles in all."""
        ...

    def view(self) -> View:
        """Return the arena as it is now. Cost: a copy of all rows."""
        ...

    def graph(self) -> TermGraph:
        """Return what the roots have become; rows in topological order."""
        ...


class HostRun:
    """A run whose cycles are loops on the host."""

    def __init__(self, loaded: Loaded, rules: Rules, bounds: Bounds, layout: Layout) -> None:
        self._table, self._roots, self._bounds, self._layout = loaded.table, loaded.roots, bounds, layout
        self._tables = Tables(rules.cases.case, rules.cases.rewrites, rules.cases.heads, rules.ops.commutes)
        self._state = np.zeros(host.STATE_SIZE, np.int64)
        self._state[host.COUNT] = loaded.table.count
        self._state[host.MOST_NODES], self._state[host.MOST_STEPS] = bounds.nodes, bounds.steps
        room = len(loaded.table.keys)
        self._rows = _rows(loaded.table)
        self._rows.claims[: len(loaded.claims)] = loaded.claims
        self._front = frontier_of(room)
        self._state[host.SITES] = host.sites_of(self._rows.keys, loaded.claims, self._tables.heads, self._front.sites)
        self.answer = 0

    @property
    def cycles(self) -> int:
        """Cycles landed."""
        return int(self._state[CYCLES])

    @property
    def steps(self) -> int:
        """Rule applications landed."""
        return int(self._state[STEPS])

    @property
    def hits(self) -> int:
        """Candidates that found their row."""
        return int(self._state[HITS])

    @property
    def count(self) -> int:
        """Rows in use."""
        return int(self._state[host.COUNT])

    def advance(self, cycles: int) -> None:
        """Run until it is over or has landed so many cycles in all; MemoryError where there is no room to grow."""
        cycles = min(cycles, self._bounds.cycles)
        while self.answer == 0:
            one = min(cycles, self.cycles + 1) if self._layout.morton else cycles
            self._state[host.MOST_CYCLES] = one
            if self._layout.morton:
                self._lay_out()
            answer = host.run(self._rows, self._front, self._tables, self._state)
            if answer == host.NO_ROOM:
                self._grow()
            elif answer != host.STOPPED:
                self.answer = FULL if answer == host.FULL else DONE
            elif self.cycles == self._bounds.cycles or self.cycles < one:
                self.answer = STOPPED
            elif self.cycles == cycles:
                return

    def view(self) -> View:
        """Return the arena as it is now."""
        count = self.count
        forward = self._rows.forward[:count]
        forward = followed(np.where(forward == 0, np.arange(count, dtype=np.int32), forward))
        sites = self._front.sites[: self._state[host.SITES]].copy()
        return View(*WIDE.unpack(self._rows.keys[:count]), forward, self._roots, sites, self.cycles)

    def graph(self) -> TermGraph:
        """Return what the roots have become."""
        return TermGraph(*read_out(self._rows.keys, self._rows.forward, self.count, self._roots))

    def _grow(self) -> None:
        # Small arenas grow fourfold: a growth costs a pass over all rows, and fresh pages more than that.
        for _ in range(2 if self.count < _SMALL else 1):
            self._table.count = self.count
            make_room(self._table)
        old, room = self._rows, len(self._table.keys)
        self._rows = _rows(self._table)
        for before, after in zip(old[2:], self._rows[2:], strict=True):
            after[: len(before)] = before
        front = frontier_of(room)
        n_sites = int(self._state[host.SITES])
        front.sites[:n_sites] = self._front.sites[:n_sites]
        self._front: Frontier = front

    def _lay_out(self) -> None:
        """Bring the frontier into its order; orders by rank alone leave the sites that fire as they stand."""
        size = int(self._state[host.SITES])
        n = capacity_for(max(size, 1))
        sites = self._front.sites[:size]
        rank, (a, b) = host.ranked(self._rows, self._tables, sites, n)
        perm = order_of(self._layout, rank, nearness(a, b, len(self._rows.keys)), xp=np)
        self._front.sites[:size] = sites[perm[perm < size]]


def _rows(table: Table) -> Rows:
    """Return the rows of a table, of which nothing is known; pages that are never touched take no memory."""
    room = len(table.keys)
    forward, claims, waits = (np.zeros(room, np.int32) for _ in range(3))
    return Rows(table.keys, table.index, forward, claims, waits, np.zeros(2 * room, np.int32), np.zeros(room, np.bool_))
