"""Memo: the nodes of a session by id, an index that keeps neighbours together, and what each node was rewritten to.

Rewriting makes nodes that differ little from the one before: the next suc of a chain, the next sum with one operand in
common. In the index of a ledger each would lie on a line of its own; here as many as fill a line share one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from prism.vm.ledger.key import OPERAND_BITS, KeyLayout
from prism.vm.ledger.nodes import RESERVED
from prism.vm.ledger.table import EMPTY, NO_ROOM, mix

_SMALLEST: Final = 1 << 10
_STEPS: Final = ((1 << 19, 8), (1 << 21, 4))
"""Below so many slots an index grows by so much, beyond by two: to enter rows again takes longer than to use memory."""

# Keys alike but for as many low bits of operand a have their home slots side by side, on a line of 64 bytes.
_NEAR_BITS: Final = np.uint64(4)
_NEAR: Final = np.uint64(((1 << 4) - 1) << OPERAND_BITS)
_OPERAND: Final = np.uint64(OPERAND_BITS)
_WORD: Final = np.uint64(32)
_LOW: Final = np.uint64(0xFFFFFFFF)
_ONE: Final = np.uint64(1)
_VACANT: Final = np.uint64(EMPTY)


@dataclass(slots=True)
class Memo:
    """Row `i` of `keys` is the key of node `i`, for `i < count`, and of `forward` what is known of it.

    keys: uint64[room], `room <= limit`. index: uint32[slots], a power of two, as in `prism.vm.ledger.table.Table` but
    for where a key's home is. forward: int32[room], see `theory_loop`. limit: the most rows there may ever be. Cost: 12
    bytes a row in use, and 6.4 to 12.8 bytes of index a node once there are 1.3 * 10^6 of them, up to 50 before.
    """

    keys: NDArray[np.uint64]
    index: NDArray[np.uint32]
    forward: NDArray[np.int32]
    count: int
    limit: int

    @staticmethod
    def of(layout: KeyLayout, limit: int) -> Memo:
        """Return a memo of the reserved nodes, the second of which is normal."""
        nothing = np.empty(0, np.uint32)
        memo = Memo(layout.pack(*RESERVED), nothing, np.arange(2, dtype=np.int32), 2, limit)
        memo._spread(_SMALLEST)
        return memo

    def grow(self) -> bool:
        """Make room for more rows and return True, or return False if there is room for all that there may be.

        Cost: one pass over the rows. Raises MemoryError, nothing changed.
        """
        if len(self.keys) == self.limit:
            return False
        slots = len(self.index)
        self._spread(slots * next((factor for below, factor in _STEPS if slots < below), 2))
        return True

    def _spread(self, slots: int) -> None:
        index = np.full(slots, EMPTY, np.uint32)
        room = min(slots // 8 * 5, self.limit)
        keys, forward = np.zeros(room, np.uint64), np.zeros(room, np.int32)
        keys[: self.count], forward[: self.count] = self.keys[: self.count], self.forward[: self.count]
        _enter(keys, index, self.count)
        self.keys, self.index, self.forward = keys, index, forward


@njit(cache=True, _nrt=False)  # pyright: ignore[reportCallIssue]  # the stub lacks the option
def _home(key, slots):
    """Return the slot at which the search for a key starts, and the mixing whose low bits tell it from others."""
    mixed = mix(key & ~_NEAR)
    place = (key & _NEAR) >> _OPERAND
    line = (mixed >> _WORD) * (slots >> _NEAR_BITS) >> _WORD
    return line << _NEAR_BITS | place, mixed ^ place << _OPERAND


@njit(cache=True, _nrt=False)  # pyright: ignore[reportCallIssue]  # the stub lacks the option
def entered(keys, index, count, key):
    """Return the id of a key, entering it as node `count` if it is new; NO_ROOM if it is new and the rows are full.

    The caller advances its own `count` when the answer equals it. int64.
    """
    mask = np.uint64(len(index)) - _ONE
    slot, mixed = _home(key, np.uint64(len(index)))
    hint = mixed & _LOW & ~mask
    while True:
        word = np.uint64(index[slot])
        if word == _VACANT:
            break
        if word & ~mask == hint and keys[word & mask] == key:
            return np.int64(word & mask)
        slot = slot + _ONE & mask
    if count >= len(keys):
        return np.int64(NO_ROOM)
    keys[np.uint64(count)] = key
    index[slot] = hint | np.uint64(count)
    return np.int64(count)


@njit(cache=True)
def _enter(keys, index, count):
    """Enter the first `count` keys, distinct and absent, in order of id."""
    mask = np.uint64(len(index)) - _ONE
    for row in range(count):
        slot, mixed = _home(keys[row], np.uint64(len(index)))
        while index[slot] != EMPTY:
            slot = slot + _ONE & mask
        index[slot] = mixed & _LOW & ~mask | np.uint64(row)
