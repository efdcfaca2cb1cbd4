"""Terms that are Python values to graphs, and back; an object that is used again is one node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prism.errors import UsageError
from prism.vm.term.build import GraphBuilder, literal_values
from prism.vm.term.graph import TermGraph
from prism.vm.term.words import MAX_NUMERAL
from prism.vm.theory.picture import Term
from prism.vm.theory.rule import Pattern
from prism.vm.theory.signature import SYMBOL, Signature


def graph_of(signature: Signature, terms: Sequence[Pattern], names: dict[str, int]) -> TermGraph:
    """Return terms as one graph; `names` gives free names their numbers, and gets new ones.

    An object used twice is looked at once, and no recursion bounds the depth. UsageError for what is no term.
    """
    builder = GraphBuilder()
    rows: dict[int, int] = {}
    numerals: list[int] = []
    for term in terms:
        waiting: list[Any] = [term]
        while waiting:
            part = waiting[-1]
            if id(part) in rows:
                waiting.pop()
                continue
            if isinstance(part, tuple):
                missing = [operand for operand in part[1:] if id(operand) not in rows]
                if missing:
                    waiting += missing
                    continue
            rows[id(part)] = _row(builder, signature, part, rows, names, numerals)
            waiting.pop()
    return builder.graph(rows[id(term)] for term in terms)


def _row(
    builder: GraphBuilder,
    signature: Signature,
    part: Any,
    rows: dict[int, int],
    names: dict[str, int],
    numerals: list[int],
) -> int:
    if isinstance(part, tuple) and part and part[0] in signature.by_name:
        return builder.apply(signature.by_name[part[0]], [rows[id(operand)] for operand in part[1:]])
    if isinstance(part, str) and signature.has_symbols:
        return builder.symbol(names.setdefault(part, len(names)))
    if isinstance(part, int) and not isinstance(part, bool):
        if signature.has_literals:
            return builder.literal(part)
        if signature.numerals and 0 <= part <= MAX_NUMERAL:
            return _numeral(builder, signature, part, numerals)
    raise UsageError(
        f"a term must be an op of the theory over terms, a number or a free name where the theory has them, "
        f"got {str(part)[:60]!r}; make terms by calling ops"
    )


def _numeral(builder: GraphBuilder, signature: Signature, value: int, numerals: list[int]) -> int:
    zero, suc = (signature.by_name[name] for name in signature.numerals or ())
    if not numerals:
        numerals.append(builder.apply(zero, ()))
    while len(numerals) <= value:
        numerals.append(builder.apply(suc, (numerals[-1],)))
    return numerals[value]


def terms_of(signature: Signature, graph: TermGraph, names: Sequence[str]) -> list[Any]:
    """Return the term of every row: a Term, an integer for a literal or numeral, a string for a free name.

    Rows of the machine's own pairs hold None. Cost: a Python object a row.
    """
    values, is_literal = literal_values(graph)
    zero, suc = signature.numerals or ("", "")
    found: list[Any] = []
    a, b = graph.a.tolist(), graph.b.tolist()
    for row, code in enumerate(graph.op.tolist()):
        op = signature.by_code.get(code)
        if is_literal[row]:
            found.append(int(values[row]))
        elif code == SYMBOL:
            found.append(names[int(values[a[row]])])
        elif op is None or op.name == "pair":
            found.append(None)
        elif op.name == zero and op.arity == 0:
            found.append(0)
        elif op.name == suc and isinstance(found[a[row]], int):
            found.append(found[a[row]] + 1)
        elif op.arity <= 2:
            found.append(Term((op.name, *(found[operand] for operand in (a[row], b[row])[: op.arity]))))
        else:
            operands, rest = [found[a[row]]], b[row]
            while len(operands) < op.arity - 1:
                operands.append(found[a[rest]])
                rest = b[rest]
            found.append(Term((op.name, *operands, found[rest])))
    return found
