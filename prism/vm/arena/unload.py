"""Read graphs out of an arena: the rows that roots reach, each by the one that stands for it, operands first."""

from __future__ import annotations

import numpy as np
from numba import njit

from prism.vm.arena.permute import Cells, inverse, pointed
from prism.vm.arena.store import first, head, loop, second, standing


def read_out(keys, forward, count, roots):
    """Return the cells under some roots, each row by the one that stands for it; operands come first.

    Cost: linear in what is kept, and five bytes for each of the `count` rows.
    """
    # A row is on the stack once for each operand that refers to it, at most.
    order, stack = np.empty(count + 2, np.int32), np.empty(2 * count + 2, np.int32)
    length, ends = _reach(keys, forward, np.zeros(count, np.uint8), order, stack, roots)
    perm = order[:length]
    return pointed(Cells(*_gathered(keys, forward, perm), ends), inverse(perm, count))


@njit(cache=True)
def _reach(keys, forward, state, order, stack, roots):
    """Order what the roots reach, operands first. Returns how many rows that are, and what stands for each root."""
    ends = np.empty(len(roots), np.int32)
    for i in range(len(roots)):
        ends[i] = standing(forward, roots[i])
    return _ordered(keys, forward, state, order, stack, ends), ends


@loop
def _ordered(keys, forward, state, order, stack, roots):
    """Write rows 0, 1 and what the roots reach into `order`; return how many. state: 1 on the stack, 2 in the order."""
    for row in range(2):
        state[row], order[row] = 2, row
    length = np.int64(2)
    for root in roots:
        stack[0], top = root, 1
        while top:
            row = np.int64(stack[top - 1])
            if state[row] == 0:
                state[row] = 1
                for operand in (first(keys, row), second(keys, row)):
                    end = standing(forward, operand)
                    if state[end] == 0:
                        stack[top] = end
                        top += 1
            else:
                top -= 1
                if state[row] == 1:
                    state[row] = 2
                    order[length] = row
                    length += 1
    return length


@njit(cache=True)
def _gathered(keys, forward, rows):
    """Return op, a and b of some rows, operands by the rows that stand for them."""
    op, a, b = np.empty(len(rows), np.uint8), np.empty(len(rows), np.int32), np.empty(len(rows), np.int32)
    for i in range(len(rows)):
        op[i] = head(keys, rows[i])
        a[i] = standing(forward, first(keys, rows[i]))
        b[i] = standing(forward, second(keys, rows[i]))
    return op, a, b
