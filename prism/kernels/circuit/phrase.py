"""Phrases: what a circuit says, as a tree, and its text [CIRCUIT-5, CIRCUIT-6]."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from prism.errors import Location
from prism.kernels.circuit.classes import IDENTITY, Transform
from prism.kernels.circuit.generators import BY_NAME, Form

NOWHERE: Final = Location("circuit", 1, 1, "")
"""The place of a phrase that was not read from a text."""


@dataclass(frozen=True, slots=True)
class Sigil:
    """A class as written: its number, the postfix transform on it, the page if one is named."""

    number: int
    transform: Transform = IDENTITY
    page: int | None = None

    def __str__(self) -> str:
        page = "" if self.page is None else f"@{self.page}"
        return f"c{self.number:02}{_postfix(self.transform)}{page}"


@dataclass(frozen=True, slots=True)
class Range:
    """The classes `first` to `last`, both included, under one transform."""

    first: int
    last: int
    transform: Transform = IDENTITY

    def __str__(self) -> str:
        return f"c[{self.first}..{self.last}]{_postfix(self.transform)}"

    def images(self, outer: Transform = IDENTITY) -> tuple[int, ...]:
        """Return the image of each class of the range, in the order of the range."""
        whole = self.transform.then(outer)
        return tuple(whole.of(number) for number in range(self.first, self.last + 1))


@dataclass(frozen=True, slots=True)
class Operation:
    """A generator with its variant ("" where it has none) and the classes that it is about."""

    generator: str
    variant: str
    form: Form
    operands: tuple[Sigil, ...] | Range
    where: Location = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        written = "" if self.variant == BY_NAME[self.generator].default else f".{self.variant}"
        return f"{self.generator}{written}@{_operands(self)}"


@dataclass(frozen=True, slots=True)
class Phrase:
    """Branches side by side, each a sequence of operations and groups, all under one transform."""

    branches: tuple[tuple[Operation | Phrase, ...], ...]
    transform: Transform = IDENTITY

    def __str__(self) -> str:
        prefix = f"{_prefix(self.transform)}@ " if self.transform else ""
        return prefix + " || ".join(" . ".join(map(_term, branch)) for branch in self.branches)


def leaves(phrase: Phrase, outer: Transform = IDENTITY) -> Iterator[tuple[Operation, Transform]]:
    """Yield each operation in source order with the transform that the groups around it put on it.

    A group's own transform comes before those of the groups around it. Depth is bounded by the parser.
    """
    whole = phrase.transform.then(outer)
    for branch in phrase.branches:
        for term in branch:
            if isinstance(term, Operation):
                yield term, whole
            else:
                yield from leaves(term, whole)


def _term(term: Operation | Phrase) -> str:
    return str(term) if isinstance(term, Operation) else f"({term})"


def _operands(operation: Operation) -> str:
    given = operation.operands
    if isinstance(given, Range):
        return str(given)
    first, *rest = map(str, given)
    if operation.form is Form.IN_CONTEXT:
        return f"{first}[{','.join(rest)}]"
    return {Form.TO: "->", Form.EXCHANGE: "<->"}.get(operation.form, "").join([first, *rest])


def _amounts(transform: Transform) -> list[str]:
    pairs = (("R", transform.rotation), ("D", transform.triality), ("T", transform.twist))
    return [f"{letter}+{amount}" for letter, amount in pairs if amount]


def _prefix(transform: Transform) -> str:
    return " ".join([*_amounts(transform), *(["~"] if transform.mirror else [])])


def _postfix(transform: Transform) -> str:
    return "".join(f"^{amount}" for amount in _amounts(transform)) + ("~" if transform.mirror else "")
