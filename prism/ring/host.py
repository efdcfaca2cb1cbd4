"""The host's side of a ring as pure functions: submit, cancel, reclaim, adopt, and recover from a lost worker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from prism.ring import layout as at
from prism.ring.errors import QueueFullError
from prism.ring.layout import ACTIVE, BEGUN, DOUBLE, RUNNABLE, WORD, Opcode, Reason, SlotStatus
from prism.ring.model import take_number
from prism.ring.publish import Job, Place, publish_batch, publish_jobs, reclaim
from prism.ring.state import RingState, count

_ACTIVE: Final = np.array(sorted(ACTIVE), WORD)
_SLOT: Final = {field.name: field.start for field in at.BOOKS_SLOT.fields}
_TENANT: Final = {field.name: field.start for field in at.BOOKS_TENANT.fields}


def in_flight(state: RingState, tenant: int) -> int:
    """Return how many slots of a tenant are submitted and have not ended."""
    mine = state.slots[:, at.TENANT] == tenant
    return int(np.count_nonzero(mine & np.isin(state.slots[:, at.STATUS], _ACTIVE)))


def submit(state: RingState, place: Place, jobs: Sequence[Job], tag: int | None = None) -> tuple[RingState, range]:
    """Publish jobs in consecutive slots, and a fence after them where a tag is given; return the ring and the tickets.

    All or nothing: raises QueueFullError where a slot is taken, a job does not fit, the level or tenant does not exist,
    or the tenant would have more in flight than its quota.
    """
    after = state.copy()
    size = len(jobs) + (tag is not None)
    _require_tenant(after, place, size)
    if tag is not None:
        publish_batch(after.ring, place, jobs, tag)
    else:
        publish_jobs(after.ring, place, jobs)
    return after, _number(after, range(place.slot, place.slot + size))


def _require_tenant(state: RingState, place: Place, size: int) -> None:
    if not 0 <= place.tenant < at.TENANTS:
        raise QueueFullError(f"a tenant id must be 0 to {at.TENANTS - 1}, got {place.tenant}; register the tenant")
    if not 0 <= place.priority < at.LEVELS:
        raise QueueFullError(f"a priority must be 0 to {at.LEVELS - 1}, got {place.priority}; take one of Priority")
    quota, flying = int(state.control[at.TENANT_QUOTAS + place.tenant]), in_flight(state, place.tenant)
    if flying + size > quota:
        raise QueueFullError(
            f"tenant {place.tenant} may have {quota} slots in flight, got {size} more to {flying}; "
            "wait for some to end, or raise its quota"
        )


def _number(state: RingState, slots: Iterable[int]) -> range:
    """Give each slot the next ticket, in place; return the tickets."""
    first = last = 0
    for slot in slots:
        entry = state.entries[slot]
        entry[:] = 0
        entry[:2] = entry[2:4] = take_number(state)
        last = int(entry[:2].copy().view(DOUBLE)[0])
        first = first or last
    return range(first, last + 1) if first else range(0)


def adopt(state: RingState) -> RingState:
    """Give tickets, by index, to the slots of a ring that was published without any, as the wire alone has none.

    Those that were begun and have not ended count as held by their tenants.
    """
    after = state.copy()
    unnumbered = np.flatnonzero(~state.entries[:, :2].any(axis=1) & (state.slots[:, at.STATUS] != SlotStatus.EMPTY))
    _number(after, map(int, unnumbered))
    for status, _, tenant, *_ in state.slots[unnumbered].tolist():
        if status in BEGUN and tenant < at.TENANTS:
            count(after.tenants[tenant], _TENANT["HELD"])
    return after


def ended(state: RingState, slot: int, ticket: int) -> tuple[SlotStatus, Reason] | None:
    """Return how the job with this ticket ended; None while it has not, or where another job has the slot by now."""
    entry = state.entries[slot]
    status = int(state.slots[slot, at.STATUS])
    if int(entry[:2].copy().view(DOUBLE)[0]) != ticket or status not in at.TERMINAL:
        return None
    return SlotStatus(status), Reason(int(entry[_SLOT["REASON"]]))


def release(state: RingState, slot: int) -> RingState:
    """Make a slot that ended EMPTY; raises QueueFullError for one that has not ended."""
    after = state.copy()
    reclaim(after.ring, slot)
    after.entries[slot] = 0
    return after


def _fail(state: RingState, slots: Iterable[int], reason: Reason) -> None:
    for slot in slots:
        begun = state.slots[slot, at.STATUS] != SlotStatus.PUBLISHED
        tenant = int(state.slots[slot, at.TENANT])
        state.entries[slot, _SLOT["REASON"]] = reason
        if tenant < at.TENANTS:
            count(state.tenants[tenant], _TENANT["FAULTED"])
            count(state.tenants[tenant], _TENANT["HELD"], -int(begun))
        count(state.control, at.DONE_COUNT)
        state.slots[slot, at.STATUS] = SlotStatus.FAULT


def cancel(state: RingState, slot: int) -> RingState:
    """End a slot that no worker has as FAULT, CANCELLED; raises QueueFullError for one that is claimed or has ended."""
    status = int(state.slots[slot, at.STATUS])
    if status not in RUNNABLE:
        raise QueueFullError(f"slot {slot} must be runnable to be cancelled, got status {status}; wait until it ends")
    after = state.copy()
    _fail(after, [slot], Reason.CANCELLED)
    return after


REPEATABLE: Final = frozenset({Opcode.NOP, Opcode.STORE_U32})
"""What does the same when a part of it was done before; everything else of a lost worker is reported, not run again."""


def recover(state: RingState, slots: Iterable[int]) -> RingState:
    """Settle what a lost worker had claimed, so that nothing is lost and nothing silently runs twice [RING-11].

    A slot whose opcode is REPEATABLE is put back as REQUEUE, under its ticket; every other is a FAULT, WORKER_LOST.
    """
    after = state.copy()
    lost = [slot for slot in slots if after.slots[slot, at.STATUS] == SlotStatus.CLAIMED]
    again = [slot for slot in lost if int(after.slots[slot, at.OPCODE]) in REPEATABLE]
    _fail(after, [slot for slot in lost if slot not in again], Reason.WORKER_LOST)
    for slot in again:
        after.slots[slot, at.STATUS] = SlotStatus.REQUEUE
    return after
