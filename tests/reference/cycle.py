"""One cycle over a ledger: every redex at once, nodes appended, sites forwarded, no row changed [STRATA-4]."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prism.status import Status
from prism.vm.ledger.api import Ledger
from prism.vm.rewrite.candidates import Candidates, Rows, emit
from prism.vm.rewrite.cases import CASES
from prism.vm.rewrite.commit import followed, project
from tests.reference.strata import Landed, land

_IS_HEAD: Final[NDArray[np.bool_]] = np.any(CASES.case, axis=(1, 2))
"""Whether some rule rewrites an op, by op code."""


class State(NamedTuple):
    """A ledger seen through what its nodes were rewritten to.

    forward: int32[count], the node that stands for each node, itself where that is so; total and idempotent. sites:
    int32[m], ascending: the nodes that may be or become redexes and that stand for themselves.
    """

    forward: NDArray[np.int32]
    sites: NDArray[np.int32]


class Cycle(NamedTuple):
    """What a cycle did: the state after it, the sites it rewrote, the candidates it emitted and what they became."""

    state: State
    rewrites: int
    found: Candidates
    landed: Landed


def sites_among(ledger: Ledger, nodes: NDArray[np.int32], forward: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return which of some nodes are sites: their op heads a rule and they stand for themselves; ascending."""
    op, _, _ = ledger.layout.unpack(ledger.keys())
    nodes = np.unique(nodes)
    return nodes[_IS_HEAD[op[nodes]] & (forward[nodes] == nodes)]


def cycle(ledger: Ledger, state: State) -> Cycle:
    """Rewrite every redex among the sites; if the ledger has no room for it, forward none [STRATA-6].

    Operands are read through `state.forward`, so that the parents of a rewritten node follow it without being built
    again. Cost: O(count) NumPy passes and two batches.
    """
    op, a, b = ledger.layout.unpack(ledger.keys())
    found = emit(Rows(op, a, b), state.sites, lambda ids: state.forward[ids], xp=np)
    landed = land(ledger, found)
    if ledger.status is not Status.OK:
        grown = np.arange(len(state.forward), ledger.count, dtype=np.int32)
        return Cycle(State(np.concatenate((state.forward, grown)), state.sites), 0, found, landed)
    forward = np.arange(ledger.count, dtype=np.int32)
    forward[: len(state.forward)] = state.forward
    forward[state.sites] = project(found.forward, landed.q, xp=np)
    n_rewrites = int(np.count_nonzero(forward[state.sites] != state.sites))
    forward = followed(forward)
    sites = sites_among(ledger, np.concatenate((state.sites, landed.q)), forward)
    return Cycle(State(forward, sites), n_rewrites, found, landed)
