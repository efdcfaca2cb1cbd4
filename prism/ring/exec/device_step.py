"""The model's step, traced: one claimed slot at a time, for XLA to run many times in one launch.

The arrays of a ring are a dict by their names in `layout.BUFFERS`; every word is uint32, nothing has 64 bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import jax.numpy as jnp
from jax import lax

from prism.ring import layout as at
from prism.ring.layout import Opcode, Reason, SlotStatus
from prism.ring.program import Arg, Handler, Memory, Program, Span

Ring = dict[str, Any]
Outcome = tuple[Any, Any, Any]
"""Status, reason and detail, uint32 scalars."""

_TENANT: Final = {field.name: field.start for field in at.BOOKS_TENANT.fields}
SLOT_BOOKS: Final = {field.name: field.start for field in at.BOOKS_SLOT.fields}
HEAD: Final = {field.name: field.start for field in at.BOOKS_HEAD.fields}
_SMALL: Final = (Opcode.NOP, Opcode.STORE_U32, Opcode.ATOMIC_ADD, Opcode.LOAD_U32, Opcode.COMPARE_SWAP, Opcode.MEMCPY)
BUILTIN: Final = (*_SMALL, Opcode.DFA_STEP, Opcode.BATCH_FENCE, Opcode.PRINTF, Opcode.SHUTDOWN)


NOWHERE: Final = 0x7FFF_FFFF
"""An index outside every buffer, where a write is dropped."""


def word(value: Any) -> Any:
    """Return a value as a word."""
    return jnp.asarray(value, jnp.uint32)


def tenant_word(tenant: Any, name: str) -> Any:
    """Return where a word of a tenant's books stands."""
    return at.BOOKS_TENANTS_START + at.BOOKS_TENANT.words * tenant + _TENANT[name]


def slot_word(slot: Any, name: str) -> Any:
    """Return where a word of a slot's books stands."""
    return at.BOOKS_SLOTS_START + at.BOOKS_SLOT.words * slot + SLOT_BOOKS[name]


def plus(ring: Ring, name: str, index: Any, count: Any = 1) -> Ring:
    """Add to a word, modulo 2**32."""
    return ring | {name: ring[name].at[index].add(word(count))}


def put(ring: Ring, name: str, index: Any, value: Any) -> Ring:
    """Set a word."""
    return ring | {name: ring[name].at[index].set(word(value))}


def done() -> Outcome:
    """Return the outcome of a job that was done."""
    return word(SlotStatus.DONE), word(0), word(0)


def fault(reason: Reason, detail: Any) -> Outcome:
    """Return the outcome of a job that could not be done."""
    return word(SlotStatus.FAULT), word(reason), word(detail)


def outside(ring: Ring, tenant: Any, start: Any, count: Any) -> tuple[Any, Any]:
    """Return whether some control words are not the tenant's, and the first that is not."""
    low = ring["books"][tenant_word(tenant, "WINDOW_START")]
    high = jnp.minimum(low + ring["books"][tenant_word(tenant, "WINDOW_WORDS")], word(ring["control"].size))
    below = start < low
    # start + count may wrap; high - start does not once start <= high.
    above = (start > high) | (count > high - jnp.minimum(start, high))
    return (count != 0) & (below | above), jnp.where(below, start, jnp.maximum(start, high))


Range = tuple[Any, Any, Any]
"""First word, how many, and whether the first lies beyond 32 bits (it is then given modulo 2**32)."""


def guarded(ring: Ring, tenant: Any, ranges: list[Range], effect: Callable[[Ring], Ring]) -> tuple[Ring, Outcome]:
    """Do an effect if the ranges are the tenant's, else nothing, and a fault of the first that is not."""
    bad, where = jnp.bool_(False), word(0)
    for start, count, beyond in ranges:
        out, first = outside(ring, tenant, start, count)
        where = jnp.where(bad, where, jnp.where(beyond, start, first))
        bad = bad | out | beyond
    after = lax.cond(bad, lambda: ring, lambda: effect(ring))
    return after, either(bad, fault(Reason.ADDRESS, where), done())


def either(condition: Any, first: Outcome, second: Outcome) -> Outcome:
    """Return the first outcome where the condition holds, else the second."""
    status, reason, detail = (jnp.where(condition, x, y) for x, y in zip(first, second, strict=True))
    return status, reason, detail


def _one(start: Any) -> Range:
    return start, word(1), jnp.bool_(False)


