"""Coverage: a term of constructors under an op that no rule matches, or none (Maranget, Warnings for pattern
matching, 2007).
"""

from __future__ import annotations

from dataclasses import dataclass

from prism.vm.theory.encode import MAX_ORDERS
from prism.vm.theory.model import Theory
from prism.vm.theory.rule import Pattern, Rule, applied, subterms
from prism.vm.theory.signature import Op

ANY = "_"
"""Any term, in an uncovered pattern."""
MAX_LOOKS = 200_000
"""After how many looks at a column the search gives up."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of one op: `uncovered` is a pattern that no rule is sure to match, None if there is none.

    `is_sure`: every rule counted; a rule that repeats a variable or has a condition counts as matching nothing, so an
    uncovered pattern may then be covered all the same.
    """

    op: str
    uncovered: Pattern | None
    is_sure: bool


class _GaveUpError(Exception):
    """The search looked at too much."""


def coverage(theory: Theory, name: str) -> Coverage:
    """Say whether the rules of an op match every application of it to constructors: the ops that no claim names."""
    constructors = [op for op in theory.signature.ops if op.name not in theory.claims.complete]
    rules = [rule for rule in theory.rules if applied(rule.lhs)[0] == name]
    plain = [rule for rule in rules if _is_plain(rule)]
    rows = [row for rule in plain for row in _orders(theory, rule.lhs)]
    search = _Search(constructors, has_more=theory.signature.has_literals)
    try:
        missing = search.missing([tuple(applied(row)[1:]) for row in rows], theory.signature.by_name[name].arity)
    except _GaveUpError:
        return Coverage(name, (name, *[ANY] * theory.signature.by_name[name].arity), is_sure=False)
    return Coverage(name, None if missing is None else (name, *missing), len(plain) == len(rules))


def _is_plain(rule: Rule) -> bool:
    names = [part for part in subterms(rule.lhs) if isinstance(part, str)]
    return len(set(names)) == len(names) and not rule.guards and not rule.literals


def _orders(theory: Theory, pattern: Pattern) -> list[Pattern]:
    """Return a pattern in every order of commuting operands."""
    if not isinstance(pattern, tuple):
        return [pattern]
    made: list[tuple] = [(pattern[0],)]
    for operand in pattern[1:]:
        made = [(*before, order) for before in made for order in _orders(theory, operand)][:MAX_ORDERS]
    if theory.signature.by_name[pattern[0]].commutes:
        made += [(name, second, first) for name, first, second in made]
    return list(made)


class _Search:
    def __init__(self, constructors: list[Op], *, has_more: bool) -> None:
        self._constructors = {op.name: op.arity for op in constructors}
        self._has_more = has_more
        self._looks = 0

    def missing(self, rows: list[tuple[Pattern, ...]], width: int) -> list[Pattern] | None:
        """Return operands that no row matches; None if every one is matched."""
        self._looks += 1
        if self._looks > MAX_LOOKS:
            raise _GaveUpError
        if width == 0:
            return None if rows else []
        if not rows:
            return list[Pattern]([ANY] * width)
        heads = {row[0][0] for row in rows if isinstance(row[0], tuple)}
        if not self._has_more and heads >= self._constructors.keys():
            for name, arity in self._constructors.items():
                found = self.missing(_specialised(rows, name, arity), arity + width - 1)
                if found is not None:
                    return [(name, *found[:arity]), *found[arity:]]
            return None
        found = self.missing([row[1:] for row in rows if isinstance(row[0], str)], width - 1)
        return None if found is None else [self._other(heads), *found]

    def _other(self, heads: set[str]) -> Pattern:
        """Return a pattern of a constructor that no row has; any literal where only those are left."""
        names = [name for name in self._constructors if name not in heads]
        return (names[0], *[ANY] * self._constructors[names[0]]) if names else ANY


def _specialised(rows: list[tuple[Pattern, ...]], name: str, arity: int) -> list[tuple[Pattern, ...]]:
    """Return the rows that match a first operand of one constructor, with its operands in front."""
    kept = []
    for first, *rest in rows:
        if isinstance(first, str):
            kept.append((*[ANY] * arity, *rest))
        elif isinstance(first, tuple) and first[0] == name:
            kept.append((*first[1:], *rest))
    return kept
