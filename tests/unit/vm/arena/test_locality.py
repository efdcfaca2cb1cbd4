"""prism.vm.arena.locality: crossings and entropy are what a count by hand gives."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from prism.vm.arena.locality import damage, distance_entropy
from prism.vm.arena.store import Rank, load, ranks

from .test_order import random_terms

pytestmark = pytest.mark.m4


@pytest.mark.parametrize("tile", [1, 4, 64])
@pytest.mark.clause("ARENA-4")
def test_damage_counts_pointers_that_leave_their_tile(tile: int) -> None:
    """Edges and crossings of hot slots equal a plain count; a tile as large as the arena is never left."""
    terms = random_terms(7)
    arena = load(terms, 64)
    hot = [slot for slot, rank in enumerate(ranks(arena).tolist()) if rank == Rank.HOT]
    pairs = [(slot, int(t)) for slot in hot for t in (terms.a[slot], terms.b[slot]) if t]
    measured = damage(arena, tile)
    assert hot
    assert int(measured.hot) == len(hot)
    assert int(measured.edges) == len(pairs)
    assert int(measured.crossing) == sum(slot // tile != target // tile for slot, target in pairs)


@pytest.mark.clause("ARENA-4")
def test_entropy_is_shannons() -> None:
    """The entropy of pointer distance equals the sum over its histogram of -p log2 p."""
    terms = random_terms(8)
    pairs = [(row, int(t)) for row in range(len(terms)) for t in (terms.a[row], terms.b[row]) if t]
    spans = Counter((row ^ target).bit_length() for row, target in pairs)
    expected = -sum(n / len(pairs) * math.log2(n / len(pairs)) for n in spans.values())
    assert float(distance_entropy(load(terms, 64))) == pytest.approx(expected, rel=1e-5)
