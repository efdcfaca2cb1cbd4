"""The worker: one loop that claims, runs and marks jobs until it is told to end, without the GIL.

A slot is claimed by two exchanges, neither of which can be won twice: its claim word goes from QUEUED to the worker's,
then its status from PUBLISHED to CLAIMED. The claim word says who has the slot and how far it got, so that what a lost
worker held can be told apart: not begun (it is queued again), begun (it is a fault), ended (it is marked).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit

from prism.ring.exec import cpu_atomics as atomics

# Numba keeps what is compiled here by this file alone: count on when cpu_effects compiles to something else (3).
from prism.ring.exec.cpu_books import count_tenant, tenant_of
from prism.ring.exec.cpu_choice import TOOK, choose, contended, hold, keep, note_claims, release, reserve, take
from prism.ring.exec.cpu_effects import COUNTED, POLLING, SELF_LOADING, TABLE_FLAGS, batch_ended, execute
from prism.ring.exec.cpu_feed import ring_done
from prism.ring.exec.cpu_io import poll_io, recycle_reads
from prism.ring.exec.cpu_words import (
    BATCH_FENCE,
    BOOKS_SLOT_WORDS,
    CLAIMED,
    DFA_STEP,
    DONE,
    DONE_BY,
    EMPTY,
    FAULT,
    FAULTED_BY,
    ON_HOST,
    PUBLISHED,
    REASON,
    REQUEUE,
    REQUEUED_BY,
    REQUEUES,
    WAIT_IO,
    WAITED_BY,
    WAITS,
    YIELD,
    YIELDED_BY,
    YIELDS,
)
from prism.ring.exec.landing import fetch_slot
from prism.ring.layout import (
    BOOKS_SLOTS_START,
    DONE_COUNT,
    LEVELS,
    METRICS,
    METRICS_BASE,
    OPCODE,
    PRIORITY,
    SHUTDOWN,
    SLOT_WORDS,
    STATUS,
)
from prism.ring.memory import (
    AT_BOOKS,
    AT_CLAIMS,
    AT_CONTROL,
    AT_RING,
    AT_RUN_ALONE,
    AT_RUN_CONTENDED,
    AT_WORKER_ROWS,
    BELL,
    FINISHED,
    FREE,
    HALT,
    OWNED,
    PARKED,
    PARKING,
    QUEUED,
    RECOVERED,
    RUN_ALONE,
    RUNNING,
    STARTED,
    TAKE_QUEUE,
    WORKER_BEAT,
    WORKER_JOBS,
    WORKER_KILL,
    WORKER_STATE,
    WORKER_WORDS,
)

STOPPED, KILLED, HOST = 1, 2, 3
"""Why `work` returned: told to end; told to vanish as if killed; a job's handler runs on the host."""
DEFERRED, VANISH = -5, -6
"""What `run_one` returns besides: nothing was run; the worker was told to vanish."""
AT_ONCE, AT_TAKE, AT_START, AT_MARK = 1, 2, 3, 4
"""Where a worker can be told to vanish (`WORKER_KILL`)."""
NEXT, TAKEN, WAITING, HOST_SLOT = range(4)
OVER: Final = TOOK + RUN_ALONE
ASIDE: Final = COUNTED + METRICS
DESK_WORDS: Final = ASIDE
"""Words of a worker's desk: counts; slots it took; those whose jobs are over; metrics; and those that it set aside."""


@njit(nogil=True, cache=True)
def set_phase(words: Any, worker: Any, slot: Any, phase: Any) -> None:
    """Note how far a worker got with a slot that it has."""
    atomics.store(words, words[AT_CLAIMS] + slot, np.uint32((worker + 1) << 2 | phase))


@njit(nogil=True, cache=True)
def own(words: Any, worker: Any, desk: Any, count: Any) -> int:
    """Make the slots that came out of a queue the worker's own; returns how many were still to be had."""
    kept = 0
    for k in range(count):
        slot = desk[TOOK + k]
        fetch_slot(words, slot)
        mine = np.uint32((worker + 1) << 2 | OWNED)
        if atomics.compare_swap(words, words[AT_CLAIMS] + slot, np.uint32(QUEUED), mine) == QUEUED:
            if atomics.load(words, words[AT_RING] + SLOT_WORDS * slot + STATUS) in (DONE, FAULT, EMPTY):
                # Cancelled meanwhile: no claim, in no count.
                atomics.store(words, words[AT_CLAIMS] + slot, np.uint32(FREE))
                continue
            desk[TOOK + kept] = slot
            kept += 1
    atomics.store(words, words[AT_WORKER_ROWS] + WORKER_WORDS * worker + TAKE_QUEUE, np.uint32(0))
    return kept


