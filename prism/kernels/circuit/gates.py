"""The gates H, X, Z and S on one qubit up to global phase: their words, classes and rules [CIRCUIT-9].

A class is known by what it does to the axes of the Bloch sphere, so that equality is exact: a gate U takes the axis of
a Pauli matrix P to that of U P U*. The words are those of the single-qubit Clifford group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Final

AXES: Final = ("+X", "-X", "+Y", "-Y", "+Z", "-Z")


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate: its letter, the circuit that writes it, and where it takes +X, +Y and +Z."""

    letter: str
    circuit: str
    axes: tuple[str, str, str]

    @property
    def turn(self) -> tuple[int, ...]:
        """The place in `AXES` to which each axis goes; opposite axes go to opposite axes."""
        return tuple(AXES.index(axis) ^ sign for axis in self.axes for sign in (0, 1))


GATES: Final = (
    Gate("S", "mark@c07", ("+Y", "-X", "+Z")),
    Gate("X", "mark@c21", ("+X", "-Y", "-Z")),
    Gate("H", "copy@c05->c06 . mark@c21", ("+Z", "-Y", "+X")),
    Gate("Z", "mark@c42", ("-X", "-Y", "+Z")),
)
"""The gates, in the order by which words of one length are compared."""
BY_LETTER: Final[Mapping[str, Gate]] = {gate.letter: gate for gate in GATES}
IDENTITY_CIRCUIT: Final = "mark@c00"
"""The circuit of the identity, which is the empty word."""
_RANK: Final = {gate.letter: place for place, gate in enumerate(GATES)}
LONGEST: Final = 4
"""The length of the longest of the 24 shortest words."""

Class = tuple[int, ...]
"""The places in `AXES` to which the six axes go."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A rule on words: wherever `left` stands, `right` may stand instead."""

    left: str
    right: str

    @property
    def name(self) -> str:
        """The rule as people write it, as in "HXH = Z"."""
        return f"{self.left} = {self.right or 'I'}"


def class_of(word: str) -> Class:
    """Return the class of a word over the letters S, X, H and Z, the product of its gates as they stand."""
    turned = tuple(range(len(AXES)))
    for letter in word:
        turn = BY_LETTER[letter].turn
        turned = tuple(turned[turn[axis]] for axis in range(len(AXES)))
    return turned


def before(one: str, other: str) -> bool:
    """Return whether a word comes before another: it is shorter, or as long and first in the order of the gates."""
    return _order(one) < _order(other)


def _order(word: str) -> tuple[int, list[int]]:
    return len(word), [_RANK[letter] for letter in word]


@cache
def shortest() -> Mapping[Class, str]:
    """Return the first word of each of the 24 classes, found breadth first."""
    found: dict[Class, str] = {}
    for length in range(LONGEST + 1):
        for word in _words(length):
            found.setdefault(class_of(word), word)
    return found


@cache
def minimal_rules() -> tuple[Rewrite, ...]:
    """Return the least complete set of rules: each shortest reducible word to the first word of its class.

    A word is reducible if it is not the first of its class. The set is complete since a word none of whose parts is
    reducible is the first of its class, and reduced since no side of a rule can be rewritten by another.
    """
    normal = set(shortest().values())
    reducible = (
        word
        for length in range(1, LONGEST + 2)
        for word in _words(length)
        if word not in normal and word[1:] in normal and word[:-1] in normal
    )
    return tuple(Rewrite(word, shortest()[class_of(word)]) for word in reducible)


def _words(length: int) -> Iterator[str]:
    """Yield all words of a length, in the order of the gates."""
    return map("".join, product([gate.letter for gate in GATES], repeat=length))
