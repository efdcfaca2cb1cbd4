"""Conflicts: accesses of different lanes to one element that nothing orders [ISA-18].

Two accesses are ordered if one lane makes both, or if both lanes are of one block that met in between. For each
element a shadow keeps the last two loads, stores and atomics of distinct lanes, and whether several blocks made any;
older ones are ordered before those, or found already. Cost: a dozen words an element of each accessed buffer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray
_MANY = -2


@dataclass(slots=True)
class Accesses:
    """Who accesses: lane, block and how often the block has met, an entry for each lane of one step."""

    lane: Array
    block: Array
    epoch: Array


class _Seen:
    """The accesses of one kind to each element; it takes no room before the first."""

    def __init__(self, size: int) -> None:
        self.size, self.is_empty = size, True

    def _begin(self) -> None:
        self.block = np.full(self.size, -1, np.int64)
        self.lane = np.full((2, self.size), -1, np.int64)
        self.epoch = np.full((2, self.size), -1, np.int64)
        self.is_empty = False

    def unordered(self, at: Array, by: Accesses) -> Array:
        """Where an access now is not ordered after all those seen."""
        if self.is_empty:
            return np.zeros(len(at), bool)
        away = (self.block[at] != by.block) & (self.block[at] != -1)
        near = [
            (self.lane[k][at] != by.lane) & (self.lane[k][at] >= 0) & (self.epoch[k][at] >= by.epoch) for k in (0, 1)
        ]
        return away | near[0] | near[1]

    def note(self, at: Array, by: Accesses) -> None:
        """Remember accesses, in the order of lanes."""
        if self.is_empty:
            self._begin()
        other = (self.block[at] != -1) & (self.block[at] != by.block)
        self.block[at] = np.where(other, _MANY, by.block)
        first = self.lane[0][at] != by.lane
        self.lane[1][at[first]] = self.lane[0][at[first]]
        self.epoch[1][at[first]] = self.epoch[0][at[first]]
        self.lane[0][at], self.epoch[0][at] = by.lane, by.epoch
        # Of lanes that access one element in this very step all but the last were overwritten: keep another of them.
        lost = self.lane[0][at] != by.lane
        self.lane[1][at[lost]], self.epoch[1][at[lost]] = by.lane[lost], by.epoch[lost]
        self.block[at[lost & (self.block[at] != by.block)]] = _MANY


class Shadow:
    """The shadow of one buffer."""

    def __init__(self, size: int) -> None:
        self.loads, self.stores, self.atomics = _Seen(size), _Seen(size), _Seen(size)

    def load(self, at: Array, by: Accesses) -> Array:
        """Note loads of elements `at`; return where they conflict."""
        wrong = self.stores.unordered(at, by) | self.atomics.unordered(at, by)
        self.loads.note(at, by)
        return wrong

    def store(self, at: Array, by: Accesses) -> Array:
        """Note stores; return where they conflict, with lower lanes of the same step too."""
        wrong = self.loads.unordered(at, by) | self.stores.unordered(at, by) | self.atomics.unordered(at, by)
        order = np.argsort(at, kind="stable")
        again = np.zeros(len(at), bool)
        again[order[1:]] = at[order[1:]] == at[order[:-1]]
        self.stores.note(at, by)
        return wrong | again

    def atomic(self, at: Array, by: Accesses) -> Array:
        """Note atomic changes; return where they conflict."""
        wrong = self.loads.unordered(at, by) | self.stores.unordered(at, by)
        self.atomics.note(at, by)
        return wrong
