"""Projection: terms re-interned into a fresh ledger, one batch a height, where equal terms have equal ids."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from prism.errors import CorruptError
from prism.status import Status
from prism.vm.ledger.batch import withdraw
from prism.vm.ledger.host import HostLedger
from prism.vm.ledger.key import WIDE, KeyLayout
from prism.vm.ledger.optable import BUILT_IN, OpTable
from prism.vm.ledger.table import NO_ROOM, intern_one, mix, pack_one, unmix
from prism.vm.term.graph import TermGraph


class Projection(NamedTuple):
    """The canonical image of some terms: equal for equal terms, whichever engine and layout they come from.

    keys: uint64[n], the keys of a fresh ledger that holds the terms and nothing else. roots: int32[k], their ids.
    """

    keys: NDArray[np.uint64]
    roots: NDArray[np.int32]

    def agrees(self, other: Projection) -> bool:
        """Whether both are images of the same terms, in the same order."""
        return np.array_equal(self.keys, other.keys) and np.array_equal(self.roots, other.roots)


def project(terms: TermGraph, layout: KeyLayout = WIDE, ops: OpTable = BUILT_IN) -> Projection:
    """Project the terms under the roots of a graph [REWRITE-6]; a root of 0 stays 0.

    Raises CorruptError when they have more nodes than the layout has ids. Cost: about 100 ns a row.
    """
    ledger = HostLedger(layout, layout.max_id + 1, ops)
    committed = commit(ledger, terms)
    if ledger.status is not Status.OK:
        raise CorruptError(
            f"the terms must have at most {layout.max_id + 1} nodes to be projected in the key layout "
            f"{layout.name!r}, got more; project in a wider one"
        )
    return Projection(ledger.keys(), committed.roots)


class Committed(NamedTuple):
    """roots: int32[k], the ids of the roots, all NULL if the ledger ran out of room. interned: the rows given ids."""

    roots: NDArray[np.int32]
    interned: int


def commit(ledger: HostLedger, terms: TermGraph) -> Committed:
    """Intern the terms under the roots of a graph, one batch a height; a root of 0 stays 0 [STRATA-2].

    A height that does not fit sets the sticky status of the ledger; it lands no node, those before it stay.
    """
    table = ledger.table
    order, ends = _by_height(terms.a, terms.b, terms.roots)
    ids = np.zeros(len(terms), np.int32)
    ids[1] = 1
    batch, landed = 0, table.count
    while True:
        batch, landed, count = _land(
            (table.keys, table.index),
            (terms.op, terms.a, terms.b),
            (order, ends),
            (batch, landed, table.count),
            ids,
            (ledger.layout.id_bits, ledger.ops.commutes),
        )
        table.count = count
        if batch == len(ends):
            return Committed(ids[terms.roots], len(order))
        if not ledger.make_room(count):
            withdraw(table.keys, table.index, landed, count)
            table.count = landed
            return Committed(np.zeros_like(terms.roots), len(order))


@njit(cache=True)
def _by_height(a, b, roots):
    """Return the rows under `roots`, by ascending height, and where each height ends: int32[m], int64[heights]."""
    used = np.zeros(len(a), np.bool_)
    used[roots] = True
    for row in range(len(a) - 1, 1, -1):
        if used[row]:
            used[a[row]] = used[b[row]] = True
    used[:2] = False
    height = np.zeros(len(a), np.int32)
    sizes = np.zeros(len(a) + 1, np.int64)
    for row in range(2, len(a)):
        if used[row]:
            height[row] = 1 + max(height[a[row]], height[b[row]])
            sizes[height[row]] += 1
    ends = np.cumsum(sizes[: height.max() + 1])
    order = np.empty(ends[-1], np.int32)
    at = ends - sizes[: len(ends)]
    for row in range(2, len(a)):
        if used[row]:
            order[at[height[row]]] = row
            at[height[row]] += 1
    return order, ends


@njit(cache=True)
def _land(table, nodes, batches, start, ids, packing):
    """Intern batches (order, ends) from start (batch, landed, count) on, each in the order of its mixing [LEDGER-3].

    Returns the batch that found no room, or how many there are, the rows before it, and the rows in use. A batch is
    taken up again from its first key, which finds those of its nodes that are in already.
    """
    keys, index = table
    op, a, b = nodes
    order, ends = batches
    id_bits, commutes = packing
    first, landed, count = start
    for batch in range(first, len(ends)):
        rows = order[ends[batch - 1] if batch else 0 : ends[batch]]
        mixed = np.empty(len(rows), np.uint64)
        for i in range(len(rows)):
            row = rows[i]
            mixed[i] = mix(pack_one(op[row], ids[a[row]], ids[b[row]], id_bits, commutes))
        for i in np.argsort(mixed) if len(rows) > 1 else np.arange(len(rows)):
            node = intern_one(keys, index, count, unmix(mixed[i]))
            if node == NO_ROOM:
                return batch, landed, count
            ids[rows[i]] = node
            count += node == count
        landed = count
    return len(ends), landed, count
