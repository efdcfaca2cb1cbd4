"""Probing: look up and enter keys in a device index, as XLA loops that run on every back end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from prism.vm.ledger.mixing import mix

VACANT: Final = -1
"""An index slot that holds no id."""


@dataclass(frozen=True, slots=True)
class Probing:
    """The two loops over an index: int32[slots], `slots` a power of two, ids or VACANT, linear probing.

    find(keys, index, wanted, skip) -> int32[n]: the id of each wanted key, -1 where it is absent.
    enter(index, keys, ids, new, skip) -> index: enters `ids[i]` under `keys[i]` where `new[i]`; those keys are distinct
    and absent, and the index keeps a vacant slot.
    skip: the top bits of a mixing that all keys of the index share, which do not count for their slots.
    """

    find: Callable[[jax.Array, jax.Array, jax.Array, int], jax.Array]
    enter: Callable[[jax.Array, jax.Array, jax.Array, jax.Array, int], jax.Array]


def home(index: jax.Array, keys: jax.Array, skip: int) -> jax.Array:
    """Return the slot at which the search for each key starts, the top bits of its mixing; uint32[n]."""
    return (mix(keys) << np.uint64(skip) >> np.uint64(65 - len(index).bit_length())).astype(np.uint32)


def _next(index: jax.Array, slot: jax.Array) -> jax.Array:
    return slot + np.uint32(1) & np.uint32(len(index) - 1)


def find_by_rounds(keys: jax.Array, index: jax.Array, wanted: jax.Array, skip: int) -> jax.Array:
    """Find all keys together, one slot of each a round. Cost: two gathers a round, rounds = the longest probe."""

    def look(state: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        slot, ids, searching = state
        node = index[slot]
        hit = searching & (node != VACANT) & (keys[jnp.maximum(node, 0)] == wanted)
        return _next(index, slot), jnp.where(hit, node, ids), searching & (node != VACANT) & ~hit

    start = home(index, wanted, skip), jnp.full(wanted.shape, -1, np.int32), jnp.ones(wanted.shape, bool)
    return lax.while_loop(lambda state: state[2].any(), look, start)[1]


def enter_by_rounds(index: jax.Array, keys: jax.Array, ids: jax.Array, new: jax.Array, skip: int) -> jax.Array:
    """Enter all keys together; of those that meet at a vacant slot the largest id stays and the others move on."""

    def claim(state: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        index, slot, waiting = state
        wish = jnp.where(waiting & (index[slot] == VACANT), slot, np.uint32(len(index)))
        index = index.at[wish].max(ids, mode="drop")
        return index, _next(index, slot), waiting & (index[slot] != ids)

    return lax.while_loop(lambda state: state[2].any(), claim, (index, home(index, keys, skip), new))[0]


ROUNDS: Final = Probing(find_by_rounds, enter_by_rounds)
"""Probing in pure XLA."""
