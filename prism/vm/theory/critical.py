"""Critical pairs, modulo commutativity: two rules at the least terms on which both fit (Knuth and Bendix 1970)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prism.vm.theory.model import Theory
from prism.vm.theory.rule import Pattern, Rule, applied, substituted, variables, written
from prism.vm.theory.signature import Signature
from prism.vm.theory.unify import Mode, resolved, unifiers

Position = tuple[int, ...]
"""The operands to take from the root on, counted from 1; the root itself is ()."""


@dataclass(frozen=True, slots=True)
class CriticalPair:
    """A peak and its two sides: `outer` applied at the root, `inner` at `position`.

    `is_conditional`: a guard or a variable of literals is in play, so that not every instance need be a peak.
    """

    outer: str
    inner: str
    position: Position
    peak: Pattern
    left: Pattern
    right: Pattern
    is_conditional: bool

    def __str__(self) -> str:
        at = ".".join(map(str, self.position)) or "the root"
        return f"{self.outer} and {self.inner} at {at}: {written(self.peak)}"


def commuting_names(signature: Signature) -> frozenset[str]:
    """Return the names of the ops that commute."""
    return frozenset(op.name for op in signature.ops if op.commutes)


def critical_pairs(theory: Theory, inner: Sequence[Rule] | None = None) -> Iterator[CriticalPair]:
    """Yield the critical pairs of the rules of a theory; of each with `inner` rules alone where those are given.

    Overlaps at the root count once for two rules. A rule is overlapped with itself below the root, and at the root
    where a commuting op lets it match in two ways.
    """
    commuting = commuting_names(theory.signature)
    for index, one in enumerate(theory.rules):
        for other, two in enumerate(theory.rules):
            if inner is not None and one not in inner and two not in inner:
                continue
            for position in positions(one.lhs):
                if position or index < other or (index == other and _is_symmetric(one, commuting)):
                    yield from overlaps(one, two, position, commuting)


def _is_symmetric(rule: Rule, commuting: frozenset[str]) -> bool:
    """Whether a rule may match one term in two ways."""
    waiting = [rule.lhs]
    while waiting:
        part = waiting.pop()
        if isinstance(part, tuple):
            if part[0] in commuting:
                return True
            waiting += part[1:]
    return False


def positions(pattern: Pattern) -> Iterator[Position]:
    """Yield the positions of applications, the root first."""
    waiting: list[tuple[Position, Pattern]] = [((), pattern)]
    while waiting:
        at, part = waiting.pop()
        if isinstance(part, tuple):
            yield at
            waiting += [((*at, index), operand) for index, operand in enumerate(part) if index]


def at_position(pattern: Pattern, position: Position) -> Pattern:
    """Return the part at a position."""
    for index in position:
        pattern = applied(pattern)[index]
    return pattern


def replaced(pattern: Pattern, position: Position, part: Pattern) -> Pattern:
    """Return the pattern with another part at a position."""
    if not position:
        return part
    whole = applied(pattern)
    index, *rest = position
    return (*whole[:index], replaced(whole[index], tuple(rest), part), *whole[index + 1 :])


def overlaps(outer: Rule, inner: Rule, position: Position, commuting: frozenset[str]) -> Iterator[CriticalPair]:
    """Yield the critical pairs of `inner` at one position of `outer`, each once."""
    one, two = renamed(outer, "1"), renamed(inner, "2")
    seen: set[tuple[Pattern, Pattern]] = set()
    mode = Mode(commuting, one.literals | two.literals)
    is_conditional = bool(one.guards or two.guards)
    for found in unifiers(at_position(one.lhs, position), two.lhs, mode):
        peak, left = resolved(one.lhs, found), resolved(one.rhs, found)
        right = replaced(peak, position, resolved(two.rhs, found))
        names = _short_names(peak)
        peak, left, right = (substituted(side, names) for side in (peak, left, right))
        if left != right and (left, right) not in seen:
            seen.add((left, right))
            uses_literals = any(resolved(name, found) in mode.literals for name in mode.literals)
            yield CriticalPair(outer.name, inner.name, position, peak, left, right, is_conditional or uses_literals)


def renamed(rule: Rule, mark: str) -> Rule:
    """Return the rule with `#mark` at the end of each variable, which no file can write."""
    names: dict[str, Pattern] = {name: f"{name}#{mark}" for name in variables(rule.lhs)}
    guards = tuple((how, substituted(x, names), substituted(y, names)) for how, x, y in rule.guards)
    literals = frozenset(f"{name}#{mark}" for name in rule.literals)
    return Rule(rule.name, substituted(rule.lhs, names), substituted(rule.rhs, names), rule.clause, guards, literals)


def _short_names(pattern: Pattern) -> dict[str, Pattern]:
    """Return names without marks for the variables of a peak, in order of occurrence."""
    names: dict[str, Pattern] = {}
    waiting = [pattern]
    while waiting:
        part = waiting.pop()
        if isinstance(part, tuple):
            waiting += reversed(part[1:])
        elif isinstance(part, str) and part not in names:
            short = part.partition("#")[0]
            taken = set(names.values())
            names[part] = (
                short
                if short not in taken
                else next(fresh for number in range(1, len(taken) + 2) if (fresh := f"{short}{number}") not in taken)
            )
    return names
