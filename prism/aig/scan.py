"""Scan: the loops that turn the bytes of an AIGER file into numbers, with the byte at which they stop."""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

FINE, DIGIT, SPACE, NEWLINE, LARGE, ENDED, DELTA = range(7)
"""Why a loop stopped: at the end, or because it needed a digit, a space, a newline, a smaller number, more bytes, or a
smaller delta."""
ABSENT: Final = np.uint32(0xFFFFFFFF)
"""What stands for a number that a line may leave out; no literal is so large."""

_NEWLINE: Final = 10
_SPACE: Final = 32
_ZERO: Final = 48
_NINE: Final = 57
_MORE: Final = 0x80


@njit(cache=True)
def _number(data, at, most):
    """Return (position after, value, fault) of a decimal number of at most `most`; on a fault, where it stands."""
    start, value = at, 0
    while at < len(data) and _ZERO <= data[at] <= _NINE:
        value = 10 * value + (data[at] - _ZERO)
        if value > most:
            return start, 0, LARGE
        at += 1
    return at, value, (DIGIT if at == start else FINE)


@njit(cache=True)
def read_lines(data, at, least, most, out):
    """Read lines of `least` to `out.shape[1]` numbers of at most `most`, one space between, into uint32 `out`.

    data: uint8[bytes]. Numbers left out are ABSENT. Returns (position, lines read, fault).
    """
    for line in range(len(out)):
        for column in range(out.shape[1]):
            if column:
                if column >= least and at < len(data) and data[at] == _NEWLINE:
                    out[line, column:] = ABSENT
                    break
                if at >= len(data) or data[at] != _SPACE:
                    return at, line, SPACE
                at += 1
            at, value, fault = _number(data, at, most)
            if fault != FINE:
                return at, line, fault
            out[line, column] = value
        if at >= len(data) or data[at] != _NEWLINE:
            return at, line, NEWLINE
        at += 1
    return at, len(out), FINE


@njit(cache=True)
def _delta(data, at, most):
    """Return (position after, value, fault) of a number in groups of 7 bits, least first."""
    start, value, shift = at, 0, 0
    while at < len(data):
        byte = np.int64(data[at])
        at += 1
        value |= (byte & (_MORE - 1)) << shift
        if value > most:
            return start, 0, DELTA
        if byte < _MORE:
            return at, value, FINE
        shift += 7
        if shift > 28:
            return start, 0, DELTA
    return at, 0, ENDED


@njit(cache=True)
def read_deltas(data, at, first, rows):
    """Read the ANDs `first...` of a binary file into uint32[n, 2] `rows`; returns (position, ANDs read, fault)."""
    for row in range(len(rows)):
        left = 2 * (first + row)
        at, delta, fault = _delta(data, at, left)
        if fault == FINE and delta == 0:
            return at - 1, row, DELTA
        if fault != FINE:
            return at, row, fault
        left -= delta
        at, delta, fault = _delta(data, at, left)
        if fault != FINE:
            return at, row, fault
        rows[row, 0] = left
        rows[row, 1] = left - delta
    return at, len(rows), FINE
