"""The peers of `bench kernels`: the same kernels as one writes them for Numba, Warp and Taichi."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final

import numpy as np

from prism.kernels.std.table import Arrays

Prepare = Callable[[Arrays], Callable[[], Any]]
"""Makes from the inputs what is timed, which returns the result."""

_NUMBA_SOURCES: Final = {
    "add": "c[i] = a[i] + b[i]",
    "mul": "c[i] = a[i] * b[i]",
    "exp": "c[i] = math.exp(a[i])",
    "sigmoid": "c[i] = numpy.float32(1) / (numpy.float32(1) + math.exp(-a[i]))",
    "gelu": "c[i] = a[i] * numpy.float32(0.5) * (numpy.float32(1) + math.erf(a[i] * numpy.float32(0.70710678)))",
    "fused": "c[i] = numpy.float32(1) / (numpy.float32(1) + math.exp(-(a[i] * b[i] + d[i])))",
}


@cache
def _numba_element_wise(body: str) -> Any:
    import math

    import numba

    names: dict[str, Any] = {"math": math, "numpy": np, "numba": numba}
    source = f"def f(a, b, d, c):\n    for i in numba.prange(a.size):\n        {body}\n"
    exec(source, names)  # a table's own text, one loop for each entry
    return numba.njit(parallel=True)(names["f"])


@cache
def _numba_sum() -> Any:
    import numba

    @numba.njit(parallel=True)
    def total(a, b):
        found = np.float32(0)
        for i in numba.prange(a.size):
            found += a[i] * b[i]
        return found

    return total


def _numba(name: str) -> Prepare:
    def prepare(given: Arrays) -> Callable[[], Any]:
        inputs = list(given.values())
        a, b, d = (inputs[min(at, len(inputs) - 1)] for at in range(3))
        loop = _numba_element_wise(_NUMBA_SOURCES[name])

        def call() -> Any:
            out = np.empty_like(a)
            loop(a, b, d, out)
            return out

        return call

    return prepare


def _numba_reduction(given: Arrays) -> Callable[[], Any]:
    inputs = list(given.values())
    other = inputs[1] if len(inputs) > 1 else np.ones_like(inputs[0])
    return lambda: _numba_sum()(inputs[0], other)


NUMBA: Final[dict[str, Prepare]] = {
    **{name: _numba(name) for name in _NUMBA_SOURCES},
    "sum": _numba_reduction,
    "dot": _numba_reduction,
}
"""Parallel loops of Numba, by the name of the standard kernel."""


def _warp(given: Arrays) -> Callable[[], Any]:
    import warp  # type: ignore[import-not-found]

    @warp.kernel
    def add(a: warp.array(dtype=warp.float32), b: warp.array(dtype=warp.float32), c: warp.array(dtype=warp.float32)):  # type: ignore[valid-type]
        i = warp.tid()
        c[i] = a[i] + b[i]

    a, b = (warp.array(one, dtype=warp.float32, device="cpu") for one in given.values())
    c = warp.empty_like(a)

    def call() -> Any:
        warp.launch(add, dim=a.size, inputs=[a, b, c], device="cpu")
        return c.numpy()

    return call


def _taichi(given: Arrays) -> Callable[[], Any]:
    import taichi  # type: ignore[import-not-found]

    taichi.init(arch=taichi.cpu)

    @taichi.kernel
    def add(a: taichi.types.ndarray(), b: taichi.types.ndarray(), c: taichi.types.ndarray()):  # type: ignore[valid-type]
        for i in range(a.shape[0]):
            c[i] = a[i] + b[i]

    a, b = given.values()
    out = np.empty_like(a)

    def call() -> Any:
        add(a, b, out)
        return out

    return call


WARP: Final[dict[str, Prepare]] = {"add": _warp}
TAICHI: Final[dict[str, Prepare]] = {"add": _taichi}
"""One kernel each: these peers are seldom installed, and their launch is what differs."""
