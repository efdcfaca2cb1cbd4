"""Matching in the loops of any theory: walk the automaton over the keys of nodes, compute with literals; Numba."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from prism.vm.ledger.table import unpack_one
from prism.vm.theory.automaton import ACCEPT, EXPR_CONSTANT, EXPR_REGISTER, FAIL, SAME, SWITCH
from prism.vm.theory.signature import DIGIT, INT_MINUS_ONE, INT_ZERO

OVERFLOW: Final = -4
"""Why a loop stops beside NO_ROOM, NO_FRAME and OUT_OF_STEPS: a literal left its 64 bits."""
NO_LOG: Final = -5

COUNT, STEPS, REUSED, DEPTH, ROW, ROOT, BUDGET, ID_BITS, FRAME, LOGGED = range(10)
"""Places in the int64 vector `state`: those of `ledger_loop`, the words of `frames` in use, the steps written down."""
STATE_SIZE: Final = 10

NO_MATCH: Final = -1
_ZERO: Final = np.uint64(0)
_ONE: Final = np.uint64(1)
_MOST: Final = np.uint64((1 << 63) - 1)

_loop = njit(cache=True, _nrt=False, forceinline=True)  # pyright: ignore[reportCallIssue]  # the stub lacks the option


class Store(NamedTuple):
    """What the loops work on, beside their `state`.

    keys, slots, forward: as in `ledger_loop`. commutes: bool[256]. waiting: int32[depth, 2], nodes that wait, and what
    for. frames: int32[], for each right side begun its variant, registers and values. registers: int64[], operands:
    int64[], scratch. log: int32[n, 2], each rule application as node and variant; empty where none is wanted.
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


@_loop
def computed(automaton, store, state, index, registers):
    """Return the value of an expression and whether it left 64 bits on the way."""
    operands, top, wrong = store.operands, 0, False
    for at in range(automaton.expression[index, 0], automaton.expression[index, 1]):
        kind, argument = automaton.step[at, 0], automaton.step[at, 1]
        if kind == EXPR_REGISTER:
            operands[top] = literal_of(store.keys, state[ID_BITS], registers[argument])
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
def match(automaton, store, state, node):
    """Return the variant that matches a node, its parts then in the registers; -1 if none does, or OVERFLOW."""
    registers = store.registers
    op, a, b = unpack_one(store.keys[node], state[ID_BITS])
    registers[1], registers[2], registers[3] = node, a, b
    at = automaton.start[op]
    while True:
        kind, x, y = automaton.state[at, 0], automaton.state[at, 1], automaton.state[at, 2]
        if kind == SWITCH:
            code, registers[y], registers[y + 1] = unpack_one(store.keys[registers[x]], state[ID_BITS])
            at = automaton.jump[automaton.state[at, 4], code]
        elif kind == ACCEPT:
            return np.int64(x)
        elif kind == FAIL:
            return np.int64(NO_MATCH)
        elif kind == SAME:
            at = automaton.state[at, 4 if registers[x] == registers[y] else 5]
        else:
            one, wrong_one = computed(automaton, store, state, x, registers)
            two, wrong_two = computed(automaton, store, state, y, registers)
            if wrong_one or wrong_two:
                return np.int64(OVERFLOW)
            at = automaton.state[at, 4 if _compares(automaton.state[at, 3], one, two) else 5]
