"""What a lost worker had: queued again if it had not begun, marked if it had ended, a fault if nobody can know.

One thread of the runtime's process recovers; workers that live go on meanwhile.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from prism.ring.exec import cpu_atomics as atomics
from prism.ring.exec.cpu_books import count_tenant, tenant_of
from prism.ring.exec.cpu_choice import held_at
from prism.ring.exec.cpu_feed import ring_done
from prism.ring.exec.cpu_words import (
    BOOKS_SLOT_WORDS,
    CLAIMED,
    DONE,
    DONE_BY,
    FAULT,
    FAULTED_BY,
    PUBLISHED,
    REASON,
    REQUEUE,
    WORKER_LOST,
)
from prism.ring.exec.landing import announce, enqueue
from prism.ring.layout import BOOKS_SLOTS_START, DONE_COUNT, SLOT_WORDS, STATUS
from prism.ring.memory import (
    AT_BOOKS,
    AT_CLAIMS,
    AT_CONTROL,
    AT_CURSORS,
    AT_RING,
    AT_SLOTS,
    AT_WORKER_ROWS,
    ENTRIES,
    FINISHED,
    FREE,
    HELD_COUNT,
    HELD_TENANT,
    LINE,
    MASK,
    QUEUED,
    RECOVERED,
    STARTED,
    TAKE_COUNT,
    TAKE_HEAD,
    TAKE_QUEUE,
    WORKER_WORDS,
)


@njit(nogil=True, cache=True)
def queue_again(words: Any, slot: Any) -> None:
    """Put a slot that nobody has into the queue of the recovered."""
    atomics.store(words, words[AT_CLAIMS] + slot, np.uint32(QUEUED))
    announce(words, RECOVERED, 1 << enqueue(words, RECOVERED, slot))


@njit(nogil=True, cache=True)
def settle(words: Any, slot: Any, phase: Any, held: bool) -> bool:
    """Settle one slot of a lost worker; returns whether it is a fault now. held: its tenant's count still has it."""
    status = words[AT_RING] + SLOT_WORDS * slot + STATUS
    seen = atomics.load(words, status)
    tenant = tenant_of(words, slot)
    if phase == FINISHED or (phase == STARTED and seen == CLAIMED):
        reason = np.int64(words[AT_BOOKS]) + BOOKS_SLOTS_START + BOOKS_SLOT_WORDS * slot + REASON
        if phase == STARTED:
            words[reason] = np.uint32(WORKER_LOST)
        faulted = words[reason] != 0
        if seen == CLAIMED:
            count_tenant(words, tenant, FAULTED_BY if faulted else DONE_BY, 1)
            atomics.add(words, words[AT_CONTROL] + DONE_COUNT, np.uint32(1))
            atomics.store(words, status, np.uint32(FAULT if faulted else DONE))
        atomics.store(words, words[AT_CLAIMS] + slot, np.uint32(FREE))
        return faulted and phase == STARTED
    if seen in (DONE, FAULT, 0):
        atomics.store(words, words[AT_CLAIMS] + slot, np.uint32(FREE))
        return False
    if held and seen not in (PUBLISHED, CLAIMED):
        atomics.add(words, held_at(words, tenant), np.uint32(0xFFFF_FFFF))
    if seen == CLAIMED:
        atomics.store(words, status, np.uint32(REQUEUE))
    queue_again(words, slot)
    return False


@njit(nogil=True, cache=True)
def recover(words: Any, worker: Any, found: Any) -> None:
    """Settle everything that a worker had, which is gone for good.

    found: (2,) int64, receives how many slots were settled and how many of them are faults now.
    """
    row = np.int64(words[AT_WORKER_ROWS]) + WORKER_WORDS * worker
    found[0] = found[1] = 0
    for slot in range(words[AT_SLOTS]):
        claim = np.int64(atomics.load(words, words[AT_CLAIMS] + slot))
        if claim >> 2 == worker + 1:
            found[0] += 1
            found[1] += settle(words, slot, claim & 3, True)
    queue = np.int64(words[row + TAKE_QUEUE]) - 1
    if queue >= 0:
        # Whether the take went through is unknown; an entry too many is found empty.
        at = np.int64(words[AT_CURSORS]) + 2 * LINE * queue
        for k in range(words[row + TAKE_COUNT]):
            slot = words[words[at + ENTRIES] + ((words[row + TAKE_HEAD] + np.uint32(k)) & words[at + MASK])]
            if atomics.load(words, words[AT_CLAIMS] + slot) == QUEUED:
                announce(words, RECOVERED, 1 << enqueue(words, RECOVERED, slot))
        words[row + TAKE_QUEUE] = 0
    left = words[row + HELD_COUNT]
    if left:
        atomics.add(words, held_at(words, words[row + HELD_TENANT]), np.uint32(-np.int64(left) & 0xFFFF_FFFF))
        words[row + HELD_COUNT] = 0
    ring_done(words)
