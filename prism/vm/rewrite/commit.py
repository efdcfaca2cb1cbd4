"""Commit: refs of one cycle become rows through the map q [STRATA-3].

q is total (every candidate slot has an image, NULL where it is disabled) and idempotent (a row stays itself).
"""

from __future__ import annotations

from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from prism.vm.rewrite.candidates import Array


def project(refs: Array, q: Array, *, xp: ModuleType) -> Array:
    """Return the rows that refs stand for: r >= 0 is itself, r < 0 the row that `q` gives candidate slot ~r."""
    return xp.where(refs < 0, q[xp.maximum(~refs, 0)], refs)


def place(enabled: Array, first: Array | int, *, xp: ModuleType) -> tuple[Array, Array]:
    """Compact enabled slots into rows from `first` on, local rewrites before continuations.

    Returns q, int32[2m] (0 where disabled), and the number of rows, int32[]. Cost: two prefix sums of m.
    """
    local, continuation = enabled[0::2], enabled[1::2]
    n_local = xp.sum(local, dtype=xp.int32)
    at = (
        first + xp.cumsum(local, dtype=xp.int32) - 1,
        first + n_local + xp.cumsum(continuation, dtype=xp.int32) - 1,
    )
    q = xp.where(enabled, xp.stack(at, axis=1).reshape(-1), 0).astype(xp.int32)
    return q, n_local + xp.sum(continuation, dtype=xp.int32)


def followed(forward: NDArray[np.int32]) -> NDArray[np.int32]:
    """Follow a map without cycles to its ends, by pointer jumping (Hillis and Steele 1986); idempotent then."""
    while True:
        jumped = forward[forward]
        if np.array_equal(jumped, forward):
            return forward
        forward = jumped
