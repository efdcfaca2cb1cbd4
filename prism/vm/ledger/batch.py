"""Batch loops of the host ledger: check, look up or enter, withdraw, number. All Numba, all on a `Table`'s arrays."""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from prism.vm.ledger.radix import sort_pairs
from prism.vm.ledger.table import EMPTY, find, home, intern_one, mix, pack_one, tag, unmix

ABSENT: Final = np.uint64(0xFFFFFFFFFFFFFFFF)
"""What a node that is refused packs to: no layout has room for it, so no ledger holds it."""

# Items whose index words and keys are fetched together.
_BLOCK: Final = 256
# New rows may be this many times fewer than slots for a pass over all slots to beat one probe for each row.
_SPARSE: Final = 8
_ONE: Final = np.uint64(1)


@njit(cache=True)
def _addable(op, a, b, count, arity):
    """Return whether a node may be added to a ledger of `count` nodes [LEDGER-4]."""
    takes = arity[op]
    first = 0 < a < count if takes >= 1 else a == 0
    second = 0 < b < count if takes >= 2 else b == 0
    return takes <= 2 and first and second


@njit(cache=True)
def all_addable(op, a, b, count, arity):
    """Return whether every node of a batch may be added to a ledger of `count` nodes."""
    fine = True
    for i in range(len(op)):
        fine &= _addable(op[i], a[i], b[i], count, arity)
    return fine


@njit(cache=True)
def pack_batch(op, a, b, count, id_bits, arity, commutes):
    """Return the key of every node, ABSENT where a ledger of `count` nodes would refuse it: uint64[n]."""
    out = np.full(len(op), ABSENT)
    for i in range(len(op)):
        if _addable(op[i], a[i], b[i], count, arity):
            out[i] = pack_one(op[i], a[i], b[i], id_bits, commutes)
    return out


@njit(cache=True)
def look_up(keys, index, wanted):
    """Return the id of every wanted key, UNKNOWN where the ledger lacks it: int32[n]."""
    out = np.empty(len(wanted), np.int32)
    for i in range(len(wanted)):
        out[i] = find(keys, index, wanted[i])
    return out


@njit(cache=True)
def _fetch(keys, index, block, guess, held):
    """Fetch for a block of keys the id in the home slot, and the key of that id.

    No load waits for another and nothing branches, so their cache misses overlap. guess: the id, 0 for a vacant slot;
    held: its key.
    """
    mask = np.uint64(len(index)) - _ONE
    for i in range(len(block)):
        word = index[home(mix(block[i]), len(index))]
        guess[i] = np.int32(np.uint64(word) & mask) * np.int32(word != EMPTY)
    for i in range(len(block)):
        held[i] = keys[np.uint64(guess[i])]


@njit(cache=True)
def enter_batch(op, a, b, id_bits, commutes, keys, index, count, start, ids):
    """Give nodes `start...` of an addable batch ids in `ids`, entering new ones from `count` on as they come.

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
    word = tag(mixed, mask) | np.uint64(node)
    slot = home(mixed, len(index))
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
    """Renumber rows `base...count` in the order of their mixing [LEDGER-3], in the rows, the index and `ids`."""
    new = count - base
    if new < 2:
        return
    order = np.arange(base, count).astype(np.int32)
    spare = np.empty(new, np.uint64)
    rank = np.empty(new, np.int32)
    for row in range(base, count):
        keys[row] = mix(keys[row])
    sort_pairs(keys[base:count], order, spare, rank)
    for i in range(new):
        keys[base + i] = unmix(keys[base + i])
        rank[order[i] - base] = base + i
    if new * _SPARSE > len(index):
        _rename_all(index, base, rank)
    else:
        _rename_each(keys, index, base, order, spare)
    for i in range(len(ids)):
        if ids[i] >= base:
            ids[i] = rank[ids[i] - base]


@njit(cache=True)
def _rename_all(index, base, rank):
    """Replace every id from `base` on in the index by its rank, in one pass over the slots."""
    mask = np.uint32(len(index) - 1)
    for slot in range(len(index)):
        word = index[slot]
        row = np.uint32((word & mask) - np.uint32(base))
        if row < len(rank):
            index[slot] = word & ~mask | np.uint32(rank[row])


@njit(cache=True)
def _rename_each(keys, index, base, order, slots):
    """Replace ids `order` in the index by `base...`, probing for each; `slots` is scratch."""
    mask = np.uint64(len(index)) - _ONE
    # All slots are found before any word changes: old and new ids share one range and could be mistaken.
    for i in range(len(order)):
        slots[i] = _slot_of(index, keys[base + i], order[i])
    for i in range(len(order)):
        index[slots[i]] = np.uint64(index[slots[i]]) & ~mask | np.uint64(base + i)
