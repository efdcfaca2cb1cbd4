"""Results written over operands that nobody reads again: memory that is in the cache already, and less of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prism.pallas.kernel import Equation
from prism.pallas.numpy_source.values import Axes, Context, Value

_OPERATORS = {"add": "+", "add_any": "+", "sub": "-", "mul": "*", "div": "/"}
_COMMUTATIVE = frozenset(("add", "add_any", "mul"))


def written_over(equation: Equation, values: Sequence[Value], text: str, context: Context) -> str | None:
    """Write `text`, the expression of an equation's result, over one of its operands.

    Returns the operand's name, or None and writes nothing if no operand is spent or has the result's shape and type.
    """
    axes: Axes = frozenset().union(*(v.axes for v in values))
    out = equation.outs[0]
    for k, (atom, value) in enumerate(zip(equation.ins, values, strict=True)):
        alike = bool(out.shape) and (atom.shape, atom.dtype) == (out.shape, out.dtype)
        full = alike and not value.loose and not value.thin and value.axes == axes
        if not full or value.text in context.constants or atom not in context.spent:
            continue
        statement = _over(equation.name, k, value.text, text)
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
