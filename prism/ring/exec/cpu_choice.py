"""Whose turn it is: which queue a worker looks into next, and what it takes from there.

Any number of workers choose at once, without a lock: the counts they choose by may be a few claims old, what they take
is exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from prism.ring.exec import cpu_atomics as atomics
from prism.ring.exec.cpu_words import (
    BOOKS_LEVEL_WORDS,
    BOOKS_TENANT_WORDS,
    CLAIMED_BY,
    CLAIMS,
    HELD_BY,
    HIGH,
    PASSED,
    TURNS,
)
from prism.ring.layout import (
    BOOKS_LEVELS_START,
    BOOKS_TENANTS_START,
    LEVELS,
    PRIORITY_FAIRNESS,
    STARVATION,
    STARVATION_THRESHOLD,
    TENANT_BASE,
    TENANT_FAIRNESS,
    TENANT_MASKS,
    TENANT_QUOTAS,
    TENANTS,
)
from prism.ring.memory import (
    AT_BOOKS,
    AT_CONTROL,
    AT_CURSORS,
    AT_ORDER,
    AT_WORKER_ROWS,
    DIRECT,
    ENTRIES,
    HEAD,
    HELD_COUNT,
    HELD_TENANT,
    LINE,
    MASK,
    PENDING,
    RECOVERED,
    TAIL,
    TAKE_COUNT,
    TAKE_HEAD,
    TAKE_QUEUE,
    WORKER_WORDS,
)

SATURATED = 0xFFFF_0000
"""A level that was passed over so often counts no further."""
TOOK = 8
"""Where the slots that a worker took begin on its desk."""


@njit(nogil=True, cache=True)
def lowest(bits: Any) -> Any:
    """Return the number of the lowest bit that is set; bits is not 0."""
    at = 0
    while bits & 1 == 0:
        bits >>= 1
        at += 1
    return at


@njit(nogil=True, cache=True)
def may_run(words: Any, tenant: Any) -> bool:
    """Return whether a tenant is allowed and has fewer slots in flight than its quota."""
    control = np.int64(words[AT_CONTROL])
    index = np.int64(atomics.load(words, control + TENANT_BASE)) + tenant
    if index < TENANT_MASKS or index >= TENANT_MASKS + TENANTS or atomics.load(words, control + index) == 0:
        return False
    held = atomics.load(words, held_at(words, tenant))
    return held < atomics.load(words, control + TENANT_QUOTAS + tenant)


@njit(nogil=True, cache=True)
def held_at(words: Any, tenant: Any) -> Any:
    """Return where the count of a tenant's slots in flight stands."""
    return np.int64(words[AT_BOOKS]) + BOOKS_TENANTS_START + BOOKS_TENANT_WORDS * tenant + HELD_BY


@njit(nogil=True, cache=True)
def runnable(words: Any, level: Any) -> Any:
    """Return the set of tenants, as bits, that have work at a level and may run."""
    found = np.int64(atomics.load(words, PENDING + level))
    left = found & ~(1 << RECOVERED)
    while left != 0:
        tenant = lowest(left)
        left &= left - 1
        if not may_run(words, tenant):
            found &= ~(1 << tenant)
    return found


@njit(nogil=True, cache=True)
def choose(words: Any) -> Any:
    """Return the queue whose turn it is, tenant * LEVELS + level, or -1 if none has work that may run.

    The level that was passed over longest, if for long enough, goes first, the least urgent of equals, else the most
    urgent one; in a level the recovered slots, else the tenant that was served longest ago.
    """
    chosen, passed, tenants = -1, np.int64(0), 0
    books = np.int64(words[AT_BOOKS]) + BOOKS_LEVELS_START
    for level in range(LEVELS):
        if atomics.load(words, PENDING + level) == 0:
            continue
        waited = np.int64(words[books + BOOKS_LEVEL_WORDS * level + PASSED])
        if chosen >= 0 and waited < max(passed, STARVATION_THRESHOLD):
            continue
        found = runnable(words, level)
        if found != 0:
            chosen, passed, tenants = level, waited, found
    return -1 if chosen < 0 else longest_waiting(words, chosen, tenants) * LEVELS + chosen


@njit(nogil=True, cache=True)
def longest_waiting(words: Any, level: Any, tenants: Any) -> Any:
    """Return which tenant of a set, not empty, the level served longest ago, the recovered before all."""
    if tenants >> RECOVERED & 1:
        return RECOVERED
    if tenants & (tenants - 1) == 0:
        return lowest(tenants)
    books = np.int64(words[AT_BOOKS])
    turns = books + BOOKS_LEVELS_START + BOOKS_LEVEL_WORDS * level + TURNS
    now, best, age = words[books + CLAIMS], -1, np.int64(-1)
    while tenants:
        tenant = lowest(tenants)
        tenants &= tenants - 1
        waited = np.int64(np.uint32(now - words[turns + tenant]))
        if waited > age:
            best, age = tenant, waited
    return best


@njit(nogil=True, cache=True)
def contended(words: Any) -> bool:
    """Return whether more than one queue has work."""
    seen = 0
    for level in range(LEVELS):
        bits = np.int64(atomics.load(words, PENDING + level))
        seen += 0 if bits == 0 else 1 if bits & (bits - 1) == 0 else 2
    return seen > 1


