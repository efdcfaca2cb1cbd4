"""Arena: nodes in slots, as one immutable pytree of arrays."""

from __future__ import annotations

from enum import IntEnum
from types import ModuleType
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from prism.vm.rewrite.candidates import Array
from prism.vm.term.graph import TermGraph
from prism.vm.term.ops import ADD, MUL, NULL, SUC, ZERO


class Arena(NamedTuple):
    """Slots of `(op, a, b)`; `a` and `b` are slots, 0 where the op takes no such operand.

    op: uint8[n], a: int32[n], b: int32[n], roots: int32[k]; n is a power of two. Slot 0 is NULL and slot 1 is ZERO in
    every layout; free slots hold NULL as well and nothing points at them. Slots from `used` (int32[]) on are free.
    """

    op: Array
    a: Array
    b: Array
    used: Array
    roots: Array


class Rank(IntEnum):
    """What the next cycle does with a slot; lower ranks come first in rank order.

    HOT is a redex, WARM an add or mul that waits for its operands, COLD a zero or suc, FREE is NULL or unused.
    """

    HOT = 0
    WARM = 1
    COLD = 2
    FREE = 3


def capacity_for(n_slots: int) -> int:
    """Return the smallest power of two that is at least `n_slots` and at least 8."""
    return max(8, 1 << (n_slots - 1).bit_length())


def load(terms: TermGraph, capacity: int) -> Arena:
    """Place a graph into slots of the host, row i in slot i; `capacity` is a power of two that holds it."""
    op, a, b = (np.pad(column, (0, capacity - len(terms))) for column in (terms.op, terms.a, terms.b))
    return Arena(op, a, b, np.int32(len(terms)), terms.roots)


def ranks(arena: Arena, *, xp: ModuleType = jnp) -> Array:
    """Return the `Rank` of every slot: uint32[n]; `xp` is the namespace of the arrays. Cost: two gathers."""
    waits = (arena.op == ADD.code) | (arena.op == MUL.code)
    headed = (arena.op == ZERO.code) | (arena.op == SUC.code)
    hot = waits & (headed[arena.a] | headed[arena.b])
    busy = xp.where(waits, xp.where(hot, Rank.HOT, Rank.WARM), Rank.COLD)
    return xp.where(arena.op == NULL.code, Rank.FREE, busy).astype(xp.uint32)
