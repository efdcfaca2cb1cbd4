"""Read a short program in plain Python, to the graph that the scanner gives; what it will not take is the scanner's.

The scanner is compiled, and Numba takes longer to import than a short program to read and run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from prism.vm.term.assemble import graph_of_rows
from prism.vm.term.graph import BRIEF
from prism.vm.term.ops import BY_NAME
from prism.vm.term.program import TermProgram
from prism.vm.term.words import DEF, MAX_WORD, RESERVED

MAX_BYTES: Final = BRIEF
"""The longest program that is short."""

_TOKEN: Final = re.compile(
    r"(?P<space>[ \t\r]+|[;#][^\n\0]*)|(?P<line>\n)|(?P<open>\()|(?P<close>\))|(?P<word>[\w.'-]+)"
)
_NAME_TO_DEFINE: Final = ""


class _UnfitError(Exception):
    """The program has a fault, or a numeral too large to be short."""


@dataclass(slots=True)
class _Frame:
    """An open parenthesis: where it is, its head once that is read, the name that it defines, and its operands."""

    line: int
    column: int
    head: str = ""
    name: str = _NAME_TO_DEFINE
    operands: list[int] = field(default_factory=list)


def read_brief(data: bytes, file: str) -> TermProgram | None:
    """Return the expressions of a program as `prism.vm.term.parse` does, or None for one that it must read itself.

    Those are programs with a fault, beyond ASCII, of more than MAX_BYTES, or whose graph has more than BRIEF rows.
    Cost: about a microsecond a byte.
    """
    if len(data) > MAX_BYTES or not data.isascii():
        return None
    reading = _Reading()
    try:
        reading.read(data.decode("ascii"))
    except _UnfitError:
        return None
    rows = np.array(reading.rows, np.int32)
    refs, lines, columns = np.array(reading.roots, np.int64).reshape(-1, 3).T.copy()
    if len(rows) - min(rows.min(), refs.min(initial=0)) > BRIEF:
        return None
    return TermProgram(graph_of_rows(rows, refs.astype(np.int32)), file, lines, columns)


class _Reading:
    """What a reader knows: rows and roots as in `prism.vm.term.scan.ScanState`, names and open parentheses."""

    def __init__(self) -> None:
        self.rows, self.roots = [(0, 0, 0)], list[tuple[int, int, int]]()
        self._refs = {name: 0 for name, op in BY_NAME.items() if op.arity == 0}
        self._frames: list[_Frame] = []

    def read(self, text: str) -> None:
        """Read a whole text; _UnfitError at a fault."""
        line, begin, end = 1, 0, 0
        while token := _TOKEN.match(text, end):
            at, end = token.span()
            if token.lastgroup == "line":
                line, begin = line + 1, end
            elif token.lastgroup == "open":
                self._require_operand_wanted()
                self._frames.append(_Frame(line, at - begin + 1))
            elif token.lastgroup == "close":
                self._close()
            elif token.lastgroup == "word":
                self._take(token.group(), line, at - begin + 1)
        if end != len(text) or self._frames:
            raise _UnfitError

    def _take(self, word: str, line: int, column: int) -> None:
        if len(word) > MAX_WORD:
            raise _UnfitError
        top = self._frames[-1] if self._frames else None
        if top is not None and not top.head:
            if word not in (*BY_NAME, DEF) or word in self._refs or (word == DEF and len(self._frames) > 1):
                raise _UnfitError
            top.head = word
        elif top is not None and top.head == DEF and top.name == _NAME_TO_DEFINE:
            if word in RESERVED or word in self._refs or not (word[0].isalpha() or word[0] == "_"):
                raise _UnfitError
            top.name = word
        else:
            self._require_operand_wanted()
            self._deliver(self._ref(word), line, column)

    def _ref(self, word: str) -> int:
        if word in self._refs:
            return self._refs[word]
        if not word.isdecimal() or int(word) > BRIEF:
            raise _UnfitError
        return -int(word)

    def _close(self) -> None:
        if not self._frames:
            raise _UnfitError
        frame = self._frames.pop()
        wanted = 1 if frame.head == DEF else BY_NAME[frame.head].arity if frame.head else -1
        if len(frame.operands) != wanted:
            raise _UnfitError
        if frame.head == DEF:
            self._refs[frame.name] = frame.operands[0]
            return
        a, b = (*frame.operands, 0)[:2]
        self.rows.append((BY_NAME[frame.head].code, a, b))
        self._deliver(len(self.rows) - 1, frame.line, frame.column)

    def _deliver(self, ref: int, line: int, column: int) -> None:
        if self._frames:
            self._frames[-1].operands.append(ref)
        else:
            self.roots.append((ref, line, column))

    def _require_operand_wanted(self) -> None:
        """Raise unless an operand may stand here: outside parentheses, or where the head wants one more."""
        if not self._frames:
            return
        top = self._frames[-1]
        is_named = top.head == DEF and top.name != _NAME_TO_DEFINE
        wanted = int(is_named) if top.head in ("", DEF) else BY_NAME[top.head].arity
        if len(top.operands) >= wanted:
            raise _UnfitError
