"""Radix sort of uint64 keys with an int32 payload, in Numba."""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

_DIGIT: Final = 8
_FEW: Final = 48


@njit(cache=True)
def sort_pairs(keys, payload, spare_keys, spare_payload):
    """Sort `keys` (uint64[n]) ascending in place, moving `payload` (int32[n]) along; stable.

    Least significant digit first, over the bits in which the keys differ only; a few keys are sorted by insertion.
    spare_keys, spare_payload: scratch of the same shapes. Cost: O(n) a digit, at most 8 digits.
    """
    n = len(keys)
    if n <= _FEW:
        insertion(keys, payload)
        return
    differing = np.uint64(0)
    for i in range(n):
        differing |= keys[i] ^ keys[0]
    source, target, moved, room = keys, spare_keys, payload, spare_payload
    shift, in_place = np.uint64(0), True
    while shift < np.uint64(64) and differing >> shift != np.uint64(0):
        if differing >> shift & np.uint64(1) == np.uint64(0):
            shift += np.uint64(1)
            continue
        _pass(source, moved, target, room, shift)
        source, target, moved, room = target, source, room, moved
        shift, in_place = shift + np.uint64(_DIGIT), not in_place
    if not in_place:
        keys[:] = spare_keys
        payload[:] = spare_payload


@njit(cache=True)
def insertion(keys, payload):
    """Sort a few `keys` (uint64[n]) ascending in place, moving `payload` along; stable. Cost: O(n^2), n in order."""
    for i in range(1, len(keys)):
        key, carried, j = keys[i], payload[i], i
        while j > 0 and keys[j - 1] > key:
            keys[j], payload[j] = keys[j - 1], payload[j - 1]
            j -= 1
        keys[j], payload[j] = key, carried


@njit(cache=True)
def _pass(source, moved, target, room, shift):
    """Distribute by the digit at `shift`."""
    mask = np.uint64((1 << _DIGIT) - 1)
    start = np.zeros(1 << _DIGIT, np.int64)
    for i in range(len(source)):
        start[source[i] >> shift & mask] += 1
    total = 0
    for digit in range(1 << _DIGIT):
        start[digit], total = total, total + start[digit]
    for i in range(len(source)):
        digit = source[i] >> shift & mask
        place = start[digit]
        target[place], room[place] = source[i], moved[i]
        start[digit] = place + 1
