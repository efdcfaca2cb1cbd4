"""Cycles on the host: what `prism.vm.arena.run` does, as Numba loops over NumPy arrays, to the same slots [ARENA-7]."""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from prism.vm.arena.layout import Layout
from prism.vm.arena.morton import interleave
from prism.vm.arena.order import KEPT, MOST_KEY, levels_of
from prism.vm.arena.run import Bounds, Run, goes_on
from prism.vm.arena.store import Arena, Rank
from prism.vm.rewrite.cases import CASES, REFS
from prism.vm.term.ops import ADD, MUL, NULL, SUC, ZERO

_HEADS: Final[NDArray[np.bool_]] = np.any(CASES.case, axis=(1, 2))
"""Whether some rule rewrites an op, by op code."""


def until_stop(run: Run, bounds: Bounds, layout: Layout) -> Run:
    """Step until nothing is left to rewrite or a bound is met."""
    while goes_on(run, bounds):
        run = step(run, bounds, layout)
    return run


def step(run: Run, bounds: Bounds, layout: Layout) -> Run:
    """Bring the arena into its layout and run one cycle; the arrays given stay as they are.

    Cost: a few ns a slot in use; free slots past the last one in use cost nothing.
    """
    arena = laid_out(run.arena, layout)
    used = int(arena.used)
    sites, made = _frontier(arena.op, arena.a, arena.b, used, (CASES.case, CASES.rewrites, _HEADS))
    needed = used + int(made.sum())
    landed = needed <= min(int(bounds.slots), len(arena.op)) and len(sites) <= int(bounds.rewrites) - int(run.rewrites)
    if landed:
        op, a, b = (column.copy() for column in (arena.op, arena.a, arena.b))
        forward = _rewrite((op, a, b), sites, used, made, (CASES.case, CASES.rewrites))
        arena = Arena(op, a, b, np.int32(needed), forward[arena.roots])
    return Run(
        arena=arena,
        cycles=np.int32(run.cycles + (landed and len(sites) > 0)),
        rewrites=np.int32(run.rewrites + landed * len(sites)),
        made=np.int32(run.made + landed * (needed - used)),
        active=np.bool_(len(sites)),
        landed=np.bool_(landed),
        needed=np.int32(needed),
    )


