"""prism.vm.arena.locality: crossings and entropy are what a count by hand gives."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import pytest

from prism.vm.arena.layout import Layout
from prism.vm.arena.locality import damage, distance_entropy
from tests.strategies import random_programs

from .frontiers import PEANO, host_run

pytestmark = pytest.mark.m4


def steps_of(view) -> list[tuple[int, int]]:
    """Return the rows that the next cycle reads one after the other, unsorted, counted in plain Python."""
    stand = view.forward
    fires = [
        site
        for site in view.sites.tolist()
        if PEANO.cases.case[view.op[site], view.op[stand[view.a[site]]], view.op[stand[view.b[site]]]]
    ]
    return [pair for operand in (view.a, view.b) for pair in pairwise(operand[fires].tolist())]


@pytest.mark.parametrize("tile", [1, 4, 64])
@pytest.mark.clause("ARENA-4")
def test_damage_counts_reads_that_leave_their_tile(tile: int) -> None:
    """Edges and crossings equal a plain count; sites are parted into those that fire and those that wait."""
    run = host_run(random_programs(7, 20))
    run.advance(1)
    view = run.view()
    measured = damage(view, PEANO, Layout(sort=False), tile)
    steps = steps_of(view)
    assert measured.hot + measured.warm == len(view.sites)
    assert measured.edges == len(steps) > 10
    assert measured.crossing == sum(before // tile != after // tile for before, after in steps)


@pytest.mark.clause("ARENA-4")
def test_entropy_is_shannons() -> None:
    """The entropy of distance equals the sum over its histogram of -p log2 p; of one site or none it is 0."""
    view = host_run(random_programs(8, 20)).view()
    steps = steps_of(view)
    spans = Counter((before ^ after).bit_length() for before, after in steps)
    expected = -sum(n / len(steps) * math.log2(n / len(steps)) for n in spans.values())
    assert distance_entropy(view, PEANO, Layout(sort=False)) == pytest.approx(expected, rel=1e-5)
    assert distance_entropy(host_run("(add 1 1)").view(), PEANO, Layout()) == 0
