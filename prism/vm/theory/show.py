"""Print a theory as a file that reads as an equal one."""

from __future__ import annotations

from collections.abc import Iterator

from prism.vm.theory.model import Theory
from prism.vm.theory.rule import variables, written, written_rule
from prism.vm.theory.signature import Op


def written_theory(theory: Theory) -> str:
    """Return the text of a theory file; what the theory extends is written out [THEORY-1]."""
    return "".join(f"{line}\n" for line in _lines(theory))


def _lines(theory: Theory) -> Iterator[str]:
    signature = theory.signature
    yield f"(theory {theory.name})"
    yield from map(_op, signature.ops)
    if signature.numerals:
        yield f"(numerals {' '.join(signature.numerals)})"
    if signature.has_literals:
        yield "(literals)"
    if signature.has_symbols:
        yield f"(symbols{''.join(f' {name}' for name in signature.symbols)})"
    literals = frozenset[str]().union(*(rule.literals for rule in theory.rules))
    names = {name for rule in theory.rules for name in variables(rule.lhs)} - literals
    names |= {
        name for equation in theory.equations for side in (equation.lhs, equation.rhs) for name in variables(side)
    }
    if names - literals:
        yield f"(var {' '.join(sorted(names - literals))})"
    if literals:
        yield f"(int {' '.join(sorted(literals))})"
    clause = ""
    for rule in theory.rules:
        if rule.clause != clause and rule.clause:
            yield f"(clause {rule.clause})"
        clause = rule.clause
        yield written_rule(rule)
    for equation in theory.equations:
        yield f"(equation {equation.name} {written(equation.lhs)} {written(equation.rhs)})"
    for claim in ("terminating", "confluent"):
        if getattr(theory.claims, claim):
            yield f"(claim {claim})"
    if theory.claims.complete:
        yield f"(claim complete {' '.join(theory.claims.complete)})"


def _op(op: Op) -> str:
    doc = f' "{op.doc}"' if op.doc else ""
    return f"(op {op.name} {op.arity}{' commutes' * op.commutes} (code {op.code}){doc})"
