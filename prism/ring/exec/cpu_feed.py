"""Feeding a block: find free slots, fill them, put them into their queues, ring the bell; wait for what was fed.

A tenant's slots and its row have one writer at a time: the process that has the tenant, under the tenant's lock.
"""

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
from prism.ring.layout import (
    ARGS,
    ARGS_PER_SLOT,
    BOOKS_SLOTS_START,
    BOOKS_TENANTS_START,
    DONE_COUNT,
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
    AT_FEEDERS,
    AT_ORDER,
    AT_RING,
    BELL,
    DONE_BELL,
    ENTRIES,
    FEED_COUNT,
    FEED_CURSOR,
    FEED_LOW,
    FREE,
    HALT,
    LINE,
    MASK,
    PARKED,
    PENDING,
    QUEUED,
    TAIL,
    WAITERS,
)
from prism.ring.memory import BANDS as IN_BANDS
from prism.ring.memory import PRIORITY as IN_PRIORITY


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
def is_free(words: Any, slot: Any) -> bool:
    """Return whether a slot may be filled: it is empty or done, and no queue or worker has it."""
    status = atomics.load(words, words[AT_RING] + SLOT_WORDS * slot + STATUS)
    return (status in (EMPTY, DONE)) and atomics.load(words, words[AT_CLAIMS] + slot) == FREE


@njit(nogil=True, cache=True)
def find_free(words: Any, row: Any, chosen: Any, together: bool) -> bool:
    """Fill `chosen` with free slots of a tenant's row in ring order, side by side if `together`; False without room.

    Looks at each slot of the tenant at most twice. chosen: (n,) int64.
    """
    low, count, start = np.int64(words[row + FEED_LOW]), np.int64(words[row + FEED_COUNT]), words[row + FEED_CURSOR]
    wanted, found = len(chosen), 0
    if wanted > count:
        return False
    steps = 2 * count if together else count
    for step in range(steps):
        if found == wanted:
            break
        at = (start + step) % count
        if together and at == 0:
            found = 0
        if (at & 15) == 0 or step == 0:
            for k in range(16, 32):
                fetch_slot(words, low + min(at + k, count - 1))
        if is_free(words, low + at):
            chosen[found] = low + at
            found += 1
        elif together:
            found = 0
    return found == wanted


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
def _publish(words: Any, longs: Any, tenant: Any, columns: Any, chosen: Any, together: bool) -> Any:
    opcodes, priorities, args = columns
    row = words[AT_FEEDERS] + LINE * tenant
    if not find_free(words, row, chosen, together):
        return 0
    first = atomics.add(longs, words[AT_BOOKS] >> 1, np.uint64(len(chosen)))
    count, width, levels = len(chosen), args.shape[1], 0
    for job in range(count):
        slot = chosen[job]
        base = np.int64(words[AT_RING]) + SLOT_WORDS * slot
        words[base + OPCODE] = opcodes[job]
        words[base + TENANT] = np.uint32(tenant)
        words[base + PRIORITY] = priorities[job]
        for k in range(width):
            words[base + ARGS + k] = args[job, k]
        for k in range(width, ARGS_PER_SLOT):
            words[base + ARGS + k] = np.uint32(0)
        ticket = ticket_at(words, slot)
        atomics.store(longs, ticket, first + np.uint64(job))
        longs[ticket + 1] = first + np.uint64(job)
        longs[ticket + 2] = longs[ticket + 3] = np.uint64(0)
        words[words[AT_CLAIMS] + slot] = np.uint32(QUEUED)
        atomics.store(words, base + STATUS, np.uint32(PUBLISHED))
        levels |= 1 << enqueue(words, tenant, slot)
    words[row + FEED_CURSOR] = np.uint32((chosen[count - 1] + 1 - words[row + FEED_LOW]) % words[row + FEED_COUNT])
    announce(words, tenant, levels)
    return np.int64(first)


@njit(nogil=True, cache=True)
def publish(words: Any, longs: Any, tenant: Any, columns: Any, chosen: Any, together: bool) -> Any:
    """Publish jobs in free slots of a tenant, all or none; returns the first ticket, 0 if there is no room.

    columns: opcodes (n,), priorities (n,) and args (n, k) of uint32, k at most 12. chosen: (n,) int64, receives the
    slots. The status is written last, then the queue entry, then the bell.
    """
    view, wide, room = atomics.borrowed(words), atomics.borrowed(longs), atomics.borrowed(chosen)
    opcodes, priorities, args = columns
    table = (atomics.borrowed(opcodes), atomics.borrowed(priorities), atomics.borrowed(args))
    return _publish(view, wide, tenant, table, room, together)


@njit(nogil=True, cache=True)
def publish_one(words: Any, longs: Any, tenant: Any, job: Any, chosen: Any) -> Any:
    """Publish one job; job: (14,) uint32, opcode, priority and args. As `publish` otherwise."""
    return _publish(words, longs, tenant, (job[0:1], job[1:2], job[2:].reshape(1, ARGS_PER_SLOT)), chosen, False)


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
def wait_bell(words: Any, seen: Any, span: Any) -> Any:
    """Sleep until jobs end, at most for a span, unless the done bell has rung since `seen`; returns the bell."""
    atomics.add(words, WAITERS, np.uint32(1))
    atomics.fence()
    if atomics.load(words, DONE_BELL) == seen:
        atomics.wait_word(words, DONE_BELL, np.uint32(seen), span)
    atomics.add(words, WAITERS, np.uint32(0xFFFF_FFFF))
    return atomics.load(words, DONE_BELL)


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
