"""Write a circuit as AIGER 1.9, ASCII or binary; equal circuits give equal bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from prism.aig.circuit import UNKNOWN, Circuit

_MOST_DIGITS: Final = 10
_DIGIT_ZERO: Final = 48
_SPACE: Final = 32
_NEWLINE: Final = 10


def write(circuit: Circuit, *, binary: bool) -> bytes:
    """Return the bytes of an AIGER file; the larger operand of an AND stands first. Cost: linear."""
    rows = np.sort(circuit.rows, axis=1)[:, ::-1]
    parts = [_header(circuit, "aig" if binary else "aag")]
    first = circuit.first
    if not binary:
        parts.append(_lines(2 * np.arange(1, circuit.interface.inputs + 1)))
    parts.extend(_latches(circuit, binary=binary))
    parts.extend(_roots(circuit))
    if binary:
        parts.append(_deltas(rows, first).tobytes())
    else:
        own = 2 * np.arange(first, first + len(rows), dtype=np.uint32)
        parts.append(_lines(np.column_stack((own, rows))))
    parts += [b"%s%d %s\n" % (section.encode(), position, name) for section, position, name in circuit.symbols]
    if circuit.comment is not None:
        parts.append(b"c\n" + circuit.comment)
    return b"".join(parts)


def _header(circuit: Circuit, word: str) -> bytes:
    counts, ands = circuit.interface.counts(), len(circuit.rows)
    later = [counts[section] for section in "bcjf"]
    while later and not later[-1]:
        later.pop()
    numbers = [circuit.interface.leaves + ands, counts["i"], counts["l"], counts["o"], ands, *later]
    return f"{word} {' '.join(map(str, numbers))}\n".encode()


def _latches(circuit: Circuit, *, binary: bool) -> Iterator[bytes]:
    for position, (after, reset) in enumerate(zip(circuit.section("l").tolist(), circuit.resets.tolist(), strict=True)):
        own = 2 * (circuit.interface.inputs + 1 + position)
        start = f" {own if reset == UNKNOWN else reset}" if reset else ""
        yield f"{'' if binary else f'{own} '}{after}{start}\n".encode()


def _roots(circuit: Circuit) -> Iterator[bytes]:
    for section in "obc":
        yield _lines(circuit.section(section))
    yield _lines(np.array(circuit.interface.justice, np.int64))
    for section in "jf":
        yield _lines(circuit.section(section))


def _lines(numbers: NDArray) -> bytes:
    """Return rows of numbers as lines, a space between; a vector is one number a line."""
    table = np.ascontiguousarray(numbers, np.int64)
    return _text(table.reshape(len(table), -1 if table.size else 1)).tobytes()


@njit(cache=True)
def _text(table):
    """Return int64[n, columns] numbers from 0 to 2^31 - 1 as lines: uint8[bytes]."""
    out = np.empty((_MOST_DIGITS + 1) * table.size, np.uint8)
    digits = np.empty(_MOST_DIGITS, np.uint8)
    at = 0
    for row in range(table.shape[0]):
        for column in range(table.shape[1]):
            number, count = np.uint32(table[row, column]), 0
            while count == 0 or number:
                digits[count] = _DIGIT_ZERO + number % np.uint32(10)
                number //= np.uint32(10)
                count += 1
            for place in range(count):
                out[at + place] = digits[count - 1 - place]
            at += count + 1
            out[at - 1] = _SPACE
        out[at - 1] = _NEWLINE
    return out[:at]


@njit(cache=True)
def _deltas(rows, first):
    """Return the binary form of ANDs whose larger operand is first: uint8[bytes]."""
    out = np.empty(10 * len(rows), np.uint8)
    at = 0
    for row in range(len(rows)):
        left = np.uint32(2 * (first + row))
        for side in range(2):
            delta = left - rows[row, side]
            left = rows[row, side]
            while delta >= np.uint32(0x80):
                out[at] = delta & np.uint32(0x7F) | np.uint32(0x80)
                delta >>= np.uint32(7)
                at += 1
            out[at] = delta
            at += 1
    return out[:at]
