"""Same: whether two circuits have equal roots, with a pattern that tells them apart where they do not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from prism.aig.circuit import SECTIONS, Circuit, Interface
from prism.aig.simulate import all_patterns, simulate, some_patterns
from prism.aig.strash import simplify
from prism.errors import UsageError

_FEW_LEAVES: Final = 16
"""So many leaves have few enough patterns to try them all."""
_WORDS: Final = 16
_BITS: Final = 64
# Words that a simulation holds at once, if there are not more variables.
_HELD: Final = 1 << 22


class Verdict(Enum):
    """Whether two circuits are the same; the value is the word that reports print."""

    EQUAL = "equal"
    DIFFERENT = "different"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Difference:
    """A pattern under which two circuits differ: the bits of all leaves, the place, and its value in each circuit."""

    leaves: tuple[int, ...]
    section: str
    position: int
    values: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A verdict, what it rests on, and the difference where there is one."""

    verdict: Verdict
    reason: str
    difference: Difference | None = None


def same(one: Circuit, other: Circuit, *, patterns: int = 1 << 15) -> Comparison:
    """Compare two circuits of one interface, place by place; latches are cut points, as if they were inputs [AIG-6].

    Equal: identical after hashing and simplification, or under every pattern of at most 16 leaves. Different: told
    apart by a pattern. Unknown: neither, after at least `patterns` of them. Raises UsageError where interfaces or
    resets differ.
    """
    _require_like(one, other)
    joint = _joint(one, other)
    left, right = np.split(simplify(joint).roots, 2)
    if np.array_equal(left, right):
        return Comparison(Verdict.EQUAL, "identical after hashing and simplification")
    leaves = one.interface.leaves
    if leaves <= _FEW_LEAVES:
        tried = all_patterns(leaves)
        found = _difference(joint, one.interface, tried)
        every = f"all {1 << leaves} patterns give the same"
        return found or Comparison(Verdict.EQUAL, every)
    words = max(1, min(_WORDS, _HELD // (joint.first + len(joint.rows))))
    turns = -(-patterns // (words * _BITS))
    for turn in range(turns):
        found = _difference(joint, one.interface, some_patterns(leaves, words, turn))
        if found is not None:
            return found
    return Comparison(Verdict.UNKNOWN, f"{turns * words * _BITS} of 2^{leaves} patterns give the same")


def _require_like(one: Circuit, other: Circuit) -> None:
    for letter, count in one.interface.counts().items():
        got = other.interface.counts()[letter]
        if got != count:
            raise UsageError(
                f"circuits to compare must have equal interfaces, got {count} and {got} {SECTIONS[letter]}; "
                "compare circuits that stand for one design"
            )
    if one.interface != other.interface:
        raise UsageError(
            f"circuits to compare must have justice properties of equal sizes, got {one.interface.justice} and "
            f"{other.interface.justice}; compare circuits that stand for one design"
        )
    for position in np.flatnonzero(one.resets != other.resets):
        raise UsageError(
            f"circuits to compare must start alike, but latch {position} differs; give it one reset in both"
        )


def _joint(one: Circuit, other: Circuit) -> Circuit:
    """Return both circuits over one set of leaves: first the roots of one, then those of the other."""
    first, shift = one.first, np.uint32(2 * len(one.rows))

    def moved(lits: NDArray[np.uint32]) -> NDArray[np.uint32]:
        return np.where(lits >> 1 < first, lits, lits + shift).astype(np.uint32)

    rows = np.concatenate((one.rows, moved(other.rows)))
    return replace(one, rows=rows, roots=np.concatenate((one.roots, moved(other.roots))))


def _difference(joint: Circuit, interface: Interface, patterns: NDArray[np.uint64]) -> Comparison | None:
    """Return the first place that differs under some patterns, and the first of them; None if none does."""
    left, right = np.split(simulate(joint, patterns), 2)
    places, words = np.nonzero(left ^ right)
    if not len(places):
        return None
    place, word = int(places[0]), int(words[0])
    differing = int(left[place, word] ^ right[place, word])
    bit = (differing & -differing).bit_length() - 1

    def at(words: NDArray[np.uint64]) -> tuple[int, ...]:
        return tuple((words >> np.uint64(bit) & np.uint64(1)).astype(int).tolist())

    section, position = _place(interface, place)
    values = at(np.array([left[place, word], right[place, word]]))
    found = Difference(at(patterns[:, word]), section, position, (values[0], values[1]))
    return Comparison(Verdict.DIFFERENT, "told apart by a pattern", found)


def _place(interface: Interface, root: int) -> tuple[str, int]:
    """Return the section and position of a root; a literal of justice counts among all of them."""
    for section, count in interface.root_counts().items():
        if root < count:
            return section, root
        root -= count
    raise IndexError(root)
