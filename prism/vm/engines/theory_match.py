"""Matching in the loops of any theory: walk the automaton over the keys of nodes, compute with literals; Numba."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from prism.vm.ledger.table import unpack_one
from prism.vm.theory.automaton import (
    EXPR_CONSTANT,
    EXPR_REGISTER,
    FIRST_OPERANDS,
    KIND,
    NO_MATCH,
    OTHERWISE,
    SAME,
    SWITCH,
    THEN,
    X,
    Y,
    Z,
)
from prism.vm.theory.signature import DIGIT, INT_MINUS_ONE, INT_ZERO

NO_FRAME: Final = -2
OUT_OF_STEPS: Final = -3
OVERFLOW: Final = -4
NO_LOG: Final = -5
"""Why a loop stops before its work is done, beside NO_ROOM: no place for what waits, no step left for the term, a
literal that left its 64 bits, no place in the log. A good answer is never negative."""

COUNT, STEPS, REUSED, DEPTH, ROW, ROOT, BUDGET, ID_BITS, FRAME, LOGGED, HAND, STAGE, ROOM, WINDOW = range(14)
"""Places in the int64 vector `state`: nodes in use; rule applications and repeated interns of the root at hand; nodes
that wait; the next row to load; the root at hand; the most rule applications for a root; bits of an id in a key; words
of `frames` in use; steps written down; the node in hand, 0 for none, and its stage; at how many nodes the loop asks for
room; where the window of registers begins that is in use."""
UNSEEN, NORMAL, TRIED = range(3)
"""Stages of the node in hand: to be looked at; a normal form for what waits last; to be looked at again, no rule having
applied to its operands as they stand."""
STATE_SIZE: Final = 14

_ZERO: Final = np.uint64(0)
_ONE: Final = np.uint64(1)
_MOST: Final = np.uint64((1 << 63) - 1)

_loop = njit(cache=True, _nrt=False, forceinline=True)  # pyright: ignore[reportCallIssue]  # the stub lacks the option
_apart = njit(cache=True, _nrt=False)  # pyright: ignore[reportCallIssue]  # the stub lacks the option
"""Decorators of what is put into each place that calls it, and of what is compiled once, for it is large and rare."""


class Store(NamedTuple):
    """What the loops work on, beside their `state`.

    keys, slots, forward: the columns and the index of a `prism.vm.engines.memo.Memo`. commutes: bool[256]. waiting:
    int32[], a node and what it waits for, in pairs. frames: int32[], the live registers of right sides that wait.
    registers: int64[2 * sizes[0]], two windows, see `match`. operands: int64[], scratch. log: int32[n, 2], each rule
    application as node and variant; empty where none is wanted.
    """

    keys: NDArray[np.uint64]
    slots: NDArray[np.uint32]
    forward: NDArray[np.int32]
    commutes: NDArray[np.bool_]
    waiting: NDArray[np.int32]
    frames: NDArray[np.int32]
    registers: NDArray[np.int64]
    operands: NDArray[np.int64]
    log: NDArray[np.int32]


@_loop
def word(table, at):
    """Return an element as int64. Unlike `table[at]` it is not compiled for places below 0 too."""
    return np.int64(table[np.uint64(at)])


@_loop
def literal_of(keys, id_bits, node):
    """Return the literal that a node writes."""
    value, shift = np.int64(0), np.int64(0)
    while True:
        op, a, _ = unpack_one(keys[node], id_bits)
        if op == INT_ZERO:
            return value
        if op == INT_MINUS_ONE:
            return value | (np.int64(-1) << shift if shift < 64 else np.int64(0))
        value |= (op - DIGIT) << shift
        shift += 4
        node = a


# Signed numbers that overflow are undefined to LLVM, which then drops the tests; unsigned ones wrap.


@_loop
def _subtract(x, y):
    """Return the difference and whether it left 64 bits."""
    total = np.int64(np.uint64(x) - np.uint64(y))
    return total, (x ^ y) & (x ^ total) < 0


@_loop
def _add(x, y):
    """Return the sum and whether it left 64 bits."""
    total = np.int64(np.uint64(x) + np.uint64(y))
    return total, (x ^ total) & (y ^ total) < 0


@_loop
def _multiply(x, y):
    """Return the product and whether it left 64 bits."""
    product = np.int64(np.uint64(x) * np.uint64(y))
    size_x = np.uint64(x) if x >= 0 else _ZERO - np.uint64(x)
    size_y = np.uint64(y) if y >= 0 else _ZERO - np.uint64(y)
    most = _MOST if (x < 0) == (y < 0) else _MOST + _ONE
    return product, size_x != _ZERO and size_y > most // size_x


@_apart
def computed(automaton, store, state, index, window):
    """Return the value of an expression over the registers of a window, and whether it left 64 bits on the way."""
    operands, top, wrong = store.operands, 0, False
    for at in range(automaton.expression[index], automaton.expression[index + 1], 2):
        kind, argument = automaton.step[at], automaton.step[at + 1]
        if kind == EXPR_REGISTER:
            operands[top] = literal_of(store.keys, state[ID_BITS], store.registers[window + argument])
            top += 1
        elif kind == EXPR_CONSTANT:
            operands[top] = argument
            top += 1
        else:
            top -= 1
            x, y = operands[top - 1], operands[top]
            over = False
            if kind == 0:
                x, over = _add(x, y)
            elif kind == 1:
                x, over = _subtract(x, y)
            elif kind == 2:
                x, over = _multiply(x, y)
            elif kind == 3:
                x = min(x, y)
            else:
                x = max(x, y)
            operands[top - 1] = x
            wrong |= over
    return operands[0], wrong


@_loop
def _compares(comparison, x, y):
    if comparison == 0:
        return x < y
    if comparison == 1:
        return x <= y
    if comparison == 2:
        return x == y
    if comparison == 3:
        return x != y
    if comparison == 4:
        return x >= y
    return x > y


@_loop
def _holds(automaton, store, state, at, window):
    """Return whether the guard of a state holds, and whether a literal left its 64 bits."""
    one, wrong_one = computed(automaton, store, state, automaton.code[at + X], window)
    two, wrong_two = computed(automaton, store, state, automaton.code[at + Y], window)
    return _compares(automaton.code[at + Z], one, two), wrong_one or wrong_two


@_loop
def match(automaton, store, state, node, window):
    """Return `~v`, v the place of the variant that matches a node, or NO_MATCH; its parts are then in a window.

    A window is as many registers as `sizes` says, from a place on. Of two, one holds the right side at hand while what
    it made is matched in the other. Also returns whether a literal left its 64 bits: then nothing matches.
    """
    op, first, second = unpack_one(store.keys[np.uint64(node)], state[ID_BITS])
    registers, at, wrong = store.registers, word(automaton.code, op), False
    put = np.uint64(window + FIRST_OPERANDS)
    registers[put], registers[put + _ONE] = first, second
    while at > 0:
        kind, x, y = word(automaton.code, at + KIND), word(automaton.code, at + X), word(automaton.code, at + Y)
        then = word(automaton.code, at + THEN)
        if kind == SWITCH:
            code, first, second = unpack_one(store.keys[np.uint64(word(registers, window + x))], state[ID_BITS])
            put = np.uint64(window + y)
            registers[put], registers[put + _ONE] = first, second
            at = word(automaton.code, then + code)
            continue
        if kind == SAME:
            is_so = word(registers, window + x) == word(registers, window + y)
        else:
            is_so, wrong = _holds(automaton, store, state, at, window)
        at = np.int64(NO_MATCH) if wrong else then if is_so else word(automaton.code, at + OTHERWISE)
    return at, wrong
