"""Rules: the local two-level simplifications of an AND, in four levels that each take in the ones before.

Source: Brummayer and Biere, "Local two-level and-inverter graph minimization without blowup", MEMICS 2006, table 1.
Every rule leads to a constant, an operand, or an AND of two literals that together unfold to a smaller tree, so that
trying again ends.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from prism.vm.ledger.key import WIDE

LEVELS: Final = {
    1: "neutrality, boundedness, idempotence and contradiction of the two operands",
    2: "contradiction, subsumption and idempotence one AND below, resolution",
    3: "substitution one AND below",
    4: "idempotence between two ANDs, which has two equally good results",
}
"""What each level of optimisation adds."""

_WIDTH: Final = np.uint64(WIDE.id_bits)
_MASK: Final = np.uint64((1 << WIDE.id_bits) - 1)
_FALSE, _TRUE, _NO_LITERAL = np.uint32(0), np.uint32(1), np.uint32(0xFFFFFFFF)
_NOT: Final = np.uint32(1)


@njit(cache=True)
def operands(keys, first, lit):
    """Return the operands of the AND under a literal, or twice a literal that is none's, where it is a leaf."""
    variable = lit >> _NOT
    if variable < first:
        return _NO_LITERAL, _NO_LITERAL
    key = keys[np.uint64(variable - first)]
    return np.uint32(key >> _WIDTH), np.uint32(key & _MASK)


@njit(cache=True)
def settle(keys, first, level, a, b):
    """Return `(1, x)` if the AND of two literals is the literal x by the rules of a level, else its operands in order.

    keys: uint64, `a << 28 | b` of the ANDs `first...`. An AND with 1 is its other operand, so both answers are ANDs.
    """
    while True:
        if b < a:
            a, b = b, a
        if a <= _TRUE:
            return _TRUE, b if a == _TRUE else _FALSE
        if a == b:
            return _TRUE, a
        if a ^ b == _NOT:
            return _TRUE, _FALSE
        if level == 1:
            return a, b
        p, q = operands(keys, first, a)
        r, s = operands(keys, first, b)
        fires, a, b = _once(level, a, p, q, b, r, s)
        if not fires:
            return a, b


@njit(cache=True)
def _once(level, a, p, q, b, r, s):
    """Apply the first rule that fires to `a AND b`, where a is over p and q, and b over r and s."""
    fires, x, y = _below(a, p, q, b)
    if not fires:
        fires, x, y = _below(b, r, s, a)
    if not fires and p != _NO_LITERAL and r != _NO_LITERAL:
        fires, x, y = _between(a, p, q, b, r, s)
    if not fires and level >= 3:
        fires, x, y = _substitution(a, p, q, b, r, s)
        if not fires:
            fires, x, y = _substitution(b, r, s, a, p, q)
    if not fires and level >= 4:
        fires, x, y = _shared(a, p, q, b, r, s)
    return (True, x, y) if fires else (False, a, b)


@njit(cache=True)
def _below(a, p, q, b):
    """Level 2 with one AND: contradiction, idempotence, subsumption."""
    opposed = p == b ^ _NOT or q == b ^ _NOT
    if a & _NOT:
        return opposed and p != _NO_LITERAL, _TRUE, b
    if opposed:
        return True, _TRUE, _FALSE
    return p == b or q == b, _TRUE, a


@njit(cache=True)
def _between(a, p, q, b, r, s):
    """Level 2 with two ANDs: contradiction, subsumption, resolution."""
    if a & b & _NOT:
        if (p == r and q == s ^ _NOT) or (p == s and q == r ^ _NOT):
            return True, _TRUE, p ^ _NOT
        return (q == r and p == s ^ _NOT) or (q == s and p == r ^ _NOT), _TRUE, q ^ _NOT
    opposed = p == r ^ _NOT or p == s ^ _NOT or q == r ^ _NOT or q == s ^ _NOT
    if a & _NOT:
        return opposed, _TRUE, b
    return opposed, _TRUE, a if b & _NOT else _FALSE


@njit(cache=True)
def _substitution(a, p, q, b, r, s):
    """Level 3: `not(p and q) and b` is `not q and b` where p is b or under b; the same with p and q exchanged."""
    if a & _NOT and p != _NO_LITERAL:
        positive = not b & _NOT and r != _NO_LITERAL
        if p == b or (positive and p in (r, s)):
            return True, q ^ _NOT, b
        if q == b or (positive and q in (r, s)):
            return True, p ^ _NOT, b
    return False, a, b


@njit(cache=True)
def _shared(a, p, q, b, r, s):
    """Level 4: `(p and q) and (r and s)` is `(p and q) and s` where r is p or q."""
    if not (a | b) & _NOT and p != _NO_LITERAL and r != _NO_LITERAL:
        if r in (p, q):
            return True, a, s
        if s in (p, q):
            return True, a, r
    return False, a, b
