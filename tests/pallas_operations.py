"""The operations of random kernels, each with a bound on size and rounding error of its result.

Operands are small integers of every element type. Each value carries a bound on its size and on its rounding
error; operations that are discontinuous (comparisons, casts to integers) are drawn only where the value is exact. So
integer-valued results must agree to the last bit, and the others within a bound that is derived, not guessed.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
from jax import lax

DTYPES = ("float32", "int32", "bfloat16", "int8", "bool", "uint8", "float16")
LARGEST = {"float32": 1e6, "bfloat16": 1e6, "float16": 3e4}


@dataclass(frozen=True, slots=True)
class Kind:
    """A value's element type and shape, with bounds on its magnitude and on its rounding error."""

    dtype: str
    shape: tuple[int, ...]
    size: float
    error: float = 0.0

    @property
    def floating(self) -> bool:
        return self.dtype in LARGEST

    @property
    def exact(self) -> bool:
        return self.error == 0.0

    @property
    def number(self) -> bool:
        return self.dtype != "bool"


@dataclass(frozen=True, slots=True)
class Operation:
    """One step of a kernel: `apply(step, *values)` computes it, `accepts` guards it, `grow` bounds (size, error)."""

    arity: int
    apply: Callable[..., Any]
    accepts: Callable[..., bool]
    grow: Callable[..., tuple[float, float]]
    mixes: bool = False
    smooth: bool = False


def _number(*kinds: Kind) -> bool:
    return all(kind.number for kind in kinds) and len({kind.dtype for kind in kinds}) == 1


def _signed(*kinds: Kind) -> bool:
    return _number(*kinds) and kinds[0].dtype != "uint8"


def _float(*kinds: Kind) -> bool:
    return _number(*kinds) and kinds[0].floating


def _integer(*kinds: Kind) -> bool:
    return _number(*kinds) and not kinds[0].floating


def _exact(*kinds: Kind) -> bool:
    return len({kind.dtype for kind in kinds}) == 1 and all(kind.exact for kind in kinds)


def _full(*kinds: Kind) -> bool:
    return _number(*kinds) and all(min(kind.shape) > 1 for kind in kinds)


def _scaled(factor: float) -> Callable[[Kind], tuple[float, float]]:
    return lambda x: (x.size * factor, x.error * factor)


def _added(*kinds: Kind) -> tuple[float, float]:
    return sum(kind.size for kind in kinds), sum(kind.error for kind in kinds)


def _multiplied(x: Kind, y: Kind) -> tuple[float, float]:
    return x.size * y.size, x.error * y.size + y.error * x.size + x.error * y.error


def _largest(*kinds: Kind) -> tuple[float, float]:
    return max(kind.size for kind in kinds), sum(kind.error for kind in kinds)


def _one(*_: Kind) -> tuple[float, float]:
    return 1.0, 0.0


def _bounded(size: float, slope: float) -> Callable[[Kind], tuple[float, float]]:
    return lambda x: (size, x.error * slope)


def _rows(x: Kind) -> tuple[float, float]:
    return x.size * x.shape[0], x.error * x.shape[0]


def _columns(x: Kind) -> tuple[float, float]:
    return x.size * x.shape[1], x.error * x.shape[1]


def _product(x: Kind, y: Kind) -> tuple[float, float]:
    size, error = _multiplied(x, y)
    return size * x.shape[1] * y.shape[0], error * x.shape[1] * y.shape[0]


def _dot(_: Any, x: Any, y: Any) -> Any:
    wide = jnp.float32 if jnp.issubdtype(x.dtype, jnp.floating) else jnp.int32
    return jnp.sum(jnp.dot(x, y.T, preferred_element_type=wide), axis=1, keepdims=True)


def _repeat(_: Any, x: Any) -> Any:
    return lax.fori_loop(0, 3, lambda _, total: total + x, x)


def _while(step: Any, x: Any) -> Any:
    return lax.while_loop(lambda c: c[0] <= step % 2, lambda c: (c[0] + 1, c[1] + x), (jnp.int32(0), x))[1]


def _branch(step: Any, x: Any, y: Any) -> Any:
    return lax.cond(step % 2 == 0, lambda: x + y, lambda: x - y)


def _scan(_: Any, x: Any) -> Any:
    return lax.scan(lambda total, row: (total + row, total), jnp.zeros_like(x[0]), x)[1]


