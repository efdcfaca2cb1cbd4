"""How the REPL reads: the built-in theory with its own reader, any other with the reader of theories."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from prism.errors import PrismError
from prism.vm.term.graph import TermGraph
from prism.vm.term.parse import Reader
from prism.vm.term.program import TermProgram
from prism.vm.term.read import TermReader
from prism.vm.term.show import show_terms
from prism.vm.term.write import write_terms
from prism.vm.theory.model import Theory
from prism.vm.theory.sexpr import Source, tokens


def redefined(source: bytes, known: Collection[str]) -> list[str]:
    """Return the names, of those known already, that a text defines anew, in order."""
    found: list[str] = []
    try:
        before = [("", ""), ("", "")]
        for kind, text, _ in tokens(Source(source.decode(errors="replace"), "")):
            is_defined = before[0][0] == "open" and before[1][1] == "def" and text in known
            found += [text] * (is_defined and text not in found)
            before = [before[1], (kind, text)]
    except PrismError:  # the text has a fault, which its reader will name
        pass
    return found


class BuiltInReading:
    """Reads and prints the built-in theory."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._known = Reader(file)
        self.symbols: list[str] = []

    @property
    def definitions(self) -> list[str]:
        """The names defined so far, in order."""
        return self._known.definitions

    def is_open(self, source: bytes) -> bool:
        """Whether more must follow before a text is complete; a text with a fault is complete."""
        reader = Reader(self._file, known=self._known, forgotten=redefined(source, self.definitions))
        try:
            reader.feed(source, is_last=False)
        except PrismError:
            return False
        return reader.is_open

    def read(self, source: bytes, file: str) -> TermProgram:
        """Return the expressions of a text; ParseError leaves what was known as it was."""
        reader = Reader(file, known=self._known, forgotten=redefined(source, self.definitions))
        reader.feed(source, is_last=True)
        program = reader.take()
        self._known = reader
        return program

    def texts(self, graph: TermGraph) -> Sequence[str]:
        """Return the text of each root."""
        return show_terms(graph, as_numerals=True)


class TheoryReading:
    """Reads and prints another theory."""

    def __init__(self, theory: Theory) -> None:
        self._theory = theory
        self._reader = TermReader(theory)

    @property
    def symbols(self) -> list[str]:
        """The free names declared so far."""
        return self._reader.symbols

    @property
    def definitions(self) -> list[str]:
        """The names defined so far, in order."""
        return list(self._reader.definitions)

    def is_open(self, source: bytes) -> bool:
        """Whether more must follow before a text is complete; a text with a fault is complete."""
        depth = 0
        try:
            for kind, _, _ in tokens(Source(source.decode(errors="replace"), "")):
                depth += {"open": 1, "close": -1}.get(kind, 0)
        except PrismError:
            return False
        return depth > 0

    def read(self, source: bytes, file: str) -> TermProgram:
        """Return the expressions of a text; ParseError leaves what was known as it was."""
        before = dict(self._reader.definitions)
        for name in redefined(source, before):
            del self._reader.definitions[name]
        try:
            return self._reader.read(source, file)
        except BaseException:
            self._reader.definitions = before
            raise

    def texts(self, graph: TermGraph) -> Sequence[str]:
        """Return the text of each root."""
        return write_terms(self._theory.signature, graph, self._reader.symbols)
