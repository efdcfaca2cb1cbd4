"""A rewriter of trees in sixty lines: innermost, the first rule in the first order of operands, no sharing, no memo.

Terms and patterns are tuples `(op, operand...)`, integers, and, in patterns, strings. Results are compared by
`canonical`, modulo the order of commuting operands.
"""

from __future__ import annotations

import operator

COMPUTE = {"+": operator.add, "-": operator.sub, "*": operator.mul, "min": min, "max": max}
COMPARE = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
}


class Rewriter:
    """Rewrites terms of one theory."""

    def __init__(self, theory):
        self.rules = theory.rules
        self.commuting = {op.name for op in theory.signature.ops if op.commutes}

    def normal(self, term):
        """Return the normal form of a term."""
        while isinstance(term, tuple):
            term = (term[0], *map(self.normal, term[1:]))
            after = self.step(term)
            if after is None:
                return term
            term = after
        return term

    def step(self, term):
        """Return what the first rule that matches at the root makes of a term, None if none does."""
        for rule in self.rules:
            for found in self.matches(rule.lhs, term, {}, rule.literals):
                if all(COMPARE[how](self.value(x, found), self.value(y, found)) for how, x, y in rule.guards):
                    return self.value(rule.rhs, found)
        return None

    def matches(self, pattern, term, found, literals):
        """Yield the bindings under which a pattern is a term."""
        if isinstance(pattern, str):
            if pattern in literals and not isinstance(term, int):
                return
            if pattern not in found or self.canonical(found[pattern]) == self.canonical(term):
                yield {**found, pattern: found.get(pattern, term)}
        elif isinstance(pattern, int) or isinstance(term, int):
            if pattern == term:
                yield found
        elif pattern[0] == term[0]:
            for operands in [term[1:], term[:0:-1]] if term[0] in self.commuting else [term[1:]]:
                partial = [found]
                for part, operand in zip(pattern[1:], operands, strict=True):
                    partial = [more for one in partial for more in self.matches(part, operand, one, literals)]
                yield from partial

    def value(self, pattern, found):
        """Return a right side with its variables replaced and its arithmetic done."""
        if isinstance(pattern, tuple):
            parts = [self.value(part, found) for part in pattern[1:]]
            return COMPUTE[pattern[0]](*parts) if pattern[0] in COMPUTE else (pattern[0], *parts)
        return found[pattern] if isinstance(pattern, str) else pattern

    def canonical(self, term):
        """Return a term with the operands of commuting ops in one order."""
        if not isinstance(term, tuple):
            return term
        parts = [self.canonical(part) for part in term[1:]]
        return (term[0], *(sorted(parts, key=repr) if term[0] in self.commuting else parts))
