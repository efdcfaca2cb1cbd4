"""Batch loops of the host ledger: check, part by the mixing, enter and number, withdraw. Numba, on a `Table`'s arrays.

A batch is parted by the top bits of its mixed keys. A part's home slots are neighbours and the parts follow one another
in the order of new ids, so each is entered and numbered in the cache, and no id is changed afterwards.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from prism.vm.ledger.radix import insertion, sort_pairs
from prism.vm.ledger.table import EMPTY, UNKNOWN, find, home, mix, pack_one, tag, unmix

ABSENT: Final = np.uint64(0xFFFFFFFFFFFFFFFF)
"""What a node that is refused packs to: no layout has room for it, so no ledger holds it."""

# The items of a part on average: with their slots they stay in a core's own cache. And the most parts, as bits.
_PART: Final = 1 << 11
_MOST_BITS: Final = 12
_CELL_BITS: Final = 16
# As many keys of one cell are put in order by insertion.
_FEW: Final = 32
_ONE: Final = np.uint64(1)
_VACANT: Final = np.uint64(EMPTY)


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


def part_bits(items: int) -> int:
    """Return of how many top bits the parts of a batch are: 0 to 12."""
    return min(max((items // _PART).bit_length() - 1, 0), _MOST_BITS)


@njit(cache=True)
def part(op, a, b, id_bits, commutes, bits, mixed, place):
    """Write the mixed keys of an addable batch, and where each stood, parted by their top `bits` bits.

    mixed: uint64[n]; place: int32[n]. Returns where the parts begin and the last one ends: int64[2**bits + 1].
    """
    n = len(op)
    ends = np.zeros((1 << bits) + 1, np.int64)
    if bits == 0:
        for i in range(n):
            value = mix(pack_one(op[i], a[i], b[i], id_bits, commutes))
            mixed[i], place[i] = value, i
        ends[1] = n
        return ends
    shift = np.uint64(64 - bits)
    for i in range(n):
        ends[np.int64(mix(pack_one(op[i], a[i], b[i], id_bits, commutes)) >> shift) + 1] += 1
    ends = np.cumsum(ends)
    cursor = ends[:-1].copy()
    # Mixed twice rather than kept: eight bytes an item less at the peak.
    for i in range(n):
        value = mix(pack_one(op[i], a[i], b[i], id_bits, commutes))
        digit = np.int64(value >> shift)
        at = cursor[digit]
        mixed[at], place[at] = value, i
        cursor[digit] = at + 1
    return ends


@njit(cache=True)
def new_in(mixed, bits, keys, index):
    """Return how many distinct keys of a part, which share their top `bits` bits, are new."""
    n, new = len(mixed), 0
    ordered, order = np.empty(n, np.uint64), np.empty(n, np.int32)
    _in_order(mixed.copy(), bits, ordered, order, np.empty(n, np.int32))
    for i in range(n):
        if i == 0 or ordered[i] != ordered[i - 1]:
            new += find(keys, index, unmix(ordered[i])) == UNKNOWN
    return new


@njit(cache=True)
def land_parts(mixed, place, ends, first, keys, index, base, count, ids):
    """Enter and number the parts from `first` on, writing ids where their items stood; `base` rows were there before.

    Returns (part, count, full): the part to go on with, or how many there are, and the rows then in use. It stops where
    the next part finds no row, which is then `full`, and where the parts to come, as new as those before, would leave
    the index too few slots: the parts before lie close together, and those behind them would probe past all of them.
    """
    bits = 0
    while 1 << bits < len(ends) - 1:
        bits += 1
    most = 0
    for at in range(first, len(ends) - 1):
        most = max(most, ends[at + 1] - ends[at])
    room = len(index) // 8 * 5
    found, slots, order, rank = (
        np.empty(most, np.int32),
        np.empty(most, np.uint32),
        np.empty(most, np.int32),
        np.empty(most, np.int32),
    )
    fresh, ordered = np.empty(most, np.uint64), np.empty(most, np.uint64)
    for at in range(first, len(ends) - 1):
        low, high = ends[at], ends[at + 1]
        if (count - base - 2 * most) * len(mixed) > (room - base) * low:
            return at, count, False
        new = _enter(mixed[low:high], keys, index, count, found, fresh, slots)
        if new < 0:
            return at, count, True
        _in_order(fresh[:new], bits, ordered[:new], order[:new], rank[:new])
        mask = np.uint64(len(index) - 1)
        for i in range(new):
            keys[count + i] = unmix(ordered[i])
            rank[order[i]] = count + i
            index[slots[order[i]]] = tag(ordered[i], mask) | np.uint64(count + i)
        for i in range(high - low):
            node = found[i]
            ids[place[low + i]] = rank[node - count] if node >= count else node
        count += new
    return len(ends) - 1, count, False


@njit(cache=True)
def _enter(mixed, keys, index, count, found, fresh, slots):
    """Give the items of a part their ids in `found`, new ones from `count` on as they come, with key and slot noted.

    Returns how many are new, or -1, nothing changed, if there are not as many rows.
    """
    mask, new = np.uint64(len(index) - 1), 0
    for i in range(len(mixed)):
        value = mixed[i]
        key, hint, slot = unmix(value), tag(value, mask), home(value, len(index))
        while True:
            word = np.uint64(index[slot])
            if word == _VACANT:
                if count + new >= len(keys):
                    for row in range(new):
                        index[slots[row]] = EMPTY
                        keys[count + row] = 0
                    return -1
                keys[count + new], index[slot] = key, hint | np.uint64(count + new)
                fresh[new], slots[new], found[i] = value, slot, count + new
                new += 1
                break
            if word & ~mask == hint and keys[word & mask] == key:
                found[i] = np.int32(word & mask)
                break
            slot = slot + _ONE & mask
    return new


@njit(cache=True)
def _in_order(fresh, bits, ordered, order, spare):
    """Write distinct mixed keys that share their top `bits` bits in ascending order, and where each stood [LEDGER-3].

    Cells by the next bits, about one key to each; inside a cell by insertion, or by radix where many fell into one.
    """
    n, width = len(fresh), 0
    if n < 2:
        ordered[:] = fresh
        order[:] = 0
        return
    while 1 << width < n and width < _CELL_BITS:
        width += 1
    lead, shift = np.uint64(bits), np.uint64(64 - width)
    start = np.zeros((1 << width) + 1, np.int64)
    for i in range(n):
        start[np.int64(fresh[i] << lead >> shift) + 1] += 1
    start = np.cumsum(start)
    for i in range(n):
        cell = np.int64(fresh[i] << lead >> shift)
        at = start[cell]
        ordered[at], order[at] = fresh[i], i
        start[cell] = at + 1
    low = 0
    for cell in range(1 << width):
        high = start[cell]
        if high - low > _FEW:
            sort_pairs(ordered[low:high], order[low:high], fresh[low:high], spare[low:high])
        low = high
    insertion(ordered, order)


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
