"""The scanner: bytes of a program to rows of a graph, one pass, no recursion; it stops at the first fault.

A *reference* is an int32: `-v` is the numeral v, and above 0 it is a row. Numerals are thus free while reading, and
share one chain of `suc` when a graph is assembled. All that the scanner knows lies in `ScanState`, so that a source may
come in blocks of any size.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prism.vm.term.names import Names, add, entry, find, inner
from prism.vm.term.ops import BY_NAME
from prism.vm.term.words import MAX_NUMERAL, MAX_WORD, RESERVED


class SyntaxFault(IntEnum):
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


class ScanState(NamedTuple):
    """All that the scanner knows.

    rows: int32[, 3], op and two references, the second 0 where the op takes one operand; row 0 is never referred to.
    frames: int64[, 6], the open parentheses: index of the head in RESERVED, operands so far, two operands, line and
    column. roots: int64[, 3], the complete expressions: reference, line, column. at: int64[8], the counters below.
    """

    rows: NDArray[np.int32]
    frames: NDArray[np.int64]
    roots: NDArray[np.int64]
    names: Names
    at: NDArray[np.int64]


HEAD, COUNT, FIRST, SECOND, OPENED_LINE, OPENED_COLUMN = range(6)
"""Columns of `ScanState.frames`."""

ROWS, DEPTH, ROOTS, NAMES, LINE, LINE_START, WIDE, IN_COMMENT = range(8)
"""Indices of `ScanState.at`: four counts (rows from 1), the line, the offset of its start in the block (below 0 when it
lies in an earlier one), the UTF-8 continuation bytes of the line so far, and whether a comment is open."""

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


@entry
def scan(data, is_last, state):
    """Read uint8[n] `data` until a fault or its end; return (fault, begin, end), the place of the fault in `data`.

    Without a fault, `begin` is how far it read: a word that touches the end is left, unless the block `is_last`.
    The arrays of `state` must have room for what n bytes can hold (`prism.vm.term.parse` sees to it).
    """
    at, i, n = state.at, np.int64(0), len(data)
    while i < n:
        kind = _COMMENT if at[IN_COMMENT] else _KIND[data[i]]
        fault, begin, end = SyntaxFault.NONE, i, i + 1
        if kind == _WORD:
            fault, begin, end = _word(data, i, is_last, state)
            if begin == end:
                return fault, begin, end
        elif kind == _NEWLINE:
            _end_line(at, end)
        elif kind == _OPEN:
            fault = _open(state.frames, at, i)
        elif kind == _CLOSE:
            fault = _close(state)
        elif kind == _COMMENT:
            fault, begin, end = _comment(data, i, at)
        elif kind == _OTHER:
            fault = SyntaxFault.CHARACTER
        if fault != SyntaxFault.NONE:
            return fault, begin, end
        i = end
    return SyntaxFault.NONE, n, n


@inner
def _end_line(at, start):
    at[LINE] += 1
    at[LINE_START] = start
    at[WIDE] = 0
    at[IN_COMMENT] = 0


@inner
def _comment(data, i, at):
    """Return (fault, begin, end): read to the line feed that ends the comment, to a NUL or to the block's end."""
    at[IN_COMMENT] = 1
    while i < len(data) and data[i] != 0:
        if data[i] == 10:
            _end_line(at, i + 1)
            return SyntaxFault.NONE, i, i + 1
        at[WIDE] += (data[i] & 0xC0) == 0x80
        i += 1
    return (SyntaxFault.CHARACTER if i < len(data) else SyntaxFault.NONE), i, min(i + 1, len(data))


@inner
def _word(data, begin, is_last, state):
    """Return (fault, begin, end) of the word; `begin == end` where more of it may follow in the next block."""
    end = begin + 1
    while end < len(data) and _KIND[data[end]] == _WORD:
        end += 1
    if end - begin > MAX_WORD:
        return SyntaxFault.LONG_WORD, begin, end
    if end == len(data) and not is_last:
        return SyntaxFault.NONE, begin, begin
    if end < len(data) and _KIND[data[end]] == _OTHER:
        return SyntaxFault.CHARACTER, end, end + 1
    fault, ref = _meaning(data, begin, end, state)
    if fault == SyntaxFault.NONE and ref != _NO_OPERAND:
        _deliver(state, ref, state.at[LINE], begin - state.at[LINE_START] + 1)
    return fault, begin, end


# A word that is no operand: a head, or a name on its way to be defined.
_NO_OPERAND: Final = np.iinfo(np.int32).min


