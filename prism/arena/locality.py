"""Locality of pointers: tile crossings and the entropy of pointer distance; signals that decide nothing [ARENA-4]."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from prism.arena.store import Arena, Rank, ranks


class Damage(NamedTuple):
    """Pointers of hot slots: how many there are (`edges`) and how many leave their tile (`crossing`); int32[]."""

    hot: Array
    edges: Array
    crossing: Array


def damage(arena: Arena, tile: int) -> Damage:
    """Count the pointers of hot slots that leave their tile of `tile` slots; NULL pointers do not count."""
    hot = ranks(arena) == Rank.HOT
    home = jnp.arange(arena.op.shape[0], dtype=jnp.int32) // tile
    pointers = [hot & (target != 0) for target in (arena.a, arena.b)]
    crosses = [is_edge & (target // tile != home) for is_edge, target in zip(pointers, (arena.a, arena.b), strict=True)]
    return Damage(
        hot=jnp.sum(hot, dtype=jnp.int32),
        edges=sum((jnp.sum(is_edge, dtype=jnp.int32) for is_edge in pointers), jnp.int32(0)),
        crossing=sum((jnp.sum(crossing, dtype=jnp.int32) for crossing in crosses), jnp.int32(0)),
    )


def distance_entropy(arena: Arena) -> Array:
    """Return the Shannon entropy, in bits, of floor(log2(slot xor target)) over all pointers in use; float32[].

    0 when every pointer spans the same power of two, 5 when all 32 spans are equally common.
    """
    slot = jnp.arange(arena.op.shape[0], dtype=jnp.int32)
    counts = jnp.zeros(32, jnp.float32)
    for target in (arena.a, arena.b):
        span = 31 - jnp.minimum(lax.clz(slot ^ target), 31)
        counts = counts.at[span].add((target != 0).astype(jnp.float32))
    share = counts / jnp.maximum(counts.sum(), 1)
    return -jnp.sum(jnp.where(share > 0, share * jnp.log2(jnp.maximum(share, 1e-30)), 0))
