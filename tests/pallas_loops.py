"""Generated loops evaluated by Python itself: the same text as Numba compiles, without seconds of compilation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np

import prism.pallas
from prism.codegen import elementary
from prism.pallas import dot_loops
from prism.pallas.numba_source import compiled


def _fused(x: Any, y: Any, z: Any) -> Any:
    return type(z)(np.float64(x) * np.float64(y) + np.float64(z))


_INTRINSICS = {"_maximum": np.maximum, "_minimum": np.minimum, "_fma": _fused}
_NUMBA = SimpleNamespace(
    njit=lambda **_: lambda function: function,
    extending=SimpleNamespace(intrinsic=lambda function: _INTRINSICS[function.__name__]),
)


class _NumPy:
    """NumPy with the elementary functions that Numba gives its names."""

    def __getattr__(self, name: str) -> Any:
        primitive = name.replace("arctan2", "atan2").replace("arc", "a")
        return _elementary(primitive) if primitive in elementary.TEXTS else getattr(np, name)


def _elementary(name: str) -> Callable[..., Any]:
    return lambda *operands: elementary.ufunc(name, np.asarray(operands[0]).dtype)(*operands)


def evaluated(source: str) -> Callable[..., int]:
    """Return the function `kernel` of a generated module as Python runs it."""
    scope = {"np": _NumPy(), "numba": _NUMBA, "_multiply": dot_loops.multiply}
    exec(re.sub(r"(?m)^(import|from) .*$", "", source), scope)
    kernel: Any = scope["kernel"]

    def run(*arguments: Any) -> int:
        with np.errstate(all="ignore"):
            return kernel(*arguments)

    return run


@dataclass(slots=True)
class Evaluations:
    """The sources that were loaded, and what each run returned."""

    sources: list[str] = field(default_factory=list)
    outcomes: list[int] = field(default_factory=list)

    def load(self, source: str) -> Callable[..., int]:
        """Return a module's function, whose runs are noted."""
        self.sources.append(source)
        kernel = evaluated(source)

        def run(*arguments: Any) -> int:
            self.outcomes.append(kernel(*arguments))
            return self.outcomes[-1]

        return run


@contextmanager
def python_loops() -> Iterator[Evaluations]:
    """Let compiled mode run its loops in Python."""
    evaluations = Evaluations()
    prism.pallas.clear_caches()
    with mock.patch.object(compiled, "load", evaluations.load):
        yield evaluations
    prism.pallas.clear_caches()
