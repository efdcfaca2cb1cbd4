"""Results written over operands that nobody reads again: memory that is in the cache already, and less of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from prism.pallas import compat
from prism.pallas.codegen.equations import Axes, Context, Value
from prism.pallas.primitives import Aval

_OPERATORS = {"add": "+", "add_any": "+", "sub": "-", "mul": "*", "div": "/"}
_COMMUTATIVE = frozenset(("add", "add_any", "mul"))


def written_over(
    equation: Any, values: Sequence[Value], text: str, ins: Sequence[Aval], out: Aval, context: Context
) -> str | None:
    """Write `text`, the expression of an equation's result, over one of its operands.

    Returns the operand's name, or None and writes nothing if no operand is spent or has the result's shape and type.
    """
    axes: Axes = frozenset().union(*(v.axes for v in values))
    for k, (atom, value, aval) in enumerate(zip(equation.invars, values, ins, strict=True)):
        full = not value.loose and not value.thin and value.axes == axes and aval == out
        if not full or not out.shape or value.text in context.constants or isinstance(atom, compat.Literal):
            continue
        if atom not in context.spent:
            continue
        statement = _over(equation.primitive.name, k, value.text, text)
        if statement is not None:
            context.writer.line(statement)
            return value.text
    return None


def _over(name: str, position: int, operand: str, text: str) -> str | None:
    operator = _OPERATORS.get(name)
    if operator is not None:
        left, found, right = text.partition(f" {operator} ")
        if position == 1 and name in _COMMUTATIVE:
            left, right = right, left
        return f"{operand} {operator}= {right}" if found and left == operand else None
    function, _, rest = text.partition("(")
    ufunc = getattr(np, function.removeprefix("np."), None) if function.startswith("np.") else None
    return f"{function}({rest[:-1]}, out={operand})" if isinstance(ufunc, np.ufunc) else None