OPERATIONS = {
    "add": Operation(2, lambda _, x, y: x + y, _number, _added),
    "sub": Operation(2, lambda _, x, y: x - y, _number, _added),
    "mul": Operation(2, lambda _, x, y: x * y, _number, _multiplied),
    "max": Operation(2, lambda _, x, y: jnp.maximum(x, y), _number, _largest),
    "min": Operation(2, lambda _, x, y: jnp.minimum(x, y), _number, _largest),
    "less": Operation(2, lambda _, x, y: x < y, _exact, _one),
    "equal": Operation(2, lambda _, x, y: x == y, _exact, _one),
    "xor": Operation(2, lambda _, x, y: x ^ y, lambda x, y: not x.floating and x.dtype == y.dtype, _added),
    "and": Operation(2, lambda _, x, y: x & y, lambda x, y: not x.floating and x.dtype == y.dtype, _added),
    "floordiv": Operation(2, lambda _, x, y: x // ((y & 7) + 1), _integer, _largest),
    "rem": Operation(2, lambda _, x, y: lax.rem(*jnp.broadcast_arrays(x, (y & 7) + 1)), _integer, _largest),
    "where": Operation(
        3,
        lambda _, c, x, y: jnp.where(c, x, y),
        lambda c, x, y: c.dtype == "bool" and x.dtype == y.dtype,
        lambda _, x, y: _largest(x, y),
    ),
    "neg": Operation(1, lambda _, x: -x, _signed, _largest),
    "abs": Operation(1, lambda _, x: jnp.abs(x), _signed, _largest),
    "invert": Operation(1, lambda _, x: ~x, lambda x: not x.floating, lambda x: (x.size + 1, 0.0)),
    "shift": Operation(1, lambda _, x: (x << 1) ^ (x >> 1), _integer, _scaled(3.0)),
    "bits": Operation(1, lambda _, x: lax.population_count(x), _integer, lambda _: (32.0, 0.0)),
    "half": Operation(1, lambda _, x: jnp.floor(x * 0.5), lambda x: x.floating and x.exact, _largest),
    "sign": Operation(1, lambda _, x: jnp.sign(x), lambda x: x.number and x.exact, _one),
    "tanh": Operation(1, lambda _, x: jnp.tanh(x), _float, _bounded(1.0, 1.0), smooth=True),
    "exp": Operation(1, lambda _, x: jnp.exp(jnp.clip(x, -3, 3)), _float, _bounded(20.1, 20.1), smooth=True),
    "sqrt": Operation(1, lambda _, x: jnp.sqrt(jnp.abs(x) + 1), _float, _scaled(1.0), smooth=True),
    "rsqrt": Operation(1, lambda _, x: lax.rsqrt(jnp.abs(x) + 1), _float, _bounded(1.0, 0.5), smooth=True),
    "sum rows": Operation(1, lambda _, x: jnp.sum(x, axis=1, keepdims=True), _number, _columns, mixes=True),
    "max columns": Operation(1, lambda _, x: jnp.max(x, axis=0, keepdims=True), _number, _largest, mixes=True),
    "any": Operation(1, lambda _, x: jnp.any(x, axis=1, keepdims=True), lambda x: x.dtype == "bool", _one, mixes=True),
    "argmax": Operation(
        1,
        lambda _, x: jnp.argmax(x, axis=1, keepdims=True).astype(jnp.int32),
        lambda x: x.number and x.exact,
        lambda x: (x.shape[1], 0.0),
        mixes=True,
    ),
    "cumsum": Operation(1, lambda _, x: jnp.cumsum(x, axis=0), _number, _rows, mixes=True),
    "roll": Operation(1, lambda _, x: jnp.roll(x, 1, axis=1), _full, _largest, mixes=True),
    "transpose": Operation(1, lambda _, x: x.T.reshape(x.shape), _full, _largest, mixes=True),
    "dot": Operation(2, _dot, lambda x, y: _full(x, y) and x.dtype != "uint8", _product, mixes=True),
    "iota": Operation(
        1,
        lambda _, x: lax.broadcasted_iota(jnp.int32, x.shape, 1),
        lambda x: len(x.shape) == 2,
        lambda x: (x.shape[1], 0.0),
    ),
    "step": Operation(1, lambda step, x: jnp.full(x.shape, step), lambda _: True, lambda _: (3.0, 0.0)),
    "fori": Operation(1, _repeat, _number, _scaled(4.0)),
    "while": Operation(1, _while, _number, _scaled(3.0)),
    "cond": Operation(2, _branch, lambda x, y: _number(x, y) and x.shape == y.shape, _added),
    "scan": Operation(1, _scan, _full, _rows, mixes=True),
} | {
    f"to {dtype}": Operation(
        1,
        functools.partial(lambda _, x, dtype: x.astype(dtype), dtype=dtype),
        functools.partial(lambda x, dtype: x.dtype != dtype and (x.exact or dtype in LARGEST), dtype=dtype),
        _largest,
    )
    for dtype in DTYPES
}


@functools.cache
def _aval(name: str, types: tuple[tuple[str, tuple[int, ...]], ...]) -> tuple[str, tuple[int, ...]]:
    avals = [jax.ShapeDtypeStruct(shape, dtype) for dtype, shape in types]
    out = jax.eval_shape(OPERATIONS[name].apply, jax.ShapeDtypeStruct((), jnp.int32), *avals)
    return out.dtype.name, out.shape


def result(name: str, arguments: tuple[Kind, ...]) -> Kind:
    """Return the type and the bounds of an operation's result."""
    dtype, shape = _aval(name, tuple((kind.dtype, kind.shape) for kind in arguments))
    size, error = OPERATIONS[name].grow(*arguments)
    if dtype == "bool":
        return Kind(dtype, shape, 1.0)
    if dtype not in LARGEST:
        largest = float(np.iinfo(dtype).max) + 1
        return Kind(dtype, shape, largest if size > largest or dtype.startswith("uint") else size)
    return Kind(dtype, shape, size, error + rounding(dtype, size, OPERATIONS[name].smooth or error > 0))


def rounding(dtype: str, size: float, inexact: bool) -> float:
    """Return what rounding to `dtype` may add: nothing for an exact value that fits the mantissa."""
    # An integer of up to 1/eps is exact; otherwise 4 units in the last place bound every operation here.
    unit = float(ml_dtypes.finfo(dtype).eps)
    return 4 * unit * max(size, 1.0) if inexact or size * unit > 1 else 0.0


def fits(name: str, arguments: tuple[Kind, ...]) -> bool:
    """Whether an operation takes these arguments and its result stays within the type's range."""
    operation = OPERATIONS[name]
    if len(arguments) != operation.arity or not operation.accepts(*arguments):
        return False
    kind = result(name, arguments)
    return kind.size <= LARGEST.get(kind.dtype, math.inf)
