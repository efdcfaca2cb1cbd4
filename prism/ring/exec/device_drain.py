"""A launch of the `device` executor: the model's choice, claim, execution and marks in one loop that XLA runs.

A launch ends after as many claims as it was given, on SHUTDOWN, or when nothing is runnable. Where all that is runnable
is NOP and ATOMIC_ADD in one line, which no order can tell apart, it is done at once, by sums.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from jax import lax

from prism.ring import layout as at
from prism.ring.exec.device_choice import (
    PASSED,
    TURNS,
    choose,
    entries_of,
    least,
    levels_of,
    note_claim,
    runnable,
    slots_of,
    with_fences,
)
from prism.ring.exec.device_step import (
    HEAD,
    NOWHERE,
    SLOT_BOOKS,
    Effect,
    Outcome,
    Ring,
    done,
    effect_table,
    fault,
    handler_effect,
    outside,
    plus,
    put,
    slot_word,
    tenant_word,
    word,
)
from prism.ring.layout import Opcode, Priority, Reason, SlotStatus
from prism.ring.program import Order, Program

_LAST: Final = np.uint32(at.WORD_MASK)
One = Callable[[Ring, Any, Any, Any, Any], tuple[Ring, Outcome]]
"""(ring, slot, tenant, opcode, args) -> (ring, outcome): one operation."""


def claim(ring: Ring, order: Order, slot: Any) -> Ring:
    """Move a runnable slot to CLAIMED, and count it."""
    base = slot * at.SLOT_WORDS
    tenant = ring["ring_buffer"][base + at.TENANT]
    begun = ring["ring_buffer"][base + at.STATUS] != SlotStatus.PUBLISHED
    ring = plus(put(ring, "ring_buffer", base + at.STATUS, SlotStatus.CLAIMED), "books", HEAD["CLAIMS"])
    listed = tenant < at.TENANTS
    row = jnp.minimum(tenant, at.TENANTS)
    ring = plus(ring, "books", tenant_word(row, "CLAIMED"), jnp.where(listed, 1, 0))
    ring = plus(ring, "books", tenant_word(row, "HELD"), jnp.where(listed & ~begun, 1, 0))
    return note_claim(ring, order, slot)


def _call(effect: Effect, tenant: Any, args: Any, slot: Any, ring: Ring) -> tuple[Ring, Outcome]:
    return effect(ring, tenant, args, slot)


def packed_of(one: One, opcodes: list[int], *, fused: bool) -> Effect:
    """Return the effect of a packed slot: all its operations are checked, then done in order up to the first fault."""
    guests = jnp.array([op for op in opcodes if op > Opcode.BATCH_FENCE], jnp.uint32)

    def packed(ring: Ring, tenant: Any, args: Any, slot: Any) -> tuple[Ring, Outcome]:
        byte = (args[:, None] >> (8 * jnp.arange(4, dtype=jnp.uint32)) & 0xFF).reshape(-1)
        count, total = byte[at.PACKED_COUNT], byte[at.PACKED_TOTAL]
        metadata = (at.PACKED_PAIRS + 2 * count + 3) // 4
        fits = metadata + total <= at.ARGS_PER_SLOT
        place = jnp.arange(23, dtype=jnp.uint32)
        used = place < count
        codes = jnp.where(used, byte[2::2], 0)
        offsets = jnp.where(used, byte[3::2], total)
        ends = jnp.append(offsets[1:], total)
        sound = fits & (jnp.append(offsets, total)[0] == 0) & jnp.all(~used | (offsets <= ends))
        known = (codes <= Opcode.BATCH_FENCE) | (codes[:, None] == guests).any(axis=1) | jnp.bool_(fused)
        unknown = used & ~known

        def inner(carry: Any) -> Any:
            k, ring, _ = carry
            shifted = jnp.roll(args, -((metadata + offsets[k]).astype(jnp.int32)))
            own = jnp.arange(at.ARGS_PER_SLOT, dtype=jnp.uint32) < ends[k] - offsets[k]
            ring, (status, reason, detail) = one(ring, slot, tenant, codes[k], jnp.where(own, shifted, 0))
            bad = (status != SlotStatus.DONE) & (status != SlotStatus.FAULT)
            stopped = fault(Reason.HANDLER, codes[k])
            outcome = tuple(jnp.where(bad, x, y) for x, y in zip(stopped, (status, reason, detail), strict=True))
            return k + 1, ring, outcome

        def more(carry: Any) -> Any:
            return (carry[0] < count) & (carry[2][0] == SlotStatus.DONE)

        first = jnp.where(sound & ~unknown.any(), word(0), count)
        begin = tuple(
            jnp.where(~sound, x, jnp.where(unknown.any(), y, z))
            for x, y, z in zip(
                fault(Reason.PACKED, 0), fault(Reason.OPCODE, codes[jnp.argmax(unknown)]), done(), strict=True
            )
        )
        _, ring, outcome = lax.while_loop(more, inner, (first, ring, begin))
        return ring, outcome

    return packed


def executor_of(program: Program) -> Callable[[Ring, Any], tuple[Ring, Outcome]]:
    """Return the function that does what a claimed slot asks for."""
    opcodes, effects = effect_table(program)
    rest = handler_effect(program.payload) if program.payload else None
    table = jnp.array(opcodes, jnp.uint32)

    def one(ring: Ring, slot: Any, tenant: Any, opcode: Any, args: Any) -> tuple[Ring, Outcome]:
        metric = jnp.where(opcode < at.METRICS, at.METRICS_BASE + opcode, NOWHERE)
        ring = ring | {"control": ring["control"].at[metric].add(word(1), mode="drop")}
        known = table == opcode
        branch = jnp.where(known.any(), jnp.argmax(known), len(effects))
        other = rest or (lambda r, *_: (r, fault(Reason.OPCODE, opcode)))
        calls = [partial(_call, effect, tenant, args, slot) for effect in (*effects, other)]
        return lax.switch(branch, calls, ring)

    packed = packed_of(one, opcodes, fused=program.payload is not None)

    def execute(ring: Ring, slot: Any) -> tuple[Ring, Outcome]:
        words = slots_of(ring)[slot]
        tenant, opcode, args = words[at.TENANT], words[at.OPCODE], words[at.ARGS :]
        branch = jnp.where(tenant >= at.TENANTS, 0, jnp.where(opcode == np.uint32(Opcode.PACKED_SLOT), 1, 2))
        return lax.switch(
            branch,
            [
                lambda r: (r, fault(Reason.TENANT, tenant)),
                lambda r: packed(r, tenant, args, slot),
                lambda r: one(r, slot, tenant, opcode, args),
            ],
            ring,
        )

    return execute


def finish(ring: Ring, order: Order, slot: Any, outcome: Outcome) -> Ring:
    """Enter how a slot was left."""
    status, reason, detail = outcome
    base = slot * at.SLOT_WORDS
    tenant = ring["ring_buffer"][base + at.TENANT]
    ring = put(put(ring, "books", slot_word(slot, "REASON"), reason), "books", slot_word(slot, "DETAIL"), detail)
    over = (status == SlotStatus.DONE) | (status == SlotStatus.FAULT)
    listed, row = tenant < at.TENANTS, jnp.minimum(tenant, at.TENANTS)
    names = {
        SlotStatus.DONE: "DONE",
        SlotStatus.FAULT: "FAULTED",
        SlotStatus.YIELD: "YIELDED",
        SlotStatus.REQUEUE: "REQUEUED",
    }
    for code, name in names.items():
        ring = plus(ring, "books", tenant_word(row, name), jnp.where(listed & (status == code), 1, 0))
    ring = plus(ring, "books", tenant_word(row, "HELD"), jnp.where(listed & over, word(_LAST), word(0)))
    low, high = ring["books"][HEAD["NEXT_TICKET_LO"]], ring["books"][HEAD["NEXT_TICKET_HI"]]
    for name, number in (("LINE_LO", low), ("LINE_HI", high)):
        ring = put(ring, "books", slot_word(slot, name), jnp.where(over, ring["books"][slot_word(slot, name)], number))
    following = low + jnp.where(over, word(0), word(1))
    ring = put(ring, "books", HEAD["NEXT_TICKET_HI"], high + word(following < low))
    ring = put(ring, "books", HEAD["NEXT_TICKET_LO"], following)
    if order is Order.PRIORITY:
        level = ring["ring_buffer"][base + at.PRIORITY]
        lower = jnp.minimum(level + 1, Priority.IDLE)
        ring = put(ring, "ring_buffer", base + at.PRIORITY, jnp.where(status == SlotStatus.REQUEUE, lower, level))
    ring = plus(ring, "control", at.DONE_COUNT, jnp.where(over, 1, 0))
    return put(ring, "ring_buffer", base + at.STATUS, status)


def in_one_wave(ring: Ring, order: Order, ready: Any) -> tuple[Any, Any]:
    """Return whether all that is ready can be done at once, and which slots then fault for their address."""
    slots = slots_of(ring)
    opcode, tenant = slots[:, at.OPCODE], slots[:, at.TENANT]
    simple = (opcode == Opcode.NOP) | (opcode == Opcode.ATOMIC_ADD)
    bad, _ = outside(ring, jnp.minimum(tenant, at.TENANTS - 1), slots[:, at.ARGS + 1], word(1))
    bad = ready & (opcode == Opcode.ATOMIC_ADD) & bad
    fits = jnp.all(~ready | (simple & (tenant < at.TENANTS) & ~bad)) & ready.any()
    if order is not Order.DIRECT:
        first = word(jnp.argmax(ready))
        level = levels_of(ring, order)
        fits = fits & jnp.all(~ready | ((level == level[first]) & (tenant == tenant[first])))
        fits = fits & (level[first] < at.LEVELS)
    return fits, bad


def wave(ring: Ring, order: Order, ready: Any) -> Ring:
    """Do all that is ready, NOP and ATOMIC_ADD, by sums: as the model leaves it after that many steps."""
    slots, count = slots_of(ring), jnp.sum(ready).astype(jnp.uint32)
    tenant, one = slots[:, at.TENANT], ready.astype(jnp.uint32)
    adds = ready & (slots[:, at.OPCODE] == Opcode.ATOMIC_ADD)
    control = ring["control"]
    control = control.at[jnp.where(adds, slots[:, at.ARGS + 1], NOWHERE)].add(slots[:, at.ARGS], mode="drop")
    control = control.at[at.METRICS_BASE + Opcode.ATOMIC_ADD].add(jnp.sum(adds).astype(jnp.uint32))
    control = control.at[at.METRICS_BASE + Opcode.NOP].add(count - jnp.sum(adds).astype(jnp.uint32))
    control = control.at[at.DONE_COUNT].add(count)
    books = ring["books"].at[HEAD["CLAIMS"]].add(count).at[HEAD["STEPS"]].add(count)
    for name in ("CLAIMED", "DONE"):
        books = books.at[jnp.where(ready, tenant_word(tenant, name), NOWHERE)].add(one, mode="drop")
    place = jnp.arange(len(ready), dtype=jnp.uint32)
    cursor = books[HEAD["CURSOR"]]
    behind = ready & (place < cursor)
    if order is Order.DIRECT:
        last = jnp.where(behind.any(), jnp.max(jnp.where(behind, place, 0)), jnp.max(jnp.where(ready, place, 0)))
    else:
        first = word(jnp.argmax(ready))
        level, whose = levels_of(ring, order)[first], tenant[first]
        control = control.at[at.TENANT_FAIRNESS + whose].add(count).at[at.PRIORITY_FAIRNESS + level].add(count)
        starved = control[at.STARVATION]
        urgent = jnp.where(starved > word(_LAST) - count, word(_LAST), starved + count)
        control = control.at[at.STARVATION].set(jnp.where(level <= Priority.HIGH, urgent, word(0)))
        passed = at.BOOKS_LEVELS_START + at.BOOKS_LEVEL.words * jnp.arange(at.LEVELS) + PASSED
        turn = at.BOOKS_LEVELS_START + at.BOOKS_LEVEL.words * level + TURNS + whose
        books = books.at[passed].set(word(0)).at[turn].set(books[HEAD["CLAIMS"]])
        entries = entries_of(ring)
        newest = least(ready, ~entries[:, SLOT_BOOKS["LINE_HI"]])
        last = word(jnp.argmax(least(newest, ~entries[:, SLOT_BOOKS["LINE_LO"]])))
    books = books.at[HEAD["CURSOR"]].set((last + 1) % np.uint32(len(ready)))
    at_reason = jnp.where(ready, slot_word(place, "REASON"), NOWHERE)
    books = books.at[at_reason].set(word(0), mode="drop")
    books = books.at[jnp.where(ready, slot_word(place, "DETAIL"), NOWHERE)].set(word(0), mode="drop")
    status = jnp.where(ready, word(SlotStatus.DONE), slots[:, at.STATUS])
    marked = slots.at[:, at.STATUS].set(status).reshape(-1)
    return ring | {"control": control, "books": books, "ring_buffer": marked}


def launch_of(program: Program) -> Callable[[Ring, Any], tuple[Ring, Any]]:
    """Return the function `(ring, budget) -> (ring, claims)` of one launch.

    A finite one in direct order goes once through the ring; in an order with levels the budget alone bounds it.
    """
    execute, order = executor_of(program), program.order
    onward = program.once and order is Order.DIRECT

    def step(carry: Any) -> Any:
        ring, left, ready = carry
        slot = choose(ring, ready, order)
        ring = plus(claim(ring, order, slot), "books", HEAD["STEPS"])
        ring, outcome = execute(ring, slot)
        ring = finish(ring, order, slot, outcome)
        ready = _due(ring, order)
        if onward:
            ready = ready & (jnp.arange(len(ready), dtype=jnp.uint32) > word(slot))
        return ring, left - 1, ready

    def launch(ring: Ring, budget: Any) -> tuple[Ring, Any]:
        if onward:
            ring = put(ring, "books", HEAD["CURSOR"], word(0))
        ready = _due(ring, order)
        whole, _ = in_one_wave(ring, order, ready)
        count = jnp.sum(ready).astype(jnp.int32)

        def stepwise() -> tuple[Ring, Any]:
            after, left, _ = lax.while_loop(lambda c: (c[1] > 0) & c[2].any(), step, (ring, budget, ready))
            return after, budget - left

        return lax.cond(whole & (count <= budget), lambda: (wave(ring, order, ready), count), stepwise)

    return launch


def _due(ring: Ring, order: Order) -> Any:
    ready = with_fences(ring, runnable(ring))
    return ready if order is Order.DIRECT else ready & (levels_of(ring, order) < at.LEVELS)
