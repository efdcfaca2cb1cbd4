"""Validate a cycle on the host: its candidates, what they were committed to, and that nothing else changed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from prism.ledger.api import Ledger
from prism.ledger.optable import ARITY, COMMUTES
from prism.ops import NULL
from prism.rewrite.candidates import Candidates
from prism.rewrite.commit import project
from prism.rewrite.strata import Landed


def strata_violations(found: Candidates, n_rows: int) -> list[str]:
    """Return what breaks the laws of strata in the candidates of a store of `n_rows` rows; none if all hold [STRATA-2].

    A local rewrite may refer to rows from before the cycle; a continuation to those and to enabled local rewrites; a
    replacement to rows and to any enabled slot.
    """
    enabled = np.asarray(found.enabled)
    n_slots = 2 * len(found.forward)
    if len(enabled) != n_slots:
        return [f"{len(found.forward)} sites must emit {n_slots} slots, got {len(enabled)}"]
    is_local = np.arange(n_slots) % 2 == 0
    violations: list[str] = []
    for name, refs in (("a", np.asarray(found.a)), ("b", np.asarray(found.b))):
        fits = _is_row(refs, n_rows) | (~is_local & _is_slot(refs, enabled & is_local))
        violations += _broken(f"refer to an earlier stratum as operand {name}", enabled & ~fits, refs)
    takes = np.where(enabled, ARITY[np.asarray(found.op)], 0)
    has = np.count_nonzero((np.asarray(found.a), np.asarray(found.b)), axis=0)
    violations += _broken("have as many operands as its op takes", has != takes, has, got="operands")
    forward = np.asarray(found.forward)
    fits = _is_row(forward, n_rows) | _is_slot(forward, enabled)
    violations += _broken("be replaced by a row or an enabled slot", ~fits, forward, what="site")
    return violations


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
        *_broken("have a node if it is enabled, and only then", ~total, q, got="node"),
        *_broken("have a node that is equal to it", found.enabled & total & ~equal, q, got="node"),
    ]
    for start, stop in landed.strata:
        new = np.zeros(len(op), bool)
        new[start:stop] = True
        violations += _broken("refer to earlier strata", new & (latest >= start), latest, what="node", got="operand")
    return violations


def row_violations(before: NDArray[np.uint64], after: NDArray[np.uint64]) -> list[str]:
    """Return the first row, given by its key, that a cycle changed or lost [STRATA-4]."""
    if len(after) < len(before):
        return [f"{len(before)} rows must still be there, got {len(after)}"]
    changed = after[: len(before)] != before
    return list(_broken("stay as it was", changed, after[: len(before)], what="row", got="key"))


def map_violations(forward: NDArray[np.int32]) -> list[str]:
    """Return the first node that a map does not send to one that stands for itself [STRATA-3]."""
    inside = (forward >= 0) & (forward < len(forward))
    stands = inside & (forward[np.where(inside, forward, 0)] == forward)
    return list(_broken("be sent to a node that stands for itself", ~stands, forward, what="node", got="node"))


def _is_row(refs: NDArray[np.int32], n_rows: int) -> NDArray[np.bool_]:
    return (refs >= 0) & (refs < n_rows)


def _is_slot(refs: NDArray[np.int32], allowed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    slot = ~refs
    inside = (slot >= 0) & (slot < len(allowed))
    return inside & allowed[np.where(inside, slot, 0)]


def _broken(
    must: str, where: NDArray[np.bool_], found: NDArray, *, what: str = "slot", got: str = "ref"
) -> Iterator[str]:
    if where.any():
        first = int(where.argmax())
        yield f"{what} {first} must {must}, got {got} {int(found[first])}"
