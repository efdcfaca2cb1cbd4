"""Launches: a verified program bound to a shape, buffers, scalars and fuel [ISA-10]."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from math import prod
from typing import Any, Final

import numpy as np

from prism.errors import UsageError
from prism.kernels.isa.program import CLASSES, Access, Buffer
from prism.kernels.isa.types import Kind, Type
from prism.kernels.isa.verify import Verified

Dim = tuple[int, int, int]
FUEL: Final = 1 << 26
"""Fuel of a lane unless a launch says otherwise: how many times it may go round loops."""
MOST_LANES: Final = 1 << 31
MOST_IN_BLOCK: Final = 1024


@dataclass(frozen=True, slots=True)
class Shape:
    """How many lanes run: a grid of blocks of lanes, each (x, y, z), x fastest; `shared_bytes` is what a caller asked
    of shared memory in the plan's form and decides nothing here, where programs declare it.
    """

    grid: Dim = (1, 1, 1)
    block: Dim = (1, 1, 1)
    shared_bytes: int = 0

    def __post_init__(self) -> None:
        for name, dim, most in (("grid", self.grid, MOST_LANES), ("block", self.block, MOST_IN_BLOCK)):
            if len(dim) != 3 or min(dim) < 1 or prod(dim) > most:
                raise UsageError(
                    f"a {name} must be three whole numbers of at least 1 and of product at most {most}, got {dim}; "
                    "give x, y and z"
                )
        if self.lanes > MOST_LANES:
            raise UsageError(f"a launch must have at most {MOST_LANES} lanes, got {self.lanes}; launch in parts")

    @property
    def blocks(self) -> int:
        """Blocks in all."""
        return prod(self.grid)

    @property
    def lanes(self) -> int:
        """Lanes in all."""
        return self.blocks * prod(self.block)


def linear(total: int, block: int = 256) -> Shape:
    """Return the shape of enough blocks of `block` lanes for `total` lanes, in one dimension."""
    if total < 1 or not 1 <= block <= MOST_IN_BLOCK:
        raise UsageError(
            f"a linear launch must have at least 1 lane in blocks of 1 to {MOST_IN_BLOCK}, got {total} in {block}"
        )
    return Shape(grid=(-(-total // block), 1, 1), block=(block, 1, 1))


@dataclass(frozen=True, slots=True)
class Launch:
    """Everything a run is about; making one checks it.

    buffers: for each declared buffer an array of its dtype, C-contiguous, writable where the program writes; executors
    write in place. scalars: a number for each declared one. lane_class, phase: what lanes start with.
    UsageError for anything missing, unknown, of another dtype, or two parameters that overlap where one is written.
    """

    verified: Verified
    shape: Shape
    buffers: Mapping[str, np.ndarray] = field(default_factory=dict)
    scalars: Mapping[str, Any] = field(default_factory=dict)
    fuel: int = FUEL
    lane_class: int = 0
    phase: int = 0

    def __post_init__(self) -> None:
        program = self.verified.program
        _same_names("buffers", {one.name for one in program.buffers}, set(self.buffers))
        _same_names("scalars", {one.name for one in program.scalars}, set(self.scalars))
        for declared in program.buffers:
            _check_buffer(declared, self.buffers[declared.name])
        for one, other in combinations(program.buffers, 2):
            written = {one.access, other.access} != {Access.READ}
            if written and np.may_share_memory(self.buffers[one.name], self.buffers[other.name]):
                raise UsageError(
                    f"buffers {one.name!r} and {other.name!r} must not overlap, for one is written; bind a copy"
                )
        for scalar in program.scalars:
            scalar_value(scalar.type, self.scalars[scalar.name], scalar.name)
        if self.fuel < 0 or not 0 <= self.lane_class < CLASSES or not 0 <= self.phase < 768:
            raise UsageError(
                "fuel must be at least 0, lane_class below 96 and phase below 768, "
                f"got {self.fuel}, {self.lane_class} and {self.phase}"
            )


def _same_names(what: str, declared: set[str], given: set[str]) -> None:
    if declared != given:
        raise UsageError(
            f"a launch must bind exactly the {what} that the program declares, "
            f"missing {sorted(declared - given)}, unknown {sorted(given - declared)}"
        )


def _check_buffer(declared: Buffer, array: np.ndarray) -> None:
    if not isinstance(array, np.ndarray) or array.dtype != declared.type.dtype or not array.flags.c_contiguous:
        got = f"{array.dtype} of shape {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        raise UsageError(
            f"buffer {declared.name!r} must be a contiguous NumPy array of {declared.type.name}, got {got}; convert it"
        )
    if declared.access is not Access.READ and not array.flags.writeable:
        raise UsageError(f"buffer {declared.name!r} must be writable, for the program writes it; bind a copy")


def scalar_value(ty: Type, value: Any, name: str) -> np.generic:
    """Return a bound scalar as an element of its type; UsageError unless a whole number fits and a float is one."""
    whole = ty.kind is not Kind.FLOAT
    number = np.asarray(value)
    fine = number.ndim == 0 and number.dtype.kind in ("iub" if whole else "iufV") and not isinstance(value, str)
    if fine and whole:
        low, high = np.iinfo(ty.dtype).min, np.iinfo(ty.dtype).max
        fine = low <= int(value) <= high
    if not fine:
        raise UsageError(f"scalar {name!r} must be one number that {ty.name} holds, got {value!r}; convert it")
    return ty.dtype.type(value)
