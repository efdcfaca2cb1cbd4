"""The one publisher: in one call without the GIL it checks columns, takes tickets and fills free slots.

What it fills goes to the queues of `cpu` workers, or onto the line of a persistent kernel (`exec.line`). A tenant's
slots and its row have one writer at a time: the process that has the tenant, under the tenant's lock. The bytes of a
slot are those of `prism.ring.publish`, which is the definition.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from prism.ring.exec import cpu_atomics as atomics
from prism.ring.exec.cpu_choice import choose
from prism.ring.exec.cpu_words import (
    BATCH_FENCE,
    BOOKS_SLOT_WORDS,
    CLAIMED,
    DONE,
    EMPTY,
    FAULT,
    LOAD_MISS,
    PACKED_SLOT,
    PRINTF,
    SHUTDOWN_JOB,
)
from prism.ring.exec.landing import announce, enter, fetch_slot, fill, land, prepare
from prism.ring.exec.line import BELL_LONGS, hand_over, settle_chosen
from prism.ring.exec.line_order import may_join, note_joined
from prism.ring.layout import (
    ARGS_PER_SLOT,
    BOOKS_SLOTS_START,
    LEVELS,
    SHUTDOWN,
    SLOT_WORDS,
    STATUS,
    TENANT_BASE,
    TENANT_MASKS,
    TENANT_QUOTAS,
    TENANTS,
    Words,
)
from prism.ring.memory import (
    AT_BOOKS,
    AT_CLAIMS,
    AT_CONTROL,
    AT_FEEDERS,
    AT_RING,
    FEED_COUNT,
    FEED_CURSOR,
    FEED_LOW,
    FEED_PROCESS,
    FEED_STAGE,
    FREE,
    LANDING,
    LINE,
)
from prism.ring.opcodes import RESERVED, SYSTEM_BIT

NO_ROOM, CLOSED, BEYOND, HELD_BACK, BAD_PRIORITY, BAD_WORD, FED_ELSEWHERE, BAD_JOB = range(0, -8, -1)
"""Why nothing was published: no room now; a shutdown; more than the quota at once; not for the line; a priority that
there is not; a number beyond 32 bits; another process feeds for the tenant; and, job k having an opcode that may not be
published, BAD_JOB - k."""
TOGETHER, LOADING, FEEDER_BITS = 1, 2, 8
"""Flags: slots side by side; LOAD_MISS may be published. The process that feeds stands above them, from bit 8 on."""
_LOW, _UP, _FETCH = np.uint64(0xFFFF_FFFF), np.uint64(32), 16
_RESERVED_START, _RESERVED_STOP = RESERVED.start, RESERVED.stop
_USER_STOP: Final = int(SYSTEM_BIT)


@njit(nogil=True, cache=True)
def is_free(words: Any, marks: Any, slot: Any) -> bool:
    """Return whether a slot may be filled: it is empty or done, and no queue or worker has it.

    marks: the marks of a kernel, where there is one: a slot that it has done is free before its status says so.
    """
    status = atomics.load(words, words[AT_RING] + SLOT_WORDS * slot + STATUS)
    if status == CLAIMED and len(marks):
        return atomics.load(marks, slot) == DONE
    return (status in (EMPTY, DONE)) and atomics.load(words, words[AT_CLAIMS] + slot) == FREE


@njit(nogil=True, cache=True)
def all_free(words: Any, marks: Any, first: Any, count: Any) -> bool:
    """Return whether slots side by side are all free, as `is_free` says of each, and begin to fetch them.

    The usual case, at 2 ns a slot: places are not computed anew for each, as a look at a slot alone does.
    """
    slots, claims = np.int64(words[AT_RING]) + SLOT_WORDS * first, np.int64(words[AT_CLAIMS]) + first
    books = np.int64(words[AT_BOOKS]) + BOOKS_SLOTS_START + BOOKS_SLOT_WORDS * first
    for k in range(count):
        if k + _FETCH < count:
            atomics.fetch_line(words, slots + SLOT_WORDS * (k + _FETCH))
            if k & 1 == 0:  # Two entries of the books lie in a line.
                atomics.fetch_line(words, books + BOOKS_SLOT_WORDS * (k + _FETCH))
        status = words[slots + SLOT_WORDS * k + STATUS]
        if status == CLAIMED and len(marks):
            if marks[first + k] != DONE:
                return False
        elif (status != EMPTY and status != DONE) or words[claims + k] != FREE:
            return False
    return True


@njit(nogil=True, cache=True)
def find_free(words: Any, marks: Any, row: Any, chosen: Any, together: bool) -> bool:
    """Fill `chosen` with free slots of a tenant's row in ring order, side by side if `together`; False without room.

    Looks at each slot of the tenant at most twice. It begins at the tenant's first slots where these are free again,
    for they are still in the cache, else after the last that was filled. chosen: (n,) int64.
    """
    low, count, start = np.int64(words[row + FEED_LOW]), np.int64(words[row + FEED_COUNT]), words[row + FEED_CURSOR]
    wanted, found = len(chosen), 0
    if wanted > count:
        return False
    if is_free(words, marks, low) and is_free(words, marks, low + wanted - 1):
        start = np.uint32(0)
    if np.int64(start) + wanted <= count and all_free(words, marks, low + np.int64(start), wanted):
        for job in range(wanted):
            chosen[job] = low + np.int64(start) + job
        return True
    steps = 2 * count if together else count
    at = np.int64(start)
    for step in range(steps):
        if found == wanted:
            break
        if together and at == 0:
            found = 0
        if (at & 15) == 0 or step == 0:
            for k in range(16, 32):
                fetch_slot(words, low + min(at + k, count - 1))
        if is_free(words, marks, low + at):
            chosen[found] = low + at
            found += 1
        elif together:
            found = 0
        at = at + 1 if at + 1 < count else 0
    return found == wanted


@njit(nogil=True, cache=True)
def publishable(opcode: Any, flags: Any) -> bool:
    """Return whether a tenant may publish an opcode: `prism.ring.opcodes.is_publishable`."""
    if opcode <= BATCH_FENCE or (opcode < _USER_STOP and not _RESERVED_START <= opcode < _RESERVED_STOP):
        return True
    return opcode in (PRINTF, PACKED_SLOT, SHUTDOWN_JOB) or (opcode == LOAD_MISS and flags & LOADING != 0)


@njit(nogil=True, cache=True)
def check(words: Any, tenant: Any, columns: Any, count: Any, flags: Any) -> Any:
    """Return 1 if `count` jobs may be published as far as room allows, else why not. Reads, and writes nothing."""
    opcodes, priorities, _ = columns
    for job in range(len(priorities)):
        if priorities[job] >= LEVELS:
            return np.int64(BAD_PRIORITY)
    for job in range(len(opcodes)):
        if opcodes[job] > BATCH_FENCE and not publishable(opcodes[job], flags):
            return np.int64(BAD_JOB - job)
    control = np.int64(words[AT_CONTROL])
    if atomics.load(words, control + SHUTDOWN) != 0:
        return np.int64(CLOSED)
    row = words[AT_FEEDERS] + LINE * tenant
    feeder = atomics.load(words, row + FEED_PROCESS)
    if feeder != 0 and np.int64(feeder) != flags >> FEEDER_BITS:
        return np.int64(FED_ELSEWHERE)
    quota, owned = np.int64(words[control + TENANT_QUOTAS + tenant]), np.int64(words[row + FEED_COUNT])
    if quota >= owned:
        return np.int64(1)
    if count > quota:
        return np.int64(BEYOND)
    flying = 0
    for slot in range(words[row + FEED_LOW], words[row + FEED_LOW] + owned):
        status = atomics.load(words, words[AT_RING] + SLOT_WORDS * slot + STATUS)
        flying += status not in (EMPTY, DONE, FAULT)
    return np.int64(1 if flying + count <= quota else NO_ROOM)


@njit(nogil=True, cache=True)
def advance(words: Any, row: Any, last: Any) -> None:
    """Let the search for free slots go on after a slot."""
    words[row + FEED_CURSOR] = np.uint32((last + 1 - words[row + FEED_LOW]) % words[row + FEED_COUNT])


# Onto the queues -----------------------------------------------------------------------


@njit(nogil=True, cache=True)
def _publish(words: Any, longs: Any, who: Any, columns: Any, chosen: Any) -> Any:
    tenant, flags = who
    refused = check(words, tenant, columns, len(chosen), flags)
    if refused != 1:
        return refused
    row = words[AT_FEEDERS] + LINE * tenant
    if not find_free(words, words[:0], row, chosen, flags & TOGETHER != 0):
        return np.int64(NO_ROOM)
    first, levels = prepare(words, longs, tenant, columns, chosen), 0
    # An exchange, which nothing passes in either direction: before it nothing is published, after it everything is.
    atomics.exchange(words, row + FEED_STAGE, np.uint32(LANDING))
    for slot in chosen:
        levels |= 1 << land(words, tenant, slot)
    advance(words, row, chosen[len(chosen) - 1])
    announce(words, tenant, levels)
    atomics.store(words, row + FEED_STAGE, np.uint32(0))
    return np.int64(first)


@njit(nogil=True, cache=True)
def _borrow(columns: Any) -> Any:
    opcodes, priorities, args = columns
    return atomics.borrowed(opcodes), atomics.borrowed(priorities), atomics.borrowed(args)


@njit(nogil=True, cache=True)
def publish(words: Any, longs: Any, who: Any, columns: Any, chosen: Any) -> Any:
    """Publish jobs in free slots of a tenant, all or none; returns the first ticket, or why not, at most 0.

    who: the tenant and its flags. columns: opcodes (n,), priorities (n,) and args (n, k) of uint32, k at most 12, each
    of one row if all jobs have the same. chosen: (n,) int64, n at least 1, receives the slots. Everything is checked
    before a word is written; then every word of every job, then the statuses and queue entries, then the bell.
    """
    view, wide, room = atomics.borrowed(words), atomics.borrowed(longs), atomics.borrowed(chosen)
    return _publish(view, wide, who, _borrow(columns), room)


# Onto a kernel's line ------------------------------------------------------------------


@njit(nogil=True, cache=True)
def may_run_now(words: Any, tenant: Any, columns: Any) -> bool:
    """Return whether jobs of a tenant may go onto the line at once: it is allowed, and none is a fence."""
    control = np.int64(words[AT_CONTROL])
    index = np.int64(words[control + TENANT_BASE]) + tenant
    if index < TENANT_MASKS or index >= TENANT_MASKS + TENANTS or words[control + index] == 0:
        return False
    fences = 0
    for opcode in columns[0]:
        fences += opcode == BATCH_FENCE
    return fences == 0


@njit(nogil=True, cache=True)
def _publish_line(words: Any, longs: Any, who: Any, columns: Any, chosen: Any, line: Any) -> Any:
    tenant, flags = who
    refused = check(words, tenant, columns, len(chosen), flags)
    if refused != 1:
        return refused
    if not may_run_now(words, tenant, columns) or choose(words) >= 0:
        return np.int64(HELD_BACK)
    row = words[AT_FEEDERS] + LINE * tenant
    if not find_free(words, line[1], row, chosen, flags & TOGETHER != 0):
        return np.int64(NO_ROOM)
    if not may_join(words, line, columns[1], chosen):
        return np.int64(HELD_BACK)
    settle_chosen(words, line, tenant, chosen)
    first = atomics.add(longs, words[AT_BOOKS] >> 1, np.uint64(len(chosen)))
    for job in range(len(chosen)):
        fill(words, longs, tenant, columns, (chosen[job], job))
        enter(words, longs, chosen[job], first + np.uint64(job))
    note_joined(words, tenant, columns[1], chosen)
    hand_over(words, line, chosen)
    advance(words, row, chosen[len(chosen) - 1])
    return np.int64(first)


@njit(nogil=True, cache=True)
def publish_line(words: Any, longs: Any, who: Any, columns: Any, chosen: Any, line: Any) -> Any:
    """Publish jobs straight onto a kernel's line, all or none; HELD_BACK where some must wait on the host first.

    line: as for `hand_over`. As `publish` otherwise.
    """
    view, wide, room = atomics.borrowed(words), atomics.borrowed(longs), atomics.borrowed(chosen)
    return _publish_line(view, wide, who, _borrow(columns), room, _borrow(line))


# One job -------------------------------------------------------------------------------

(POST_WORDS, POST_COUNT, POST_ENTRIES, POST_ENTRY_COUNT, POST_MARKS, POST_MARK_COUNT, POST_BELL, POST_TENANT) = range(8)
POST_FLAGS, POST_OPCODE, POST_PRIORITY, POST_ARGS = range(8, 12)
POST_LENGTH: Final = POST_ARGS + ARGS_PER_SLOT
"""What a tenant's post holds, (POST_LENGTH,) uint64: where the block lies and its words; where the line lies, its
entries 0 where there is none; the tenant and its flags; then the job."""


@njit(nogil=True, cache=True)
def words_at(post: Any, place: Any) -> Any:
    """Return the uint32 array whose address and length stand in a post."""
    return atomics.array_at(post[place], post[place + 1], np.uint32(0))


@njit(nogil=True, cache=True)
def longs_at(post: Any, place: Any) -> Any:
    """Return the same memory as uint64."""
    return atomics.array_at(post[place], post[place + 1] >> np.uint64(1), np.uint64(0))


@njit(nogil=True, cache=True)
def publish_one(post: Any, chosen: Any, onto_line: Any) -> Any:
    """Publish the job in a post, onto the line if asked, else for the queues; as `publish` and `publish_line`."""
    words, longs = words_at(post, POST_WORDS), longs_at(post, POST_WORDS)
    job = np.empty(2 + ARGS_PER_SLOT, np.uint32)
    for k in range(len(job)):
        if post[POST_OPCODE + k] > _LOW:
            return np.int64(BAD_WORD)
        job[k] = post[POST_OPCODE + k]
    who = (np.int64(post[POST_TENANT]), np.int64(post[POST_FLAGS]))
    columns = (job[0:1], job[1:2], job[2:].reshape(1, ARGS_PER_SLOT))
    if not onto_line:
        return _publish(words, longs, who, columns, chosen)
    bell = atomics.array_at(post[POST_BELL], np.uint64(BELL_LONGS), np.uint64(0))
    line = (words_at(post, POST_ENTRIES), words_at(post, POST_MARKS), bell)
    return _publish_line(words, longs, who, columns, chosen, line)


def post_of(words: Words, tenant: int, flags: int) -> NDArray[np.uint64]:
    """Return a tenant's post; the memory of the block must outlive it."""
    post = np.zeros(POST_LENGTH, np.uint64)
    post[POST_WORDS], post[POST_COUNT] = words.ctypes.data, len(words)
    post[POST_TENANT], post[POST_FLAGS] = tenant, flags
    return post


def post_line(post: NDArray[np.uint64], line: Any) -> None:
    """Enter where a line lies."""
    entries, marks, bell = line
    post[POST_ENTRIES : POST_BELL + 1] = (
        *(entries.ctypes.data, len(entries)),
        *(marks.ctypes.data, len(marks)),
        bell.ctypes.data,
    )
