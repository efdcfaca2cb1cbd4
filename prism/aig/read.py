"""Read AIGER 1.9, ASCII or binary, into a circuit; every refusal says at which byte, and on which line of text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from prism.aig import order, scan
from prism.aig.circuit import MAX_LEAVES, MAX_VARIABLE, ONE, SECTIONS, UNKNOWN, ZERO, Circuit, Interface, Symbol
from prism.aig.errors import AigerError

_HEADER: Final = re.compile(rb"(aag|aig)((?: \d{1,10}){5,9})\n")
_SYMBOL: Final = re.compile(rb"([ilobcjf])(\d{1,9}) ([^\n]+)\n")
_COMMENT: Final = b"c\n"
# The least bytes of a line: each number takes a digit and what follows it.
_NUMBER: Final = 2
_LONGEST_SHOWN: Final = 24
_EXPECTED: Final = {
    scan.DIGIT: "a number",
    scan.SPACE: "a space and another number",
    scan.NEWLINE: "the end of the line",
    scan.ENDED: "another byte of a delta",
    scan.DELTA: "a delta that leads to an earlier literal",
}


@dataclass(frozen=True, slots=True)
class _Header:
    """The numbers of the first line, by the letters that AIGER gives them."""

    is_binary: bool
    m: int
    i: int
    l: int  # noqa: E741 (AIGER's letter)
    o: int
    a: int
    b: int = 0
    c: int = 0
    j: int = 0
    f: int = 0

    def least_bytes(self) -> int:
        """Return the fewest bytes that can follow a header with these numbers."""
        lines = self.o + self.b + self.c + self.j + self.f
        if self.is_binary:
            return _NUMBER * (lines + self.l) + 2 * self.a
        return _NUMBER * (lines + self.i + 2 * self.l + 3 * self.a)


def read(data: bytes, name: str) -> Circuit:
    """Return the circuit that the bytes of an AIGER file hold; `name` is what errors call the file.

    Variables are numbered inputs, latches, ANDs; the ANDs of an ASCII file are moved only where one stands before its
    operands. Raises AigerError. Cost: linear; memory is taken for what the bytes hold, not for what the header says.
    """
    return _Reader(data, name).circuit()


class _Reader:
    """A place in the bytes of one file."""

    def __init__(self, data: bytes, name: str) -> None:
        self.data, self.name, self.at = data, name, 0
        self.bytes = np.frombuffer(data, np.uint8)
        # From here on a binary file has no lines to count.
        self.rows_at = len(data) + 1

    def circuit(self) -> Circuit:
        header = self.header()
        most = 2 * header.m + 1
        inputs = np.empty(0, np.uint32) if header.is_binary else self.lines(header.i, 1, most)[:, 0]
        latches_at, skipped = self.at, int(header.is_binary)
        latches = np.empty((header.l, 3), np.uint32)
        if header.is_binary:
            latches[:, 0] = 2 * np.arange(header.i + 1, header.i + header.l + 1)
        latches[:, skipped:] = self.lines(header.l, 2 - skipped, most, columns=3 - skipped)
        resets = self.resets(latches, latches_at)
        roots_at, roots = self.at, [latches[:, 1]]
        roots += [self.lines(count, 1, most)[:, 0] for count in (header.o, header.b, header.c)]
        sizes = self.lines(header.j, 1, len(self.data))[:, 0].astype(np.int64)
        if sizes.sum() * _NUMBER > len(self.data) - self.at:
            self.fail(f"{int(sizes.sum())} literals of justice properties", at=self.at)
        roots += [self.lines(count, 1, most)[:, 0] for count in (int(sizes.sum()), header.f)]
        justice = tuple(sizes.tolist())
        interface = Interface(header.i, header.l, header.o, header.b, header.c, justice, header.f)
        flat = np.concatenate(roots)
        if header.is_binary:
            rows = self.deltas(interface.leaves + 1, header.a)
        else:
            rows_at, lines = self.at, self.lines(header.a, 3, most, columns=3)
            places = _Places(self, header, latches_at, roots_at, rows_at)
            rows = places.settle(inputs, latches, flat, lines)
        symbols, comment = self.tail(interface)
        return Circuit(interface, rows, flat, resets, symbols, comment)

    def header(self) -> _Header:
        found = _HEADER.match(self.data)
        if found is None:
            self.fail("a header `aag M I L O A` or `aig M I L O A`, with up to four numbers more", at=0)
        numbers = [int(part) for part in found[2].split()]
        header = _Header(found[1] == b"aig", *numbers)
        self.at = found.end()
        defined = header.i + header.l + header.a
        if header.m < defined or (header.is_binary and header.m != defined):
            least = "exactly" if header.is_binary else "at least"
            self.fail(f"M to be {least} I + L + A = {defined}", at=4)
        if header.m > MAX_VARIABLE:
            self.fail(f"at most {MAX_VARIABLE} variables, whose literals fit the ledger", at=4)
        if header.i + header.l > MAX_LEAVES:
            self.fail(f"at most {MAX_LEAVES} inputs and latches", at=4)
        left = len(self.data) - self.at
        if header.least_bytes() > left:
            self.fail(f"at least {header.least_bytes()} bytes after this header", f"{left}", at=self.at)
        return header

    def lines(self, count: int, least: int, most: int, *, columns: int = 1) -> NDArray[np.uint32]:
        """Read `count` lines of `least` to `columns` numbers; uint32[count, columns], scan.ABSENT where left out."""
        out = np.empty((count, columns), np.uint32)
        self.at, _, fault = scan.read_lines(self.bytes, self.at, least, most, out)
        if fault != scan.FINE:
            self.fail(_EXPECTED.get(fault, f"a number of at most {most}"), at=self.at)
        return out

    def deltas(self, first: int, count: int) -> NDArray[np.uint32]:
        """Read the ANDs of a binary file."""
        self.rows_at = self.at
        rows = np.empty((count, 2), np.uint32)
        at, done, fault = scan.read_deltas(self.bytes, self.at, first, rows)
        if fault != scan.FINE:
            self.fail(f"{_EXPECTED[fault]} of AND {2 * (first + done)}", at=at)
        self.at = at
        return rows

    def resets(self, latches: NDArray[np.uint32], start: int) -> NDArray[np.uint8]:
        """Return the resets of uint32[L, 3] rows `own, next, reset`, whose lines begin at byte `start`."""
        own, reset = latches[:, 0], latches[:, 2]
        resets = np.full(len(latches), ZERO, np.uint8)
        resets[reset == 1] = ONE
        resets[reset == own] = UNKNOWN
        wrong = np.flatnonzero((reset > 1) & (reset != own) & (reset != scan.ABSENT))
        if len(wrong):
            self.fail("a latch to start at 0, at 1 or at itself", at=self.line_at(start, int(wrong[0])))
        return resets

    def line_at(self, start: int, lines: int) -> int:
        """Return the byte at which the line that is `lines` after `start` begins."""
        for _ in range(lines):
            start = self.data.index(b"\n", start) + 1
        return start

    def tail(self, interface: Interface) -> tuple[tuple[Symbol, ...], bytes | None]:
        """Read symbols and comment, up to the end."""
        counts, symbols = interface.counts(), {}
        data, at = self.data, self.at
        while at < len(data):
            found = _SYMBOL.match(data, at)
            if found is None:
                break
            section, position = found[1].decode(), int(found[2])
            if position >= counts[section]:
                self.fail(f"a symbol of one of {counts[section]} {SECTIONS[section]}", at=at)
            if (section, position) in symbols:
                self.fail(f"one symbol for {section}{position}", at=at)
            symbols[section, position] = found[3]
            at = found.end()
        letters = list(SECTIONS)
        ordered = sorted(symbols, key=lambda place: (letters.index(place[0]), place[1]))
        named = tuple(Symbol(section, position, symbols[section, position]) for section, position in ordered)
        if at == len(data):
            return named, None
        if not data.startswith(_COMMENT, at):
            self.fail("a symbol such as `i0 name`, a line `c` before a comment, or the end", at=at)
        return named, data[at + len(_COMMENT) :]

    def fail(self, expected: str, found: str = "", *, at: int) -> NoReturn:
        line = None if at >= self.rows_at else self.data.count(b"\n", 0, at) + 1
        raise AigerError(self.name, at, line, expected, found or self.found(at))

    def found(self, at: int) -> str:
        if at >= len(self.data):
            return "the end of the file"
        shown = self.data[at : at + _LONGEST_SHOWN].partition(b"\n")[0]
        return repr(shown.decode("ascii", errors="backslashreplace")) if shown else "the end of the line"


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the sections of an ASCII file begin, to say of a definition on which line it stands."""

    reader: _Reader
    header: _Header
    latches_at: int
    roots_at: int
    rows_at: int

    def settle(
        self,
        inputs: NDArray[np.uint32],
        latches: NDArray[np.uint32],
        roots: NDArray[np.uint32],
        lines: NDArray[np.uint32],
    ) -> NDArray[np.uint32]:
        """Rename `roots` in place and return the ANDs of uint32[A, 3] `lines`, operands first."""
        place = np.zeros(self.header.m + 1, np.uint32)
        first = len(inputs) + len(latches) + 1
        inputs_at = self.reader.line_at(0, 1)
        for lits, start, number in (
            (inputs, inputs_at, 1),
            (latches[:, 0], self.latches_at, len(inputs) + 1),
            (lines[:, 0], self.rows_at, first),
        ):
            self._refuse(order.define(lits, number, place), start, "a positive literal that nothing defined before")
        rows = lines[:, 1:].copy()
        self._refuse(order.rename(roots, place), self.latches_at, "a literal that is defined", self.header.j)
        self._refuse(order.rename(rows.reshape(-1), place), self.rows_at, "operands that are defined", per_line=2)
        if order.is_ordered(rows, first):
            return rows
        sequence, circle = order.sort_rows(rows, first)
        self._refuse(circle, self.rows_at, "an AND that does not need itself")
        place = np.empty(first + len(rows), np.uint32)
        place[:first] = np.arange(first)
        place[first + sequence] = np.arange(first, first + len(rows))
        rows = rows[sequence]
        order.rename(rows.reshape(-1), place)
        order.rename(roots, place)
        return rows

    def _refuse(self, index: int, start: int, expected: str, skipped: int = 0, per_line: int = 1) -> None:
        """Fail at the line of a wrong index; `skipped` lines of sizes stand before the literals of justice."""
        if index < 0:
            return
        line = index // per_line
        before = self.header.l + self.header.o + self.header.b + self.header.c
        self.reader.fail(expected, at=self.reader.line_at(start, line + (skipped if line >= before else 0)))
