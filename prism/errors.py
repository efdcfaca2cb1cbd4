"""Every exception that Prism raises, in one hierarchy.

A message says what must hold, what was got, where, and what to do. Device code never raises: it sets a
`prism.status.Status`, and the host raises once, at the boundary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class PrismError(Exception):
    """Base of every error that Prism raises on purpose; it passes from process to process with all that it carries."""

    def __reduce__(self) -> tuple[Any, ...]:
        # What a subclass makes its text of is no argument of `Exception`, so the constructor cannot be called again.
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[PrismError], args: tuple[Any, ...], carried: dict[str, Any]) -> PrismError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(carried)
    return error


class UsageError(PrismError, ValueError):
    """An argument is outside what the function documents."""


class CapacityError(PrismError):
    """A resource ran out (`Status.OOM`); a larger limit may let the same run succeed."""


class CorruptError(PrismError):
    """Meaning would be ambiguous (`Status.CORRUPT`); no larger capacity helps within the same key layout."""


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a source text; `line` and `column` count from 1, columns in characters.

    `text` is the line, or the part of a very long one that lies around the column, `skipped` characters into it.
    """

    file: str
    line: int
    column: int
    text: str
    skipped: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    def caret(self, width: int = 76) -> str:
        """Return the line and a caret under the column, cut to `width` characters around it."""
        at = self.column - 1 - self.skipped
        start = max(0, min(at - width // 2, len(self.text) - width))
        shown = "".join(c if c.isprintable() else " " for c in self.text[start : start + width])
        return f"  {shown}\n  {' ' * (at - start)}^"


class ParseError(PrismError):
    """A text is not a program; carries its place, what was expected and what was found."""

    def __init__(self, where: Location, expected: str, found: str, remedy: str = "") -> None:
        self.where, self.expected, self.found, self.remedy = where, expected, found, remedy
        hint = f"\n  {remedy}" if remedy else ""
        super().__init__(f"{where}: expected {expected}, found {found}\n{where.caret()}{hint}")
