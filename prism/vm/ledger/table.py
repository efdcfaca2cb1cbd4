"""Table: packed keys in id order and the hash index over them, with the single-node steps for jitted loops.

An evaluator interns inside its own Numba loop: `pack_one` a node, `intern_one` it, and when that answers NO_ROOM
leave the loop with its state, let the host call `HostLedger.make_room`, and come back. A new node gets the next id,
which is what a batch of one would give it [LEDGER-3].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from prism.vm.ledger.key import OPERAND_BITS
from prism.vm.ledger.mixing import mix as _mix
from prism.vm.ledger.mixing import unmix as _unmix

EMPTY: Final = np.uint32(0xFFFFFFFF)
NO_ROOM: Final = -1
UNKNOWN: Final = -1

# The home slot of a key is the top bits of its mixing, so that slots lie in the order of new ids. An index word is an
# id in the low bits that address the index, and above them as many low bits of the key's mixing as fit: most words of
# other keys are passed over without touching their key. The id of all ones is never reached.
_WORD: Final = np.uint64(32)
_LOW: Final = np.uint64(0xFFFFFFFF)
_OPERAND: Final = np.uint64(OPERAND_BITS)
_OPERAND_MASK: Final = np.uint64((1 << OPERAND_BITS) - 1)
_ONE: Final = np.uint64(1)
_VACANT: Final = np.uint64(EMPTY)
_SMALLEST: Final = 1 << 10

mix = njit(cache=True)(_mix)
unmix = njit(cache=True)(_unmix)


@dataclass(slots=True)
class Table:
    """Row `i` of `keys` is the key of node `i`, for `i < count`; later rows are zero.

    keys: uint64[room], `room <= limit`. index: uint32[slots], `slots` a power of two, open addressing with linear
    probing, at most 5/8 full however many rows are in use. limit: the most rows there may ever be.
    Cost: 8 bytes a row in use (zeroed memory is mapped on first touch) and 6.4 to 12.8 bytes of index a node.
    """

    keys: NDArray[np.uint64]
    index: NDArray[np.uint32]
    count: int
    limit: int

    @staticmethod
    def of(keys: NDArray[np.uint64], limit: int) -> Table:
        """Return a table of distinct keys, ids in their order; at most `limit` of them."""
        slots = _SMALLEST
        while slots // 8 * 5 < len(keys):
            slots *= 2
        table = Table(keys, np.empty(0, np.uint32), len(keys), limit)
        table._spread(slots, len(keys))
        return table

    def grow(self, count: int, wanted: int = 0) -> bool:
        """Double the room and return True, or return False if it is at its limit; `count` rows are in use.

        wanted: as `spread` has it. Cost: one pass over the rows. Raises MemoryError, nothing changed.
        """
        if len(self.keys) == self.limit:
            return False
        self.spread(count, max(wanted, len(self.index) // 8 * 5 + 1))
        return True

    def spread(self, count: int, wanted: int) -> None:
        """Double the index until it has slots for `wanted` rows, and the rows with it up to the limit.

        Cost: one pass over the rows if it grows. Raises MemoryError, nothing changed.
        """
        slots = len(self.index)
        while slots // 8 * 5 < wanted:
            slots *= 2
        if slots > len(self.index):
            self._spread(slots, count)

    def _spread(self, slots: int, count: int) -> None:
        index = np.full(slots, EMPTY, np.uint32)
        keys = np.zeros(min(slots // 8 * 5, self.limit), np.uint64)
        keys[:count] = self.keys[:count]
        enter(keys, index, count)
        self.keys, self.index = keys, index


@njit(cache=True)
def pack_one(op, a, b, id_bits, commutes):
    """Return the key of a well-formed node, the operands of a commuting op in ascending order [LEDGER-2].

    `commutes` is that of an `prism.vm.ledger.optable.OpTable`. All scalars; the key is uint64.
    """
    if commutes[op] and b < a:
        a, b = b, a
    x, y = np.uint64(a), np.uint64(b)
    key = ((np.uint64(op) << _OPERAND | x & _OPERAND_MASK) << _OPERAND) | y & _OPERAND_MASK
    # Apart, for with its loop in each place that packs a node a loop over nodes takes half as long again.
    if id_bits > OPERAND_BITS:
        key = _with_high_bits(key, x, y, id_bits)
    return key


@njit(cache=True)
def _with_high_bits(key, x, y, id_bits):
    """Return a key with the bits of two operands that lie above their places."""
    for j in range(id_bits - OPERAND_BITS):
        at, place = np.uint64(OPERAND_BITS + j), np.uint64(63 - 2 * j)
        key |= (x >> at & _ONE) << place | (y >> at & _ONE) << place - _ONE
    return key


@njit(cache=True)
def unpack_one(key, id_bits):
    """Return `(op, a, b)` of a packed key; int64 each."""
    op, a, b = key >> _OPERAND >> _OPERAND, key >> _OPERAND & _OPERAND_MASK, key & _OPERAND_MASK
    if id_bits > OPERAND_BITS:
        op, a, b = _high_bits_of(op, a, b, key, id_bits)
    return np.int64(op), np.int64(a), np.int64(b)


@njit(cache=True)
def _high_bits_of(op, a, b, key, id_bits):
    """Return an op and operands with the bits of the operands that a key has above their places."""
    for j in range(id_bits - OPERAND_BITS):
        at, place = np.uint64(OPERAND_BITS + j), np.uint64(63 - 2 * j)
        a |= (key >> place & _ONE) << at
        b |= (key >> place - _ONE & _ONE) << at
        op &= (_ONE << np.uint64(6 - 2 * j)) - _ONE
    return op, a, b


@njit(cache=True)
def home(mixed, slots):
    """Return the slot at which the search for a mixed key starts: as many of its top bits as address the slots."""
    return (mixed >> _WORD) * np.uint64(slots) >> _WORD


@njit(cache=True)
def tag(mixed, mask):
    """Return the bits of an index word that are not an id's; the slots are `mask + 1`."""
    return mixed & _LOW & ~mask


