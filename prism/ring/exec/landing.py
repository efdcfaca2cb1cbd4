"""How checked jobs get into free slots and into queues: every word of all of them first, then one after the other.

A feeder may be killed between any two writes. What it was filling is PREPARED, and the stage of its tenant says whether
its submission had begun to land, so that another can undo it or finish it (`prism.ring.feeders`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from prism.ring.exec import cpu_atomics as atomics
from prism.ring.exec.cpu_words import BOOKS_SLOT_WORDS, PUBLISHED
from prism.ring.layout import (
    ARGS,
    ARGS_PER_SLOT,
    BOOKS_SLOTS_START,
    LEVELS,
    OPCODE,
    PRIORITY,
    PRIORITY_OFFSETS,
    SLOT_WORDS,
    STATUS,
    TENANT,
)
from prism.ring.memory import (
    AT_BOOKS,
    AT_CLAIMS,
    AT_CONTROL,
    AT_CURSORS,
    AT_ORDER,
    AT_RING,
    BELL,
    ENTRIES,
    LINE,
    MASK,
    PARKED,
    PENDING,
    PREPARED,
    QUEUED,
    TAIL,
)
from prism.ring.memory import BANDS as IN_BANDS
from prism.ring.memory import PRIORITY as IN_PRIORITY

_UP = np.uint64(32)


@njit(nogil=True, cache=True)
def ticket_at(words: Any, slot: Any) -> Any:
    """Return where a slot's ticket stands among the block's 64-bit words."""
    return (words[AT_BOOKS] + BOOKS_SLOTS_START + BOOKS_SLOT_WORDS * slot) >> 1


@njit(nogil=True, cache=True)
def fetch_slot(words: Any, slot: Any) -> None:
    """Begin to fetch what is written about a slot: lines that come from another processor's cache take long."""
    atomics.fetch_line(words, words[AT_RING] + SLOT_WORDS * slot)
    atomics.fetch_line(words, words[AT_BOOKS] + BOOKS_SLOTS_START + BOOKS_SLOT_WORDS * slot)


@njit(nogil=True, cache=True)
def fill(words: Any, longs: Any, tenant: Any, columns: Any, place: Any) -> None:
    """Write job `place[1]` of the columns into slot `place[0]`, all but its status; in pieces of 64 bits."""
    opcodes, priorities, args = columns
    # Through 32 bits, so that the compiler knows that no index is below 0.
    slot, job = np.int64(np.uint32(place[0])), np.int64(np.uint32(place[1]))
    at = (np.int64(words[AT_RING]) >> 1) + (SLOT_WORDS // 2) * slot
    words[2 * at + OPCODE] = opcodes[job if len(opcodes) > 1 else 0]
    level = np.uint64(priorities[job if len(priorities) > 1 else 0])
    longs[at + TENANT // 2] = np.uint64(tenant) | level << _UP
    line, width = job if len(args) > 1 else 0, args.shape[1]
    for k in range(ARGS_PER_SLOT // 2):
        low = np.uint64(args[line, 2 * k]) if 2 * k < width else np.uint64(0)
        high = np.uint64(args[line, 2 * k + 1]) if 2 * k + 1 < width else np.uint64(0)
        longs[at + ARGS // 2 + k] = low | high << _UP


@njit(nogil=True, cache=True)
def enter(words: Any, longs: Any, slot: Any, ticket: Any) -> None:
    """Enter a job's ticket, and its place in its tenant's line, into the books of its slot."""
    at = (np.int64(words[AT_BOOKS]) + BOOKS_SLOTS_START >> 1) + (BOOKS_SLOT_WORDS // 2) * np.int64(np.uint32(slot))
    atomics.store(longs, at, ticket)
    longs[at + 1] = ticket
    longs[at + 2] = longs[at + 3] = np.uint64(0)


@njit(nogil=True, cache=True)
def level_of(words: Any, slot: Any) -> Any:
    """Return at which level a slot is served, in the order that the block has; the last one where a band has none."""
    order = words[AT_ORDER]
    if order == IN_PRIORITY:
        return np.int64(min(words[words[AT_RING] + SLOT_WORDS * slot + PRIORITY], np.uint32(LEVELS - 1)))
    if order == IN_BANDS:
        offsets = np.int64(words[AT_CONTROL]) + PRIORITY_OFFSETS
        for level in range(LEVELS):
            if words[offsets + level] <= slot < words[offsets + level + 1]:
                return level
        return LEVELS - 1
    return 0


@njit(nogil=True, cache=True)
def enqueue(words: Any, tenant: Any, slot: Any) -> Any:
    """Put a slot into its queue without telling anyone; returns its level."""
    level = level_of(words, slot)
    queue = words[AT_CURSORS] + 2 * LINE * (tenant * LEVELS + level)
    tail = words[queue + TAIL]
    words[words[queue + ENTRIES] + (tail & words[queue + MASK])] = np.uint32(slot)
    atomics.store(words, queue + TAIL, np.uint32(tail + np.uint32(1)))
    return level


@njit(nogil=True, cache=True)
def announce(words: Any, tenant: Any, levels: Any) -> None:
    """Mark a tenant's queues of the levels in a bit set as worth a look, and wake whoever sleeps."""
    for level in range(LEVELS):
        if levels >> level & 1:
            atomics.set_bits(words, PENDING + level, np.uint32(1 << tenant))
    atomics.add(words, BELL, np.uint32(1))
    if atomics.load(words, PARKED) != 0:
        atomics.wake_word(words, BELL)


@njit(nogil=True, cache=True)
def prepare(words: Any, longs: Any, tenant: Any, columns: Any, chosen: Any) -> Any:
    """Write jobs into their slots, all but their statuses, each slot PREPARED before it is touched; returns the ticket.

    Until the tenant's stage says LANDING nothing of it is published, and whoever finds its feeder gone undoes it.
    """
    for slot in chosen:
        words[words[AT_CLAIMS] + slot] = np.uint32(PREPARED)
    first = atomics.add(longs, words[AT_BOOKS] >> 1, np.uint64(len(chosen)))  # A fence for the compiler as well.
    for job in range(len(chosen)):
        fill(words, longs, tenant, columns, (chosen[job], job))
        enter(words, longs, chosen[job], first + np.uint64(job))
    return first


@njit(nogil=True, cache=True)
def land(words: Any, tenant: Any, slot: Any) -> Any:
    """Publish a slot that is PREPARED: its status, then its claim, then its queue; returns its level.

    Whoever has to finish what a lost feeder began can do it again from the start for any slot.
    """
    atomics.store(words, words[AT_RING] + SLOT_WORDS * slot + STATUS, np.uint32(PUBLISHED))
    atomics.store(words, words[AT_CLAIMS] + slot, np.uint32(QUEUED))
    return enqueue(words, tenant, slot)
