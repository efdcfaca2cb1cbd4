"""Patterns on engines: rewrite terms that are written as Python tuples, variables standing for themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from prism.vm.engines.api import Limits
from prism.vm.engines.theory_engine import TheoryEngine
from prism.vm.term.build import GraphBuilder, literal_values
from prism.vm.term.graph import TermGraph
from prism.vm.theory.model import Theory
from prism.vm.theory.rule import ARITHMETIC, Pattern, subterms
from prism.vm.theory.signature import SYMBOL, Signature

_CAPACITY = 1 << 22


def normal_patterns(theory: Theory, patterns: Sequence[Pattern], max_steps: int) -> list[Pattern | None]:
    """Return the normal form of each pattern; None where it takes more steps or nodes, or has arithmetic undone.

    Variables are free names on engine `ledger`, so two equal variables are one term and no rule looks inside.
    """
    theory = replace(theory, signature=replace(theory.signature, has_symbols=True))
    builder, names = GraphBuilder(), dict[str, int]()
    can = [not _computes(theory.signature, pattern) for pattern in patterns]
    roots = [
        row_of(builder, theory.signature, pattern, names) if fine else 1
        for pattern, fine in zip(patterns, can, strict=True)
    ]
    outcome = TheoryEngine(Limits(capacity=_CAPACITY, max_steps=max_steps), theory).normalise(builder.graph(roots))
    found = pattern_rows(theory.signature, outcome.result, list(names))
    return [
        found[root] if root and fine else None for root, fine in zip(outcome.result.roots.tolist(), can, strict=True)
    ]


def _computes(signature: Signature, pattern: Pattern) -> bool:
    return any(
        isinstance(part, tuple) and part[0] in ARITHMETIC and part[0] not in signature.by_name
        for part in subterms(pattern)
    )


def row_of(builder: GraphBuilder, signature: Signature, pattern: Pattern, names: dict[str, int]) -> int:
    """Return the row of a pattern; a variable is the free name whose number `names` gives, or gets."""
    if isinstance(pattern, str):
        return builder.symbol(names.setdefault(pattern, len(names)))
    if isinstance(pattern, int):
        return builder.literal(pattern)
    operands = [row_of(builder, signature, part, names) for part in pattern[1:]]
    return builder.apply(signature.by_name[pattern[0]], operands)


def pattern_rows(signature: Signature, graph: TermGraph, names: Sequence[str]) -> list[Pattern]:
    """Return the pattern of every row; rows of pairs hold a tuple of operands. Cost: linear in the rows."""
    values, is_literal = literal_values(graph)
    found: list[Pattern] = []
    for row, (code, a, b) in enumerate(zip(graph.op.tolist(), graph.a.tolist(), graph.b.tolist(), strict=True)):
        op = signature.by_code.get(code)
        if is_literal[row]:
            found.append(int(values[row]))
        elif code == SYMBOL:
            found.append(names[int(values[a])])
        elif op is None or op.arity == 0:
            found.append((op.name if op else "",))
        elif op.arity <= 2:
            found.append((op.name, found[a], found[b])[: op.arity + 1])
        else:
            operands, rest = [found[a]], b
            while len(operands) < op.arity - 1:
                operands.append(found[int(graph.a[rest])])
                rest = int(graph.b[rest])
            found.append((op.name, *operands, found[rest]))
    return found
