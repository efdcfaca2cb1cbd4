"""The peers of `bench kernels`: the same kernels as one writes them for Numba, Warp and Taichi."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import redirect_stdout
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


def _warp(name: str) -> Prepare:
    def prepare(given: Arrays) -> Callable[[], Any]:
        with redirect_stdout(io.StringIO()):  # it tells of its device and of compiling there, where rows may be read
            import warp  # type: ignore[import-not-found]

            def add(a, b, c):
                i = warp.tid()
                c[i] = a[i] + b[i]

            def fused(a, b, d, c):
                i = warp.tid()
                c[i] = 1.0 / (1.0 + warp.exp(-(a[i] * b[i] + d[i])))

            loop = {"add": add, "fused": fused}[name]
            # Types stand in the annotations, which would be texts here.
            names = loop.__code__.co_varnames[: loop.__code__.co_argcount]
            loop.__annotations__ = dict.fromkeys(names, warp.array[float])
            compiled = warp.kernel(loop)
            arrays = [warp.array(one, dtype=warp.float32, device="cpu") for one in given.values()]
            out = warp.empty_like(arrays[0])

            def call() -> Any:
                warp.launch(compiled, dim=out.size, inputs=[*arrays, out], device="cpu")
                return out.numpy()

            call()
        return call

    return prepare


def _taichi(name: str) -> Prepare:
    def prepare(given: Arrays) -> Callable[[], Any]:
        with redirect_stdout(io.StringIO()):  # it greets there, where rows may be read by a program
            import taichi  # type: ignore[import-not-found]

            taichi.init(arch=taichi.cpu, log_level=taichi.ERROR)

        def add(a, b, c):
            for i in range(a.shape[0]):
                c[i] = a[i] + b[i]

        def fused(a, b, d, c):
            for i in range(a.shape[0]):
                c[i] = 1.0 / (1.0 + taichi.exp(-(a[i] * b[i] + d[i])))

        loop = {"add": add, "fused": fused}[name]
        names = loop.__code__.co_varnames[: loop.__code__.co_argcount]
        loop.__annotations__ = dict.fromkeys(names, taichi.types.ndarray())
        compiled, arrays = taichi.kernel(loop), list(given.values())
        out = np.empty_like(arrays[0])

        def call() -> Any:
            compiled(*arrays, out)
            return out

        return call

    return prepare


WARP: Final[dict[str, Prepare]] = {name: _warp(name) for name in ("add", "fused")}
TAICHI: Final[dict[str, Prepare]] = {name: _taichi(name) for name in ("add", "fused")}
"""Two kernels each: these peers are seldom installed, and their launch and their loops are what differs."""
