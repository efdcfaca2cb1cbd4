"""Cycles to the fixpoint over any ledger: the reference for engines that work in whole-array cycles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prism.status import Status
from prism.vm.ledger.api import Ledger
from prism.vm.rewrite.validate import strata_violations
from prism.vm.term.graph import TermGraph
from tests.reference.cycle import Cycle, State, cycle, sites_among
from tests.reference.validate import commit_violations, map_violations, row_violations


@dataclass(frozen=True, slots=True)
class Fixpoint:
    """Where cycles ended.

    state: what each node of the ledger stands for; normal unless the ledger's status says otherwise or `cycles` met
    its bound. rewrites: sites rewritten in all. violations: of every cycle, if they were looked for.
    """

    state: State
    cycles: int
    rewrites: int
    violations: tuple[str, ...]


def normalise(
    ledger: Ledger, roots: NDArray[np.int32], *, max_cycles: int | None = None, check: bool = False
) -> Fixpoint:
    """Run cycles until no site under the roots is a redex, or for `max_cycles` of them.

    With `check`, every cycle is validated, which reads the whole ledger a few times more.
    """
    forward = np.arange(ledger.count, dtype=np.int32)
    state = State(forward, sites_among(ledger, _under(ledger, roots), forward))
    violations: list[str] = []
    cycles = rewrites = 0
    while ledger.status is Status.OK and (max_cycles is None or cycles < max_cycles):
        before = ledger.keys()
        done = cycle(ledger, state)
        if check:
            violations += violations_of(ledger, before, done)
        state = done.state
        if done.rewrites == 0:
            break
        cycles, rewrites = cycles + 1, rewrites + done.rewrites
    return Fixpoint(state, cycles, rewrites, tuple(violations))


def violations_of(ledger: Ledger, before: NDArray[np.uint64], done: Cycle) -> list[str]:
    """Return the violations of one cycle, over a ledger that held the keys `before` it."""
    found = strata_violations(done.found, len(before)) + row_violations(before, ledger.keys())
    if ledger.status is Status.OK:
        found += commit_violations(ledger, done.found, done.landed)
    return found + map_violations(done.state.forward)


def read(ledger: Ledger, state: State, roots: NDArray[np.int32]) -> TermGraph:
    """Return the terms that stand for some nodes; rows in topological order. Cost: plain Python, linear in them."""
    op, a, b = ledger.layout.unpack(ledger.keys())
    left, right = (state.forward[operand].tolist() for operand in (a, b))
    standing = state.forward[roots].tolist()
    row_of = {0: 0, 1: 1}
    waiting = list(reversed(standing))
    while waiting:
        node = waiting[-1]
        below = [operand for operand in (left[node], right[node]) if operand not in row_of]
        if node not in row_of and below:
            waiting += below
        else:
            waiting.pop()
            row_of.setdefault(node, len(row_of))
    order = np.array(list(row_of), np.int32)
    row_a, row_b = (np.array([row_of[at[node]] for node in row_of], np.int32) for at in (left, right))
    return TermGraph(op[order], row_a, row_b, np.array([row_of[node] for node in standing], np.int32))


def _under(ledger: Ledger, roots: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the nodes under some roots; operands have lower ids than the nodes that use them."""
    _, a, b = ledger.layout.unpack(ledger.keys())
    used = np.zeros(ledger.count, bool)
    used[roots] = True
    for node in range(int(roots.max(initial=0)), 1, -1):
        if used[node]:
            used[a[node]] = used[b[node]] = True
    return np.flatnonzero(used[2:]).astype(np.int32) + 2
