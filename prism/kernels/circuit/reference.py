"""The living definition of a circuit: calls, one after the other, on a class memory, in NumPy [CIRCUIT-11]."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import erf

from prism.errors import UsageError
from prism.kernels.circuit.calls import Call
from prism.kernels.circuit.memory import Memory, require_fit, vector
from prism.kernels.isa.types import FLOATS, TYPES, Kind, Type

Array = np.ndarray
MARK: Final = 0x80
"""What mark exchanges in each byte: its highest bit."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an operation computes of whole vectors, and for which types."""

    compute: Callable[..., Array]
    types: tuple[Type, ...] = TYPES


def run(calls: Sequence[Call], memory: Memory, ty: Type, n: int) -> None:
    """Do the calls on the first `n` elements of type `ty` of each vector, in place; a reduction writes one element.

    memory: uint8[96 * 12288]. UsageError when vectors overlap or leave the memory, when an operation has no meaning
    for the type, and when an integer is divided by zero; what was done before that stays. Cost: a few passes a call.
    """
    require_types(calls, ty)
    require_fit(calls, n, ty)
    with np.errstate(all="ignore"):
        for one in calls:
            for classes in one.each():
                if one.kind.generator == "reduce":
                    result = vector(memory, classes[1], 1, ty)
                    result[:] = MEANINGS[one.operation].compute(ty, vector(memory, classes[0], n, ty))
                else:
                    _do(one, [vector(memory, start, n, ty) for start in classes], ty)


def require_types(calls: Sequence[Call], ty: Type) -> None:
    """Raise UsageError for the first call that has no meaning for a type."""
    for one in calls:
        allowed = MEANINGS[one.operation].types
        if ty not in allowed:
            names = ", ".join(each.name for each in allowed)
            raise UsageError(
                f"{one} must be of one of {names}, got {ty.name}; convert the vectors, or use another type"
            )


def _do(one: Call, vectors: list[Array], ty: Type) -> None:
    compute = MEANINGS[one.operation].compute
    match one.kind.generator:
        case "mark":
            vectors[0].view(np.uint8)[:] ^= MARK
        case "swap":
            first = vectors[0].copy()
            vectors[0][:], vectors[1][:] = vectors[1], first
        case "quote" | "evaluate":
            pass
        case "copy" | "softmax":
            vectors[1][:] = compute(ty, vectors[0])
        case _:
            source, context, destination = vectors
            destination[:] = compute(ty, source) if one.arity == 1 else compute(ty, source, context)


def _wide(x: Array) -> Array:
    return x.astype(np.float64)


def _plain(function: Callable[[Array, Array], Array]) -> Callable[[Type, Array, Array], Array]:
    return lambda ty, a, b: function(a, b).astype(ty.dtype, copy=False)


def _rounded(function: Callable[[Array], Array]) -> Callable[[Type, Array], Array]:
    """Return a function of doubles as one of a type, rounded at the end."""
    return lambda ty, x: function(_wide(x)).astype(ty.dtype)


def _is_nan(ty: Type, x: Array) -> Array:
    return np.isnan(_wide(x)) if ty.kind is Kind.FLOAT else np.zeros(len(x), bool)


def _least(ty: Type, a: Array, b: Array) -> Array:
    return np.where(_is_nan(ty, a) | (b < a), b, a)


def _greatest(ty: Type, a: Array, b: Array) -> Array:
    return np.where(_is_nan(ty, a) | (b > a), b, a)


def _divide(ty: Type, a: Array, b: Array) -> Array:
    if ty.kind is Kind.FLOAT:
        return (a / b).astype(ty.dtype, copy=False)
    if not np.all(b):
        raise UsageError(f"an integer divisor must not be zero, but element {int(np.argmin(b != 0))} is; mend the data")
    floor = a // b
    return floor + ((a - floor * b != 0) & ((a < 0) != (b < 0))).astype(ty.dtype)


def _total(ty: Type, x: Array) -> Array:
    """Return the sum as one element: modulo the width for integers, from doubles for floats."""
    if ty.kind is Kind.FLOAT:
        return np.array([_wide(x).sum()]).astype(ty.dtype)
    return np.array([x.sum(dtype=ty.dtype)])


def _extreme(keep: Callable[[Array], np.generic], start: Callable[[Type], float]) -> Callable[[Type, Array], Array]:
    """Return the least or greatest of the elements that are numbers, or where the type starts."""

    def extreme(ty: Type, x: Array) -> Array:
        numbers = x[~_is_nan(ty, x)]
        return np.array([keep(numbers) if len(numbers) else start(ty)]).astype(ty.dtype)

    return extreme


def _highest(ty: Type) -> float:
    return np.inf if ty.kind is Kind.FLOAT else np.iinfo(ty.dtype).max


def _lowest(ty: Type) -> float:
    return -np.inf if ty.kind is Kind.FLOAT else np.iinfo(ty.dtype).min


def _softmax(ty: Type, x: Array) -> Array:
    """Return e to the power x - max x, over the sum of these."""
    numbers = _wide(x)
    powers = np.exp(numbers - _wide(_REDUCTIONS["reduce.max"](ty, x)))
    return (powers / powers.sum()).astype(ty.dtype)


def _nothing(_: Type, x: Array) -> Array:
    return x


_REDUCTIONS: Final[Mapping[str, Callable[[Type, Array], Array]]] = {
    "reduce.sum": _total,
    "reduce.min": _extreme(np.min, _highest),
    "reduce.max": _extreme(np.max, _lowest),
}
_UNARY: Final[Mapping[str, Meaning]] = {
    "abs": Meaning(lambda _, x: x if x.dtype.kind == "u" else np.abs(x)),
    "exp": Meaning(_rounded(np.exp), FLOATS),
    "log": Meaning(_rounded(np.log), FLOATS),
    "sqrt": Meaning(_rounded(np.sqrt), FLOATS),
    "sigmoid": Meaning(_rounded(lambda x: 1 / (1 + np.exp(-x))), FLOATS),
    "tanh": Meaning(_rounded(np.tanh), FLOATS),
    "gelu": Meaning(_rounded(lambda x: 0.5 * x * (1 + erf(x / np.sqrt(2)))), FLOATS),
    "relu": Meaning(lambda ty, x: _greatest(ty, x, np.zeros_like(x))),
}
MEANINGS: Final[Mapping[str, Meaning]] = {
    **{name: Meaning(_nothing) for name in ("mark", "copy", "swap", "quote", "evaluate")},
    "add": Meaning(_plain(np.add)),
    "sub": Meaning(_plain(np.subtract)),
    "mul": Meaning(_plain(np.multiply)),
    "div": Meaning(_divide),
    "min": Meaning(_least),
    "max": Meaning(_greatest),
    **_UNARY,
    **{name: Meaning(compute) for name, compute in _REDUCTIONS.items()},
    "softmax": Meaning(_softmax, FLOATS),
}
"""What each operation of a call computes."""
