"""Print terms of any theory: applications of any arity, literals, numerals and free names by their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np

from prism.errors import UsageError
from prism.vm.term.build import literal_values
from prism.vm.term.graph import TermGraph, share
from prism.vm.term.show import MAX_CHARACTERS
from prism.vm.theory.signature import NULL, PAIR, SYMBOL, UNIT, Signature

NO_NAMES: Final[Mapping[int, str]] = MappingProxyType({})
"""No row has a name."""


class TermWriter:
    """Writes rows of one graph under a signature; `symbols` are the names of its free names, by number."""

    def __init__(self, signature: Signature, graph: TermGraph, symbols: Sequence[str] = ()) -> None:
        self._signature, self._symbols = signature, list(symbols)
        self._op, self._a, self._b = graph.op.tolist(), graph.a.tolist(), graph.b.tolist()
        self._roots = graph.roots.tolist()
        values, is_literal = literal_values(graph)
        self._values, self._is_literal = values.tolist(), is_literal.tolist()
        self._numerals = self._numeral_values(graph)
        self._width = self._widths()

    def _numeral_values(self, graph: TermGraph) -> list[int]:
        """Return the number that each row writes as a numeral, -1 for every other row."""
        values = [-1] * len(graph)
        if self._signature.numerals:
            zero, suc = (self._signature.by_name[name].code for name in self._signature.numerals)
            for row, op in enumerate(self._op):
                if op == zero:
                    values[row] = 0
                elif op == suc and values[self._a[row]] >= 0:
                    values[row] = values[self._a[row]] + 1
        return values

    def _widths(self) -> list[float]:
        """Return about how many characters each row unfolds to."""
        widths: list[float] = []
        for row in range(len(self._op)):
            leaf = self.leaf(row)
            a, b = self._a[row], self._b[row]
            below = (widths[a] if a else 0.0) + (widths[b] if b else 0.0)
            widths.append(float(len(leaf)) if leaf is not None else below + 3 + len(self.name(row)))
        return widths

    def width(self, row: int) -> float:
        """Return about how many characters a row unfolds to."""
        return self._width[row]

    def number(self, row: int) -> int | None:
        """Return the number that a row writes as a literal or a numeral, None for any other row."""
        if self._is_literal[row]:
            return self._values[row]
        return self._numerals[row] if self._numerals[row] >= 0 else None

    def text(self, row: int, names: Mapping[int, str] = NO_NAMES) -> str:
        """Return the text of a row, in which rows below it that `names` knows are written by name.

        UsageError, without names, when it unfolds to more than MAX_CHARACTERS.
        """
        if not names and self._width[row] > MAX_CHARACTERS:
            raise UsageError(
                f"a term must unfold to at most {MAX_CHARACTERS} characters, got about {self._width[row]:.2g}; "
                "print it as a program, which keeps what is shared"
            )
        pieces: list[str] = []
        waiting: list[int | str] = [row]
        while waiting:
            item = waiting.pop()
            if isinstance(item, str):
                pieces.append(item)
                continue
            leaf = names.get(item) if item != row else None
            leaf = self.leaf(item) if leaf is None else leaf
            if leaf is not None:
                pieces.append(leaf)
                continue
            pieces.append(f"({self.name(item)}")
            waiting.append(")")
            for operand in reversed(self.operands(item)):
                waiting += (operand, " ")
        return "".join(pieces)

    def operands(self, row: int) -> list[int]:
        """Return the operands of an application, those in pairs too."""
        op = self._signature.by_code[self._op[row]]
        if op.arity <= 2:
            return [self._a[row], self._b[row]][: op.arity]
        found, rest = [self._a[row]], self._b[row]
        while len(found) < op.arity - 1:
            found.append(self._a[rest])
            rest = self._b[rest]
        return [*found, rest]

    def name(self, row: int) -> str:
        """Return the name of the op that a row applies."""
        return self._signature.by_code[self._op[row]].name

    def leaf(self, row: int) -> str | None:
        """Return how a row is written that has no operands to write; None for any other."""
        if self._is_literal[row]:
            return str(self._values[row])
        if self._numerals[row] >= 0:
            return str(self._numerals[row])
        code = self._op[row]
        if code == SYMBOL:
            number = self._values[self._a[row]]
            return self._symbols[number] if 0 <= number < len(self._symbols) else f"symbol-{number}"
        if code in (NULL.code, UNIT, PAIR) and code not in {op.code for op in self._signature.ops}:
            return "" if code == PAIR else NULL.name
        return None if self._signature.by_code[code].arity else self.name(row)

    def reached(self) -> list[int]:
        """Return the rows that are written when the roots are, each once, operands first; pairs are left out."""
        found: set[int] = set()
        waiting = self._roots.copy()
        while waiting:
            row = waiting.pop()
            if row in found:
                continue
            found.add(row)
            if self.leaf(row) is None:
                waiting += self.operands(row)
        return sorted(found)


def write_terms(signature: Signature, graph: TermGraph, symbols: Sequence[str] = ()) -> list[str]:
    """Return the text of each root; reading it under the signature gives the same term. A root of 0 is empty."""
    writer = TermWriter(signature, graph, symbols)
    return [writer.text(root) if root else "" for root in np.asarray(graph.roots).tolist()]


def write_program(signature: Signature, graph: TermGraph, symbols: Sequence[str] = ()) -> str:
    """Return a program, in length linear in the graph, that reads as the same shared terms [TERMS-5].

    Free names are declared first; an application used more than once gets a definition `n<row>`, in the numbering of
    `share`; each root is one line.
    """
    graph = share(graph)
    writer = TermWriter(signature, graph, symbols)
    roots, taken = graph.roots.tolist(), {*symbols, *signature.by_name}
    rows = [row for row in writer.reached() if writer.leaf(row) is None]
    uses = Counter(operand for row in rows for operand in writer.operands(row)) + Counter(roots)
    mark = "n"
    while any(f"{mark}{row}" in taken for row in rows):
        mark += "n"
    named = {row: f"{mark}{row}" for row in rows if uses[row] > 1}
    free = [name for name in symbols if name not in signature.symbols]
    lines = [f"(symbols {' '.join(free)})"] if free else []
    lines += [f"(def {name} {writer.text(row, named)})" for row, name in named.items()]
    lines += [named.get(root) or writer.text(root, named) for root in roots]
    return "".join(f"{line}\n" for line in lines)