@njit(nogil=True, cache=True)
def begin(words: Any, slot: Any) -> bool:
    """Claim a slot that the worker owns; False, and given up, if its job was cancelled meanwhile."""
    at = words[AT_RING] + SLOT_WORDS * slot + STATUS
    status = atomics.load(words, at)
    ready = status in (PUBLISHED, YIELD, REQUEUE)
    if ready and atomics.compare_swap(words, at, status, np.uint32(CLAIMED)) == status:
        return True
    atomics.store(words, words[AT_CLAIMS] + slot, np.uint32(FREE))
    return False


@njit(nogil=True, cache=True)
def set_aside(desk: Any, slot: Any) -> None:
    """Add a slot to the worker's waiting list."""
    desk[ASIDE + desk[WAITING]] = slot
    desk[WAITING] += 1


@njit(nogil=True, cache=True)
def suspend(words: Any, worker: Any, slot: Any, code: Any, desk: Any) -> None:
    """Set a job that has not ended aside, in the worker's own list, with the status that says why."""
    status, counter = (YIELD, YIELDED_BY) if code == YIELDS else (REQUEUE, REQUEUED_BY)
    if code == WAITS:
        status, counter = WAIT_IO, WAITED_BY
    base = np.int64(words[AT_RING]) + SLOT_WORDS * slot
    if code == REQUEUES and words[base + PRIORITY] < LEVELS - 1:
        words[base + PRIORITY] += np.uint32(1)
    count_tenant(words, tenant_of(words, slot), counter, 1)
    set_phase(words, worker, slot, OWNED)
    atomics.store(words, base + STATUS, np.uint32(status))
    set_aside(desk, slot)


@njit(nogil=True, cache=True)
def mark(words: Any, worker: Any, desk: Any, ended: Any) -> None:
    """Count the jobs that ended, then mark them; counts first, so who sees a mark sees its count."""
    if ended == 0:
        return
    control, faults = np.int64(words[AT_CONTROL]), 0
    reasons = np.int64(words[AT_BOOKS]) + BOOKS_SLOTS_START + REASON
    for k in range(ended):
        faults += words[reasons + BOOKS_SLOT_WORDS * desk[OVER + k]] != 0
    for opcode in range(METRICS):
        if desk[COUNTED + opcode]:
            atomics.add(words, control + METRICS_BASE + opcode, np.uint32(desk[COUNTED + opcode]))
            desk[COUNTED + opcode] = 0
    atomics.add(words, control + DONE_COUNT, np.uint32(ended))
    tenant = tenant_of(words, desk[OVER])
    count_tenant(words, tenant, DONE_BY, ended - faults)
    if faults:
        count_tenant(words, tenant, FAULTED_BY, faults)
    release(words, worker, ended)
    for k in range(ended):
        slot = desk[OVER + k]
        status = DONE if words[reasons + BOOKS_SLOT_WORDS * slot] == 0 else FAULT
        atomics.store(words, words[AT_RING] + SLOT_WORDS * slot + STATUS, np.uint32(status))
        atomics.store(words, words[AT_CLAIMS] + slot, np.uint32(FREE))
    words[words[AT_WORKER_ROWS] + WORKER_WORDS * worker + WORKER_JOBS] += np.uint32(ended)
    ring_done(words)


@njit(nogil=True, cache=True)
def dies(words: Any, worker: Any, point: Any) -> bool:
    """Return whether the worker was told to vanish at this point, as if its process had been killed there."""
    return words[words[AT_WORKER_ROWS] + WORKER_WORDS * worker + WORKER_KILL] == point