@njit(cache=True)
def find(keys, index, key):
    """Return the id of a key, or UNKNOWN; int64. Expected cost: two cache misses."""
    mask = np.uint64(len(index)) - _ONE
    mixed = mix(key)
    hint, slot = tag(mixed, mask), home(mixed, len(index))
    while True:
        word = np.uint64(index[slot])
        if word == _VACANT:
            return np.int64(UNKNOWN)
        if word & ~mask == hint and keys[word & mask] == key:
            return np.int64(word & mask)
        slot = slot + _ONE & mask


@njit(cache=True)
def intern_one(keys, index, count, key):
    """Return the id of a key, entering it as node `count` if it is new; NO_ROOM if it is new and the rows are full.

    The caller advances its own `count` when the answer equals it. int64.
    """
    mask = np.uint64(len(index)) - _ONE
    mixed = mix(key)
    hint, slot = tag(mixed, mask), home(mixed, len(index))
    while True:
        word = np.uint64(index[slot])
        if word == _VACANT:
            break
        if word & ~mask == hint and keys[word & mask] == key:
            return np.int64(word & mask)
        slot = slot + _ONE & mask
    if count >= len(keys):
        return np.int64(NO_ROOM)
    keys[count] = key
    index[slot] = hint | np.uint64(count)
    return np.int64(count)


@njit(cache=True)
def enter(keys, index, count):
    """Enter the first `count` keys, distinct and absent, in order of id."""
    mask = np.uint64(len(index)) - _ONE
    for row in range(count):
        mixed = mix(keys[row])
        slot = home(mixed, len(index))
        while index[slot] != EMPTY:
            slot = slot + _ONE & mask
        index[slot] = tag(mixed, mask) | np.uint64(row)
