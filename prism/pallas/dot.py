"""A float32 matrix product whose rounding does not depend on batching, threads or BLAS [PALLAS-4]."""

from __future__ import annotations

import functools
import math

import numpy as np

from prism.pallas.dtypes import Array


class _Load:
    """Decides when to load the Numba loops: loading takes 0.6 s a process, which a few small products never earn.

    The answer changes how long a product takes and nothing else. `spent_s` estimates the work done without the loops.
    """

    __slots__ = ("spent_s",)

    LIMIT_S = 0.25

    def __init__(self) -> None:
        self.spent_s = 0.0

    def pays(self, multiplications: int, inner: int) -> bool:
        """Count one more product, and say whether the loops have earned their load; once they have, they stay."""
        if self.spent_s <= self.LIMIT_S:
            self.spent_s += 1.3e-9 * multiplications + 8e-6 * inner
        return self.spent_s > self.LIMIT_S


_load = _Load()


def dot(x: Array, y: Array) -> Array:
    """Return x @ y, each element `sum = fma(x[i, k], y[k, j], sum)` for ascending k, from 0, in one float32.

    Float32 [..., m, k] and [..., k, n] of any strides to [..., m, n]; leading axes broadcast. Cost: about OpenBLAS in
    one thread, and a copy of a right operand that is not row-major.
    """
    rows, inner, columns = *x.shape[-2:], y.shape[-1]
    if columns < 16 and columns < rows:
        # The loops run along the columns. Factors commute, bit for bit.
        return dot(y.swapaxes(-1, -2), x.swapaxes(-1, -2)).swapaxes(-1, -2)
    lead = np.broadcast_shapes(x.shape[:-2], y.shape[:-2]) if x.ndim + y.ndim > 4 else ()
    form = by_loops if _load.pays(math.prod(lead) * rows * inner * columns, inner) else by_numpy
    return form(x, y, lead)


def by_loops(x: Array, y: Array, lead: tuple[int, ...]) -> Array:
    """Return `dot` by the Numba loops; `lead` are the result's leading extents."""
    # Whoever calls this has weighed what the import costs.
    from prism.pallas.dot_loops import multiply_pairs

    shape = (*lead, x.shape[-2], y.shape[-1])
    if math.prod(y.shape[:-2]) == 1:
        # One right operand serves the rows of all left ones.
        x, y, lead = x.reshape(math.prod(shape[:-1]), x.shape[-1]), y.reshape(y.shape[-2:]), ()
    elif math.prod(x.shape[:-2]) == 1:
        # One left operand serves the columns of all right ones, which often lie side by side.
        wide = np.moveaxis(y, -2, 0)
        product = by_loops(x.reshape(x.shape[-2:]), wide.reshape(wide.shape[0], math.prod(wide.shape[1:])), ())
        return np.moveaxis(product.reshape(product.shape[0], *lead, y.shape[-1]), 0, -2)
    lefts, rights = _numbers(x.shape[:-2], lead), _numbers(y.shape[:-2], lead)
    out = np.empty((len(lefts), x.shape[-2], y.shape[-1]), np.float32)
    multiply_pairs(_matrices(x), np.ascontiguousarray(_matrices(y)), lefts, rights, out)
    return out.reshape(shape)


def _matrices(x: Array) -> Array:
    return x.reshape(math.prod(x.shape[:-2]), *x.shape[-2:])


@functools.lru_cache(maxsize=128)
def _numbers(own: tuple[int, ...], lead: tuple[int, ...]) -> Array:
    """Return for each matrix of the result the number of the operand's matrix that it is made from: intp [pairs]."""
    numbers = np.arange(math.prod(own), dtype=np.intp).reshape(own)
    return np.ascontiguousarray(np.broadcast_to(numbers, lead)).reshape(-1)


def by_numpy(x: Array, y: Array, lead: tuple[int, ...]) -> Array:
    """Return `dot` by NumPy, in float64 and rounded once."""
    total = np.zeros((*lead, x.shape[-2], y.shape[-1]), np.float32)
    underflows = not _least(x) * _least(y) >= 2.0**-125
    x, y = x.astype(np.float64), y.astype(np.float64)
    for k in range(x.shape[-1]):
        total = _add(total, x[..., :, k, None] * y[..., k, None, :], underflows=underflows)
    return total


def _least(x: Array) -> float:
    return float(np.min(np.abs(x), where=x != 0, initial=np.inf))


def _add(total: Array, term: Array, *, underflows: bool) -> Array:
    """Return float32 total plus exact float64 term, rounded once.

    The float64 sum is rounded already. To round it again to float32 errs only where it lies halfway between two of
    those; there it must be odd if it is inexact (Boldo and Melquiond 2008). Float32 numbers that have lost digits to
    underflow have other halves.
    """
    result = total + term
    halfway = (result.view(np.int64) & 0x1FFFFFFF) == 0x10000000
    if underflows or halfway.any():
        back = result - total
        error = (total - (result - back)) + (term - back)
        inexact = (error != 0) & (result.view(np.int64) & 1 == 0)
        result = np.where(inexact, np.nextafter(result, np.copysign(np.inf, error)), result)
    return result.astype(np.float32)
