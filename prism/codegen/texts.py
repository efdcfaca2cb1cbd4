"""Pieces of source text that every generator writes: sums, products, and compound statements."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


def added(*terms: str) -> str:
    """Return the text of a sum; whole numbers are added up and come last, 0 is left out."""
    numbers = [int(t) for t in terms if t.isdigit()]
    rest = [t for t in terms if not t.isdigit()]
    return " + ".join([*rest, *([str(sum(numbers))] if sum(numbers) or not rest else [])])


def times(text: str, factor: int) -> str:
    """Return the text of a product."""
    if text.isdigit():
        return str(int(text) * factor)
    return text if factor == 1 else f"{text if text.isidentifier() else f'({text})'} * {factor}"


class Lines(Protocol):
    """A writer of indented lines."""

    lines: list[str]
    depth: int

    def line(self, text: str) -> None:
        """Add a line."""
        ...


@contextmanager
def indented(writer: Lines, header: str) -> Iterator[None]:
    """Put the lines that are written inside under a header; `pass` if there are none."""
    writer.line(header)
    writer.depth += 1
    before = len(writer.lines)
    yield
    if len(writer.lines) == before:
        writer.line("pass")
    writer.depth -= 1
