"""Strata: the nodes that a cycle appends to a ledger, local rewrites first, continuations over them [STRATA-2]."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prism.vm.ledger.api import Ledger
from prism.vm.rewrite.candidates import Candidates
from prism.vm.rewrite.commit import project


class Stratum(NamedTuple):
    """The ids that one batch appended: from `start` up to, and without, `stop`."""

    start: int
    stop: int


class Landed(NamedTuple):
    """q: int32[2m], the node of each candidate slot, NULL where it is disabled. strata: one for each batch."""

    q: NDArray[np.int32]
    strata: tuple[Stratum, ...]


def land(ledger: Ledger, found: Candidates) -> Landed:
    """Intern the enabled candidates, a batch for each stratum, and return what they became [STRATA-3].

    A stratum that does not fit sets the sticky status of the ledger, and neither it nor a later one lands a node.
    """
    q = np.zeros(len(found.enabled), np.int32)
    strata: list[Stratum] = []
    for half in (0, 1):
        slots = 2 * np.flatnonzero(found.enabled[half::2]) + half
        start = ledger.count
        a, b = (project(operand[slots], q, xp=np) for operand in (found.a, found.b))
        q[slots] = ledger.intern(found.op[slots], a, b)
        strata.append(Stratum(start, ledger.count))
    return Landed(q, tuple(strata))
