"""Locality of pointers: tile crossings and the entropy of pointer distance; signals that decide nothing [ARENA-4]."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prism.vm.arena.store import Arena, Rank, ranks


class Damage(NamedTuple):
    """Pointers of hot slots: how many there are (`edges`), and how many leave their tile (`crossing`)."""

    hot: int
    edges: int
    crossing: int


def damage(arena: Arena, tile: int) -> Damage:
    """Count the pointers of hot slots that leave their tile of `tile` slots; NULL pointers do not count."""
    arena = Arena(*map(np.asarray, arena))
    hot = np.flatnonzero(ranks(arena, xp=np) == Rank.HOT)
    edges = crossing = 0
    for slot, target in _pointers(arena, hot):
        edges += len(slot)
        crossing += int(np.count_nonzero(slot // tile != target // tile))
    return Damage(len(hot), edges, crossing)


def distance_entropy(arena: Arena) -> float:
    """Return the Shannon entropy, in bits, of floor(log2(slot xor target)) over all pointers in use.

    0 when every pointer spans the same power of two, 5 when all 32 spans are equally common.
    """
    arena = Arena(*map(np.asarray, arena))
    counts = np.zeros(32)
    for slot, target in _pointers(arena, np.arange(len(arena.op))):
        # The exponent of frexp is one more than floor(log2); doubles hold every slot number.
        counts += np.bincount(np.frexp(slot ^ target)[1], minlength=32)
    share = counts[counts > 0] / counts.sum()
    return float(-np.sum(share * np.log2(share)))


def _pointers(arena: Arena, slots: NDArray[np.intp]) -> Iterator[tuple[NDArray[np.intp], NDArray[np.int32]]]:
    """Yield, for each operand, those of some slots that have one and where it points."""
    for operand in (arena.a, arena.b):
        target = operand[slots]
        yield slots[target != 0], target[target != 0]
