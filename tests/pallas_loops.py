"""Generated loops evaluated by Python itself: the same text as Numba compiles, without seconds of compilation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np

import prism.pallas
from prism.pallas import compiled, dot_loops


def _fused(x: Any, y: Any, z: Any) -> Any:
    return type(z)(np.float64(x) * np.float64(y) + np.float64(z))


_INTRINSICS = {"_maximum": np.maximum, "_minimum": np.minimum, "_fma": _fused}
_NUMBA = SimpleNamespace(
    njit=lambda **_: lambda function: function,
    extending=SimpleNamespace(intrinsic=lambda function: _INTRINSICS[function.__name__]),
)


def evaluated(source: str) -> Callable[..., int]:
    """Return the function `kernel` of a generated module as Python runs it."""
    scope = {"np": np, "numba": _NUMBA, "_multiply": dot_loops.multiply}
    exec(re.sub(r"(?m)^(import|from) .*$", "", source), scope)
    kernel: Any = scope["kernel"]

    def run(*arguments: Any) -> int:
        with np.errstate(all="ignore"):
            return kernel(*arguments)

    return run


@contextmanager
def python_loops() -> Iterator[list[str]]:
    """Let compiled mode run its loops in Python; yields the sources that it ran."""
    sources: list[str] = []

    def load(source: str) -> Callable[..., int]:
        sources.append(source)
        return evaluated(source)

    prism.pallas.clear_caches()
    with mock.patch.object(compiled, "load", load):
        yield sources
    prism.pallas.clear_caches()
