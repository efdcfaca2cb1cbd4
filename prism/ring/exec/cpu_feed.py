"""What becomes of jobs that were fed: wait for their end, cancel them, and tell those who wait."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from prism.ring.exec import cpu_atomics as atomics
from prism.ring.exec.cpu_words import (
    BOOKS_SLOT_WORDS,
    BOOKS_TENANT_WORDS,
    CANCELLED,
    CLAIMED,
    DETAIL,
    DONE,
    EMPTY,
    FAULT,
    FAULTED_BY,
    PUBLISHED,
    REASON,
)
from prism.ring.exec.landing import ticket_at
from prism.ring.exec.publisher import POST_MARKS, POST_WORDS, longs_at, words_at
from prism.ring.layout import (
    BOOKS_SLOTS_START,
    BOOKS_TENANTS_START,
    DONE_COUNT,
    SLOT_WORDS,
    STATUS,
    TENANT,
)
from prism.ring.memory import AT_BOOKS, AT_CONTROL, AT_RING, BELL, DONE_BELL, HALT, WAITERS


@njit(nogil=True, cache=True)
def is_over(words: Any, longs: Any, slot: Any, ticket: Any) -> bool:
    """Return whether the job with a ticket has ended: its slot says so, or has another job."""
    at = ticket_at(words, slot)
    if atomics.load(longs, at) != np.uint64(ticket):
        return True
    status = atomics.load(words, words[AT_RING] + SLOT_WORDS * slot + STATUS)
    return status in (DONE, FAULT, EMPTY) or atomics.load(longs, at) != np.uint64(ticket)


@njit(nogil=True, cache=True)
def wait_over(words: Any, longs: Any, slots: Any, first: Any, limits: Any) -> Any:
    """Wait until the jobs in `slots`, with tickets from `first` on, are over; returns how many at the end are not.

    limits: (2 + 2,) int64: looks before sleeping, rounds of sleep, then the seconds and nanoseconds of one round. The
    last job is waited for first, so what is usual is one wait.
    """
    left = len(slots)
    looks, rounds = limits[0], limits[1]
    while left > 0:
        slot, ticket = slots[left - 1], first + left - 1
        if is_over(words, longs, slot, ticket):
            left -= 1
        elif looks > 0:
            looks -= 1
            if looks & 63 == 0:
                atomics.pause()
        elif rounds <= 0:
            return left
        else:
            rounds -= 1
            _sleep(words, longs, slot, ticket, limits[2:])
    return 0


@njit(nogil=True, cache=True)
def wait_marks(post: Any, slots: Any, first: Any, looks: Any) -> Any:
    """Look at most `looks` times in vain at a kernel's marks of jobs; returns how many jobs are not over.

    A mark is 0 from the moment when a job is fed to its end, so one that is not 0 says that the job is over, whoever
    has the slot by now. The last job is looked at first: once it is over, the others are mostly one pass over marks.
    post: where the block and its line lie (`publisher.post_line`).
    """
    words, longs, marks = words_at(post, POST_WORDS), longs_at(post, POST_WORDS), words_at(post, POST_MARKS)
    left = len(slots)
    while left > 0:
        slot = slots[left - 1]
        if atomics.load(marks, slot) != 0 or is_over(words, longs, slot, first + left - 1):
            left -= 1
        elif looks <= 0:
            return left
        else:
            looks -= 1
            if looks & 1023 == 0:
                atomics.pause()
    return 0


@njit(nogil=True, cache=True)
def _sleep(words: Any, longs: Any, slot: Any, ticket: Any, span: Any) -> None:
    seen = atomics.load(words, DONE_BELL)
    atomics.add(words, WAITERS, np.uint32(1))
    atomics.fence()
    if not is_over(words, longs, slot, ticket):
        atomics.wait_word(words, DONE_BELL, seen, span)
    atomics.add(words, WAITERS, np.uint32(0xFFFF_FFFF))


@njit(nogil=True, cache=True)
def ring_done(words: Any) -> None:
    """Tell whoever waits that jobs have ended; called after their marks."""
    atomics.fence()
    if atomics.load(words, WAITERS) != 0:
        atomics.add(words, DONE_BELL, np.uint32(1))
        atomics.wake_word(words, DONE_BELL)


@njit(nogil=True, cache=True)
def cancel(words: Any, longs: Any, slot: Any, ticket: Any) -> bool:
    """End a job as cancelled if no worker has claimed it; the queue entry that it leaves is found empty."""
    status = words[AT_RING] + SLOT_WORDS * slot + STATUS
    if atomics.load(longs, ticket_at(words, slot)) != np.uint64(ticket):
        return False
    entry = np.int64(words[AT_BOOKS]) + BOOKS_SLOTS_START + BOOKS_SLOT_WORDS * slot
    # CLAIMED first, so that nobody sees a fault without its reason.
    if atomics.compare_swap(words, status, np.uint32(PUBLISHED), np.uint32(CLAIMED)) != PUBLISHED:
        return False
    words[entry + REASON], words[entry + DETAIL] = np.uint32(CANCELLED), np.uint32(0)
    books = np.int64(words[AT_BOOKS]) + BOOKS_TENANTS_START
    tenant = words[words[AT_RING] + SLOT_WORDS * slot + TENANT]
    atomics.add(words, books + BOOKS_TENANT_WORDS * tenant + FAULTED_BY, np.uint32(1))
    atomics.add(words, words[AT_CONTROL] + DONE_COUNT, np.uint32(1))
    atomics.store(words, status, np.uint32(FAULT))
    ring_done(words)
    return True


@njit(nogil=True, cache=True)
def halt(words: Any, value: Any) -> None:
    """Tell the workers to end (1) or not (0), and wake them."""
    atomics.store(words, HALT, np.uint32(value))
    atomics.add(words, BELL, np.uint32(1))
    atomics.wake_word(words, BELL)
