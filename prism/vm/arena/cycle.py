"""One cycle of the arena: emit candidates at every slot, place the enabled ones, forward the sites."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from prism.vm.arena.store import Arena
from prism.vm.rewrite.candidates import emit
from prism.vm.rewrite.commit import place, project
from prism.vm.term.ops import NULL


class Cycled(NamedTuple):
    """What a cycle did.

    rewrites: int32[], the redexes it found. needed: int32[], the slots it takes to rewrite them all. landed: bool[],
    whether it did; the arena is unchanged if not [ARENA-3].
    """

    arena: Arena
    rewrites: Array
    needed: Array
    landed: Array


def cycle(arena: Arena, slots: Array, rewrites: Array) -> Cycled:
    """Rewrite every redex of the arena at once, if that takes at most so many slots and rewrites (int32[]) [STRATA-1].

    Rows from before the cycle keep their op; their pointers follow the sites that were replaced, and those sites
    become free. Cost: O(n) gathers and scatters, and a pointer jump for each doubling of a chain of replacements.
    """
    n = arena.op.shape[0]
    sites = jnp.arange(n, dtype=jnp.int32)
    found = emit(arena.op, arena.a, arena.b, sites, xp=jnp)
    q, n_new = place(found.enabled, arena.used, xp=jnp)
    forward = project(found.forward, q, xp=jnp)
    needed = arena.used + n_new
    n_redexes = jnp.sum(forward != sites, dtype=jnp.int32)
    landed = (needed <= jnp.minimum(slots, n)) & (n_redexes <= rewrites)
    # A scatter drops what it is told to put past the end: nothing of a cycle that may not land does.
    target = jnp.where(found.enabled & landed, q, n)
    forward = jnp.where(landed, forward, sites)
    replaced = forward != sites
    forward = _compress(forward)

    def land(old: Array, new: Array) -> Array:
        return jnp.where(replaced, 0, old).at[target].set(new, mode="drop")

    after = Arena(
        op=jnp.where(replaced, jnp.uint8(NULL.code), arena.op).at[target].set(found.op, mode="drop"),
        a=forward[land(arena.a, project(found.a, q, xp=jnp))],
        b=forward[land(arena.b, project(found.b, q, xp=jnp))],
        used=jnp.where(landed, needed, arena.used),
        roots=forward[arena.roots],
    )
    return Cycled(after, n_redexes, needed, landed)


def _compress(forward: Array) -> Array:
    """Follow replacements to their end by pointer jumping (Hillis and Steele 1986); they never form a cycle."""
    return jax.lax.while_loop(lambda f: jnp.any(f[f] != f), lambda f: f[f], forward)