def _store(ring: Ring, tenant: Any, args: Any, _: Any) -> tuple[Ring, Outcome]:
    return guarded(ring, tenant, [_one(args[1])], lambda r: put(r, "control", args[1], args[0]))


def _add(ring: Ring, tenant: Any, args: Any, _: Any) -> tuple[Ring, Outcome]:
    return guarded(ring, tenant, [_one(args[1])], lambda r: plus(r, "control", args[1], args[0]))


def _observable(arg: Any) -> Range:
    place = arg + word(at.OBSERVABLES)
    return place, word(1), place < arg


def _load(ring: Ring, tenant: Any, args: Any, _: Any) -> tuple[Ring, Outcome]:
    to = _observable(args[1])
    ranges = [_one(args[0]), to]
    return guarded(ring, tenant, ranges, lambda r: put(r, "control", to[0], r["control"][args[0]]))


def _compare_swap(ring: Ring, tenant: Any, args: Any, _: Any) -> tuple[Ring, Outcome]:
    to = _observable(args[3])

    def effect(r: Ring) -> Ring:
        previous = r["control"][args[0]]
        r = put(r, "control", args[0], jnp.where(previous == args[1], args[2], previous))
        return put(r, "control", to[0], previous)

    return guarded(ring, tenant, [_one(args[0]), to], effect)


def _copy(ring: Ring, tenant: Any, args: Any, _: Any) -> tuple[Ring, Outcome]:
    source, to, count = args[0], args[1], args[2]

    def one(k: Any, control: Any) -> Any:
        return control.at[to + word(k)].set(control[source + word(k)])

    def effect(r: Ring) -> Ring:
        return r | {"control": lax.fori_loop(0, count.astype(jnp.int32), one, r["control"])}

    return guarded(ring, tenant, [(source, count, jnp.bool_(False)), (to, count, jnp.bool_(False))], effect)


