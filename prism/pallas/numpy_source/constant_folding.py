"""What generated source need not compute because it is known before the kernel runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from prism.pallas import debug
from prism.pallas.access import Load, Operand, Part, Span, Store
from prism.pallas.dtypes import Numeric
from prism.pallas.kernel import Constant, Equation
from prism.pallas.numpy_source.values import Context, Given, Value, constant_of
from prism.pallas.primitives.table import TABLE

_LARGEST = 1 << 16
"""Elements of a constant that is worth its memory."""


def folded(equation: Equation, operands: Sequence[Given], context: Context) -> Value | None:
    """Return the value of an equation on constants, or None if it has other operands or a large result."""
    if not operands or len(equation.outs) != 1 or equation.several:
        return None
    known = [known_value(operand, context) for operand in operands]
    if any(value is None for value in known):
        return None
    shape = equation.outs[0].shape
    if shape and (not any(map(np.ndim, known)) or np.prod(shape) > _LARGEST or not _is_pure(equation)):
        return None  # A scalar stands for all elements of an array that has its value.
    typed = [
        np.broadcast_to(np.asarray(value).astype(atom.dtype), atom.shape)[()]
        for atom, value in zip(equation.ins, known, strict=True)
    ]
    return constant_of(np.asarray(debug.compile_equation(equation)(*typed))[()], context)


def _is_pure(equation: Equation) -> bool:
    name = equation.name
    return TABLE[name].elementwise or name in ("broadcast_in_dim", "reshape", "transpose", "squeeze")


def known_value(operand: Given, context: Context) -> Numeric:
    """Return the NumPy value of a constant, None of anything else."""
    if isinstance(operand, Constant):
        return operand.value
    return context.constants.get(operand.text) if isinstance(operand, Value) else None


def plain(
    access: Load | Store, items: Sequence[Part], equation: Equation, operands: Sequence[Given], context: Context
) -> tuple[Load | Store, tuple[Part, ...]]:
    """Return an access and its index with an array that counts up as a span, then without a mask that is all true."""

    def is_array(item: Part) -> bool:
        return isinstance(item, Operand) and bool(equation.ins[item.position].shape)

    if sum(map(is_array, items)) == 1:
        items = [_spanned(item, operands, context) if is_array(item) else item for item in items]
    # A negative entry of an index array counts from the end only where there is no mask.
    if access.mask is not None and not any(map(is_array, items)):
        mask = known_value(operands[access.mask.position], context)
        if mask is not None and np.all(mask):
            access = replace(access, mask=None)
    return access, tuple(items)


def _spanned(item: Part, operands: Sequence[Given], context: Context) -> Part:
    known = known_value(operands[item.position], context) if isinstance(item, Operand) else None
    if known is None or np.ndim(known) != 1 or not len(known) or known[0] < 0 or (np.diff(known) != 1).any():
        return item
    return Span(int(known[0]), len(known))
