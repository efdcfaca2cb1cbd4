"""Validate the candidates of a cycle on the host."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from prism.vm.ledger.optable import ARITY
from prism.vm.rewrite.candidates import Candidates


def strata_violations(found: Candidates, n_rows: int, arity: NDArray[np.uint8] = ARITY) -> list[str]:
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
        violations += broken(f"refer to an earlier stratum as operand {name}", enabled & ~fits, refs)
    takes = np.where(enabled, arity[np.asarray(found.op)], 0)
    has = np.count_nonzero((np.asarray(found.a), np.asarray(found.b)), axis=0)
    violations += broken("have as many operands as its op takes", has != takes, has, got="operands")
    forward = np.asarray(found.forward)
    fits = _is_row(forward, n_rows) | _is_slot(forward, enabled)
    violations += broken("be replaced by a row or an enabled slot", ~fits, forward, what="site")
    return violations


def _is_row(refs: NDArray[np.int32], n_rows: int) -> NDArray[np.bool_]:
    return (refs >= 0) & (refs < n_rows)


def _is_slot(refs: NDArray[np.int32], allowed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    slot = ~refs
    inside = (slot >= 0) & (slot < len(allowed))
    return inside & allowed[np.where(inside, slot, 0)]


def broken(
    must: str, where: NDArray[np.bool_], found: NDArray, *, what: str = "slot", got: str = "ref"
) -> Iterator[str]:
    """Yield a sentence that names the first of the places `where` something does not hold that must; none if none."""
    if where.any():
        first = int(where.argmax())
        yield f"{what} {first} must {must}, got {got}{' ' * bool(got)}{int(found[first])}"
