"""Explain a run: which rule fired where, in order, and what it made of the redex [THEORY-7]."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from prism.vm.engines.theory_engine import TheoryEngine
from prism.vm.term.tree import terms_of
from prism.vm.theory.critical import commuting_names
from prism.vm.theory.picture import Term
from prism.vm.theory.rule import Pattern, Rule

_COMPUTE: Final = {"+": operator.add, "-": operator.sub, "*": operator.mul, "min": min, "max": max}
_COMPARE: Final = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
}


@dataclass(frozen=True, slots=True)
class Step:
    """One rule application: the rule's name, the redex, and the right side before its parts were normalised."""

    rule: str
    redex: Term
    result: Pattern

    def __str__(self) -> str:
        return f"{self.rule}: {self.redex} -> {self.result}"


def explained(engine: TheoryEngine, names: Sequence[str], start: int = 0) -> Iterator[Step]:
    """Yield the rule applications of a logged session from number `start` on, in order; linear in the redexes."""
    rules, redexes = engine.applications(start)
    rows = terms_of(replace(engine.theory.signature, numerals=None), redexes, names)
    shown = terms_of(engine.theory.signature, redexes, names)
    shown_of = {id(row): short for row, short in zip(rows, shown, strict=True)}
    commuting = commuting_names(engine.theory.signature)
    for index, root in zip(rules.tolist(), redexes.roots.tolist(), strict=True):
        rule = engine.theory.rules[index]
        found = next(found for found in _matches(rule.lhs, rows[root], {}, rule, commuting) if _holds(rule, found))
        bound = {name: shown_of.get(id(term), term) for name, term in found.items()}
        yield Step(rule.name, shown[root], _value(rule.rhs, bound))


def _matches(
    pattern: Pattern, term: Pattern, found: dict[str, Pattern], rule: Rule, commuting: frozenset[str]
) -> Iterator[dict[str, Pattern]]:
    """Yield the bindings under which a pattern is a term; equal terms of one graph are one object."""
    if isinstance(pattern, str):
        is_literal = pattern not in rule.literals or isinstance(term, int)
        if is_literal and (pattern not in found or found[pattern] is term or _equal(found[pattern], term)):
            yield {**found, pattern: found.get(pattern, term)}
    elif not (isinstance(pattern, tuple) and isinstance(term, tuple)):
        if isinstance(pattern, int) and isinstance(term, int) and pattern == term:
            yield found
    elif pattern[0] == term[0]:
        operands = tuple(term[1:])
        for order in (operands, operands[::-1]) if term[0] in commuting else (operands,):
            partial = [found]
            for part, operand in zip(pattern[1:], order, strict=True):
                partial = [more for one in partial for more in _matches(part, operand, one, rule, commuting)]
            yield from partial


def _equal(one: Pattern, two: Pattern) -> bool:
    return not isinstance(one, tuple) and one == two


def _holds(rule: Rule, found: dict[str, Pattern]) -> bool:
    return all(_COMPARE[how](_value(one, found), _value(two, found)) for how, one, two in rule.guards)


def _value(pattern: Pattern, found: dict[str, Pattern]) -> Pattern:
    if isinstance(pattern, tuple):
        parts = [_value(part, found) for part in pattern[1:]]
        return _COMPUTE[pattern[0]](*parts) if pattern[0] in _COMPUTE else Term((pattern[0], *parts))
    return found[pattern] if isinstance(pattern, str) else pattern
