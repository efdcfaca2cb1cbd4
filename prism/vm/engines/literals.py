"""The loop that finds literals which are not in their one encoding; compiled."""

from __future__ import annotations

import numpy as np
from numba import njit

from prism.vm.theory.signature import DIGIT, INT_MINUS_ONE, INT_ZERO, SYMBOL


@njit(cache=True)
def wrong_literals(op, a):
    """Return the rows of digits that write no literal in its shortest form, and of names over no literal: bool[n]."""
    wrong = np.zeros(len(op), np.bool_)
    n_digits = np.zeros(len(op), np.int8)
    end = np.zeros(len(op), np.uint8)
    top = np.zeros(len(op), np.uint8)
    for row in range(2, len(op)):
        code, below = op[row], a[row]
        if code in (INT_ZERO, INT_MINUS_ONE):
            end[row] = code
        elif code == SYMBOL:
            wrong[row] = end[below] == 0
        elif DIGIT <= code < INT_ZERO:
            end[row], digit, most = end[below], code - DIGIT, 15 if end[below] == INT_MINUS_ONE else 0
            n_digits[row] = n_digits[below] + 1
            top[row] = digit if n_digits[row] == 1 else top[below]
            is_negative = end[row] == INT_MINUS_ONE
            leading = n_digits[row] == 1 and digit == most
            too_wide = n_digits[row] > 16 or (n_digits[row] == 16 and (top[row] >= 8) != is_negative)
            if end[row] == 0 or leading or too_wide:
                wrong[row], n_digits[row] = True, 0
    return wrong
