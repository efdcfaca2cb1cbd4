"""Order: give the variables of an ASCII file the numbers of a circuit, operands before the ANDs that use them."""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

FINE, TWICE, NOWHERE, CIRCLE = range(4)
"""What is wrong with definitions: nothing, a variable defined twice, one defined nowhere, an AND that needs itself."""

_NEW, _OPEN, _DONE = range(3)
_SIDE: Final = np.uint32(1)


@njit(cache=True)
def define(lits, first, place):
    """Give the variables of `lits` the numbers `first...` in uint32 `place`; returns the index that is wrong, or -1.

    Wrong are odd literals, 0, and variables that have a number.
    """
    for i in range(len(lits)):
        lit = lits[i]
        if lit < 2 or lit & _SIDE or place[lit >> _SIDE]:
            return i
        place[lit >> _SIDE] = first + i
    return -1


@njit(cache=True)
def rename(lits, place):
    """Rename literals in place; returns the index of the first whose variable is defined nowhere, or -1."""
    for i in range(len(lits)):
        variable = lits[i] >> _SIDE
        if variable and not place[variable]:
            return i
        lits[i] = place[variable] << _SIDE | lits[i] & _SIDE
    return -1


@njit(cache=True)
def is_ordered(rows, first):
    """Whether every AND, `first` the variable of the first, has earlier operands."""
    for row in range(len(rows)):
        own = 2 * (first + row)
        if rows[row, 0] >= own or rows[row, 1] >= own:
            return False
    return True


@njit(cache=True)
def sort_rows(rows, first):
    """Return (order, row in a circle or -1): int64[n] rows, operands first, otherwise in their own order.

    Depth first, with a stack of its own. Cost: linear.
    """
    n = len(rows)
    state = np.zeros(n, np.uint8)
    stack, order = np.empty(n + 1, np.int64), np.empty(n, np.int64)
    done = 0
    for start in range(n):
        if state[start] != _NEW:
            continue
        stack[0], depth = start, 1
        while depth:
            row = stack[depth - 1]
            state[row] = _OPEN
            ready = True
            for side in range(2):
                under = np.int64(rows[row, side] >> _SIDE) - first
                if under >= 0 and state[under] != _DONE:
                    if state[under] == _OPEN:
                        return order, row
                    stack[depth], depth, ready = under, depth + 1, False
                    break
            if ready:
                state[row] = _DONE
                order[done], done, depth = row, done + 1, depth - 1
    return order, -1
