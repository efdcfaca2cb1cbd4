"""The line that feeds a persistent kernel: slots in the order of submission, the kernel's marks of them, and a bell."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from prism.ring.exec import cpu_atomics as atomics
from prism.ring.exec.cpu_words import CLAIMED
from prism.ring.layout import SLOT_WORDS, STATUS
from prism.ring.memory import AT_CLAIMS, AT_RING, FREE

_LOW, _UP = np.uint64(0xFFFF_FFFF), np.uint64(32)
BELL_HEAD, BELL_RUN, BELL_STOP, BELL_BEAT, BELL_EXIT, BELL_FINAL, BELL_WHY, BELL_LONGS = 0, 1, 2, 3, 16, 17, 18, 32
"""64-bit words that host and kernel share: head and start of the last run; its base and the head again; stop; the
host's beat; then, in another line of the bus, the launch that ended, where, and why."""


@njit(nogil=True, cache=True)
def hand_over(words: Any, line: Any, chosen: Any) -> None:
    """Give slots to the kernel: CLAIMED with a mark of 0, then onto the line, then the bell.

    line: (entries, marks, bell), mapped; entries and marks uint32, bell uint64. Positions wrap at 2^32. The bell tells
    in two words the head and the run of slots side by side that ends at it, as where it starts and slot - position; a
    reader takes neither word unless both name one head, so it never sees a half of an old bell.
    """
    entries, marks, bell = line
    head, count, mask = bell[BELL_HEAD] & _LOW, len(chosen), np.int64(len(entries) - 1)
    ring, claims, run = np.int64(words[AT_RING]), np.int64(words[AT_CLAIMS]), count - 1
    for k in range(count):
        slot = np.int64(np.uint32(chosen[k]))
        words[claims + slot] = np.uint32(FREE)
        marks[slot] = np.uint32(0)
        atomics.store(words, ring + SLOT_WORDS * slot + STATUS, np.uint32(CLAIMED))
        entries[np.int64(head + np.uint64(k)) & mask] = np.uint32(slot)
    while run > 0 and chosen[run - 1] + 1 == chosen[run]:
        run -= 1
    start, after = (head + np.uint64(run)) & _LOW, (head + np.uint64(count)) & _LOW
    base = (np.uint64(chosen[run]) - start) & _LOW
    atomics.store(bell, BELL_RUN, base | after << _UP)
    atomics.store(bell, BELL_HEAD, after | start << _UP)


@njit(nogil=True, cache=True)
def settle(words: Any, marks: Any, low: Any, high: Any) -> None:
    """Give slots from `low` to `high` that a kernel has ended the statuses of their marks; nobody feeds meanwhile."""
    for slot in range(low, high):
        at = words[AT_RING] + SLOT_WORDS * slot + STATUS
        if marks[slot] != 0 and words[at] == CLAIMED:
            atomics.store(words, at, np.uint32(atomics.load(marks, slot)))


@njit(nogil=True, cache=True)
def settle_these(words: Any, marks: Any, slots: Any) -> None:
    """As `settle`, for the slots of a batch."""
    for slot in slots:
        settle(words, marks, slot, slot + 1)