def laid_out(arena: Arena, layout: Layout) -> Arena:
    """Return the arena in its layout, a swizzle for each level of it."""
    n = len(arena.op)
    for size in levels_of(layout, n):
        # Whole blocks, as far as slots are in use: an order leaves the free slots beyond them alone.
        count = min(n, -(-int(arena.used) // size) * size) if size < n else int(arena.used)
        rank = _ranks(arena.op, arena.a, arena.b, count)
        perm = _by_morton(arena, rank, size) if layout.morton else _partition(rank, size)
        op, a, b, to, used = _move(arena.op, arena.a, arena.b, perm)
        arena = Arena(op, a, b, np.int32(used), to[arena.roots])
    return arena


def _by_morton(arena: Arena, rank: NDArray[np.uint8], size: int) -> NDArray[np.int32]:
    """Order slots by rank, then by Morton code of their operands, inside blocks."""
    count, excess = len(rank), max(0, len(arena.op).bit_length() - 1 - 15)
    near = interleave(arena.a[:count] >> excess, arena.b[:count] >> excess)
    keys = np.minimum(rank.astype(np.uint32) << 30 | near, MOST_KEY) + np.uint32(len(KEPT))
    keys[: len(KEPT)] = KEPT
    block = min(size, count)
    inside = np.argsort(keys.reshape(-1, block), axis=1, kind="stable")
    return (inside + np.arange(0, count, block)[:, None]).reshape(count).astype(np.int32)


_N_REFS = len(REFS)
_ADD, _MUL, _NULL, _SUC, _ZERO = (op.code for op in (ADD, MUL, NULL, SUC, ZERO))
_HOT, _WARM, _COLD, _FREE = (int(rank) for rank in (Rank.HOT, Rank.WARM, Rank.COLD, Rank.FREE))


@njit(cache=True)
def _ranks(op, a, b, count):
    """Return the rank of each of the first `count` slots: uint8[count]."""
    rank = np.empty(count, np.uint8)
    for slot in range(count):
        code = op[slot]
        if code in (_ADD, _MUL):
            is_hot = op[a[slot]] in (_ZERO, _SUC) or op[b[slot]] in (_ZERO, _SUC)
            rank[slot] = _HOT if is_hot else _WARM
        else:
            rank[slot] = _FREE if code == _NULL else _COLD
    return rank


@njit(cache=True)
def _partition(rank, size):
    """Return the permutation that counts ranks into place inside blocks of `size`; slots 0 and 1 stay in front."""
    perm = np.empty(len(rank), np.int32)
    for first in range(0, len(rank), size):
        last = min(len(rank), first + size)
        kept = max(0, min(2, last) - first)
        for slot in range(first, first + kept):
            perm[slot] = slot
        at = np.zeros(5, np.int64)
        for slot in range(first + kept, last):
            at[rank[slot] + 1] += 1
        at = first + kept + np.cumsum(at)
        for slot in range(first + kept, last):
            perm[at[rank[slot]]] = slot
            at[rank[slot]] += 1
    return perm


@njit(cache=True)
def _move(op, a, b, perm):
    """Return op, a and b swizzled, the inverse of `perm`, and the slots in use."""
    to = np.empty(len(perm), np.int32)
    for slot in range(len(perm)):
        to[perm[slot]] = slot
    moved_op, moved_a, moved_b = np.zeros_like(op), np.zeros_like(a), np.zeros_like(b)
    used = 0
    for slot in range(len(perm)):
        source = perm[slot]
        if op[source] != _NULL:
            moved_op[slot] = op[source]
            moved_a[slot], moved_b[slot] = to[a[source]], to[b[source]]
            used = slot
    return moved_op, moved_a, moved_b, to, used + 1


@njit(cache=True)
def _frontier(op, a, b, used, tables):
    """Return the redexes, ascending, and how many local rewrites and continuations they make: int32[m], int64[2]."""
    case, rewrites, heads = tables
    sites, count = np.empty(used, np.int32), 0
    made = np.zeros(2, np.int64)
    for slot in range(used):
        if heads[op[slot]]:
            which = case[op[slot], op[a[slot]], op[b[slot]]]
            if which:
                sites[count] = slot
                count += 1
                for half in range(2):
                    made[half] += rewrites[which, 3 * half] != _NULL
    return sites[:count].copy(), made


@njit(cache=True)
def _rewrite(nodes, sites, used, made, tables):
    """Write the new nodes from `used` on, free the sites and let every pointer follow; returns what follows what.

    Local rewrites come first, then continuations, each in the order of their sites.
    """
    op, a, b = nodes
    case, rewrites = tables
    end = used + made.sum()
    row = np.array([used, used + made[0]])
    forward = np.arange(end).astype(np.int32)
    refs = np.empty(_N_REFS, np.int32)
    refs[0], refs[1] = 0, 1
    for site in sites:
        x, y = a[site], b[site]
        refs[2], refs[3], refs[4], refs[5], refs[6], refs[7] = x, y, a[x], b[x], a[y], b[y]
        refs[8], refs[9] = row
        rule = rewrites[case[op[site], op[x], op[y]]]
        for half in range(2):
            new = rule[3 * half : 3 * half + 3]
            if new[0] != _NULL:
                op[row[half]], a[row[half]], b[row[half]] = new[0], refs[new[1]], refs[new[2]]
                row[half] += 1
        forward[site] = refs[rule[6]]
    for site in sites:
        op[site] = a[site] = b[site] = 0
        while forward[site] != forward[forward[site]]:
            forward[site] = forward[forward[site]]
    for slot in range(2, end):
        a[slot], b[slot] = forward[a[slot]], forward[b[slot]]
    return forward
