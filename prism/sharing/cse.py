"""Common subexpressions: one function for SymPy expressions and for jaxprs."""

from __future__ import annotations

from typing import Any


def cse(exprs: Any, *, prefix: str = "x") -> Any:
    """Name each subexpression that occurs more than once, in the order in which they can be evaluated [CSE-1].

    exprs: a SymPy expression or matrix, or a list of them; the answer is `(replacements, reduced)`, pairs of a symbol
    `prefix` + number and what it stands for, and the expressions in terms of symbols. Or a jaxpr, closed or not; the
    answer is an equivalent jaxpr in which no two equations are equal, and `prefix` is not used.
    Raises UsageError for anything else. Cost: linear in the distinct nodes and their operands, at any depth.
    """
    if hasattr(exprs, "eqns"):
        from prism.sharing.jaxprs import without_repetition

        return without_repetition(exprs)
    from prism.sharing.expressions import named

    return named(exprs, prefix)
