"""Structural hashing: a circuit as a ledger of ANDs, numbered level by level, so that its bytes are canonical.

A node's key is `a << 28 | b`, its operands' literals in ascending order: AND is the one op, it commutes, and a
complement costs a bit of the operand and no node [AIG-3]. Row r of the table is variable `first + r`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from prism.aig.circuit import Circuit
from prism.aig.rules import LEVELS, settle
from prism.errors import UsageError
from prism.vm.ledger.key import WIDE
from prism.vm.ledger.radix import sort_pairs
from prism.vm.ledger.table import EMPTY, intern_one

_WIDTH: Final = np.uint64(WIDE.id_bits)
_MASK: Final = np.uint64((1 << WIDE.id_bits) - 1)
_NOT: Final = np.uint32(1)
_TRUE: Final = np.uint32(1)
_SMALLEST: Final = 1 << 6


def strash(circuit: Circuit) -> Circuit:
    """Return the circuit with one AND for each distinct pair of operands, none trivial, none without a use.

    Its ANDs are numbered by level, those of a level in ascending order of their operands: the result is the same for
    every order and repetition of the ANDs [AIG-4]. Cost: linear; 64 bytes an AND while it works.
    """
    return _passed(circuit, 1)


def simplify(circuit: Circuit, level: int = 4) -> Circuit:
    """Return the circuit after the rules of a level, again until they save neither ANDs nor levels.

    Every output is the function that it was, and so is every next state [AIG-5]. UsageError unless `level` is in
    LEVELS. Cost: a few times `strash`.
    """
    if level not in LEVELS:
        raise UsageError(f"a level of simplification must be one of {list(LEVELS)}, got {level}; choose among them")
    best = strash(circuit)
    while level > 1:
        after = _passed(best, level)
        if (len(after.rows), depth(after)) >= (len(best.rows), depth(best)):
            break
        best = after
    return best


def _passed(circuit: Circuit, level: int) -> Circuit:
    """Return the circuit rebuilt row by row under the rules of a level, then numbered by levels."""
    rows, first = circuit.rows, np.uint32(circuit.first)
    keys = np.empty(len(rows), np.uint64)
    slots = _SMALLEST
    while slots // 8 * 5 < len(rows):
        slots *= 2
    became = _unchanged(first, len(rows))
    count = _hash_rows(rows, first, level, keys, np.full(slots, EMPTY, np.uint32), became)
    roots = _renamed(circuit.roots, became)
    rows, became = number(keys[:count], first, roots)
    return replace(circuit, rows=rows, roots=_renamed(roots, became))


@njit(cache=True)
def _unchanged(first, ands):
    """Return the literal that each variable became: uint32[first + ands], leaves themselves, ANDs to be set."""
    became = np.empty(first + ands, np.uint32)
    for variable in range(first):
        became[variable] = variable << _NOT
    return became


@njit(cache=True)
def _new_name(lit, became):
    """Return what a literal is called after variables became other literals."""
    return became[lit >> _NOT] ^ (lit & _NOT)


@njit(cache=True)
def _renamed(lits, became):
    out = np.empty_like(lits)
    for i in range(len(lits)):
        out[i] = _new_name(lits[i], became)
    return out


@njit(cache=True)
def _hash_rows(rows, first, level, keys, index, became):
    """Intern the ANDs, rules first; returns how many nodes there are. `keys` and `index` have room for all of them."""
    count = 0
    for row in range(len(rows)):
        a, b = _new_name(rows[row, 0], became), _new_name(rows[row, 1], became)
        a, b = min(a, b), max(a, b)
        # Most ANDs are none of level 1's business, which is cheaper to see here than to be told.
        if level > 1 or a <= _TRUE or a | _NOT == b | _NOT:
            a, b = settle(keys, first, level, a, b)
            if a == _TRUE:
                became[first + row] = b
                continue
        node = intern_one(keys, index, count, np.uint64(a) << _WIDTH | np.uint64(b))
        count += node == count
        became[first + row] = (first + np.uint32(node)) << _NOT
    return count


@njit(cache=True)
def _used(keys, first, roots):
    """Return which variables a root needs: bool[first + n]."""
    used = np.zeros(first + len(keys), np.bool_)
    for root in roots:
        used[root >> _NOT] = True
    for row in range(len(keys) - 1, -1, -1):
        if used[first + row]:
            used[np.uint32(keys[row] >> _WIDTH) >> _NOT] = True
            used[np.uint32(keys[row] & _MASK) >> _NOT] = True
    return used


@njit(cache=True)
def levels(keys, first):
    """Return the level of each variable, 0 of leaves: int32[first + n]; operands come before ANDs."""
    level = np.zeros(first + len(keys), np.int32)
    for row in range(len(keys)):
        a, b = np.uint32(keys[row] >> _WIDTH) >> _NOT, np.uint32(keys[row] & _MASK) >> _NOT
        level[first + row] = max(level[a], level[b]) + 1
    return level


@njit(cache=True)
def number(keys, first, roots):
    """Return uint32[m, 2] rows, the used ANDs by level and key, and uint32[n], what each AND became."""
    n = len(keys)
    used, level = _used(keys, first, roots), levels(keys, first)
    starts = np.zeros(level.max() + 2, np.int64)
    for row in range(n):
        if used[first + row]:
            starts[level[first + row] + 1] += 1
    starts = np.cumsum(starts)
    place, order = starts.copy(), np.empty(starts[-1], np.int32)
    ordered = np.empty(len(order), np.uint64)
    for row in range(n):
        if used[first + row]:
            at = place[level[first + row]]
            place[level[first + row]] = at + 1
            order[at], ordered[at] = row, keys[row]
    became, spare, spare_order = _unchanged(first, n), np.empty_like(ordered), np.empty_like(order)
    for batch in range(len(starts) - 1):
        low, high = starts[batch], starts[batch + 1]
        rises, last = True, np.uint64(0)
        for i in range(low, high):
            a = _new_name(np.uint32(ordered[i] >> _WIDTH), became)
            b = _new_name(np.uint32(ordered[i] & _MASK), became)
            key = np.uint64(min(a, b)) << _WIDTH | np.uint64(max(a, b))
            rises &= last < key
            ordered[i] = last = key
        if not rises:
            sort_pairs(ordered[low:high], order[low:high], spare[low:high], spare_order[low:high])
        for i in range(low, high):
            became[first + order[i]] = (first + np.uint32(i)) << _NOT
    rows = np.empty((len(order), 2), np.uint32)
    for i in range(len(order)):
        rows[i, 0], rows[i, 1] = ordered[i] & _MASK, ordered[i] >> _WIDTH
    return rows, became


def keys_of(rows: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Return the keys of ANDs: uint64[n]."""
    low, high = rows.min(axis=1).astype(np.uint64), rows.max(axis=1).astype(np.uint64)
    return low << _WIDTH | high


def depth(circuit: Circuit) -> int:
    """Return the most ANDs on a way from a leaf to an AND."""
    return int(levels(keys_of(circuit.rows), np.uint32(circuit.first)).max(initial=0))
