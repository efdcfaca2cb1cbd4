"""What a pair of an illegal kernel and its twin is: `wrong` chooses, and the marked line is where it is told.

A program returns a function without arguments that calls the kernel, and what the twin should give.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.planted.bug import MARK

Program = Callable[[bool], tuple[Callable[[], Any], Any]]


@dataclass(frozen=True, slots=True)
class Pair:
    """A fault and its twin: the chip, and the rule that tells them apart."""

    program: Program
    chip: str
    rule: str

    @property
    def name(self) -> str:
        """The program's name with spaces."""
        return self.program.__name__.strip("_").replace("_", " ")

    @property
    def place(self) -> tuple[str, int]:
        """File name and line of the program's only line that bears the mark."""
        lines, first = inspect.getsourcelines(self.program)
        (offset,) = (number for number, line in enumerate(lines) if MARK in line)
        return Path(inspect.getsourcefile(self.program) or "").name, first + offset


PAIRS: list[Pair] = []


def planted(chip: str, rule: str) -> Callable[[Program], Program]:
    """Keep a program among `PAIRS`."""

    def keep(program: Program) -> Program:
        PAIRS.append(Pair(program, chip, rule))
        return program

    return keep


def array(*shape, dtype=np.float32):
    """Return small whole numbers, so that sums of them are exact."""
    return (np.arange(np.prod(shape)) % 7).reshape(shape).astype(dtype)
