"""Unification and matching of patterns modulo commutativity, by trying both orders at each commuting op.

For commutative ops this gives a complete set of unifiers (Siekmann 1979): finite, with instances of one another in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prism.vm.theory.rule import Pattern

Bindings = dict[str, Pattern]


@dataclass(frozen=True, slots=True)
class Mode:
    """commuting: names of ops. literals: variables that stand for literals alone. fixed: variables not to be bound."""

    commuting: frozenset[str]
    literals: frozenset[str] = frozenset()
    fixed: frozenset[str] = frozenset()


def unifiers(first: Pattern, second: Pattern, mode: Mode) -> Iterator[Bindings]:
    """Yield idempotent bindings that make two patterns equal modulo commutativity; perhaps the same one twice."""
    for found in _solve([(first, second)], {}, mode):
        yield {name: resolved(value, found) for name, value in found.items()}


def is_instance(general: Pattern, special: Pattern, commuting: frozenset[str]) -> bool:
    """Whether a pattern matches another, whose variables, named differently, stay as they are."""
    names = frozenset(part for part in _leaves(special) if isinstance(part, str))
    return next(unifiers(general, special, Mode(commuting, fixed=names)), None) is not None


def _leaves(pattern: Pattern) -> Iterator[Pattern]:
    waiting = [pattern]
    while waiting:
        part = waiting.pop()
        if isinstance(part, tuple):
            waiting += part[1:]
        else:
            yield part


def _solve(pairs: list[tuple[Pattern, Pattern]], found: Bindings, mode: Mode) -> Iterator[Bindings]:
    pairs, found = list(pairs), dict(found)
    while pairs:
        one, two = (_walked(side, found) for side in pairs.pop())
        if one == two:
            continue
        if isinstance(one, str) or isinstance(two, str):
            bound = _bound(one, two, found, mode)
            if bound is None:
                return
            found[bound[0]] = bound[1]
        elif not (isinstance(one, tuple) and isinstance(two, tuple)) or one[0] != two[0] or len(one) != len(two):
            return
        elif one[0] in mode.commuting:
            yield from _solve([*pairs, (one[1], two[1]), (one[2], two[2])], found, mode)
            pairs += [(one[1], two[2]), (one[2], two[1])]
        else:
            pairs += zip(one[1:], two[1:], strict=True)
    yield found


def _walked(pattern: Pattern, found: Bindings) -> Pattern:
    while isinstance(pattern, str) and pattern in found:
        pattern = found[pattern]
    return pattern


def _bound(one: Pattern, two: Pattern, found: Bindings, mode: Mode) -> tuple[str, Pattern] | None:
    """Return which variable becomes what, if one may."""
    for name, value in ((one, two), (two, one)):
        if not isinstance(name, str) or name in mode.fixed:
            continue
        if name in mode.literals and not (isinstance(value, int) or value in mode.literals):
            continue
        return None if _occurs(name, value, found) else (name, value)
    return None


def _occurs(name: str, pattern: Pattern, found: Bindings) -> bool:
    waiting = [pattern]
    while waiting:
        part = _walked(waiting.pop(), found)
        if part == name:
            return True
        if isinstance(part, tuple):
            waiting += part[1:]
    return False


def resolved(pattern: Pattern, found: Bindings) -> Pattern:
    """Return a pattern with all bindings put in, those of bindings too."""
    pattern = _walked(pattern, found)
    if isinstance(pattern, tuple):
        return (pattern[0], *(resolved(part, found) for part in pattern[1:]))
    return pattern