@inner
def _meaning(data, begin, end, state):
    """Return (fault, reference); the reference is `_NO_OPERAND` where the word is a head or a name to define."""
    frames, names, at = state.frames, state.names, state.at
    if 48 <= data[begin] <= 57:
        fault, value = _numeral(data, begin, end)
        expected = _expects(frames, at)
        return (fault if expected == SyntaxFault.NONE else expected), -value
    if data[begin] == 45 or data[begin] == 46 or data[begin] == 39:
        return SyntaxFault.WORD, _NO_OPERAND
    top = at[DEPTH] - 1
    index, _ = find(names, data, begin, end)
    if top >= 0 and frames[top, HEAD] == NO_HEAD:
        return _set_head(frames, top, index), _NO_OPERAND
    if top == 0 and frames[top, HEAD] == _DEF and frames[top, COUNT] == 0:
        if index >= 0:
            return (SyntaxFault.RESERVED_NAME if index < NO_HEAD else SyntaxFault.REDEFINED), _NO_OPERAND
        _introduce(data, begin, end, state)
        return SyntaxFault.NONE, _NO_OPERAND
    expected = _expects(frames, at)
    if expected != SyntaxFault.NONE:
        return expected, _NO_OPERAND
    if index < 0 or names.ref[index] == _NO_OPERAND:
        return SyntaxFault.NAME, _NO_OPERAND
    if index < NO_HEAD and ARITY[index]:
        return SyntaxFault.BARE_OP, _NO_OPERAND
    return SyntaxFault.NONE, np.int64(names.ref[index])


@inner
def _numeral(data, begin, end):
    value = np.int64(0)
    for i in range(begin, end):
        if not 48 <= data[i] <= 57:
            return SyntaxFault.NUMERAL, value
        value = min(value * 10 + np.int64(data[i]) - 48, MAX_NUMERAL + 1)
    return (SyntaxFault.BIG_NUMERAL if value > MAX_NUMERAL else SyntaxFault.NONE), value


@inner
def _set_head(frames, top, index):
    if index < 0 or index >= NO_HEAD or ARITY[index] == 0:
        return SyntaxFault.HEAD
    if index == _DEF and top > 0:
        return SyntaxFault.NESTED_DEFINITION
    frames[top, HEAD] = index
    return SyntaxFault.NONE


@inner
def _introduce(data, begin, end, state):
    """Take a name that is to be defined; it stands for nothing until its definition ends."""
    count = state.at[NAMES]
    add(state.names, count, data, begin, end)
    state.names.ref[count] = _NO_OPERAND
    state.frames[0, COUNT] = 1
    state.at[NAMES] += 1


@inner
def _expects(frames, at):
    """Return the fault that an operand would be here."""
    top = at[DEPTH] - 1
    if top < 0:
        return SyntaxFault.NONE
    head, count = frames[top, HEAD], frames[top, COUNT]
    if head == NO_HEAD:
        return SyntaxFault.HEAD
    if head == _DEF and count == 0:
        return SyntaxFault.NAME_TO_DEFINE
    return SyntaxFault.EXTRA_OPERAND if count == ARITY[head] else SyntaxFault.NONE


@inner
def _deliver(state, ref, line, column):
    """Give a finished operand to the innermost open expression, or make it a root."""
    frames, roots, at = state.frames, state.roots, state.at
    top = at[DEPTH] - 1
    if top < 0:
        count = at[ROOTS]
        roots[count, 0], roots[count, 1], roots[count, 2] = ref, line, column
        at[ROOTS] += 1
    else:
        frames[top, FIRST if frames[top, COUNT] == 0 else SECOND] = ref
        frames[top, COUNT] += 1


@inner
def _open(frames, at, i):
    fault = _expects(frames, at)
    if fault == SyntaxFault.NONE:
        top = at[DEPTH]
        frames[top, HEAD], frames[top, COUNT], frames[top, FIRST], frames[top, SECOND] = NO_HEAD, 0, 0, 0
        frames[top, OPENED_LINE], frames[top, OPENED_COLUMN] = at[LINE], i - at[LINE_START] + 1
        at[DEPTH] += 1
    return fault


@inner
def _close(state):
    frames, rows, at = state.frames, state.rows, state.at
    top = at[DEPTH] - 1
    if top < 0:
        return SyntaxFault.UNOPENED
    head, count = frames[top, HEAD], frames[top, COUNT]
    if head == NO_HEAD:
        return SyntaxFault.HEAD
    if count < ARITY[head]:
        return SyntaxFault.NAME_TO_DEFINE if head == _DEF and count == 0 else SyntaxFault.MISSING_OPERAND
    at[DEPTH] = top
    if head == _DEF:
        state.names.ref[at[NAMES] - 1] = frames[top, SECOND]
        return SyntaxFault.NONE
    row = at[ROWS]
    rows[row, 0], rows[row, 1], rows[row, 2] = _CODE[head], frames[top, FIRST], frames[top, SECOND]
    at[ROWS] += 1
    _deliver(state, row, frames[top, OPENED_LINE], frames[top, OPENED_COLUMN])
    return SyntaxFault.NONE