def _dfa_step(ring: Ring, tenant: Any, args: Any, _: Any) -> tuple[Ring, Outcome]:
    table, place, symbol, symbols = args[0], args[1], args[2], args[3]
    last = word(ring["control"].size - 1)
    inside = jnp.minimum(place, last)
    state = ring["control"][inside]
    row = state * symbols
    # The sum is taken modulo 2**32; that it left 32 bits is told by each of its steps.
    beyond = (symbols != 0) & (row // jnp.maximum(symbols, word(1)) != state)
    entry = table + row + symbol
    beyond = beyond | (row + symbol < row) | (entry < table)
    ranges = [_one(place), (entry, word(1), beyond)]
    after, outcome = guarded(
        ring, tenant, ranges, lambda r: put(r, "control", inside, r["control"][jnp.minimum(entry, last)])
    )
    refused = symbol >= symbols
    return lax.cond(refused, lambda: ring, lambda: after), either(refused, fault(Reason.ARGUMENT, symbol), outcome)


def _fence(ring: Ring, tenant: Any, args: Any, _: Any) -> tuple[Ring, Outcome]:
    ring = put(plus(ring, "control", at.EPOCH), "control", at.OBSERVABLES, args[1])
    ring = plus(ring, "books", tenant_word(tenant, "FENCES"))
    return put(ring, "books", tenant_word(tenant, "FENCE_TAG"), args[1]), done()


def _print(ring: Ring, tenant: Any, args: Any, slot: Any) -> tuple[Ring, Outcome]:
    size = at.LOG_RECORD.words
    cursor = ring["debug_log"][at.LOG_CURSOR]
    room = word(ring["debug_log"].size - at.LOG_RECORDS)

    def append(r: Ring) -> Ring:
        record = jnp.concatenate([args[:3], word(slot * at.SLOT_WORDS)[None]])
        log = lax.dynamic_update_slice(r["debug_log"], record, (cursor + at.LOG_RECORDS,))
        return r | {"debug_log": log.at[at.LOG_CURSOR].add(word(size))}

    def drop(r: Ring) -> Ring:
        return plus(plus(r, "books", HEAD["LOG_DROPS"]), "books", tenant_word(tenant, "LOG_DROPS"))

    if ring["debug_log"].size < at.LOG_RECORDS + size:
        return drop(ring), done()
    return lax.cond(cursor + size > room, lambda: drop(ring), lambda: append(ring)), done()


def _shutdown(ring: Ring, tenant: Any, _args: Any, _: Any) -> tuple[Ring, Outcome]:
    allowed = tenant == 0
    ring = put(ring, "control", at.SHUTDOWN, jnp.where(allowed, word(1), ring["control"][at.SHUTDOWN]))
    return ring, either(allowed, done(), fault(Reason.TENANT, tenant))


def _nop(ring: Ring, _tenant: Any, _args: Any, _: Any) -> tuple[Ring, Outcome]:
    return ring, done()


Effect = Callable[[Ring, Any, Any, Any], tuple[Ring, Outcome]]
EFFECTS: Final[dict[int, Effect]] = {
    Opcode.NOP: _nop,
    Opcode.STORE_U32: _store,
    Opcode.ATOMIC_ADD: _add,
    Opcode.LOAD_U32: _load,
    Opcode.COMPARE_SWAP: _compare_swap,
    Opcode.MEMCPY: _copy,
    Opcode.DFA_STEP: _dfa_step,
    Opcode.BATCH_FENCE: _fence,
    Opcode.PRINTF: _print,
    Opcode.SHUTDOWN: _shutdown,
}
"""The traced table of effects; `prism.ring.effects` says what each means."""


def handler_effect(handler: Handler) -> Effect:
    """Return a handler as an effect: blocks cut by its spans, bounds first, then `apply`, then its blocks put back."""

    def effect(ring: Ring, tenant: Any, args: Any, slot: Any) -> tuple[Ring, Outcome]:
        bad, where = jnp.bool_(False), word(0)
        places = []
        for span in (*handler.reads, *handler.writes):
            start, out, first = _span(ring, tenant, args, span)
            where, bad = jnp.where(bad, where, first), bad | out
            places.append(start)
        read = [_cut(ring, slot, span, start) for span, start in zip(handler.reads, places, strict=False)]
        answer = handler.apply(args, *read)
        parts = list(answer) if isinstance(answer, tuple | list) else [answer]
        status = word(parts.pop(0)) if handler.answers_status else word(SlotStatus.DONE)
        known = (status == SlotStatus.DONE) | (status == SlotStatus.YIELD) | (status == SlotStatus.REQUEUE)
        after = ring
        for span, start, part in zip(handler.writes, places[len(handler.reads) :], parts, strict=True):
            after = _paste(after, slot, span, start, word(part).reshape(span.words))
        kept = either(known, (status, word(0), word(0)), fault(Reason.HANDLER, handler.opcode))
        ring = lax.cond(bad | ~known, lambda: ring, lambda: after)
        return ring, either(bad, fault(Reason.ADDRESS, where), kept)

    return effect


def _span(ring: Ring, tenant: Any, args: Any, span: Span) -> tuple[Any, Any, Any]:
    """Return where a span begins, whether it may not be touched, and the first word that may not."""
    count = word(span.words)
    if isinstance(span.start, Arg):
        start = args[span.start.index]
    elif span.memory is Memory.CONTROL:
        start = ring["books"][tenant_word(tenant, "WINDOW_START")] + word(span.start)
    else:
        start = word(span.start)
    if span.memory is Memory.CONTROL:
        return start, *outside(ring, tenant, start, count)
    size = word(ring["workspace"].size if span.memory is Memory.WORKSPACE else at.ARGS_PER_SLOT)
    return start, (start > size) | (count > size - jnp.minimum(start, size)), start


def _memory(slot: Any, span: Span, start: Any) -> tuple[str, Any]:
    if span.memory is Memory.ARGS:
        return "ring_buffer", word(slot * at.SLOT_WORDS + at.ARGS) + start
    return ("workspace" if span.memory is Memory.WORKSPACE else "control"), start


def _cut(ring: Ring, slot: Any, span: Span, start: Any) -> Any:
    name, place = _memory(slot, span, start)
    return lax.dynamic_slice(ring[name], (place,), (span.words,))


def _paste(ring: Ring, slot: Any, span: Span, start: Any, block: Any) -> Ring:
    name, place = _memory(slot, span, start)
    return ring | {name: lax.dynamic_update_slice(ring[name], block, (place,))}


def effect_table(program: Program) -> tuple[list[int], list[Effect]]:
    """Return the opcodes that a program answers for, and the effect of each."""
    handlers = [(handler.opcode, handler_effect(handler)) for handler in program.handlers]
    if program.payload is None:
        rows = [*EFFECTS.items(), *handlers]
    else:
        rows = [(Opcode.BATCH_FENCE, _fence), (Opcode.SHUTDOWN, _shutdown)]
    return [int(opcode) for opcode, _ in rows], [effect for _, effect in rows]
