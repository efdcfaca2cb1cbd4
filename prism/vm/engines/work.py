"""Work: a term graph on its way through a ledger, what each root cost, and the graph of what came of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from prism.vm.ledger.table import unpack_one
from prism.vm.term.graph import TermGraph


class Work(NamedTuple):
    """A term graph and what is known of it: the node of each row loaded, and for each root what its run cost.

    op, a, b, roots: see `prism.vm.term.graph.TermGraph`. loaded: int32[n]. normal: int32[k], 0 where there is no normal
    form. out_of_steps: bool[k]. steps, nodes, reused: int64[k].
    """

    op: NDArray[np.uint8]
    a: NDArray[np.int32]
    b: NDArray[np.int32]
    roots: NDArray[np.int32]
    loaded: NDArray[np.int32]
    normal: NDArray[np.int32]
    out_of_steps: NDArray[np.bool_]
    steps: NDArray[np.int64]
    nodes: NDArray[np.int64]
    reused: NDArray[np.int64]


def work_of(terms: TermGraph) -> Work:
    """Return the work of bringing the roots of a graph to normal form, none of it done."""
    loaded = np.zeros(len(terms), np.int32)
    loaded[1] = 1
    roots = len(terms.roots)
    counts = (np.zeros(roots, np.int64) for _ in range(3))
    normal, out_of_steps = np.zeros(roots, np.int32), np.zeros(roots, np.bool_)
    return Work(terms.op, terms.a, terms.b, terms.roots, loaded, normal, out_of_steps, *counts)


@njit(cache=True)
def reach(keys, count, id_bits, roots):
    """Return the nodes under `roots`, with NULL and ZERO, in no order: int32[m]. Cost: linear in m and in k roots."""
    seen = np.zeros(count, np.bool_)
    found = np.empty(len(roots) + 1024, np.int32)
    size = 0
    for node in (0, 1):
        seen[node], found[size] = True, node
        size += 1
    for node in roots:
        if not seen[node]:
            seen[node], found[size] = True, node
            size += 1
    at = 0
    while at < size:
        if size + 2 > len(found):
            found = np.concatenate((found, np.empty_like(found)))
        _, a, b = unpack_one(keys[found[at]], id_bits)
        for node in (a, b):
            if not seen[node]:
                seen[node], found[size] = True, node
                size += 1
        at += 1
    return found[:size]


@njit(cache=True)
def renumber(keys, count, id_bits, nodes, roots):
    """Return `(op, a, b, roots)` of a term graph whose row `i` is `nodes[i]`; nodes ascend and are closed."""
    row_of = np.empty(count, np.int32)
    for row in range(len(nodes)):
        row_of[nodes[row]] = row
    op = np.empty(len(nodes), np.uint8)
    a, b = np.empty(len(nodes), np.int32), np.empty(len(nodes), np.int32)
    for row in range(len(nodes)):
        op[row], node_a, node_b = unpack_one(keys[nodes[row]], id_bits)
        a[row], b[row] = row_of[node_a], row_of[node_b]
    return op, a, b, row_of[roots]
