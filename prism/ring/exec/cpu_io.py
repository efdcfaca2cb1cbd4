"""Reads that jobs ask for, compiled: put into free io slots, waited for, recycled where nobody waits [RING-13]."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from prism.ring.exec import cpu_atomics as atomics
from prism.ring.exec.cpu_books import refuse
from prism.ring.exec.cpu_words import (
    BOOKS_SLOT_WORDS,
    IO_CLAIMED,
    IO_EMPTY,
    IO_ERROR,
    IO_FAILED,
    IO_LATE,
    IO_OK,
    IO_PUBLISHED,
    IO_SLOT_STATUS,
    PREFETCH_ERRORS,
    SINCE,
    WAITS,
    WAITS_FOR,
    YIELDS,
)
from prism.ring.layout import BOOKS_OWNERS_START, BOOKS_SLOTS_START, IO_OWNER_NOBODY, IO_SLOT_WORDS
from prism.ring.memory import AT_BOOKS, AT_IO, AT_IO_SLOTS, AT_PATIENCE


@njit(nogil=True, cache=True)
def recycle_reads(words: Any) -> None:
    """Free the io slots of reads that ended and that nobody waits for: prefetches, and those that came too late."""
    books = np.int64(words[AT_BOOKS])
    for place in range(words[AT_IO_SLOTS]):
        status = np.int64(words[AT_IO]) + IO_SLOT_WORDS * place + IO_SLOT_STATUS
        seen, owner = atomics.load(words, status), books + BOOKS_OWNERS_START + place
        if (seen != IO_OK and seen != IO_ERROR) or words[owner] != IO_OWNER_NOBODY:
            continue
        # CLAIMED in between, so that nobody asks in the slot before its owner is gone.
        if atomics.compare_swap(words, status, seen, np.uint32(IO_CLAIMED)) == seen:
            if seen == IO_ERROR:
                atomics.add(words, books + PREFETCH_ERRORS, np.uint32(1))
            words[owner] = np.uint32(0)
            atomics.store(words, status, np.uint32(IO_EMPTY))


@njit(nogil=True, cache=True)
def ask_for_read(words: Any, slot: Any, args: Any) -> Any:
    """Publish a read in a free io slot, which this job waits for unless it only prefetches; yield if none is free."""
    resource, prefetch = words[args], words[args + 1]
    owners = np.int64(words[AT_BOOKS]) + BOOKS_OWNERS_START
    recycle_reads(words)
    for place in range(words[AT_IO_SLOTS]):
        at = np.int64(words[AT_IO]) + IO_SLOT_WORDS * place
        status = at + IO_SLOT_STATUS
        # CLAIMED keeps others off while the request is written; it is nobody's to serve before it is PUBLISHED.
        if atomics.load(words, status) != IO_EMPTY:
            continue
        if atomics.compare_swap(words, status, np.uint32(IO_EMPTY), np.uint32(IO_CLAIMED)) != IO_EMPTY:
            continue
        for k in range(IO_SLOT_WORDS):
            if k != IO_SLOT_STATUS:
                words[at + k] = np.uint32(0)
        words[at] = np.uint32(1)
        words[at + 1] = words[at + 2] = words[at + 7] = resource
        words[owners + place] = np.uint32(IO_OWNER_NOBODY) if prefetch else np.uint32(slot + 1)
        entry = np.int64(words[AT_BOOKS]) + BOOKS_SLOTS_START + BOOKS_SLOT_WORDS * slot
        words[entry + WAITS_FOR] = np.uint32(0) if prefetch else np.uint32(place + 1)
        atomics.store(words, status, np.uint32(IO_PUBLISHED))
        return 0 if prefetch else WAITS
    return YIELDS


@njit(nogil=True, cache=True)
def poll_io(words: Any, slot: Any) -> Any:
    """Return the reason with which a slot that waits for a read ends, and free the read; -1 while it is under way."""
    entry = np.int64(words[AT_BOOKS]) + BOOKS_SLOTS_START + BOOKS_SLOT_WORDS * slot
    place = np.int64(words[entry + WAITS_FOR]) - 1
    status = np.int64(words[AT_IO]) + IO_SLOT_WORDS * place + IO_SLOT_STATUS
    seen = atomics.load(words, status)
    if seen not in (IO_OK, IO_ERROR):
        words[entry + SINCE] += np.uint32(1)
        if words[entry + SINCE] <= words[AT_PATIENCE]:
            return -1
        # The read goes on without an owner; whoever ends it frees its slot.
        atomics.store(words, np.int64(words[AT_BOOKS]) + BOOKS_OWNERS_START + place, np.uint32(IO_OWNER_NOBODY))
        words[entry + WAITS_FOR] = np.uint32(0)
        return refuse(words, slot, IO_LATE, place)
    words[entry + WAITS_FOR] = np.uint32(0)
    words[np.int64(words[AT_BOOKS]) + BOOKS_OWNERS_START + place] = np.uint32(0)
    atomics.store(words, status, np.uint32(IO_EMPTY))
    return 0 if seen == IO_OK else refuse(words, slot, IO_FAILED, place)
