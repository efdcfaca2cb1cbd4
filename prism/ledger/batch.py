"""Batch loops of the host ledger: check, look up or enter, withdraw, number. All Numba, all on a `Table`'s arrays."""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from prism.ledger.radix import sort_pairs
from prism.ledger.table import EMPTY, UNKNOWN, find, intern_one, mix, pack_one

ABSENT: Final = np.uint64(0xFFFFFFFFFFFFFFFF)
"""What a malformed node packs to: no layout has room for it, so no ledger holds it."""

# Items whose index words and keys are fetched together, so that their cache misses overlap.
_BLOCK: Final = 256
_ONE: Final = np.uint64(1)
_WORD: Final = np.uint64(32)


@njit(cache=True)
def _key(op, a, b, count, id_bits, arity, commutes):
    """Return the key of a node over a ledger of `count` nodes, or ABSENT if it is malformed [LEDGER-4]."""
    takes = arity[op]
    first = 0 < a < count if takes >= 1 else a == 0
    second = 0 < b < count if takes >= 2 else b == 0
    if takes > 2 or not (first and second):
        return ABSENT
    return pack_one(op, a, b, id_bits, commutes)


@njit(cache=True)
def pack_batch(op, a, b, count, id_bits, arity, commutes):
    """Return the key of every node, ABSENT where it is malformed: uint64[n]."""
    out = np.empty(len(op), np.uint64)
    for i in range(len(op)):
        out[i] = _key(op[i], a[i], b[i], count, id_bits, arity, commutes)
    return out


@njit(cache=True)
def well_formed(op, a, b, count, arity):
    """Return whether every node of the batch may be added to a ledger of `count` nodes [LEDGER-4]."""
    bad = False
    for i in range(len(op)):
        takes = arity[op[i]]
        first = 0 < a[i] < count if takes >= 1 else a[i] == 0
        second = 0 < b[i] < count if takes >= 2 else b[i] == 0
        bad |= takes > 2 or not (first and second)
    return not bad


@njit(cache=True)
def look_up(keys, index, wanted):
    """Return the id of every wanted key, UNKNOWN where the ledger lacks it: int32[n]."""
    out = np.empty(len(wanted), np.int32)
    for i in range(len(wanted)):
        out[i] = find(keys, index, wanted[i])
    return out


@njit(cache=True)
def _fetch(keys, index, block, guess, held):
    """Fetch for a block of keys the word of the home slot, and the key that it points to if its tag agrees.

    guess: the id found there, or -1; held: its key. Every load is independent of the others.
    """
    mask = np.uint64(len(index)) - _ONE
    for i in range(len(block)):
        mixed = mix(block[i])
        word = np.uint64(index[mixed & mask])
        agrees = word & ~mask == mixed >> _WORD & ~mask and word != np.uint64(EMPTY)
        guess[i] = np.int32(word & mask) if agrees else np.int32(UNKNOWN)
    for i in range(len(block)):
        held[i] = keys[guess[i]] if guess[i] >= 0 else ABSENT


@njit(cache=True)
def enter_batch(op, a, b, id_bits, commutes, keys, index, count, start, ids):
    """Give nodes `start...` of a well-formed batch ids in `ids`, entering new ones from `count` on as they come.

    Returns (position, count): where it stopped for want of room, or len(op), and the rows then in use.
    """
    block = np.empty(_BLOCK, np.uint64)
    held = np.empty(_BLOCK, np.uint64)
    guess = np.empty(_BLOCK, np.int32)
    for low in range(start, len(op), _BLOCK):
        size = min(_BLOCK, len(op) - low)
        for i in range(size):
            block[i] = pack_one(op[low + i], a[low + i], b[low + i], id_bits, commutes)
        _fetch(keys, index, block[:size], guess, held)
        for i in range(size):
            if held[i] == block[i]:
                ids[low + i] = guess[i]
                continue
            node = intern_one(keys, index, count, block[i])
            if node < 0:
                return low + i, count
            ids[low + i] = node
            count += node == count
    return len(op), count


@njit(cache=True)
def _slot_of(index, key, node):
    """Return the slot that holds `node`, whose key is `key`."""
    mask = np.uint64(len(index)) - _ONE
    mixed = mix(key)
    word = (mixed >> _WORD & ~mask) | np.uint64(node)
    slot = mixed & mask
    while np.uint64(index[slot]) != word:
        slot = slot + _ONE & mask
    return slot


@njit(cache=True)
def withdraw(keys, index, base, count):
    """Take rows `base...count` out again, last entered first, which leaves every byte as it was."""
    for row in range(count - 1, base - 1, -1):
        index[_slot_of(index, keys[row], row)] = EMPTY
        keys[row] = 0


@njit(cache=True)
def number(keys, index, base, count, ids):
    """Renumber rows `base...count` in ascending order of key [LEDGER-3], in the rows, the index and `ids`."""
    new = count - base
    if new < 2:
        return
    order = np.arange(base, count).astype(np.int32)
    spare = np.empty(new, np.uint64)
    rank = np.empty(new, np.int32)
    sort_pairs(keys[base:count], order, spare, rank)
    mask = np.uint64(len(index)) - _ONE
    # All slots are found before any word changes: old and new ids share one range and could be mistaken.
    for i in range(new):
        spare[i] = _slot_of(index, keys[base + i], order[i])
    for i in range(new):
        index[spare[i]] = np.uint64(index[spare[i]]) & ~mask | np.uint64(base + i)
        rank[order[i] - base] = base + i
    for i in range(len(ids)):
        if ids[i] >= base:
            ids[i] = rank[ids[i] - base]
