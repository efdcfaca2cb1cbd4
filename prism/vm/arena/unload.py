"""Read terms back out of an arena: the nodes its roots reach, in topological order whatever the layout."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from prism.vm.arena.store import Arena
from prism.vm.term.graph import TermGraph


def unload(arena: Arena) -> TermGraph:
    """Return the graph under the roots; slots that no root reaches are left behind. Cost: linear in what is kept."""
    op, a, b, roots = (np.asarray(array) for array in (arena.op, arena.a, arena.b, arena.roots))
    order = _postorder(a, b, roots)
    row = np.zeros(len(op), np.int32)
    row[order] = np.arange(len(order), dtype=np.int32)
    return TermGraph(op[order], row[a[order]], row[b[order]], row[roots])


@njit(cache=True)
def _postorder(a: NDArray[np.int32], b: NDArray[np.int32], roots: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return slots 0, 1 and all that the roots reach, each after its operands."""
    n = len(a)
    order = np.empty(n, np.int32)
    order[0], order[1] = 0, 1
    length = 2
    # 0: unseen, 1: on the stack with its operands above it, 2: in `order`.
    state = np.zeros(n, np.uint8)
    state[:2] = 2
    stack = np.empty(2 * n + 1, np.int32)
    for root in roots:
        stack[0] = root
        top = 1
        while top:
            slot = stack[top - 1]
            if state[slot] == 0:
                state[slot] = 1
                for operand in (a[slot], b[slot]):
                    if state[operand] == 0:
                        stack[top] = operand
                        top += 1
            else:
                top -= 1
                if state[slot] == 1:
                    state[slot] = 2
                    order[length] = slot
                    length += 1
    return order[:length].copy()
