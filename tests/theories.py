"""Random theories that terminate by construction, and random terms over them."""

from __future__ import annotations

import random
from itertools import combinations_with_replacement

from prism.vm.theory.model import Theory, theory_of
from prism.vm.theory.rule import Rule
from prism.vm.theory.signature import Signature


def random_theory(seed: int) -> Theory:
    """Return a theory of constructors c0..., of arity 0 to 3, and of functions f0..., of arity 1 to 5.

    The rules of a function differ in the constructors of its first operand, or of both where it commutes, so that they
    do not overlap. A right side applies earlier functions to anything built from variables, and the function itself
    only to variables below the first operand: no infinite rewriting. Deep patterns, repeated variables, literals,
    guards and arithmetic occur.
    """
    choose = random.Random(seed)
    constructors = [("c0", 0), *((f"c{i}", choose.randint(0, 3)) for i in range(1, choose.randint(3, 5)))]
    functions = []
    for i in range(choose.randint(1, 4)):
        arity = choose.randint(1, 5)
        functions.append((f"f{i}", arity, arity == 2 and choose.random() < 0.6))
    rules: list[Rule] = []
    for index, (name, arity, commutes) in enumerate(functions):
        maker = _Rules(choose, constructors, functions[:index], name, arity)
        heads = list(combinations_with_replacement(constructors, 2)) if commutes else [(c,) for c in constructors]
        for head in choose.sample(heads, choose.randint(1, len(heads))):
            rules += maker.rule(head, len(rules), commutes=commutes)
    return theory_of(f"random-{seed}", [*constructors, *functions], rules, words=Signature((), has_literals=True))


class _Rules:
    def __init__(self, choose: random.Random, constructors, earlier, name: str, arity: int) -> None:
        self.choose, self.constructors, self.earlier = choose, constructors, earlier
        self.name, self.arity = name, arity

    def rule(self, heads, number: int, *, commutes: bool) -> list[Rule]:
        names = iter(f"x{i}" for i in range(1000))
        bound: list[str] = []
        below: list[str] = []

        def variable(where: list[str]) -> str:
            if bound and self.choose.random() < 0.15:
                return self.choose.choice(bound)
            where.append(next(names))
            bound.append(where[-1])
            return where[-1]

        def pattern(depth: int, where: list[str]):
            if depth and self.choose.random() < 0.4:
                name, arity = self.choose.choice(self.constructors)
                return (name, *(pattern(depth - 1, where) for _ in range(arity)))
            return variable(where)

        # Below one constructor twice, in either order, only what is symmetric keeps two matches from differing.
        symmetric = commutes and heads[0] == heads[1]
        operands = []
        for name, arity in heads[:1] if symmetric else heads:
            operands.append((name, *(pattern(1, below) for _ in range(arity))))
        if symmetric:
            operands.append(operands[0])
        while len(operands) < self.arity:
            operands.append(pattern(2, []))
        lhs = (self.name, *operands)
        guards, literals = (), frozenset()
        if not commutes and self.arity > 1 and self.choose.random() < 0.3:
            lhs, literals = (*lhs[:-1], "n"), frozenset("n")
            if self.choose.random() < 0.5:
                guards = ((self.choose.choice(["<", ">=", "!="]), "n", self.choose.randint(-3, 20)),)
        kept = [name for name in bound if name in _names(lhs)]
        below = [name for name in below if name in kept]
        rhs = self.right(3, kept, below, commutes=commutes, has_number=bool(literals))
        return [Rule(f"r{number}", lhs, rhs, "", guards, literals)]

    def right(self, depth: int, bound, below, *, commutes: bool, has_number: bool):
        def again():
            return self.right(depth - 1, bound, below, commutes=commutes, has_number=has_number)

        kind = self.choose.random()
        if depth == 0 or kind < 0.3:
            if has_number and self.choose.random() < 0.4:
                return (self.choose.choice(["+", "-", "*", "min"]), "n", self.choose.randint(-5, 5))
            return self.choose.choice(bound) if bound else ("c0",)
        if kind < 0.5 and below:
            first = self.choose.choice(below)
            rest = [self.choose.choice(below if commutes else bound) for _ in range(self.arity - 1)]
            return (self.name, first, *rest)
        if kind < 0.7 and self.earlier:
            name, arity, _ = self.choose.choice(self.earlier)
            return (name, *(again() for _ in range(arity)))
        name, arity = self.choose.choice(self.constructors)
        return (name, *(again() for _ in range(arity)))


def _names(pattern) -> set[str]:
    if isinstance(pattern, str):
        return {pattern}
    return set().union(*map(_names, pattern[1:])) if isinstance(pattern, tuple) else set()


def random_term(theory: Theory, choose: random.Random, depth: int):
    """Return a closed term."""
    ops = [op for op in theory.signature.ops if depth > 0 or op.arity == 0]
    if choose.random() < 0.1:
        return choose.choice([0, 1, -1, 7, 16, -17, 255, 1 << 40])
    if depth > 0 and choose.random() < 0.7:
        functions = {rule.lhs[0] for rule in theory.rules}
        ops = [op for op in ops if op.name in functions] or ops
    op = choose.choice(ops)
    return (op.name, *(random_term(theory, choose, depth - 1) for _ in range(op.arity)))
