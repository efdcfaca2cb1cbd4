"""Arena workloads: graphs whose density and pointer distance are chosen, to stress layouts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from prism.errors import UsageError
from prism.vm.arena.layout import MAX_SLOTS
from prism.vm.term.graph import TermGraph
from prism.vm.term.ops import ADD, NULL, SUC, ZERO

MAX_COUNT: Final = MAX_SLOTS // 4
"""The most nodes of a workload, whose arena has four slots for each."""


@dataclass(frozen=True, slots=True)
class ArenaShape:
    """An arena of `count` rows of which a share `hot` are redexes, with pointers that reach at most `reach` rows."""

    count: int
    hot: float
    reach: int

    def __post_init__(self) -> None:
        if not 2 <= self.count <= MAX_COUNT:
            raise UsageError(
                f"an arena workload must have from 2 to {MAX_COUNT} nodes, got {self.count}; change its size"
            )


def arena_shapes(counts: tuple[int, ...], l2: int, l1: int) -> dict[str, ArenaShape]:
    """Return the arena workloads by name; without `counts`, each in its usual size.

    `arena_hierarchy_l2{l2}_l1{l1}` has pointers that leave blocks of l2 slots and stay near blocks of l1.
    """
    kinds = {
        "arena_dense": ArenaShape(24_000, 0.5, 256),
        "arena_sparse": ArenaShape(12_000, 0.05, 256),
        "arena_shatter": ArenaShape(20_000, 0.5, 1 << 30),
        f"arena_hierarchy_l2{l2}_l1{l1}": ArenaShape(16 * l1, 0.5, l1),
    }
    if not counts:
        return kinds
    return {f"{name}_{n}": ArenaShape(n, shape.hot, shape.reach) for name, shape in kinds.items() for n in counts}


def arena_terms(shape: ArenaShape, seed: int = 0) -> TermGraph:
    """Build the graph of a shape: one chain of numerals, and adds of two of them within reach; every add is a root.

    Nearly all nodes are distinct, so that interning keeps them apart. Cost: a few microseconds a row.
    """
    rng = np.random.default_rng(seed)
    n = shape.count
    is_add = rng.random(n) < shape.hot
    is_add[:4] = False
    op = np.where(is_add, ADD.code, SUC.code).astype(np.uint8)
    op[:2] = NULL.code, ZERO.code
    numerals = np.flatnonzero(~is_add)[1:]
    # For each row, how many numerals stand before it: the newest of them is numerals[before - 1].
    before = np.maximum(np.searchsorted(numerals, np.arange(n)), 1)
    share = max(1, int(shape.reach * (1 - shape.hot)))
    a, b = (numerals[before - 1 - rng.integers(0, np.minimum(before, share))].astype(np.int32) for _ in range(2))
    rank = np.zeros(n, np.int64)
    rank[numerals] = np.arange(len(numerals))
    previous = np.where(rank == 0, 1, numerals[np.maximum(rank - 1, 0)])
    a = np.where(is_add, a, previous).astype(np.int32)
    b[~is_add] = 0
    a[:2] = 0
    roots = np.flatnonzero(is_add).astype(np.int32)
    return TermGraph(op, a, b, roots)
