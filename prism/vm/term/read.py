"""Read programs of any theory [THEORY-3]: expressions, definitions and free names, as one graph.

The built-in theory has its own reader of streams, `prism.vm.term.parse`; both give graphs with places.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from prism.vm.term.build import GraphBuilder
from prism.vm.term.program import TermProgram
from prism.vm.term.words import MAX_NUMERAL
from prism.vm.theory.model import Theory
from prism.vm.theory.sexpr import Source, decoded, tokens
from prism.vm.theory.signature import Op

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.'-]*\Z")
_NUMBER: Final = re.compile(r"-?[0-9]+\Z")
_DEF: Final = "def"
_SYMBOLS: Final = "symbols"


@dataclass(slots=True)
class _Frame:
    """An open parenthesis: its head once that is read, and what followed."""

    at: int
    head: str = ""
    op: Op | None = None
    name: str = ""
    operands: list[int] = field(default_factory=list)


class TermReader:
    """Reads programs of one theory, and remembers their definitions and free names."""

    def __init__(self, theory: Theory) -> None:
        self.theory = theory
        self.symbols: list[str] = list(theory.signature.symbols)
        self.definitions: dict[str, int] = {}
        self.builder = GraphBuilder()
        self._number_of = {name: number for number, name in enumerate(self.symbols)}
        self._numerals: list[int] = []

    def read(self, data: bytes, file: str) -> TermProgram:
        """Return the expressions of a text; ParseError at its first fault, which takes nothing from it."""
        source = decoded(data, file)
        definitions, symbols = dict(self.definitions), list(self.symbols)
        try:
            return self._read(source)
        except BaseException:
            self.definitions, self.symbols = definitions, symbols
            self._number_of = {name: number for number, name in enumerate(symbols)}
            raise

    def _read(self, source: Source) -> TermProgram:
        frames: list[_Frame] = []
        found: list[tuple[int, int]] = []
        for kind, text, at in tokens(source):
            if kind == "text":
                source.fail(at, "a parenthesis, a number or a name", repr(text[:40]), "remove the quotes")
            elif kind == "open":
                _expects_operand(source, frames, at, "'('")
                frames.append(_Frame(at))
            elif kind == "close":
                if not frames:
                    source.fail(at, "an expression", "')'", "remove the parenthesis, or open it earlier")
                frame = frames.pop()
                row = self._closed(source, frame, at)
                if row is not None:
                    _deliver(frames, found, row, frame.at)
            elif frames and not frames[-1].head:
                self._set_head(source, frames, text, at)
            elif frames and frames[-1].head in (_DEF, _SYMBOLS) and not frames[-1].name:
                self._introduce(source, frames[-1], text, at)
            else:
                _expects_operand(source, frames, at, repr(text))
                _deliver(frames, found, self._leaf(source, text, at), at)
        if frames:
            source.fail(frames[-1].at, "')' for this parenthesis", "the end of input", "close it")
        return self._program(source, found)

    def _program(self, source: Source, found: list[tuple[int, int]]) -> TermProgram:
        lines, columns, line, begin, seen = [], [], 1, 0, 0
        for _, at in found:
            line += source.text.count("\n", seen, at)
            begin, seen = source.text.rfind("\n", 0, at) + 1, at
            lines.append(line)
            columns.append(at - begin + 1)
        graph = self.builder.graph(row for row, _ in found)
        return TermProgram(graph, source.file, np.array(lines, np.int64), np.array(columns, np.int64))

    def _set_head(self, source: Source, frames: list[_Frame], text: str, at: int) -> None:
        frame, ops = frames[-1], self.theory.signature.by_name
        if text == _DEF or (text == _SYMBOLS and self.theory.signature.has_symbols):
            if len(frames) > 1:
                source.fail(at, "an op", repr(text), f"move ({text} ...) outside every expression")
        elif text not in ops or not ops[text].arity:
            names = [name for name, op in ops.items() if op.arity]
            source.fail(at, f"an op of theory {self.theory.name} after '('", repr(text[:40]), _suggestion(text, names))
        else:
            frame.op = ops[text]
        frame.head = text

    def _introduce(self, source: Source, frame: _Frame, text: str, at: int) -> None:
        """Take a name that is to be defined, or a free one."""
        taken = text in self.definitions or text in self._number_of or text in self.theory.signature.by_name
        if not _NAME.match(text) or taken or text in (_DEF, _SYMBOLS):
            source.fail(at, "a name that is not in use", repr(text[:40]), "choose another name")
        if frame.head == _SYMBOLS:
            self._number_of[text] = len(self.symbols)
            self.symbols.append(text)
        else:
            frame.name = text

    def _leaf(self, source: Source, text: str, at: int) -> int:
        signature = self.theory.signature
        if text in self.definitions:
            return self.definitions[text]
        if text in self._number_of:
            return self.builder.symbol(self._number_of[text])
        if text in signature.by_name:
            if signature.by_name[text].arity:
                source.fail(at, "an operand", repr(text), f"apply it in parentheses, as in ({text} ...)")
            return self.builder.apply(signature.by_name[text], ())
        if _NUMBER.match(text) and len(text) <= 20:
            value = int(text)
            if signature.has_literals and -(1 << 63) <= value < 1 << 63:
                return self.builder.literal(value)
            if signature.numerals and 0 <= value <= MAX_NUMERAL:
                return self._numeral(value)
        if _NUMBER.match(text):
            limit = "of 64 bits" if signature.has_literals else f"from 0 to {MAX_NUMERAL}"
            has_numbers = signature.has_literals or signature.numerals
            must = f"a number {limit}" if has_numbers else "a name: this theory has no numbers"
            source.fail(at, must, repr(text[:40]), "build larger numbers from smaller ones")
        names = [*signature.constants, *self.definitions, *self.symbols]
        remedy = _suggestion(text, names)
        if signature.has_symbols and remedy == _DEFINE:
            remedy = f"declare it first: (symbols {text[:40]})"
        return source.fail(at, "a constant, a defined or a free name", repr(text[:40]), remedy)

    def _numeral(self, value: int) -> int:
        zero, suc = (self.theory.signature.by_name[name] for name in self.theory.signature.numerals or ("", ""))
        if not self._numerals:
            self._numerals.append(self.builder.apply(zero, ()))
        while len(self._numerals) <= value:
            self._numerals.append(self.builder.apply(suc, (self._numerals[-1],)))
        return self._numerals[value]

    def _closed(self, source: Source, frame: _Frame, at: int) -> int | None:
        if not frame.head:
            source.fail(at, "an op after '('", "')'", "write (op operand...)")
        if frame.op is None:
            if frame.head == _DEF:
                if not frame.name or len(frame.operands) != 1:
                    source.fail(at, "(def NAME EXPRESSION)", "')'", "give a name and one expression")
                self.definitions[frame.name] = frame.operands[0]
            return None
        if len(frame.operands) != frame.op.arity:
            must = f"operand {len(frame.operands) + 1} of {frame.op.arity} of {frame.head}"
            source.fail(at, must, "')'", f"{frame.head} takes {frame.op.arity} operands")
        return self.builder.apply(frame.op, frame.operands)


_DEFINE: Final = "define it first: (def name expression)"


def _deliver(frames: list[_Frame], found: list[tuple[int, int]], row: int, at: int) -> None:
    """Give a finished operand to the innermost open expression, or make it a root."""
    if frames:
        frames[-1].operands.append(row)
    else:
        found.append((row, at))


def _expects_operand(source: Source, frames: list[_Frame], at: int, found: str) -> None:
    if not frames:
        return
    frame = frames[-1]
    if not frame.head:
        source.fail(at, "an op after '('", found, "write (op operand...)")
    if frame.op is not None and len(frame.operands) == frame.op.arity:
        must = f"')' after operand {frame.op.arity} of {frame.op.arity} of {frame.head}"
        source.fail(at, must, found, "close the expression first")
    if frame.head == _SYMBOLS or (frame.head == _DEF and not frame.name):
        source.fail(at, "a name", found, f"write ({frame.head} NAME ...)")


def _suggestion(word: str, names: list[str]) -> str:
    close = difflib.get_close_matches(word, names, n=1)
    return f"did you mean {close[0]}?" if close else _DEFINE
