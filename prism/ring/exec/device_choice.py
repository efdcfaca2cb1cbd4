"""Which slot the `device` executor claims next: `prism.ring.schedule`, traced."""

from __future__ import annotations

from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from jax import lax

from prism.ring import layout as at
from prism.ring.exec.device_step import HEAD, NOWHERE, SLOT_BOOKS, Ring, put, tenant_word, word
from prism.ring.layout import Opcode, Priority, SlotStatus
from prism.ring.program import Order

_LAST: Final = np.uint32(at.WORD_MASK)
PASSED: Final = at.BOOKS_LEVEL.at("PASSED")
TURNS: Final = at.BOOKS_LEVEL.at("TURNS")


def slots_of(ring: Ring) -> Any:
    """Return the slots, (n, 16)."""
    return ring["ring_buffer"].reshape(-1, at.SLOT_WORDS)


def entries_of(ring: Ring) -> Any:
    """Return the slots in the books, (n, 8)."""
    return ring["books"][at.BOOKS_SLOTS_START :].reshape(-1, at.BOOKS_SLOT.words)


def _levels(ring: Ring) -> Any:
    return ring["books"][at.BOOKS_LEVELS_START : at.BOOKS_TENANTS_START].reshape(at.LEVELS, -1)


def runnable(ring: Ring) -> Any:
    """Return which slots may be claimed, (n,) bool, fences that are not due included."""
    slots, control = slots_of(ring), ring["control"]
    status, tenant = slots[:, at.STATUS], slots[:, at.TENANT]
    inside = tenant < at.TENANTS
    row = jnp.minimum(tenant, at.BOOKS_TENANT_ROWS - 1)
    index = control[at.TENANT_BASE] + row
    listed = (index >= at.TENANT_MASKS) & (index < at.TENANT_MASKS + at.TENANTS)
    allowed = listed & (control[jnp.where(listed, index, at.TENANT_BASE)] != 0)
    begun = (status == SlotStatus.YIELD) | (status == SlotStatus.REQUEUE)
    room = ring["books"][tenant_word(row, "HELD")] < control[at.TENANT_QUOTAS + row]
    ready = (status == SlotStatus.PUBLISHED) | begun
    return ready & (~inside | (allowed & (begun | room))) & (control[at.SHUTDOWN] == 0)


def fence_due(ring: Ring, slot: Any) -> Any:
    """Return whether every earlier slot of a fence's batch has ended."""
    slots, entries = slots_of(ring), entries_of(ring)
    slot, place = word(slot), jnp.arange(len(slots), dtype=jnp.uint32)
    back = slot - place
    count = jnp.minimum(slots[slot, at.ARGS], word(slot))
    low = entries[slot, SLOT_BOOKS["TICKET_LO"]] - back
    high = entries[slot, SLOT_BOOKS["TICKET_HI"]] - word(entries[slot, SLOT_BOOKS["TICKET_LO"]] < back)
    ours = (entries[:, SLOT_BOOKS["TICKET_LO"]] == low) & (entries[:, SLOT_BOOKS["TICKET_HI"]] == high)
    member = (place < slot) & (back <= count) & ours
    ended = (slots[:, at.STATUS] == SlotStatus.DONE) | (slots[:, at.STATUS] == SlotStatus.FAULT)
    return jnp.all(~member | ended)


def with_fences(ring: Ring, ready: Any) -> Any:
    """Return `ready` without the fences that are not due; costs n for each fence."""
    fences = ready & (slots_of(ring)[:, at.OPCODE] == Opcode.BATCH_FENCE)

    def one(carry: tuple[Any, Any]) -> tuple[Any, Any]:
        left, kept = carry
        slot = word(jnp.argmax(left))
        return left.at[slot].set(False), kept.at[slot].set(fence_due(ring, slot))

    return lax.while_loop(lambda carry: carry[0].any(), one, (fences, ready))[1]


