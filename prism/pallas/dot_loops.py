"""Numba loops of the float32 matrix product: one fused multiply-add an element and k, in ascending k [PALLAS-4]."""

from __future__ import annotations

from typing import Any

import numba
from numba import types
from numba.extending import intrinsic

_ROW_MAJOR = types.Array(types.float32, 3, "C")
_ANY_STRIDES = types.Array(types.float32, 3, "A", readonly=True)
_ROWS = types.Array(types.float32, 3, "C", readonly=True)
_PLACES = types.Array(types.intp, 1, "C", readonly=True)


def _type_fma(_context: Any, _a: Any, _b: Any, _c: Any) -> Any:
    """Type a * b + c, rounded once: LLVM's own fma, where fast-math flags would only allow fusing."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return types.float32(types.float32, types.float32, types.float32), generate


_fma: Any = intrinsic(_type_fma)


@numba.njit(nogil=True)
def _add(x: Any, y: Any, out: Any) -> None:
    """Add x @ y to `out`."""
    (rows, inner), columns = x.shape, y.shape[1]
    fours, ks = rows - rows % 4, inner - inner % 4
    # Four rows by four ks: each row of y that is loaded serves 16 products, and LLVM vectorises along j.
    for i in range(0, fours, 4):
        for k in range(0, ks, 4):
            a0, a1, a2, a3 = x[i, k], x[i, k + 1], x[i, k + 2], x[i, k + 3]
            b0, b1, b2, b3 = x[i + 1, k], x[i + 1, k + 1], x[i + 1, k + 2], x[i + 1, k + 3]
            c0, c1, c2, c3 = x[i + 2, k], x[i + 2, k + 1], x[i + 2, k + 2], x[i + 2, k + 3]
            d0, d1, d2, d3 = x[i + 3, k], x[i + 3, k + 1], x[i + 3, k + 2], x[i + 3, k + 3]
            for j in range(columns):
                y0, y1, y2, y3 = y[k, j], y[k + 1, j], y[k + 2, j], y[k + 3, j]
                a, b, c, d = out[i, j], out[i + 1, j], out[i + 2, j], out[i + 3, j]
                out[i, j] = _fma(a3, y3, _fma(a2, y2, _fma(a1, y1, _fma(a0, y0, a))))
                out[i + 1, j] = _fma(b3, y3, _fma(b2, y2, _fma(b1, y1, _fma(b0, y0, b))))
                out[i + 2, j] = _fma(c3, y3, _fma(c2, y2, _fma(c1, y1, _fma(c0, y0, c))))
                out[i + 3, j] = _fma(d3, y3, _fma(d2, y2, _fma(d1, y1, _fma(d0, y0, d))))
    for i in range(rows):
        for k in range(ks if i < fours else 0, inner):
            a = x[i, k]
            for j in range(columns):
                out[i, j] = _fma(a, y[k, j], out[i, j])


@numba.njit(nogil=True, cache=True)
def multiply(x: Any, y: Any, out: Any) -> None:
    """Store x @ y in `out`: float32 [m, k], [k, n] and [m, n], the last two row-major; callable from Numba."""
    out[:] = 0
    # The rows of y that one pass reads again and again stay in the cache: half a MiB.
    depth = max(4, 131072 // max(y.shape[1], 1) // 4 * 4)
    for k in range(0, y.shape[0], depth):
        _add(x[:, k : k + depth], y[k : k + depth], out)


@numba.njit(types.void(_ANY_STRIDES, _ROWS, _PLACES, _PLACES, _ROW_MAJOR), nogil=True, cache=True)
def multiply_pairs(x: Any, y: Any, lefts: Any, rights: Any, out: Any) -> None:
    """Store x[lefts[p]] @ y[rights[p]] in out[p] for every p: float32 matrices, all but x row-major."""
    for p in range(len(lefts)):
        multiply(x[lefts[p]], y[rights[p]], out[p])
