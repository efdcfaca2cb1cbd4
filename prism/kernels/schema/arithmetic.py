"""What operators mean on single values of the element types: the reading of the clauses that plain Python runs by.

Values are NumPy scalars; every result is rounded, or wrapped, to its type at once [KERNELS-6].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

import numpy as np

from prism.kernels.schema.types import ELEMENTS, FLOATS, INTEGERS, bounds


@cache
def dtype(element: str) -> np.dtype[Any]:
    """Return the NumPy dtype of an element type; ml_dtypes is imported for bf16 only."""
    if element == "bf16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    one = ELEMENTS[element]
    return np.dtype(f"{ {'signed': 'int', 'unsigned': 'uint', 'float': 'float'}[one.kind] }{one.bits}")


def convert(value: Any, element: str) -> Any:
    """Return a number as a scalar of a type: integers wrap, floats round to even, float to integer saturates."""
    target = dtype(element)
    floating = isinstance(value, float | np.floating) or getattr(value, "dtype", None) == dtype("bf16")
    with np.errstate(all="ignore"):
        if element in FLOATS:
            return target.type(float(value) if isinstance(value, bool) or (floating and element == "bf16") else value)
        if not floating:
            low, high = bounds(element)
            return target.type((int(value) - low) % (high - low + 1) + low)
        number = float(value)
        if number != number:
            return target.type(0)
        low, high = bounds(element)
        return target.type(low if number <= low else high if number >= high else int(number))


def _floor_div(a: Any, b: Any, element: str) -> Any:
    if element in INTEGERS:
        if b == 0:
            raise ZeroDivisionError(f"an integer must not be divided by zero, got {a} // 0; test the divisor first")
        return a // b
    return np.floor(a / b)


def _mod(a: Any, b: Any, element: str) -> Any:
    if element in INTEGERS:
        if b == 0:
            raise ZeroDivisionError(f"an integer must not be divided by zero, got {a} % 0; test the divisor first")
        return a % b
    return a - np.floor(a / b) * b


def power(base: Any, exponent: int, element: str) -> Any:
    """Return a power by repeated squaring, lowest bit first; a negative exponent divides one by the power."""
    result, left = None, abs(exponent)
    while left:
        if left & 1:
            result = base if result is None else result * base
        left >>= 1
        base = base * base if left else base
    one = dtype(element).type(1)
    result = one if result is None else result
    return one / result if exponent < 0 else result


_BINARY: Final[Mapping[str, Callable[[Any, Any, str], Any]]] = {
    "add": lambda a, b, _: a + b,
    "sub": lambda a, b, _: a - b,
    "mul": lambda a, b, _: a * b,
    "div": lambda a, b, _: a / b,
    "floor_div": _floor_div,
    "mod": _mod,
    "pow": lambda a, b, _: np.power(a, b),
    "bit_and": lambda a, b, _: a & b,
    "bit_or": lambda a, b, _: a | b,
    "bit_xor": lambda a, b, _: a ^ b,
    "shl": lambda a, b, e: a << dtype(e).type(int(b) % ELEMENTS[e].bits),
    "shr": lambda a, b, e: a >> dtype(e).type(int(b) % ELEMENTS[e].bits),
    "lt": lambda a, b, _: bool(a < b),
    "le": lambda a, b, _: bool(a <= b),
    "gt": lambda a, b, _: bool(a > b),
    "ge": lambda a, b, _: bool(a >= b),
    "eq": lambda a, b, _: bool(a == b),
    "ne": lambda a, b, _: bool(a != b),
    "min": lambda a, b, _: b if a != a or b < a else a,
    "max": lambda a, b, _: b if a != a or b > a else a,
}


def binary(op: str, a: Any, b: Any, element: str) -> Any:
    """Return the value of an operator on two scalars of one type; a comparison gives a bool."""
    with np.errstate(all="ignore"):
        return _BINARY[op](a, b, element)


_UNARY: Final[Mapping[str, Callable[[Any], Any]]] = {
    "neg": lambda a: -a,
    "pos": lambda a: a,
    "invert": lambda a: ~a,
    "abs": abs,
    "rsqrt": lambda a: type(a)(1) / np.sqrt(a),
    "sigmoid": lambda a: type(a)(1) / (type(a)(1) + np.exp(-a)),
    "erf": lambda a: math.erf(float(a)),
    **{
        name: getattr(np, name)
        for name in ("exp", "log", "log2", "log10", "sqrt", "sin", "cos", "tan", "tanh", "floor", "ceil", "trunc")
    },
}


def unary(op: str, value: Any) -> Any:
    """Return the value of an operator or a function of one scalar, in the type of that scalar."""
    with np.errstate(all="ignore"):
        return type(value)(_UNARY[op](value))


def fma(a: Any, b: Any, c: Any, element: str) -> Any:
    """Return a * b + c rounded once: by exact rational arithmetic, since NumPy has no such function."""
    from fractions import Fraction

    with np.errstate(all="ignore"):
        plain = a * b + c
        if not all(np.isfinite(float(one)) for one in (a, b, c)) or element not in ("f32", "f64"):
            return plain
        exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
        return plain if exact == 0 else _round(exact, element)


def _round(exact: Any, element: str) -> Any:
    """Round a fraction to a float type once: an f64 that is inexact is made odd before it becomes an f32."""
    try:
        near = float(exact)
    except OverflowError:
        return dtype(element).type(np.inf if exact > 0 else -np.inf)
    if element == "f32" and exact != near:
        low = near if near < exact else float(np.nextafter(near, -np.inf))
        bits = np.float64(low).view(np.int64)
        near = low if bits & 1 else float(np.nextafter(low, np.inf))
    return dtype(element).type(near)
