"""Refute confluence without termination: a term with a normal form and a reduct that never comes to it.

Small terms are rewritten in every way, smallest results first. Two normal forms of one term are a counterexample. So
are one normal form and another reduct from which it cannot be reached; a tree automaton shows that, which accepts the
reduct, is closed under the rules, and does not accept the normal form (Genet, Decidable Approximations of Sets of
Descendants and Sets of Normal Forms, 1998).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Final

from prism.vm.theory.critical import at_position, commuting_names, positions, renamed, replaced
from prism.vm.theory.model import Theory
from prism.vm.theory.order import canonical
from prism.vm.theory.rule import ARITHMETIC, Pattern, Rule, substituted, subterms, variables, written
from prism.vm.theory.unify import Mode, resolved, unifiers

MAX_STARTS: Final = 60
MAX_REDUCTS: Final = 300
MAX_SIZE: Final = 40
"""How many terms are begun with, how many reducts of each are looked at, and how large these may be."""
_MAX_TRANSITIONS: Final = 60


@dataclass(frozen=True, slots=True)
class Separated:
    """A term, a normal form of it, and a reduct from which that normal form cannot be reached."""

    start: Pattern
    normal: Pattern
    other: Pattern
    is_normal: bool

    def __str__(self) -> str:
        start, normal, other = map(written, (self.start, self.normal, self.other))
        if self.is_normal:
            return f"{start} has the normal forms {normal} and {other}"
        return f"{start} has the normal form {normal}, and is rewritten to {other}, which never comes to it"


def separated(theory: Theory) -> Separated | None:
    """Return a counterexample to confluence; None where the search, bounded as above, finds none.

    Theories with literals are not searched. Cost: up to a second.
    """
    parts = [part for rule in theory.rules for side in (rule.lhs, rule.rhs) for part in subterms(side)]
    computes = any(isinstance(part, int) or (isinstance(part, tuple) and part[0] in ARITHMETIC) for part in parts)
    if computes or any(rule.guards or rule.literals for rule in theory.rules):
        return None
    commuting = commuting_names(theory.signature)
    rules = [renamed(rule, "r") for rule in theory.rules]
    for start in islice(_starts(theory), MAX_STARTS):
        found = _explored(canonical(start, commuting), rules, commuting)
        normal = [term for term, is_normal in found.items() if is_normal]
        if len(normal) > 1:
            return Separated(start, normal[0], normal[1], is_normal=True)
        for other in found if normal and not commuting else ():
            if other != normal[0] and never_reaches(rules, other, normal[0]):
                return Separated(start, normal[0], other, is_normal=False)
    return None


def _starts(theory: Theory) -> Iterator[Pattern]:
    """Yield left sides without variables, then the others with those, or constants, for their variables."""
    ground = [rule.lhs for rule in theory.rules if not variables(rule.lhs)]
    pool = [*ground, *((name,) for name in theory.signature.constants)]
    yield from ground
    for rule in theory.rules:
        names = sorted(variables(rule.lhs))
        for values in product(pool, repeat=len(names)) if names else ():
            yield substituted(rule.lhs, dict(zip(names, values, strict=True)))


def _explored(start: Pattern, rules: Sequence[Rule], commuting: frozenset[str]) -> dict[Pattern, bool]:
    """Return reducts of a term, itself among them, and whether each is normal; the smallest are followed first."""
    found: dict[Pattern, bool] = {}
    waiting = [(_size(start), 0, start)]
    seen = {start}
    while waiting and len(found) < MAX_REDUCTS:
        _, _, term = heapq.heappop(waiting)
        made = {canonical(one, commuting) for one in _reducts(term, rules, commuting)}
        found[term] = not made
        for one in sorted(made - seen, key=written):
            seen.add(one)
            if _size(one) <= MAX_SIZE:
                heapq.heappush(waiting, (_size(one), len(seen), one))
    return found


def _size(term: Pattern) -> int:
    return sum(1 for _ in subterms(term))


def _reducts(term: Pattern, rules: Sequence[Rule], commuting: frozenset[str]) -> Iterator[Pattern]:
    for position in positions(term):
        part = at_position(term, position)
        mode = Mode(commuting, fixed=variables(part))
        for rule in rules:
            for bindings in unifiers(rule.lhs, part, mode):
                yield replaced(term, position, resolved(rule.rhs, bindings))


_Key = tuple[str, tuple[int, ...]]


@dataclass
class _Automaton:
    """A tree automaton: what each op over states leads to. States of terms and of places of rules are found by key."""

    to: dict[_Key, set[int]] = field(default_factory=dict)
    states: dict[object, int] = field(default_factory=dict)

    def state(self, key: object) -> int:
        return self.states.setdefault(key, len(self.states))

    def put(self, name: str, operands: tuple[int, ...], target: int) -> bool:
        """Add a transition; return whether it is new."""
        known = self.to.setdefault((name, operands), set())
        is_new = target not in known
        known.add(target)
        return is_new

    def accepting(self, term: Pattern) -> set[int]:
        """Return the states that a term comes to."""
        name, *operands = term if isinstance(term, tuple) else (f"?{term}",)
        choices = product(*(self.accepting(part) for part in operands))
        return set().union(*(self.to.get((name, states), set()) for states in choices))

    def matches(self, pattern: Pattern, state: int) -> Iterator[dict[str, int]]:
        """Yield states for the variables of a pattern, under which it comes to `state`."""
        if isinstance(pattern, str):
            yield {pattern: state}
            return
        for (name, states), targets in list(self.to.items()):
            if (
                state in targets
                and isinstance(pattern, tuple)
                and (name, len(states)) == (pattern[0], len(pattern) - 1)
            ):
                for parts in product(*(list(self.matches(*pair)) for pair in zip(pattern[1:], states, strict=True))):
                    merged = self._merged(parts)
                    if merged is not None:
                        yield merged

    def _merged(self, parts: Sequence[dict[str, int]]) -> dict[str, int] | None:
        """Return all bindings together; None where a variable would stand for terms of two states that share none."""
        merged: dict[str, int] = {}
        for part in parts:
            for name, state in part.items():
                if merged.setdefault(name, state) != state and self._share(merged[name], state):
                    raise _UnknownError
                if merged[name] != state:
                    return None
        return merged

    def _share(self, one: int, two: int) -> bool:
        """Whether some term comes to both states."""
        pairs: set[tuple[int, int]] = set()
        while True:
            before = len(pairs)
            for (name, first), ones in self.to.items():
                for (other, second), twos in self.to.items():
                    if (
                        name == other
                        and len(first) == len(second)
                        and pairs.issuperset(zip(first, second, strict=True))
                    ):
                        pairs.update(product(ones, twos))
            if (one, two) in pairs or len(pairs) == before:
                return (one, two) in pairs


class _UnknownError(Exception):
    """The automaton would have to be more exact, or larger."""


def never_reaches(rules: Sequence[Rule], term: Pattern, goal: Pattern) -> bool:
    """Whether a closed automaton shows that no rewriting leads from a term to a goal; False says nothing.

    No op may commute.
    """
    automaton = _Automaton()
    root = _entered(automaton, term)
    try:
        while _closed_once(automaton, rules):
            if len(automaton.to) > _MAX_TRANSITIONS:
                return False
    except _UnknownError:
        return False
    return root not in automaton.accepting(goal)


def _entered(automaton: _Automaton, term: Pattern) -> int:
    """Put in the transitions of one term, a state for each distinct part; return its state."""
    name, *operands = term if isinstance(term, tuple) else (f"?{term}",)
    state = automaton.state(("term", term))
    automaton.put(name, tuple(_entered(automaton, part) for part in operands), state)
    return state


def _closed_once(automaton: _Automaton, rules: Sequence[Rule]) -> bool:
    """Put in what one application of every rule leads to; return whether that was new."""
    is_new = False
    for number, rule in enumerate(rules):
        for target in sorted(set().union(*automaton.to.values())):
            for bindings in list(automaton.matches(rule.lhs, target)):
                is_new |= _written_into(automaton, rule.rhs, bindings, target, (number,))
    return is_new


def _written_into(
    automaton: _Automaton, side: Pattern, bindings: dict[str, int], target: int, place: tuple[int, ...]
) -> bool:
    """Make a right side come to a state: one state for each place of a rule, whatever its variables stand for."""
    is_new = False
    if isinstance(side, str):
        sources = [key for key, targets in automaton.to.items() if bindings[side] in targets]
        for key in sources:
            is_new |= automaton.put(*key, target)
        return is_new
    if not isinstance(side, tuple):
        raise _UnknownError
    states = []
    for index, part in enumerate(side[1:]):
        if isinstance(part, str):
            states.append(bindings[part])
            continue
        below = (*place, index)
        states.append(automaton.state(below))
        is_new |= _written_into(automaton, part, bindings, states[-1], below)
    return automaton.put(side[0], tuple(states), target) or is_new