@njit(nogil=True, cache=True)
def reserve(words: Any, worker: Any, tenant: Any, most: Any) -> Any:
    """Take up to `most` of what a tenant's quota leaves, into the worker's journal; returns how much."""
    at = held_at(words, tenant)
    quota = np.int64(atomics.load(words, words[AT_CONTROL] + TENANT_QUOTAS + tenant))
    before = np.int64(atomics.add(words, at, np.uint32(most)))
    granted = min(max(quota - before, 0), most)
    if granted < most:
        atomics.add(words, at, np.uint32((granted - most) & 0xFFFF_FFFF))
    row = words[AT_WORKER_ROWS] + WORKER_WORDS * worker
    words[row + HELD_TENANT] = np.uint32(tenant)
    atomics.store(words, row + HELD_COUNT, np.uint32(granted))
    return granted


@njit(nogil=True, cache=True)
def release(words: Any, worker: Any, count: Any) -> None:
    """Give back `count` of what the worker reserved."""
    row = words[AT_WORKER_ROWS] + WORKER_WORDS * worker
    atomics.store(words, row + HELD_COUNT, np.uint32(words[row + HELD_COUNT] - np.uint32(count)))
    atomics.add(words, held_at(words, words[row + HELD_TENANT]), np.uint32(-count & 0xFFFF_FFFF))


@njit(nogil=True, cache=True)
def hold(words: Any, worker: Any, tenant: Any) -> None:
    """Enter one slot that its tenant's count already has, into the worker's journal."""
    row = words[AT_WORKER_ROWS] + WORKER_WORDS * worker
    words[row + HELD_TENANT] = np.uint32(tenant)
    atomics.store(words, row + HELD_COUNT, np.uint32(1))


@njit(nogil=True, cache=True)
def keep(words: Any, worker: Any) -> None:
    """Take one slot out of the worker's journal and leave it in its tenant's count: it waits, and is held on."""
    row = words[AT_WORKER_ROWS] + WORKER_WORDS * worker
    atomics.store(words, row + HELD_COUNT, np.uint32(words[row + HELD_COUNT] - np.uint32(1)))


@njit(nogil=True, cache=True)
def take(words: Any, worker: Any, queue: Any, desk: Any, most: Any) -> Any:
    """Take at most `most` entries off a queue onto its desk; returns how many, 0 also if another worker was faster.

    The worker's journal says so until `TAKE_QUEUE` is cleared, which is the caller's to do once the slots are its own.
    """
    at = words[AT_CURSORS] + 2 * LINE * queue
    head = atomics.load(words, at + HEAD)
    tail = atomics.load(words, at + TAIL)
    count = min(np.int64(np.uint32(tail - head)), most)
    if count == 0:
        # The bit goes first, then the look: who publishes sets the bit last, so one of both sees the other.
        tenant, level = queue // LEVELS, queue % LEVELS
        atomics.clear_bits(words, PENDING + level, np.uint32(~(1 << tenant) & 0xFFFF_FFFF))
        if atomics.load(words, at + TAIL) != atomics.load(words, at + HEAD):
            atomics.set_bits(words, PENDING + level, np.uint32(1 << tenant))
        return 0
    entries, mask = words[at + ENTRIES], words[at + MASK]
    for k in range(count):
        desk[TOOK + k] = words[entries + ((head + np.uint32(k)) & mask)]
    row = words[AT_WORKER_ROWS] + WORKER_WORDS * worker
    words[row + TAKE_HEAD], words[row + TAKE_COUNT] = head, np.uint32(count)
    atomics.store(words, row + TAKE_QUEUE, np.uint32(queue + 1))
    if atomics.compare_swap(words, at + HEAD, head, np.uint32(head + np.uint32(count))) != head:
        atomics.store(words, row + TAKE_QUEUE, np.uint32(0))
        return 0
    return count


@njit(nogil=True, cache=True)
def has_work(words: Any, level: Any) -> bool:
    """Return whether some queue of a level is not empty and may be served."""
    bits = runnable(words, level)
    while bits:
        at = words[AT_CURSORS] + 2 * LINE * (lowest(bits) * LEVELS + level)
        bits &= bits - 1
        if atomics.load(words, at + HEAD) != atomics.load(words, at + TAIL):
            return True
    return False


@njit(nogil=True, cache=True)
def serve(words: Any, tenant: Any, level: Any, count: Any) -> None:
    """Count `count` claims: the claims so far, the tenant's turn, and the levels that were passed over."""
    books = np.int64(words[AT_BOOKS])
    now = atomics.add(words, books + CLAIMS, np.uint32(count)) + np.uint32(count)
    for other in range(LEVELS):
        at = books + BOOKS_LEVELS_START + BOOKS_LEVEL_WORDS * other
        if other == level:
            atomics.store(words, at + PASSED, np.uint32(0))
            atomics.store(words, at + TURNS + tenant, np.uint32(now))
        elif not has_work(words, other):
            atomics.store(words, at + PASSED, np.uint32(0))
        elif words[at + PASSED] < SATURATED:
            atomics.add(words, at + PASSED, np.uint32(count))


@njit(nogil=True, cache=True)
def note_claims(words: Any, tenant: Any, level: Any, count: Any) -> None:
    """Count claims on the wire and in the books."""
    books = np.int64(words[AT_BOOKS])
    atomics.add(words, books + BOOKS_TENANTS_START + BOOKS_TENANT_WORDS * tenant + CLAIMED_BY, np.uint32(count))
    if words[AT_ORDER] == DIRECT:
        atomics.add(words, books + CLAIMS, np.uint32(count))
        return
    control = np.int64(words[AT_CONTROL])
    if level > HIGH:
        atomics.store(words, control + STARVATION, np.uint32(0))
    elif words[control + STARVATION] < SATURATED:
        atomics.add(words, control + STARVATION, np.uint32(count))
    atomics.add(words, control + TENANT_FAIRNESS + tenant, np.uint32(count))
    atomics.add(words, control + PRIORITY_FAIRNESS + level, np.uint32(count))
    serve(words, tenant, level, count)