def levels_of(ring: Ring, order: Order) -> Any:
    """Return the level of each slot; LEVELS where a band order gives it none."""
    slots = slots_of(ring)
    if order is Order.PRIORITY:
        return jnp.minimum(slots[:, at.PRIORITY], Priority.IDLE)
    offsets = ring["control"][at.PRIORITY_OFFSETS : at.PRIORITY_OFFSETS + at.LEVELS + 1]
    place = jnp.arange(len(slots), dtype=jnp.uint32)[:, None]
    inside = (place >= offsets[:-1]) & (place < offsets[1:])
    return jnp.where(inside.any(axis=1), inside.argmax(axis=1), at.LEVELS).astype(jnp.uint32)


def least(mask: Any, values: Any) -> Any:
    """Return `mask` without the places whose value is not the least of all."""
    return mask & (values == jnp.min(jnp.where(mask, values, word(_LAST))))


def choose(ring: Ring, ready: Any, order: Order) -> Any:
    """Return the slot that is claimed next, of those that are ready; any, if none is."""
    if order is Order.DIRECT:
        ahead = ready & (jnp.arange(len(ready), dtype=jnp.uint32) >= ring["books"][HEAD["CURSOR"]])
        return word(jnp.where(ahead.any(), jnp.argmax(ahead), jnp.argmax(ready)))
    level_of = levels_of(ring, order)
    number = jnp.arange(at.LEVELS, dtype=jnp.uint32)
    waiting = (ready[:, None] & (level_of[:, None] == number)).any(axis=0)
    passed = _levels(ring)[:, PASSED]
    overdue = waiting & (passed >= at.STARVATION_THRESHOLD)
    most = jnp.max(jnp.where(overdue, passed, 0))
    due = at.LEVELS - 1 - jnp.argmax((overdue & (passed == most))[::-1])
    level = jnp.where(overdue.any(), due, jnp.argmax(waiting)).astype(jnp.uint32)
    found = ready & (level_of == level)
    tenant = jnp.minimum(slots_of(ring)[:, at.TENANT], at.BOOKS_TENANT_ROWS - 1)
    rest = ring["books"][HEAD["CLAIMS"]] - _levels(ring)[level, TURNS + tenant]
    found = least(found, ~rest)
    found = least(found, tenant)
    found = least(found, entries_of(ring)[:, SLOT_BOOKS["LINE_HI"]])
    found = least(found, entries_of(ring)[:, SLOT_BOOKS["LINE_LO"]])
    return word(jnp.argmax(found))


def note_claim(ring: Ring, order: Order, slot: Any) -> Ring:
    """Enter a claim into what `choose` reads, and the counters of the wire."""
    count = len(slots_of(ring))
    ring = put(ring, "books", HEAD["CURSOR"], (word(slot) + 1) % np.uint32(count))
    if order is Order.DIRECT:
        return ring
    level_of = levels_of(ring, order)
    ready = with_fences(ring, runnable(ring))
    number = jnp.arange(at.LEVELS, dtype=jnp.uint32)
    waiting = (ready[:, None] & (level_of[:, None] == number)).any(axis=0)
    level, tenant = level_of[slot], slots_of(ring)[slot, at.TENANT]
    at_passed = at.BOOKS_LEVELS_START + at.BOOKS_LEVEL.words * jnp.arange(at.LEVELS) + PASSED
    passed = ring["books"][at_passed]
    grown = jnp.where(passed == _LAST, passed, passed + 1)
    books = ring["books"].at[at_passed].set(jnp.where(waiting & (number != level), grown, 0))
    turn = at.BOOKS_LEVELS_START + at.BOOKS_LEVEL.words * level + TURNS + tenant
    listed = tenant < at.BOOKS_TENANT_ROWS
    books = books.at[jnp.where(listed, turn, np.uint32(NOWHERE))].set(books[HEAD["CLAIMS"]], mode="drop")
    control = ring["control"].at[jnp.where(listed, at.TENANT_FAIRNESS + tenant, NOWHERE)].add(word(1), mode="drop")
    control = control.at[at.PRIORITY_FAIRNESS + level].add(word(1))
    starved = control[at.STARVATION]
    urgent = jnp.where(starved == _LAST, starved, starved + 1)
    control = control.at[at.STARVATION].set(jnp.where(level <= Priority.HIGH, urgent, word(0)))
    return ring | {"books": books, "control": control}
