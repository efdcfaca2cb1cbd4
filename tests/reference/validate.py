"""Validate a reference cycle: what its candidates were committed to, and that nothing else changed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prism.vm.ledger.api import Ledger
from prism.vm.ledger.optable import COMMUTES
from prism.vm.rewrite.candidates import Candidates
from prism.vm.rewrite.commit import project
from prism.vm.rewrite.validate import broken
from prism.vm.term.ops import NULL
from tests.reference.strata import Landed


def commit_violations(ledger: Ledger, found: Candidates, landed: Landed) -> list[str]:
    """Return what breaks the laws of a commit into a ledger that had room for it [STRATA-2] [STRATA-3]."""
    op, a, b = ledger.layout.unpack(ledger.keys())
    q = landed.q
    total = (q >= 0) & (q < len(op)) & ((q != NULL.code) == found.enabled)
    node = np.where(total, q, 0)
    operands = np.stack([project(operand, q, xp=np) for operand in (found.a, found.b)])
    operands = np.where(COMMUTES[found.op], np.sort(operands, axis=0), operands)
    equal = (op[node] == found.op) & (a[node] == operands[0]) & (b[node] == operands[1])
    latest = np.maximum(a, b)
    violations = [
        *broken("have a node if it is enabled, and only then", ~total, q, got="node"),
        *broken("have a node that is equal to it", found.enabled & total & ~equal, q, got="node"),
    ]
    for start, stop in landed.strata:
        new = np.zeros(len(op), bool)
        new[start:stop] = True
        violations += broken("refer to earlier strata", new & (latest >= start), latest, what="node", got="operand")
    return violations


def row_violations(before: NDArray[np.uint64], after: NDArray[np.uint64]) -> list[str]:
    """Return the first row, given by its key, that a cycle changed or lost [STRATA-4]."""
    if len(after) < len(before):
        return [f"{len(before)} rows must still be there, got {len(after)}"]
    changed = after[: len(before)] != before
    return list(broken("stay as it was", changed, after[: len(before)], what="row", got="key"))


def map_violations(forward: NDArray[np.int32]) -> list[str]:
    """Return the first node that a map does not send to one that stands for itself [STRATA-3]."""
    inside = (forward >= 0) & (forward < len(forward))
    stands = inside & (forward[np.where(inside, forward, 0)] == forward)
    return list(broken("be sent to a node that stands for itself", ~stands, forward, what="node", got="node"))
