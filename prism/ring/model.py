"""The living definition of a worker: one pure step from state to state, in plain NumPy [RING-5].

Executors are compared with this. Cost of a step: a few array operations over all slots, and a copy of the ring.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from prism.ring import layout as at
from prism.ring.effects import Job, Outcome, apply, fault
from prism.ring.layout import IoStatus, Reason, SlotStatus
from prism.ring.program import Order, Program
from prism.ring.schedule import Indices, choose, note_claim, runnable
from prism.ring.state import RingState, count

_TENANT: Final = {field.name: field.start for field in at.BOOKS_TENANT.fields}
_SLOT: Final = {field.name: field.start for field in at.BOOKS_SLOT.fields}
_HEAD: Final = {field.name: field.start for field in at.BOOKS_HEAD.fields}
_COUNTED: Final = {
    SlotStatus.DONE: "DONE",
    SlotStatus.FAULT: "FAULTED",
    SlotStatus.YIELD: "YIELDED",
    SlotStatus.REQUEUE: "REQUEUED",
    SlotStatus.WAIT_IO: "WAITED",
}


def step(state: RingState, program: Program) -> RingState:
    """Return the ring after one step: reads that ended are noticed, then one slot is claimed and run, if any may be."""
    after = state.copy()
    advance(after, program)
    return after


def step_slot(state: RingState, program: Program, slot: int) -> RingState:
    """Return the ring after the worker of one slot looked at it; the same words where it may not run."""
    after = state.copy()
    _tick(after, program)
    if slot in runnable(after):
        _run(after, program, slot)
    return after


def sweep(state: RingState, program: Program) -> RingState:
    """Return the ring after a finite launch: each slot is taken at most once, by index in direct order.

    In an order with levels a launch makes as many claims as there are slots, or ends earlier with nothing runnable.
    """
    after = state.copy()
    for slot in range(len(after.slots)):
        if program.order is not Order.DIRECT:
            advance(after, program)
            continue
        _tick(after, program)
        if slot in runnable(after):
            _run(after, program, slot)
    return after


def drain(state: RingState, program: Program, steps: int) -> RingState:
    """Return the ring after at most `steps` steps; it ends earlier when nothing is runnable and nothing waits."""
    after = state.copy()
    for _ in range(steps):
        idle = advance(after, program) is None
        if idle and not np.any(after.slots[:, at.STATUS] == SlotStatus.WAIT_IO):
            break
    return after


def advance(state: RingState, program: Program, owners: Indices | None = None) -> int | None:
    """Take one step in place; return the slot that was claimed, None where none could be.

    owners: whose part of the ring each slot is, where parts are dealt out: a slot that names another tenant is a FAULT.
    """
    _tick(state, program)
    slot = choose(state, program.order)
    if slot is not None:
        _run(state, program, slot, None if owners is None else int(owners[slot]))
    return slot


def claim(state: RingState, order: Order, slot: int, owner: int | None = None) -> Job:
    """Move a runnable slot to CLAIMED in place, count it, and return what it asks for; for nobody if not its owner."""
    words = state.slots[slot]
    tenant = int(words[at.TENANT])  # Read once: another process may change it at any moment.
    if owner is not None and tenant != owner:
        tenant = at.WORD_MASK
    begun = words[at.STATUS] != SlotStatus.PUBLISHED
    words[at.STATUS] = SlotStatus.CLAIMED
    count(state.head, _HEAD["CLAIMS"])
    if tenant < at.TENANTS:
        row = state.tenants[tenant]
        count(row, _TENANT["CLAIMED"])
        if not begun:
            count(row, _TENANT["HELD"])
    note_claim(state, order, slot)
    return Job(slot, tenant, int(words[at.OPCODE]), [int(word) for word in words[at.ARGS :]])


def execute(state: RingState, program: Program, job: Job) -> Outcome:
    """Do what a claimed slot asks for in place, and return how that leaves it; `finish` enters it."""
    if job.tenant >= at.TENANTS:
        return fault(Reason.TENANT, job.tenant)
    if program.workspace and program.workspace.before:
        state.workspace[:] = program.workspace.before(state.workspace.copy())
    return apply(state, program, job)


def finish(state: RingState, program: Program, job: Job, outcome: Outcome) -> None:
    """Enter in place how a slot was left: books first, then the count of what ended, the status last."""
    words, entry = state.slots[job.slot], state.entries[job.slot]
    entry[_SLOT["REASON"]], entry[_SLOT["DETAIL"]] = outcome.reason, outcome.detail
    if job.tenant < at.TENANTS:
        row = state.tenants[job.tenant]
        count(row, _TENANT[_COUNTED[outcome.status]])
        if outcome.status in at.TERMINAL:
            count(row, _TENANT["HELD"], -1)
    if outcome.status in (SlotStatus.YIELD, SlotStatus.REQUEUE):
        entry[2:4] = take_number(state)
    if outcome.status is SlotStatus.REQUEUE and program.order is Order.PRIORITY:
        words[at.PRIORITY] = min(int(words[at.PRIORITY]) + 1, at.Priority.IDLE)
    if outcome.status in at.TERMINAL:
        count(state.control, at.DONE_COUNT)
    words[at.STATUS] = outcome.status


def take_number(state: RingState) -> tuple[int, int]:
    """Take the next number of the ring's one sequence in place; return its low and high word.

    A slot's ticket is one, and so is its place in line, which is the ticket until the slot yields.
    """
    low, high = int(state.head[_HEAD["NEXT_TICKET_LO"]]), int(state.head[_HEAD["NEXT_TICKET_HI"]])
    following = (high << 32 | low) + 1
    state.head[:2] = following & at.WORD_MASK, following >> 32
    return low, high


def _run(state: RingState, program: Program, slot: int, owner: int | None = None) -> None:
    job = claim(state, program.order, slot, owner)
    finish(state, program, job, execute(state, program, job))


def _tick(state: RingState, program: Program) -> None:
    """Let the clock of io waits go on, and end the waits that are over [RING-13]."""
    count(state.head, _HEAD["STEPS"])
    if not (program.io_polling or program.self_loading):
        return
    for place, status in enumerate(state.io_slots[:, at.IO_STATUS]):
        owner = int(state.owners[place])
        if owner != at.IO_OWNER_HOST and status in (IoStatus.OK, IoStatus.ERROR):
            _end_read(state, program, place, IoStatus(int(status)))
    now = int(state.head[_HEAD["STEPS"]])
    for slot in np.flatnonzero(state.slots[:, at.STATUS] == SlotStatus.WAIT_IO):
        entry = state.entries[slot]
        if (now - int(entry[_SLOT["SINCE"]])) & at.WORD_MASK > program.io_patience:
            state.owners[int(entry[_SLOT["WAITS_FOR"]]) - 1] = at.IO_OWNER_NOBODY
            _wake(state, program, int(slot), fault(Reason.IO_TIMEOUT, int(entry[_SLOT["WAITS_FOR"]]) - 1))


def _end_read(state: RingState, program: Program, place: int, status: IoStatus) -> None:
    """Hand what a read came to on to its slot, and recycle the io slot."""
    owner = int(state.owners[place])
    if owner == at.IO_OWNER_NOBODY:
        if status is IoStatus.ERROR:
            count(state.head, _HEAD["PREFETCH_ERRORS"])
    else:
        outcome = Outcome(SlotStatus.DONE) if status is IoStatus.OK else fault(Reason.IO, place)
        _wake(state, program, owner - 1, outcome)
    state.owners[place] = at.IO_OWNER_HOST
    state.io_slots[place, at.IO_STATUS] = IoStatus.EMPTY


def _wake(state: RingState, program: Program, slot: int, outcome: Outcome) -> None:
    words = state.slots[slot]
    state.entries[slot, _SLOT["WAITS_FOR"]] = 0
    finish(state, program, Job(slot, int(words[at.TENANT]), int(words[at.OPCODE]), []), outcome)
