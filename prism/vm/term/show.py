"""Print terms of the built-in theory, unfolded, numerals at memory speed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from prism.errors import UsageError
from prism.vm.term.graph import TermGraph, numerals
from prism.vm.term.ops import BY_CODE, SUC, ZERO

MAX_CHARACTERS: Final = 1 << 30
"""The longest text that `show_terms` prints for one term."""


def show_terms(graph: TermGraph, *, as_numerals: bool = False) -> list[str]:
    """Return the text of each root; reading it gives the same term [TERMS-5].

    `as_numerals` writes a chain of `suc` over `zero` as a decimal numeral. UsageError, before anything is built, for a
    term that unfolds to more than MAX_CHARACTERS. Cost: the length of the texts; numerals print at memory speed.
    """
    values = numerals(graph)
    widths = _widths(graph, values, as_numerals=as_numerals)[graph.roots]
    if (widths > MAX_CHARACTERS).any():
        raise UsageError(
            f"a term must unfold to at most {MAX_CHARACTERS} characters, got about {widths.max():.2g}; "
            "print it as a program, which keeps what is shared"
        )
    return [_unfold(graph, root, values, as_numerals=as_numerals) for root in graph.roots.tolist()]


def each_term(graph: TermGraph, *, as_numerals: bool = False) -> Iterator[str | None]:
    """Yield the text of each root, one at a time; None for a term that `show_terms` refuses, and for a root of 0.

    Cost: one pass over the graph; of the texts, memory holds the one that is yielded.
    """
    values = numerals(graph)
    widths = _widths(graph, values, as_numerals=as_numerals)
    for root in graph.roots.tolist():
        is_text = root != 0 and widths[root] <= MAX_CHARACTERS
        yield _unfold(graph, root, values, as_numerals=as_numerals) if is_text else None


def show_number(value: int, *, as_numeral: bool) -> str:
    """Return the number in decimal, or as `suc` applied that often to `zero`."""
    return str(value) if as_numeral else f"({SUC.name} " * value + ZERO.name + ")" * value


def _widths(graph: TermGraph, values: NDArray[np.int64], *, as_numerals: bool) -> NDArray[np.float64]:
    """Return how many characters each row unfolds to; float64, so that no sharing overflows it."""
    widths = np.maximum(values, 1).astype(np.float64)
    if as_numerals:
        widths[:] = np.floor(np.log10(widths)) + 1
    else:
        widths[:] = values * len(f"({SUC.name} )") + len(ZERO.name)
    if (values[graph.roots] < 0).any():
        names = np.array([len(BY_CODE[code].name) if code in BY_CODE else 0 for code in range(256)])
        from prism.vm.term.loops import add_widths

        add_widths(graph.op, graph.a, graph.b, (values < 0, names), widths)
    return widths


def _unfold(graph: TermGraph, row: int, values: NDArray[np.int64], *, as_numerals: bool) -> str:
    """Return the text of a row."""
    if values[row] >= 0:
        return show_number(int(values[row]), as_numeral=as_numerals)
    op, operands = graph.op, (graph.a, graph.b)
    pieces: list[str] = []
    pending = _applied(int(op[row]), [int(column[row]) for column in operands])
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            pieces.append(item)
        elif values[item] >= 0:
            pieces.append(show_number(int(values[item]), as_numeral=as_numerals))
        else:
            pending += _applied(int(op[item]), [int(column[item]) for column in operands])
    return "".join(pieces)


def _applied(code: int, operands: Sequence[int]) -> list[str | int]:
    """Return the parts of `(op operand...)`, last first."""
    op = BY_CODE[code]
    parts: list[str | int] = [")"]
    for operand in reversed(operands[: op.arity]):
        parts += [operand, " "]
    return [*parts, f"({op.name}"]
