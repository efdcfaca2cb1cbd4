"""Feeders of a shared ring: which process has a tenant, and what one leaves that is killed at any moment [RINGRUN-13].

Between two writes of a submission a killed process leaves slots PREPARED. Before its tenant's stage said LANDING
nothing of the submission was published, and it is undone; after that every word of it is written, and it is finished.
So a submission lands whole or not at all, however its process ends. The process that holds the ring settles this, and
no other, with the executor's guard held.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numba import njit

from prism.ring import layout as at
from prism.ring.exec import cpu_atomics as atomics
from prism.ring.exec.cpu_feed import ring_done
from prism.ring.exec.landing import announce, enqueue, land
from prism.ring.layout import Reason, SlotStatus
from prism.ring.memory import (
    AT_CURSORS,
    AT_FEEDERS,
    AT_RING,
    ENTRIES,
    FEED_PROCESS,
    FEED_STAGE,
    FREE,
    HEAD,
    LINE,
    MASK,
    PREPARED,
    QUEUED,
    RECOVERED,
    TAIL,
    Block,
)
from prism.ring.processes import process_lives, this_process

WATCH_S: Final = 0.05
"""So often the process that holds a ring looks for feeders that are gone."""
_REASON: Final = at.BOOKS_SLOT.at("REASON")
_FAULTED: Final = at.BOOKS_TENANT.at("FAULTED")


@dataclass
class Left:
    """What killed feeders left: how many there were, jobs published for them, undone, and found half cancelled."""

    feeders: int = 0
    landed: int = 0
    undone: int = 0
    cancelled: int = 0


@njit(nogil=True, cache=True)
def exchange_word(longs: Any, place: Any, before: Any, after: Any) -> bool:
    """Set a 64-bit word if it is still the one before; returns whether it was."""
    return atomics.compare_swap(longs, place, np.uint64(before), np.uint64(after)) == np.uint64(before)


@njit(nogil=True, cache=True)
def list_queued(words: Any, tenant: Any, listed: Any) -> Any:
    """Mark the slots that a tenant's queues name; returns the levels, as bits, whose queue is not empty."""
    levels = 0
    for level in range(at.LEVELS):
        queue = np.int64(words[AT_CURSORS]) + 2 * LINE * (tenant * at.LEVELS + level)
        head, tail = atomics.load(words, queue + HEAD), atomics.load(words, queue + TAIL)
        while head != tail:
            listed[words[words[queue + ENTRIES] + (head & words[queue + MASK])]] = 1
            head = np.uint32(head + np.uint32(1))
            levels |= 1 << level
    return levels


@njit(nogil=True, cache=True)
def finish_cancelling(words: Any, slot: Any) -> bool:
    """Make a job a fault that its feeder was about to cancel; returns whether nobody else ended it."""
    status = np.int64(words[AT_RING]) + at.SLOT_WORDS * slot + at.STATUS
    return atomics.compare_swap(words, status, np.uint32(SlotStatus.CLAIMED), np.uint32(SlotStatus.FAULT)) == np.uint32(
        SlotStatus.CLAIMED
    )


def settle(block: Block, tenant: int, left: Left) -> None:
    """Settle what a feeder of a tenant left that is gone, and add it to `left`; the caller holds the tenant's row.

    It can be done again from the start, should whoever does it be killed as well.
    """
    own, row = block.owned(tenant), block.feeders[tenant]
    slots = np.arange(own.start, own.stop)
    listed = np.zeros(block.shape.spec.slots, np.uint8)
    levels = list_queued(block.words, tenant, listed)
    list_queued(block.words, RECOVERED, listed)
    claims, statuses = block.claims[own].copy(), block.state.slots[own, at.STATUS].copy()
    prepared = slots[claims == PREPARED]
    prepared = prepared[np.argsort(block.tickets[prepared])]
    if row[FEED_STAGE]:
        for slot in prepared:
            levels |= 1 << land(block.words, tenant, int(slot))
        left.landed += len(prepared)
    else:
        block.state.slots[prepared, at.STATUS] = SlotStatus.EMPTY
        block.state.entries[prepared] = 0
        block.claims[prepared] = FREE
        left.undone += len(prepared)
    # The one slot that was published and not yet in its queue; a worker takes a slot once, whatever names it.
    for slot in slots[(claims == QUEUED) & (statuses == SlotStatus.PUBLISHED) & (listed[own] == 0)]:
        levels |= 1 << enqueue(block.words, tenant, int(slot))
    doubtful = (claims <= QUEUED) & (statuses == SlotStatus.CLAIMED)
    # A worker changes a slot's claim before its status: what has the same claim still, no worker has.
    doubtful &= block.claims[own] == claims
    _finish_cancelling(block, tenant, slots[doubtful], left)
    if levels:
        announce(block.words, tenant, levels)
    row[FEED_STAGE] = 0
    left.feeders += 1


def _finish_cancelling(block: Block, tenant: int, slots: Any, left: Left) -> None:
    """End jobs that are CLAIMED and no worker has: their feeder went between the two writes that cancel one."""
    state = block.state
    for slot in slots:
        state.entries[slot, _REASON : _REASON + 2] = Reason.CANCELLED, 0
        if finish_cancelling(block.words, int(slot)):
            state.tenants[tenant, _FAULTED] += np.uint32(1)
            state.control[at.DONE_COUNT] = (int(state.control[at.DONE_COUNT]) + 1) & at.WORD_MASK
            left.cancelled += 1
    if len(slots):
        ring_done(block.words)


def holder_of(block: Block, tenant: int) -> tuple[int, int]:
    """Return the process that feeds for a tenant, 0 for none, and when it began."""
    process, since = (int(word) for word in block.feeders[tenant, FEED_PROCESS : FEED_PROCESS + 2])
    return process, since


def exchange(block: Block, tenant: int, before: tuple[int, int], after: tuple[int, int]) -> bool:
    """Set which process feeds for a tenant if it is still the one before; returns whether it was."""
    place = (int(block.words[AT_FEEDERS]) + LINE * tenant + FEED_PROCESS) >> 1
    words = (np.uint64(process | since << 32) for process, since in (before, after))
    return bool(exchange_word(block.longs, place, *words))


NOBODY: Final = (0, 0)


class FeederWatch:
    """Looks in the process that holds a shared ring for feeders that are gone, until it is stopped."""

    def __init__(self, block: Block, guard: AbstractContextManager[Any]) -> None:
        self.left = Left()
        self._block, self._guard = block, guard
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watching, name="prism-ring-feeders", daemon=True)
        self._thread.start()

    def _watching(self) -> None:
        while not self._stop.wait(WATCH_S):
            self.check()

    def check(self) -> None:
        """Settle what feeders left that are gone."""
        number, since = this_process()
        # Never this process as a feeder: it too may attach, and must wait.
        settling = number, since ^ at.WORD_MASK
        for tenant in range(self._block.shape.spec.tenants):
            holder = holder_of(self._block, tenant)
            if holder[0] == 0 or process_lives(*holder) or not exchange(self._block, tenant, holder, settling):
                continue
            with self._guard:
                settle(self._block, tenant, self.left)
            exchange(self._block, tenant, settling, NOBODY)

    def stop(self) -> None:
        """Look no more; returns when nobody looks."""
        self._stop.set()
        self._thread.join()
