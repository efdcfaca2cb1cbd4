"""One cycle of the arena: emit candidates at every slot, place the enabled ones, forward the sites."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from prism.arena.store import Arena
from prism.ops import NULL
from prism.rewrite.candidates import emit
from prism.rewrite.commit import place, project


class Cycled(NamedTuple):
    """What a cycle left.

    rewrites: int32[], the sites it rewrote. needed: int32[], the slots it takes to hold the outcome; the arena is
    unchanged if that is more than there are.
    """

    arena: Arena
    rewrites: Array
    needed: Array


def cycle(arena: Arena, limit: Array) -> Cycled:
    """Rewrite every redex of the arena at once, if the outcome fits the first `limit` (int32[]) slots [STRATA-1].

    Rows from before the cycle keep their op; their pointers follow the sites that were replaced, and those sites
    become free. Cost: O(n) gathers and scatters, and a pointer jump for each doubling of a chain of replacements.
    """
    slots = jnp.arange(arena.op.shape[0], dtype=jnp.int32)
    found = emit(arena.op, arena.a, arena.b, slots, xp=jnp)
    q, n_new = place(found.enabled, arena.used, xp=jnp)
    needed = arena.used + n_new
    fits = needed <= jnp.minimum(limit, slots.shape[0])
    # A slot past the end is dropped by the scatter: nothing of a cycle that does not fit lands.
    target = jnp.where(found.enabled & fits, q, slots.shape[0])
    forward = jnp.where(fits, project(found.forward, q, xp=jnp), slots)
    replaced = forward != slots
    forward = _compress(forward)

    def land(old: Array, new: Array) -> Array:
        return jnp.where(replaced, 0, old).at[target].set(new, mode="drop")

    after = Arena(
        op=jnp.where(replaced, jnp.uint8(NULL.code), arena.op).at[target].set(found.op, mode="drop"),
        a=forward[land(arena.a, project(found.a, q, xp=jnp))],
        b=forward[land(arena.b, project(found.b, q, xp=jnp))],
        used=jnp.where(fits, needed, arena.used),
        roots=forward[arena.roots],
    )
    return Cycled(after, jnp.sum(replaced, dtype=jnp.int32), needed)


def _compress(forward: Array) -> Array:
    """Follow replacements to their end by pointer jumping (Hillis and Steele 1986); they never form a cycle."""
    return jax.lax.while_loop(lambda f: jnp.any(f[f] != f), lambda f: f[f], forward)
