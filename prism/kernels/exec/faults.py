"""Faults: how a run ends that may not go on; each names its instruction, its lane and the values it read [ISA-11]."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final

from prism.errors import PrismError


class FaultKind(IntEnum):
    """Why a lane could not go on; the numbers are what compiled executors report."""

    BOUNDS = 1
    MISALIGNED = 2
    DIVISION = 3
    FUEL = 4
    DIVERGENCE = 5
    CONFLICT = 6
    POOL = 7
    CLASS = 8


MEANING: Final = {
    FaultKind.BOUNDS: "an access must lie inside its buffer",
    FaultKind.MISALIGNED: "a byte offset must be a multiple of the element's size",
    FaultKind.DIVISION: "an integer divisor must not be zero",
    FaultKind.FUEL: "a lane must stop before its fuel is spent",
    FaultKind.DIVERGENCE: "all lanes of a block that have not stopped must meet at the same instruction",
    FaultKind.CONFLICT: "lanes that do not meet in between must not store where another lane loads or stores",
    FaultKind.POOL: "a pool must be used between its allocation and its end",
    FaultKind.CLASS: "a class must be below 96, and a page below 48",
}


class FaultError(PrismError):
    """A lane faulted.

    kind: why. index: the instruction, counted from 0 in the program. lane: the global lane id, the lowest of the lanes
    that faulted. values: what the instruction read, in the order of its operands (at most four; fewer if none).
    """

    def __init__(self, kind: FaultKind, index: int, lane: int, values: tuple[Any, ...], text: str) -> None:
        self.kind, self.index, self.lane, self.values, self.text = kind, index, lane, values, text
        read = f" with {', '.join(str(value) for value in values)}" if values else ""
        super().__init__(f"{MEANING[kind]}: lane {lane}, instruction {index} `{text}`{read}")
