"""Count-Min sketch: how often each key came, never too few, in fixed memory [RINGTEL-4].

Cormode and Muthukrishnan, "An improved data stream summary", 2005; the hash is Vigna's splitmix64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from prism.ring.errors import ByteLengthError, QueueFullError
from prism.ring.layout import ACTIVE
from prism.ring.reading import TelemetryDecodeScratch

_GOLDEN: Final = 0x9E3779B97F4A7C15
_MASK: Final = (1 << 64) - 1


def _splitmix64(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    mixed = state + np.uint64(_GOLDEN)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


class CountMinSketch:
    """`depth` rows of `width` counters of 64 bits; each key has one counter in each row, which it may share.

    Raises QueueFullError unless both are at least 1.
    """

    def __init__(self, depth: int, width: int) -> None:
        if depth < 1 or width < 1:
            raise QueueFullError(f"a sketch has at least 1 row of 1 counter, got {depth} of {width}; enlarge it")
        self.counters = np.zeros((depth, width), np.uint64)
        self._salts = np.array([row * _GOLDEN & _MASK for row in range(depth)], np.uint64)[:, None]

    def _buckets(self, keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
        return _splitmix64(keys[None, :] ^ self._salts) % np.uint64(self.counters.shape[1])

    def add(self, keys: NDArray[np.uint64], amounts: NDArray[np.uint64]) -> None:
        """Count keys, (n,), so many times each; raises ByteLengthError, nothing counted, above 64 bits."""
        after = self.counters.copy()
        for row, buckets in zip(after, self._buckets(keys), strict=True):
            np.add.at(row, buckets, amounts)
        # Each counter gained at most the sum of the amounts, so it wrapped where that sum does or where it fell.
        if sum(map(int, amounts)) > _MASK or np.any(after < self.counters):
            raise ByteLengthError("a counter of a sketch must stay below 2**64; start another sketch")
        self.counters = after

    def estimate(self, keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Return how often each key came at most, (n,): never less than it did."""
        rows = np.arange(len(self.counters))[:, None]
        return self.counters[rows, self._buckets(keys)].min(axis=0)

    def merge(self, other: CountMinSketch) -> None:
        """Add another sketch's counts; raises QueueFullError for another shape, ByteLengthError above 64 bits."""
        if self.counters.shape != other.counters.shape:
            raise QueueFullError(
                f"sketches to merge have one shape, got {self.counters.shape} and {other.counters.shape}; "
                "make them alike"
            )
        after = self.counters + other.counters
        if np.any(after < self.counters):
            raise ByteLengthError("a counter of a merged sketch must stay below 2**64; start another sketch")
        self.counters = after


@dataclass(frozen=True, slots=True)
class RingSketches:
    """What came in readings, by opcode, by opcode of slots that had not ended, by tenant and by status."""

    opcodes: CountMinSketch
    active_opcodes: CountMinSketch
    tenants: CountMinSketch
    statuses: CountMinSketch

    @classmethod
    def empty(cls, depth: int, width: int) -> RingSketches:
        """Return four sketches of one shape."""
        return cls(*(CountMinSketch(depth, width) for _ in range(4)))

    def add(self, reading: TelemetryDecodeScratch) -> None:
        """Count the slots of a reading."""
        rows = reading.slot_rows
        active = np.isin(rows[:, 0], np.array(sorted(ACTIVE), rows.dtype))
        for sketch, column in (
            (self.statuses, rows[:, 0]),
            (self.tenants, rows[:, 1]),
            (self.opcodes, rows[:, 2]),
            (self.active_opcodes, rows[active, 2]),
        ):
            keys, amounts = np.unique(column.astype(np.uint64), return_counts=True)
            sketch.add(keys, amounts.astype(np.uint64))
