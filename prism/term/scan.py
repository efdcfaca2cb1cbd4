"""The scanner: bytes of a program to rows of a graph, one pass, no recursion; it stops at the first fault.

A *reference* is an int32: `-v` is the numeral v, and above 0 it is a row. Numerals are thus free while reading, and
share one chain of `suc` when a graph is assembled. Everything the scanner knows lies in `State`, so that a source may come
in blocks of any size.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from prism.ops import BY_NAME
from prism.term.names import RESERVED, Names, add, find, inner

MAX_NUMERAL: Final = 1 << 24
"""The largest numeral that may be written [TERMS-4]."""
MAX_WORD: Final = 255
"""The longest word, in characters [TERMS-2]."""


class Fault(IntEnum):
    """Why the scanner stopped."""

    NONE = 0
    CHARACTER = 1
    WORD = 2
    LONG_WORD = 3
    NUMERAL = 4
    BIG_NUMERAL = 5
    NAME = 6
    HEAD = 7
    BARE_OP = 8
    EXTRA_OPERAND = 9
    MISSING_OPERAND = 10
    UNOPENED = 11
    NESTED_DEFINITION = 12
    NAME_TO_DEFINE = 13
    RESERVED_NAME = 14
    REDEFINED = 15
    UNCLOSED = 16
    ENCODING = 17


class Rows(NamedTuple):
    """op: uint8[], a, b: int32[], references; b is 0 where the op takes one operand. Row 0 is never referred to."""

    op: NDArray[np.uint8]
    a: NDArray[np.int32]
    b: NDArray[np.int32]


class Frames(NamedTuple):
    """The open parentheses: the index of the head in RESERVED, operands so far, and where the parenthesis is."""

    head: NDArray[np.uint8]
    count: NDArray[np.uint8]
    first: NDArray[np.int32]
    second: NDArray[np.int32]
    line: NDArray[np.int64]
    column: NDArray[np.int64]


class Roots(NamedTuple):
    """The complete expressions: ref: int32[], and where each begins."""

    ref: NDArray[np.int32]
    line: NDArray[np.int64]
    column: NDArray[np.int64]


class State(NamedTuple):
    """All arrays of the scanner; `at` holds its counters by the names below."""

    rows: Rows
    frames: Frames
    roots: Roots
    names: Names
    at: NDArray[np.int64]


ROWS, DEPTH, ROOTS, NAMES, LINE, LINE_START, WIDE, IN_COMMENT = range(8)
"""Indices of `State.at`: four counts (rows from 1), the line, the offset of its start in the block (below 0 when it lies in an
earlier one), the UTF-8 continuation bytes of the line so far, and whether a comment is open."""

NO_HEAD: Final = len(RESERVED)
_DEF: Final = len(RESERVED) - 1
_CODE: Final = np.array([op.code for op in BY_NAME.values()], np.uint8)
# A definition holds a name and an expression; a parenthesis without its head yet holds nothing.
ARITY: Final = np.array([*(op.arity for op in BY_NAME.values()), 2, 0], np.uint8)

_WORD, _SPACE, _NEWLINE, _OPEN, _CLOSE, _COMMENT, _OTHER = range(7)
_KIND = np.full(256, _OTHER, np.uint8)
_KIND[[c for c in range(128) if chr(c).isalnum() or chr(c) in "_-.'"]] = _WORD
_KIND[list(b" \t\r")] = _SPACE
_KIND[list(b";#")] = _COMMENT
_KIND[list(b"\n()")] = _NEWLINE, _OPEN, _CLOSE


@njit(cache=True)
def scan(data, is_last, state):
    """Read uint8[n] `data` until a fault or its end; return (fault, begin, end), the place of the fault in `data`.

    Without a fault, `begin` is how far it read: a word that touches the end is left, unless the block `is_last`.
    The arrays of `state` must have room for what n bytes can hold (`prism.term.parse` sees to it).
    """
    at, i, n = state.at, np.int64(0), len(data)
    while i < n:
        kind = _KIND[data[i]]
        if at[IN_COMMENT]:
            i = _skip_comment(data, i, at)
            if i < n and data[i] == 0:
                return Fault.CHARACTER, i, i + 1
            continue
        end, fault = i + 1, Fault.NONE
        if kind == _WORD:
            end = _word_end(data, i)
            if end - i > MAX_WORD:
                return Fault.LONG_WORD, i, end
            if end == n and not is_last:
                return Fault.NONE, i, i
            if end < n and _KIND[data[end]] == _OTHER:
                return Fault.CHARACTER, end, end + 1
            fault = _read_word(data, i, end, state)
        elif kind == _NEWLINE:
            at[LINE] += 1
            at[LINE_START] = end
            at[WIDE] = 0
        elif kind == _OPEN:
            fault = _open(state, i)
        elif kind == _CLOSE:
            fault = _close(state)
        elif kind == _COMMENT:
            at[IN_COMMENT] = 1
        elif kind == _OTHER:
            fault = Fault.CHARACTER
        if fault != Fault.NONE:
            return fault, i, end
        i = end
    return Fault.NONE, n, n


@inner
def _skip_comment(data, i, at):
    """Return the offset of the line feed or NUL that stops a comment, or the end of the block."""
    while i < len(data) and data[i] != 0:
        if data[i] == 10:
            at[IN_COMMENT] = 0
            break
        at[WIDE] += (data[i] & 0xC0) == 0x80
        i += 1
    return i


@inner
def _word_end(data, i):
    while i < len(data) and _KIND[data[i]] == _WORD:
        i += 1
    return i


@inner
def _read_word(data, begin, end, state):
    if 48 <= data[begin] <= 57:
        fault, value = _numeral(data, begin, end)
        expected = _expects(state)
        if expected != Fault.NONE:
            return expected
        if fault != Fault.NONE:
            return fault
        return _deliver(state, -value, state.at[LINE], begin - state.at[LINE_START] + 1)
    if data[begin] == 45 or data[begin] == 46 or data[begin] == 39:
        return Fault.WORD
    depth = state.at[DEPTH]
    index, _ = find(state.names, data, begin, end)
    if depth and state.frames.head[depth - 1] == NO_HEAD:
        return _set_head(state, depth - 1, index)
    if depth and state.frames.head[depth - 1] == _DEF and state.frames.count[depth - 1] == 0:
        return _name_definition(data, begin, end, state, index)
    expected = _expects(state)
    if expected != Fault.NONE:
        return expected
    if index < 0 or state.names.ref[index] == _UNDEFINED:
        return Fault.NAME
    if index < NO_HEAD and ARITY[index]:
        return Fault.BARE_OP
    return _deliver(state, state.names.ref[index], state.at[LINE], begin - state.at[LINE_START] + 1)


@inner
def _numeral(data, begin, end):
    value = np.int64(0)
    for i in range(begin, end):
        if not 48 <= data[i] <= 57:
            return Fault.NUMERAL, value
        value = min(value * 10 + np.int64(data[i]) - 48, MAX_NUMERAL + 1)
    return (Fault.BIG_NUMERAL if value > MAX_NUMERAL else Fault.NONE), value


# What a name stands for between its introduction and the end of its definition.
_UNDEFINED: Final = np.iinfo(np.int32).min


@inner
def _set_head(state, frame, index):
    if index < 0 or index >= NO_HEAD or ARITY[index] == 0:
        return Fault.HEAD
    if index == _DEF and frame > 0:
        return Fault.NESTED_DEFINITION
    state.frames.head[frame] = index
    return Fault.NONE


@inner
def _name_definition(data, begin, end, state, index):
    if 0 <= index < NO_HEAD:
        return Fault.RESERVED_NAME
    if index >= 0:
        return Fault.REDEFINED
    count = state.at[NAMES]
    add(state.names, count, data, begin, end)
    state.names.ref[count] = _UNDEFINED
    state.frames.count[0] = 1
    state.at[NAMES] += 1
    return Fault.NONE


@inner
def _expects(state):
    """Return the fault that an operand would be here."""
    depth = state.at[DEPTH]
    if depth == 0:
        return Fault.NONE
    head, count = state.frames.head[depth - 1], state.frames.count[depth - 1]
    if head == NO_HEAD:
        return Fault.HEAD
    if head == _DEF and count == 0:
        return Fault.NAME_TO_DEFINE
    return Fault.EXTRA_OPERAND if count == ARITY[head] else Fault.NONE


@inner
def _deliver(state, ref, line, column):
    """Give a finished operand to the innermost open expression, or make it a root."""
    at, frames, roots = state.at, state.frames, state.roots
    depth = at[DEPTH]
    if depth == 0:
        count = at[ROOTS]
        roots.ref[count], roots.line[count], roots.column[count] = ref, line, column
        at[ROOTS] += 1
        return Fault.NONE
    if frames.count[depth - 1] == 0:
        frames.first[depth - 1] = ref
    else:
        frames.second[depth - 1] = ref
    frames.count[depth - 1] += 1
    return Fault.NONE


@inner
def _open(state, i):
    fault = _expects(state)
    if fault != Fault.NONE:
        return fault
    depth, frames = state.at[DEPTH], state.frames
    frames.head[depth], frames.count[depth] = NO_HEAD, 0
    frames.line[depth], frames.column[depth] = state.at[LINE], i - state.at[LINE_START] + 1
    frames.first[depth], frames.second[depth] = 0, 0
    state.at[DEPTH] += 1
    return Fault.NONE


@inner
def _close(state):
    at, frames = state.at, state.frames
    if at[DEPTH] == 0:
        return Fault.UNOPENED
    top = at[DEPTH] - 1
    head = frames.head[top]
    if head == NO_HEAD:
        return Fault.HEAD
    if frames.count[top] < ARITY[head]:
        return Fault.NAME_TO_DEFINE if head == _DEF and frames.count[top] == 0 else Fault.MISSING_OPERAND
    at[DEPTH] = top
    if head == _DEF:
        state.names.ref[at[NAMES] - 1] = frames.second[top]
        return Fault.NONE
    row = at[ROWS]
    state.rows.op[row], state.rows.a[row], state.rows.b[row] = _CODE[head], frames.first[top], frames.second[top]
    at[ROWS] += 1
    return _deliver(state, row, frames.line[top], frames.column[top])

