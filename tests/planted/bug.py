"""What a planted kernel bug is, and the small shapes in which all of them are planted."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import pallas as pl

from prism.pallas.errors import KernelError

MARK = "# BUG"


@dataclass(frozen=True, slots=True)
class Bug:
    """A program with one mistake: `program(interpret)` builds and runs it, `error` is what should be reported."""

    program: Callable[[Any], Any]
    error: type[KernelError]

    @property
    def name(self) -> str:
        """The program's name with spaces."""
        return self.program.__name__.replace("_", " ")

    @property
    def place(self) -> tuple[str, int]:
        """File name and line of the program's only line that bears the mark."""
        lines, first = inspect.getsourcelines(self.program)
        (offset,) = (number for number, line in enumerate(lines) if MARK in line)
        return Path(inspect.getsourcefile(self.program) or "").name, first + offset

    def is_named_by(self, report: KernelError | None) -> bool:
        """Whether a report is of the right type and names the right line."""
        return (
            report is not None
            and type(report) is self.error
            and (Path(report.site.file).name, report.site.line) == self.place
        )


def ramp(*shape: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return 0, 1, 2, ... in this shape."""
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def floats(*shape: int) -> jax.ShapeDtypeStruct:
    """Return the type of a float32 array."""
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def whole(*shape: int) -> pl.BlockSpec:
    """Return the spec that hands the whole array to every step."""
    return pl.BlockSpec(shape, lambda *_: (0,) * len(shape))


def blocks(n: int) -> pl.BlockSpec:
    """Return the spec of a vector in blocks of `n`, one a step of the first grid axis."""
    return pl.BlockSpec((n,), lambda i, *_: (i,))
