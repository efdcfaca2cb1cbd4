"""Apply a permutation to an arena: the one swizzle."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from prism.vm.arena.store import Arena
from prism.vm.arena.swizzle import gather
from prism.vm.term.ops import NULL


def inverse(perm: Array) -> Array:
    """Return the permutation that undoes `perm`: int32[n]. Cost: one scatter of n."""
    n = perm.shape[0]
    return jnp.zeros(n, jnp.int32).at[perm].set(jnp.arange(n, dtype=jnp.int32), unique_indices=True)


def apply(arena: Arena, perm: Array, *, swizzle: str = "jax") -> Arena:
    """Move slot `perm[i]` to slot i, for every i, and let every pointer and every root follow [ARENA-2].

    `perm` keeps slots 0 and 1, so NULL stays NULL and ZERO stays ZERO. `swizzle` is one of `SWIZZLES`; it does not
    change the outcome. `used` shrinks to the last slot that holds a node.
    """
    to = inverse(perm)
    op = gather(arena.op, perm, swizzle=swizzle)
    slots = jnp.arange(op.shape[0], dtype=jnp.int32)
    return Arena(
        op=op,
        a=gather(to, gather(arena.a, perm, swizzle=swizzle), swizzle=swizzle),
        b=gather(to, gather(arena.b, perm, swizzle=swizzle), swizzle=swizzle),
        used=jnp.max(jnp.where(op == NULL.code, 0, slots)) + 1,
        roots=to[arena.roots],
    )
