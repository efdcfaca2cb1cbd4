"""Rules: patterns, guards over literals, and what a rule must keep to mean something."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

Pattern: TypeAlias = "str | int | tuple[Any, ...]"
"""A variable, a literal, or `(op name, operand...)`; a constant is `(name,)`."""

ARITHMETIC: Final = ("+", "-", "*", "min", "max")
"""What computes with literals on a right side and in a guard; each takes two."""
COMPARISONS: Final = ("<", "<=", "=", "!=", ">=", ">")
"""What a guard compares two literals by."""
Guard: TypeAlias = "tuple[str, Pattern, Pattern]"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rewrite: wherever `lhs` matches and every guard holds, `rhs` means the same.

    Operands of a commuting op match in either order; a variable that stands twice matches equal terms. `literals` are
    the variables that match literals alone. `clause` is the clause of the specification that states the rule.
    """

    name: str
    lhs: Pattern
    rhs: Pattern
    clause: str = ""
    guards: tuple[Guard, ...] = ()
    literals: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Equation:
    """Two terms that are equal; completion turns it into rules."""

    name: str
    lhs: Pattern
    rhs: Pattern


def variables(pattern: Pattern) -> frozenset[str]:
    """Return the variables of a pattern."""
    return frozenset(part for part in subterms(pattern) if isinstance(part, str))


def subterms(pattern: Pattern) -> Iterator[Pattern]:
    """Yield a pattern and all its parts, parents first."""
    waiting = [pattern]
    while waiting:
        part = waiting.pop()
        yield part
        if isinstance(part, tuple):
            waiting += reversed(part[1:])


def substituted(pattern: Pattern, bindings: dict[str, Pattern]) -> Pattern:
    """Return the pattern with its variables replaced; those without a binding stay."""
    if isinstance(pattern, str):
        return bindings.get(pattern, pattern)
    if isinstance(pattern, int):
        return pattern
    return (pattern[0], *(substituted(part, bindings) for part in pattern[1:]))


def applied(pattern: Pattern) -> tuple[Any, ...]:
    """Return a pattern that is known to be an application."""
    assert isinstance(pattern, tuple)
    return pattern


def written(pattern: Pattern) -> str:
    """Return a pattern as a theory file writes it."""
    if not isinstance(pattern, tuple):
        return str(pattern)
    name, *operands = pattern
    return f"({' '.join((name, *map(written, operands)))})" if operands else name


def written_rule(rule: Rule) -> str:
    """Return a rule as a line of a theory file."""
    guards = "".join(f" {written(guard)}" for guard in rule.guards)
    return f"(rule {rule.name} {written(rule.lhs)} {written(rule.rhs)}{f' (when{guards})' if guards else ''})"
