"""The peers of `prism bench isa`: the same work as one writes it for JAX, Numba and NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import jax.numpy as jnp
import numba
import numpy as np

Array = np.ndarray[Any, Any]

JAX: Final[dict[str, Callable[..., Any]]] = {
    "copy": jnp.copy,
    "add": jnp.add,
    "chain": lambda x, y, z: jnp.maximum((x * y + z) * x, y) - z,
    "reduce": jnp.sum,
    "matmul": jnp.matmul,
}


@numba.njit(cache=True)
def _copy(x, out):
    for k in range(len(x)):
        out[k] = x[k]


@numba.njit(cache=True)
def _add(x, y, out):
    for k in range(len(x)):
        out[k] = x[k] + y[k]


@numba.njit(cache=True)
def _chain(x, y, z, out):
    for k in range(len(x)):
        out[k] = max((x[k] * y[k] + z[k]) * x[k], y[k]) - z[k]


@numba.njit(cache=True, fastmath={"reassoc"})
def _reduce(x, out):
    total = np.float32(0)
    for k in range(len(x)):
        total += x[k]
    out[0] = total


@numba.njit(cache=True)
def _matmul(x, y, out):
    out[:] = 0
    for i in range(x.shape[0]):
        for k in range(x.shape[1]):
            for j in range(y.shape[1]):
                out[i, j] += x[i, k] * y[k, j]


def _numpy_chain(x: Array, y: Array, z: Array, out: Array) -> None:
    np.multiply(x, y, out=out)
    np.add(out, z, out=out)
    np.multiply(out, x, out=out)
    np.maximum(out, y, out=out)
    np.subtract(out, z, out=out)


NUMBA: Final = {"copy": _copy, "add": _add, "chain": _chain, "reduce": _reduce, "matmul": _matmul}
NUMPY: Final[dict[str, Callable[..., Any]]] = {
    "copy": lambda x, out: np.copyto(out, x),
    "add": lambda x, y, out: np.add(x, y, out=out),
    "chain": _numpy_chain,
    "reduce": lambda x, out: np.sum(x, out=out[:1].reshape(())),
    "matmul": lambda x, y, out: np.matmul(x, y, out=out),
}