@njit(nogil=True, cache=True)
def run_one(words: Any, longs: Any, worker: Any, handlers: Any, desk: Any, slot: Any) -> int:
    """Run the job of a slot that the worker owns and has reserved for; returns a reason, or a code below 0."""
    base = np.int64(words[AT_RING]) + SLOT_WORDS * slot
    if words[base + OPCODE] == BATCH_FENCE and not batch_ended(words, longs, slot):
        release(words, worker, 1)
        set_aside(desk, slot)
        return DEFERRED
    if atomics.load(words, base + STATUS) == WAIT_IO:
        keep(words, worker)
        set_aside(desk, slot)
        return DEFERRED
    if not begin(words, slot):
        release(words, worker, 1)
        return DEFERRED
    set_phase(words, worker, slot, STARTED)
    if dies(words, worker, AT_START):
        return VANISH
    code = execute(words, worker, slot, handlers, desk)
    if code >= 0:
        end(words, worker, slot, code)
    elif code != ON_HOST:
        keep(words, worker)
        suspend(words, worker, slot, code, desk)
    return code


@njit(nogil=True, cache=True)
def end(words: Any, worker: Any, slot: Any, reason: Any) -> None:
    """Note that a job's body has ended, and how."""
    words[np.int64(words[AT_BOOKS]) + BOOKS_SLOTS_START + BOOKS_SLOT_WORDS * slot + REASON] = np.uint32(reason)
    set_phase(words, worker, slot, FINISHED)


@njit(nogil=True, cache=True)
def run_taken(words: Any, longs: Any, worker: Any, handlers: Any, desk: Any) -> int:
    """Run what the worker has taken, from where it stands; returns 0, KILLED, or HOST with a slot for the host."""
    ended, share = 0, np.int64(words[AT_RING])
    while desk[NEXT] < desk[TAKEN]:
        slot = desk[TOOK + desk[NEXT]]
        desk[NEXT] += 1
        code = run_one(words, longs, worker, handlers, desk, slot)
        if code == VANISH:
            return KILLED
        if code >= 0:
            desk[OVER + ended] = slot
            ended += 1
        # What a handler did may have taken long, so whoever waits for the jobs before it is told now.
        if code == ON_HOST or words[share + SLOT_WORDS * slot + OPCODE] > DFA_STEP:
            mark(words, worker, desk, ended)
            ended = 0
        if code == ON_HOST:
            desk[HOST_SLOT] = slot
            return HOST
    if dies(words, worker, AT_MARK):
        return KILLED
    mark(words, worker, desk, ended)
    return 0


@njit(nogil=True, cache=True)
def fetch(words: Any, worker: Any, desk: Any) -> int:
    """Take the slots whose turn it is; returns how many are the worker's now, or KILLED as -1."""
    desk[NEXT] = desk[TAKEN] = 0
    queue = choose(words)
    if queue < 0:
        return 0
    tenant, level = queue // LEVELS, queue % LEVELS
    most = np.int64(words[AT_RUN_CONTENDED] if contended(words) else words[AT_RUN_ALONE])
    if tenant == RECOVERED:
        count = take(words, worker, queue, desk, 1)
        granted = reserve(words, worker, tenant_of(words, desk[TOOK]), 1) if count else 0
    else:
        granted = reserve(words, worker, tenant, most)
        count = take(words, worker, queue, desk, granted) if granted else 0
    if dies(words, worker, AT_TAKE):
        return -1
    kept = own(words, worker, desk, count)
    if granted == 0 and kept:
        # A recovered slot whose tenant has used up its quota stays with this worker until there is room.
        set_aside(desk, desk[TOOK])
        return 0
    if granted > kept:
        release(words, worker, granted - kept)
    if kept:
        note_claims(words, tenant_of(words, desk[TOOK]), level, kept)
    desk[TAKEN] = kept
    return kept


