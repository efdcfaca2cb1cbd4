"""Read programs: a text, or a stream in bounded memory, to graphs with the place of every expression [TERMS-1]."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from prism.errors import CapacityError, Location, ParseError
from prism.vm.term import scan as sc
from prism.vm.term.assemble import graph_of_rows
from prism.vm.term.complaint import Context, complaint
from prism.vm.term.graph import spread_least
from prism.vm.term.names import copied, reserved_names, room, with_room, without, words
from prism.vm.term.program import ByteStream, TermProgram
from prism.vm.term.words import RESERVED

BLOCK_BYTES: Final = 1 << 20
"""How much of a stream is read at a time, and at least how much makes one graph."""
MAX_ROWS: Final = 1 << 30
"""The most applications in memory at once; with the chain of the largest numeral they fit int32."""

_BOM: Final = b"\xef\xbb\xbf"
_SHOWN_BYTES: Final = 512
"""How much of a line is kept on each side of a place, to show it."""
_SHORTEST_HEAD: Final = min(map(len, RESERVED))


def read_programs(stream: ByteStream, file: str, *, block_bytes: int = BLOCK_BYTES) -> Iterator[TermProgram]:
    """Yield the expressions of a stream in order, many to a graph; definitions hold to the end of the stream.

    Each graph holds exactly what its expressions need. What precedes a fault is yielded before ParseError is raised,
    so that no result and no error depends on `block_bytes` [TERMS-7]; only the line shown is cut at a block's end.
    Memory: the definitions, one block, the longest expression. Cost: linear in the source; what is kept from graph
    to graph is copied once every eight times its size.
    """
    reader = Reader(file)
    while True:
        block = stream.read(block_bytes)
        try:
            reader.feed(block, is_last=not block)
        except ParseError:
            if reader.n_roots:
                yield reader.take()
            raise
        if reader.n_roots and (not block or reader.is_due(block_bytes)):
            yield reader.take()
        if not block:
            return


def read_text(text: str, file: str = "text") -> TermProgram:
    """Return all expressions of a text as one graph; ParseError at its first fault."""
    reader = Reader(file)
    reader.feed(text.encode(), is_last=True)
    return reader.take()


class Reader:
    """Reads one source, block by block, and remembers its definitions.

    After a ParseError only `take` may still be called, for the expressions before the fault.
    """

    def __init__(
        self,
        file: str,
        *,
        known: Reader | None = None,
        forgotten: Collection[str] = (),
        max_rows: int = MAX_ROWS,
    ) -> None:
        """Start a source that knows the definitions of `known`, whose last source must have ended.

        forgotten: definitions of it that this source may make anew.
        """
        at = np.zeros(8, np.int64)
        at[[sc.ROWS, sc.NAMES, sc.LINE]] = 1, len(RESERVED), 1
        rows, names = np.zeros((1, 3), np.int32), reserved_names()
        if known:
            at[[sc.ROWS, sc.NAMES]] = known._state.at[[sc.ROWS, sc.NAMES]]
            rows = _live(known._state).copy()
            names = copied(known._state.names)
            if forgotten:
                names, at[sc.NAMES] = without(names, int(at[sc.NAMES]), forgotten)
        self._state = sc.ScanState(rows, np.zeros((0, 6), np.int64), np.zeros((0, 3), np.int64), names, at)
        self._file, self._max_rows = file, max_rows
        self._is_started = False
        self._carry = b""  # a word or character that the last block cut in two
        self._line_before = b""  # the end of the current line's part in earlier blocks
        self._n_bytes = 0  # read since rows were last dropped

    @property
    def n_roots(self) -> int:
        """Complete expressions that `take` would return."""
        return int(self._state.at[sc.ROOTS])

    @property
    def is_open(self) -> bool:
        """Whether an expression has begun that has not ended."""
        return bool(self._state.at[sc.DEPTH])

    @property
    def definitions(self) -> list[str]:
        """The names defined so far, in order."""
        return words(self._state.names, int(self._state.at[sc.NAMES]))[len(RESERVED) :]

    def is_due(self, block_bytes: int) -> bool:
        """Whether enough was read since the last `take` to pay for copying what outlives the next."""
        return self._n_bytes >= max(block_bytes, 8 * self._n_kept)

    _n_kept = 0

    def feed(self, block: bytes, *, is_last: bool) -> None:
        """Read the next part of the source; ParseError at a fault, CapacityError beyond `max_rows`."""
        if not self._is_started:
            self._is_started, block = True, block.removeprefix(_BOM)
        data = self._carry + block
        n_valid, is_invalid = _valid_utf8(data)
        self._state = _with_room(self._state, n_valid)
        ends = is_last or is_invalid
        fault, begin, end = map(int, sc.scan(np.frombuffer(data, np.uint8, n_valid), ends, self._state))
        if fault == sc.SyntaxFault.NONE and ends:
            fault, end = self._fault_at_end(is_cut=n_valid < len(data)), begin + 1
        if fault != sc.SyntaxFault.NONE:
            raise self._complaint(sc.SyntaxFault(fault), data, begin, end)
        if self._state.at[sc.ROWS] > self._max_rows:
            raise CapacityError(
                f"{self._file}: one expression and the definitions before it must fit {self._max_rows} applications, "
                f"got more by line {self._state.at[sc.LINE]}; split the expression"
            )
        self._n_bytes += len(block)
        self._line_before = self._before(data, begin)
        self._carry = data[begin:]
        self._state.at[sc.LINE_START] -= begin

    def take(self) -> TermProgram:
        """Return the complete expressions read since the last call, and drop what nothing refers to any more."""
        state, count = self._state, self.n_roots
        refs, lines, columns = state.roots[:count].T.copy()
        program = TermProgram(graph_of_rows(_live(state), refs.astype(np.int32)), self._file, lines, columns)
        state.at[sc.ROOTS] = 0
        self._state = _pruned(state)
        self._n_kept, self._n_bytes = int(self._state.at[sc.ROWS]), 0
        return program

    def _fault_at_end(self, *, is_cut: bool) -> sc.SyntaxFault:
        if is_cut:
            return sc.SyntaxFault.ENCODING
        return sc.SyntaxFault.UNCLOSED if self.is_open else sc.SyntaxFault.NONE

    def _before(self, data: bytes, begin: int) -> bytes:
        """Return the last bytes of the line that ends at `begin`."""
        part = data[max(0, begin - _SHOWN_BYTES) : begin]
        if begin < _SHOWN_BYTES:
            part = self._line_before + part
        return part[part.rfind(b"\n") + 1 :][-_SHOWN_BYTES:]

    def _complaint(self, fault: sc.SyntaxFault, data: bytes, begin: int, end: int) -> ParseError:
        state, at = self._state, self._state.at
        before = self._before(data, begin).decode(errors="replace")
        after = data[begin : begin + _SHOWN_BYTES].partition(b"\n")[0].rstrip(b"\r").decode(errors="replace")
        column = int(begin - at[sc.LINE_START] - at[sc.WIDE] + 1)
        where = Location(self._file, int(at[sc.LINE]), column, before + after, column - 1 - len(before))
        found = after[:1].encode() if fault is sc.SyntaxFault.CHARACTER else data[begin:end]
        names = (*RESERVED, *self.definitions)
        head, arity, operands, opened = "", 0, 0, ""
        if self.is_open:
            top = at[sc.DEPTH] - 1
            index, operands, _, _, line, column = state.frames[top].tolist()
            head = RESERVED[index] if index < len(RESERVED) else ""
            arity = int(sc.ARITY[index])
            opened = f"{self._file}:{line}:{column}"
        return complaint(fault, where, Context(found, head, arity, operands, opened, names[len(RESERVED) :]))


def _valid_utf8(data: bytes) -> tuple[int, bool]:
    """Return how many bytes are UTF-8, and whether an invalid one follows (rather than a character cut in two)."""
    if data.isascii():
        return len(data), False
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start, error.reason != "unexpected end of data"
    return len(data), False


def _with_room(state: sc.ScanState, n_bytes: int) -> sc.ScanState:
    """Return the state with room for whatever `n_bytes` can hold."""
    depth, n_names, at = int(state.at[sc.DEPTH]), int(state.at[sc.NAMES]), state.at
    opened = n_bytes // (_SHORTEST_HEAD + 1) + 2
    closed = min(n_bytes, depth + opened)
    return sc.ScanState(
        room(state.rows, at[sc.ROWS] + closed),
        room(state.frames, depth + opened),
        room(state.roots, at[sc.ROOTS] + n_bytes // 2 + 2),
        with_room(state.names, n_names, opened, n_bytes),
        at,
    )


def _live(state: sc.ScanState) -> NDArray[np.int32]:
    return state.rows[: state.at[sc.ROWS]]


def _pruned(state: sc.ScanState) -> sc.ScanState:
    """Return the state without the rows that neither a definition nor an open expression needs."""
    names = state.names.ref[: state.at[sc.NAMES]]
    operands = state.frames[: state.at[sc.DEPTH], sc.FIRST : sc.SECOND + 1]
    rows, number = _needed(_live(state), np.concatenate((names, operands.ravel())))
    names[:], operands[:] = _renumbered(names, number), _renumbered(operands, number)
    state.at[sc.ROWS] = len(rows)
    return state._replace(rows=rows)


def _needed(rows: NDArray[np.int32], refs: NDArray) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the rows that `refs` reach, and the new number of every old one of them."""
    is_dead = np.ones(len(rows), np.int32)
    is_dead[refs[refs > 0]] = is_dead[0] = 0
    spread_least(rows[:, 1].copy(), rows[:, 2].copy(), is_dead)
    number = np.cumsum(is_dead == 0, dtype=np.int32) - np.int32(1)
    kept = rows[is_dead == 0]
    kept[:, 1:] = _renumbered(kept[:, 1:], number)
    return kept, number


def _renumbered(refs: NDArray, number: NDArray[np.int32]) -> NDArray:
    return np.where(refs > 0, number[np.maximum(refs, 0)], refs)
