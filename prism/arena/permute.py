"""Apply a permutation to an arena: the one swizzle."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from prism.arena.store import Arena


def inverse(perm: Array) -> Array:
    """Return the permutation that undoes `perm`: int32[n]. Cost: one scatter of n."""
    n = perm.shape[0]
    return jnp.zeros(n, jnp.int32).at[perm].set(jnp.arange(n, dtype=jnp.int32), unique_indices=True)


def apply(arena: Arena, perm: Array) -> Arena:
    """Move slot `perm[i]` to slot i, for every i, and let every pointer and every root follow [ARENA-2].

    `perm` keeps slots 0 and 1, so NULL stays NULL and ZERO stays ZERO.
    """
    to = inverse(perm)
    return arena._replace(op=arena.op[perm], a=to[arena.a[perm]], b=to[arena.b[perm]], roots=to[arena.roots])
