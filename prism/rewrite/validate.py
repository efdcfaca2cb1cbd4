"""Validate the candidates of a cycle on the host: two slots a site, and operands from earlier strata only."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from prism.rewrite.candidates import Candidates


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
    forward = np.asarray(found.forward)
    fits = _is_row(forward, n_rows) | _is_slot(forward, enabled)
    violations += _broken("be replaced by a row or an enabled slot", ~fits, forward, what="site")
    return violations


def _is_row(refs: NDArray[np.int32], n_rows: int) -> NDArray[np.bool_]:
    return (refs >= 0) & (refs < n_rows)


def _is_slot(refs: NDArray[np.int32], allowed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    slot = ~refs
    inside = (slot >= 0) & (slot < len(allowed))
    return inside & allowed[np.where(inside, slot, 0)]


def _broken(must: str, where: NDArray[np.bool_], got: NDArray[np.int32], *, what: str = "slot") -> Iterator[str]:
    if where.any():
        first = int(where.argmax())
        yield f"{what} {first} must {must}, got ref {int(got[first])}"
