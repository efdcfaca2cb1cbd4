"""Locality of what a cycle reads: tile changes and the entropy of distance; signals that decide nothing [ARENA-4]."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prism.vm.arena.layout import Layout
from prism.vm.arena.order import Rank, capacity_for, nearness, order_of
from prism.vm.arena.run import View
from prism.vm.arena.store import Rules


class Damage(NamedTuple):
    """Sites that fire (`hot`) and wait (`warm`), the operand rows that hot ones read one after another (`edges`), and
    how many of these lie in another tile of rows than the one before (`crossing`).
    """

    hot: int
    warm: int
    edges: int
    crossing: int


def reads(view: View, rules: Rules, layout: Layout) -> tuple[int, NDArray[np.int32]]:
    """Return how many sites wait, and the operand rows of those that fire, in the order of a layout: int32[hot, 2]."""
    sites = view.sites
    n = capacity_for(max(len(sites), 1))
    rank = np.full(n, Rank.FREE, np.uint32)
    a, b = (np.pad(operand[sites], (0, n - len(sites))) for operand in (view.a, view.b))
    stand = view.forward
    case = rules.cases.case[view.op[sites], view.op[stand[view.a[sites]]], view.op[stand[view.b[sites]]]]
    rank[: len(sites)] = np.where(case != 0, Rank.HOT, Rank.WARM)
    perm = order_of(layout, rank, nearness(a, b, len(view.op)), xp=np)
    hot = perm[rank[perm] == Rank.HOT]
    return int(np.count_nonzero(rank == Rank.WARM)), np.stack((a[hot], b[hot]), axis=1)


def damage(view: View, rules: Rules, layout: Layout, tile: int) -> Damage:
    """Count what the next cycle reads, and the reads that leave their tile of `tile` rows."""
    warm, rows = reads(view, rules, layout)
    tiles = rows // tile
    return Damage(len(rows), warm, 2 * max(len(rows) - 1, 0), int(np.count_nonzero(tiles[1:] != tiles[:-1])))


def distance_entropy(view: View, rules: Rules, layout: Layout) -> float:
    """Return the Shannon entropy, in bits, of floor(log2(row xor row before)) over what the next cycle reads.

    0 when every step spans the same power of two, 5 when all 32 spans are equally common.
    """
    _, rows = reads(view, rules, layout)
    if len(rows) < 2:
        return 0.0
    # The exponent of frexp is one more than floor(log2); doubles hold every row number.
    counts = np.bincount(np.frexp((rows[1:] ^ rows[:-1]).ravel())[1], minlength=32)
    share = counts[counts > 0] / counts.sum()
    return float(max(0.0, -np.sum(share * np.log2(share))))