@njit(nogil=True, cache=True)
def retry(words: Any, longs: Any, worker: Any, handlers: Any, desk: Any) -> int:
    """Look once at the oldest slot that was set aside; returns what `run_taken` does."""
    slot, left = desk[ASIDE], desk[WAITING] - 1
    for k in range(left):
        desk[ASIDE + k] = desk[ASIDE + k + 1]
    desk[WAITING] = left
    status = atomics.load(words, words[AT_RING] + SLOT_WORDS * slot + STATUS)
    desk[NEXT] = desk[TAKEN] = 0
    if status == WAIT_IO:
        reason = poll_io(words, slot)
        if reason < 0:
            set_aside(desk, slot)
            return 0
        hold(words, worker, tenant_of(words, slot))
        end(words, worker, slot, reason)
        desk[OVER] = slot
        mark(words, worker, desk, 1)
        return 0
    if status == PUBLISHED:
        if reserve(words, worker, tenant_of(words, slot), 1) == 0:
            set_aside(desk, slot)
            return 0
    else:
        hold(words, worker, tenant_of(words, slot))
    desk[TOOK] = slot
    desk[TAKEN] = 1
    return run_taken(words, longs, worker, handlers, desk)


@njit(nogil=True, cache=True)
def must_stop(words: Any, worker: Any) -> int:
    """Return KILLED or STOPPED if the worker is to return, else 0."""
    if dies(words, worker, AT_ONCE):
        return KILLED
    stop = atomics.load(words, HALT) | atomics.load(words, words[AT_CONTROL] + SHUTDOWN)
    return STOPPED if stop != 0 else 0


@njit(nogil=True, cache=True)
def park(words: Any, worker: Any, span: Any) -> None:
    """Sleep until the bell rings, at most for `span`; not at all if there is work by now."""
    row = words[AT_WORKER_ROWS] + WORKER_WORDS * worker
    seen = atomics.load(words, BELL)
    atomics.store(words, row + WORKER_STATE, np.uint32(PARKING))
    atomics.add(words, PARKED, np.uint32(1))
    if choose(words) < 0 and must_stop(words, worker) == 0:
        atomics.wait_word(words, BELL, seen, span)
    atomics.add(words, PARKED, np.uint32(0xFFFF_FFFF))
    atomics.store(words, row + WORKER_STATE, np.uint32(RUNNING))


@njit(nogil=True, cache=True)
def _work(words: Any, longs: Any, worker: Any, handlers: Any, desk: Any, limits: Any) -> int:
    """Drain the ring as `work` does."""
    beat = words[AT_WORKER_ROWS] + WORKER_WORDS * worker + WORKER_BEAT
    idle = 0
    while True:
        code = run_taken(words, longs, worker, handlers, desk) if desk[NEXT] < desk[TAKEN] else 0
        if code == 0:
            code = must_stop(words, worker)
        if code != 0:
            return code
        words[beat] += np.uint32(1)
        kept = fetch(words, worker, desk)
        if kept < 0:
            return KILLED
        if desk[WAITING] > 0 and kept == 0:
            code = retry(words, longs, worker, handlers, desk)
            if code != 0:
                return code
        if kept > 0:
            idle = 0
            continue
        idle += 1
        if limits[0] < 0 and desk[WAITING] == 0 and choose(words) < 0:
            return STOPPED
        if idle <= limits[0]:
            if idle & 31 == 0:
                atomics.pause()
            continue
        if handlers[TABLE_FLAGS] & np.uint64(SELF_LOADING | POLLING):
            recycle_reads(words)
        park(words, worker, limits[3:5] if desk[WAITING] > 0 else limits[1:3])


@njit(nogil=True, cache=True)
def work(words: Any, longs: Any, worker: Any, handlers: Any, desk: Any, limits: Any) -> int:
    """Drain the ring until told to end; returns STOPPED, KILLED, or HOST when a job needs Python.

    handlers: a table of `cpu_effects`. desk: (DESK_WORDS + slots,) int64, the worker's own, kept from call to call.
    limits: (5,) int64: idle looks before sleeping, below 0 to return when there is nothing to do; seconds and
    nanoseconds of one sleep, and of one while jobs are set aside.
    """
    view, wide, table = atomics.borrowed(words), atomics.borrowed(longs), atomics.borrowed(handlers)
    return _work(view, wide, worker, table, atomics.borrowed(desk), atomics.borrowed(limits))


@njit(nogil=True, cache=True)
def finish(words: Any, worker: Any, slot: Any, code: Any, desk: Any) -> None:
    """Take a job back from the host: it has ended with a reason, or is set aside for a code below 0."""
    if code < 0:
        keep(words, worker)
        suspend(words, worker, slot, code, desk)
        return
    end(words, worker, slot, code)
    desk[OVER] = slot
    mark(words, worker, desk, 1)
