"""The living definition of what terms mean: plain Python integers, no engine, no JAX [TERMS-8]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prism.vm.term.graph import TermGraph
from prism.vm.term.ops import ADD, MUL, NULL, SUC, ZERO

MEANING: Final[dict[int, Callable[[int, int], int]]] = {
    NULL.code: lambda _a, _b: 0,
    ZERO.code: lambda _a, _b: 0,
    SUC.code: lambda a, _b: a + 1,
    ADD.code: lambda a, b: a + b,
    MUL.code: lambda a, b: a * b,
}
"""What each op does to the values of its operands."""


def denote(graph: TermGraph) -> list[int]:
    """Return the number that each root stands for; every row is evaluated once, in order.

    The numbers are exact, so a tower of `mul` needs memory in proportion to its digits.
    """
    values: list[int] = []
    for op, a, b in zip(graph.op.tolist(), graph.a.tolist(), graph.b.tolist(), strict=True):
        values.append(MEANING[op](values[a] if values else 0, values[b] if values else 0))
    return [values[root] for root in graph.roots.tolist()]
