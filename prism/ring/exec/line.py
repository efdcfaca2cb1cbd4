"""The line that feeds a persistent kernel: slots in the order of submission, the kernel's marks of them, and a bell."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from prism.ring.exec import cpu_atomics as atomics
from prism.ring.exec.cpu_books import tenant_of
from prism.ring.exec.cpu_choice import held_at
from prism.ring.exec.cpu_words import CLAIMED
from prism.ring.layout import SLOT_WORDS, STATUS
from prism.ring.memory import AT_CLAIMS, AT_RING, FREE

_LOW, _UP = np.uint64(0xFFFF_FFFF), np.uint64(32)
BELL_HEAD, BELL_RUN, BELL_STOP, BELL_BEAT, BELL_EXIT, BELL_FINAL, BELL_WHY, BELL_LONGS = 0, 1, 2, 3, 16, 17, 18, 32
"""64-bit words that host and kernel share: head and start of the last run; its base and the head again; stop; the
host's beat; then, in another line of the bus, the launch that ended, where, and why."""
BELL_AHEAD, BELL_FLYING, BELL_OLDEST = 8, 9, 10
"""Words of the host alone: the most jobs that may lie on the line and not be over; how many do; where the oldest does.
All are exact where slots are settled, for a slot is CLAIMED from its hand-over until then."""


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
    held = held_at(words, tenant_of(words, chosen[0]))
    words[held] += np.uint32(count)
    bell[BELL_FLYING] += np.uint64(count)
    start, after = (head + np.uint64(run)) & _LOW, (head + np.uint64(count)) & _LOW
    base = (np.uint64(chosen[run]) - start) & _LOW
    atomics.store(bell, BELL_RUN, base | after << _UP)
    atomics.store(bell, BELL_HEAD, after | start << _UP)


@njit(nogil=True, cache=True)
def settle_one(words: Any, line: Any, slot: Any) -> bool:
    """Give a slot that a kernel has ended the status of its mark; False where it is on the line and has not ended."""
    _, marks, bell = line
    at = np.int64(words[AT_RING]) + SLOT_WORDS * slot + STATUS
    if words[at] != CLAIMED:
        return True
    mark = atomics.load(marks, slot)
    if mark == 0:
        return False
    atomics.store(words, at, np.uint32(mark))
    words[held_at(words, tenant_of(words, slot))] -= np.uint32(1)
    bell[BELL_FLYING] -= np.uint64(1)
    return True


@njit(nogil=True, cache=True)
def over_in(words: Any, chosen: Any) -> Any:
    """Return how many of a tenant's free slots hold a job of the line that is over and not settled."""
    over, statuses = 0, np.int64(words[AT_RING]) + STATUS
    for slot in chosen:
        over += words[statuses + SLOT_WORDS * slot] == CLAIMED
    return over


@njit(nogil=True, cache=True)
def settle_chosen(words: Any, line: Any, tenant: Any, chosen: Any) -> None:
    """Count the jobs as over that a tenant's free slots held; their statuses are written with the next ones."""
    over, bell = over_in(words, chosen), line[2]
    words[held_at(words, tenant)] -= np.uint32(over)
    bell[BELL_FLYING] -= np.uint64(over)
    if bell[BELL_FLYING] == 0:
        bell[BELL_OLDEST] = bell[BELL_HEAD] & _LOW


@njit(nogil=True, cache=True)
def settle(words: Any, line: Any, low: Any, high: Any) -> None:
    """Settle the slots from `low` to `high`; nobody feeds meanwhile."""
    for slot in range(low, high):
        settle_one(words, line, slot)


@njit(nogil=True, cache=True)
def settle_these(words: Any, line: Any, slots: Any) -> None:
    """As `settle`, for the slots of a batch."""
    for slot in slots:
        settle_one(words, line, slot)


@njit(nogil=True, cache=True)
def catch_up(words: Any, line: Any) -> None:
    """Settle what lies on the line from the oldest job on, up to the first that the kernel has not ended.

    A slot that has another job by now, which lies on the line as well, holds the oldest up until that one ends, too.
    """
    entries, _, bell = line
    head, mask = bell[BELL_HEAD] & _LOW, np.int64(len(entries) - 1)
    at = bell[BELL_OLDEST] & _LOW
    while at != head and settle_one(words, line, np.int64(entries[np.int64(at) & mask])):
        at = (at + np.uint64(1)) & _LOW
    bell[BELL_OLDEST] = at


@njit(nogil=True, cache=True)
def apart(line: Any) -> Any:
    """Return how many places of the line lie between its oldest job that may not be over, and its head."""
    return np.int64((line[2][BELL_HEAD] - line[2][BELL_OLDEST]) & _LOW)


@njit(nogil=True, cache=True)
def room_of(line: Any) -> Any:
    """Return how many more jobs may be handed over.

    A lane that is held up by a long job has not read the entries of its next ones, so none of these may be overwritten.
    """
    entries, _, bell = line
    return min(np.int64(bell[BELL_AHEAD]) - np.int64(bell[BELL_FLYING]), len(entries) - apart(line))
