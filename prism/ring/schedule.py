"""Which slot a worker takes next: who may run, whose level is due, whose tenant's turn it is [RING-10]."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from prism.ring import layout as at
from prism.ring.layout import DOUBLE, RUNNABLE, TERMINAL, WORD, Opcode, Priority, SlotStatus
from prism.ring.program import Order
from prism.ring.state import RingState, count

_RUNNABLE: Final = np.array(sorted(RUNNABLE), WORD)
_TERMINAL: Final = np.array(sorted(TERMINAL), WORD)
_HELD: Final = at.BOOKS_TENANT.at("HELD")
_CLAIMS: Final = at.BOOKS_HEAD.at("CLAIMS")
_CURSOR: Final = at.BOOKS_HEAD.at("CURSOR")
_PASSED: Final = at.BOOKS_LEVEL.at("PASSED")
_TURNS: Final = at.BOOKS_LEVEL.at("TURNS")

Indices = NDArray[np.intp]


def tickets(state: RingState) -> NDArray[np.uint64]:
    """Return the ticket of each slot, (n,) uint64."""
    return state.entries[:, :2].copy().view(DOUBLE)[:, 0]


def lines(state: RingState) -> NDArray[np.uint64]:
    """Return the place of each slot in its tenant's line, (n,) uint64."""
    return state.entries[:, 2:4].copy().view(DOUBLE)[:, 0]


def allowed(state: RingState) -> NDArray[np.bool_]:
    """Return for each id below 32 whether that tenant may run: its mask lies in the table and is not 0 [RING-6]."""
    word = int(state.control[at.TENANT_BASE]) + np.arange(at.BOOKS_TENANT_ROWS, dtype=np.int64)
    inside = (word >= at.TENANT_MASKS) & (word < at.TENANT_MASKS + at.TENANTS)
    return inside & (state.control[np.where(inside, word, at.TENANT_BASE)] != 0)


def fence_is_due(state: RingState, slot: int) -> bool:
    """Whether every earlier slot of the fence's batch has ended [RING-9].

    The batch are the slots directly before it, as many as its first argument says, that hold the tickets directly
    before its own: a slot that was reclaimed and published anew has a later ticket, and had ended.
    """
    count = min(int(state.slots[slot, at.ARGS]), slot)
    before = slice(slot - count, slot)
    ours = int(tickets(state)[slot]) - np.arange(count, 0, -1)
    members = (ours > 0) & (tickets(state)[before].astype(np.int64) == ours)
    return bool(np.all(np.isin(state.slots[before, at.STATUS], _TERMINAL) | ~members))


def runnable(state: RingState) -> Indices:
    """Return the slots that a worker may claim now, ascending; none after SHUTDOWN.

    A slot whose tenant is outside the table counts: it is claimed to be refused.
    """
    if state.control[at.SHUTDOWN]:
        return np.empty(0, np.intp)
    slots = state.slots
    found = np.flatnonzero(np.isin(slots[:, at.STATUS], _RUNNABLE))
    tenant = slots[found, at.TENANT]
    row = np.minimum(tenant, at.BOOKS_TENANT_ROWS - 1)
    begun = slots[found, at.STATUS] != SlotStatus.PUBLISHED
    room = state.tenants[row, _HELD] < state.control[at.TENANT_QUOTAS + row]
    found = found[(tenant >= at.TENANTS) | (allowed(state)[row] & (begun | room))]
    fences = slots[found, at.OPCODE] == Opcode.BATCH_FENCE
    held_back = [slot for slot in found[fences] if not fence_is_due(state, int(slot))]
    return np.setdiff1d(found, held_back, assume_unique=True).astype(np.intp)


def levels_of(state: RingState, order: Order, slots: Indices) -> Indices:
    """Return the level of each slot in an order that has levels; LEVELS where a band order gives it none.

    A priority word above IDLE is IDLE's.
    """
    if order is Order.PRIORITY:
        return np.minimum(state.slots[slots, at.PRIORITY], Priority.IDLE).astype(np.intp)
    offsets = state.control[at.PRIORITY_OFFSETS : at.PRIORITY_OFFSETS + at.LEVELS + 1].astype(np.int64)
    inside = (slots[:, None] >= offsets[:-1]) & (slots[:, None] < offsets[1:])
    return np.where(inside.any(axis=1), inside.argmax(axis=1), at.LEVELS)


def due_level(state: RingState, waiting: set[int]) -> int:
    """Return the level that is served next of those with runnable work.

    That is the one passed over longest, if any was passed over STARVATION_THRESHOLD times in a row, the least urgent
    of equals; otherwise the most urgent.
    """
    passed = {level: int(state.levels[level, _PASSED]) for level in waiting}
    overdue = [level for level in waiting if passed[level] >= at.STARVATION_THRESHOLD]
    return max(overdue, key=lambda level: (passed[level], level)) if overdue else min(waiting)


def choose(state: RingState, order: Order) -> int | None:
    """Return the slot that is claimed next; None where no slot may be."""
    slots = runnable(state)
    if not slots.size:
        return None
    if order is Order.DIRECT:
        ahead = slots[slots >= int(state.head[_CURSOR])]
        return int(ahead[0] if ahead.size else slots[0])
    levels = levels_of(state, order, slots)
    waiting = {int(level) for level in levels if level < at.LEVELS}
    if not waiting:
        return None
    level = due_level(state, waiting)
    slots = slots[levels == level]
    tenant = np.minimum(state.slots[slots, at.TENANT], at.BOOKS_TENANT_ROWS - 1).astype(np.intp)
    # How many claims ago the tenant had its turn, modulo 2**32: the longest ago first, then the lowest id.
    rest = state.head[_CLAIMS] - state.levels[level, _TURNS + tenant]
    return int(slots[np.lexsort((slots, lines(state)[slots], tenant, ~rest))[0]])


def note_claim(state: RingState, order: Order, slot: int) -> None:
    """Enter a claim into the counters that `choose` reads, and those of the wire."""
    state.head[_CURSOR] = (slot + 1) % len(state.slots)
    if order is Order.DIRECT:
        return
    waiting = {int(level) for level in levels_of(state, order, runnable(state))}
    level = int(levels_of(state, order, np.array([slot]))[0])
    for other in range(at.LEVELS):
        passed = int(state.levels[other, _PASSED])
        state.levels[other, _PASSED] = min(passed + 1, at.WORD_MASK) if other in waiting and other != level else 0
    tenant = int(state.slots[slot, at.TENANT])
    control = state.control
    if tenant < at.BOOKS_TENANT_ROWS:
        state.levels[level, _TURNS + tenant] = state.head[_CLAIMS]
        count(control, at.TENANT_FAIRNESS + tenant)
    count(control, at.PRIORITY_FAIRNESS + level)
    urgent = level <= Priority.HIGH
    control[at.STARVATION] = min(int(control[at.STARVATION]) + 1, at.WORD_MASK) if urgent else 0
