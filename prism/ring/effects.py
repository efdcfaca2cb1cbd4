"""What each opcode does to a ring, one claimed slot at a time: bounds first, then everything or nothing [RING-7]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from prism.ring import layout as at
from prism.ring.layout import WORD, IoOp, IoStatus, Opcode, Reason, SlotStatus, Words
from prism.ring.opcodes import SMALL
from prism.ring.packed import Operation, unpack
from prism.ring.program import Arg, Handler, Memory, Program, Span
from prism.ring.state import RingState, count

_TENANT: Final = {field.name: field.start for field in at.BOOKS_TENANT.fields}
_SLOT: Final = {field.name: field.start for field in at.BOOKS_SLOT.fields}
_HEAD: Final = {field.name: field.start for field in at.BOOKS_HEAD.fields}
_IO: Final = {field.name: field.start for field in at.IO_SLOT.fields}


class Outcome(NamedTuple):
    """The status in which an effect leaves its slot; for a FAULT why, and the word or opcode at fault."""

    status: SlotStatus
    reason: Reason = Reason.NONE
    detail: int = 0


class Job(NamedTuple):
    """A claimed slot, or an operation inside one: its place, who submitted it, and what it asks for."""

    slot: int
    tenant: int
    opcode: int
    args: list[int]


DONE: Final = Outcome(SlotStatus.DONE)


def fault(reason: Reason, detail: int = 0) -> Outcome:
    """Return the outcome of a job that could not be done."""
    return Outcome(SlotStatus.FAULT, reason, detail & at.WORD_MASK)


def outside(state: RingState, tenant: int, *ranges: tuple[int, int]) -> int | None:
    """Return the first word of the ranges `(start, words)` that the tenant may not touch; None if it may touch all."""
    row = state.tenants[tenant]
    low = int(row[_TENANT["WINDOW_START"]])
    high = min(low + int(row[_TENANT["WINDOW_WORDS"]]), state.control.size)
    for start, words in ranges:
        if words and start < low:
            return start
        if words and start + words > high:
            return max(start, high)
    return None


def _store(state: RingState, job: Job) -> Outcome:
    value, to, *_ = job.args
    if (bad := outside(state, job.tenant, (to, 1))) is not None:
        return fault(Reason.ADDRESS, bad)
    state.control[to] = value
    return DONE


def _add(state: RingState, job: Job) -> Outcome:
    value, to, *_ = job.args
    if (bad := outside(state, job.tenant, (to, 1))) is not None:
        return fault(Reason.ADDRESS, bad)
    count(state.control, to, value)
    return DONE


def _load(state: RingState, job: Job) -> Outcome:
    source, to = job.args[0], at.OBSERVABLES + job.args[1]
    if (bad := outside(state, job.tenant, (source, 1), (to, 1))) is not None:
        return fault(Reason.ADDRESS, bad)
    state.control[to] = state.control[source]
    return DONE


def _compare_swap(state: RingState, job: Job) -> Outcome:
    place, expected, new, observable, *_ = job.args
    to = at.OBSERVABLES + observable
    if (bad := outside(state, job.tenant, (place, 1), (to, 1))) is not None:
        return fault(Reason.ADDRESS, bad)
    previous = int(state.control[place])
    if previous == expected:
        state.control[place] = new
    state.control[to] = previous
    return DONE


def _copy(state: RingState, job: Job) -> Outcome:
    source, to, words, *_ = job.args
    if (bad := outside(state, job.tenant, (source, words), (to, words))) is not None:
        return fault(Reason.ADDRESS, bad)
    for word in range(words):  # One word at a time, ascending: a copy onto its own tail repeats, as on the wire.
        state.control[to + word] = state.control[source + word]
    return DONE


def _dfa_step(state: RingState, job: Job) -> Outcome:
    table, place, symbol, symbols, *_ = job.args
    if symbol >= symbols:
        return fault(Reason.ARGUMENT, symbol)
    if (bad := outside(state, job.tenant, (place, 1))) is not None:
        return fault(Reason.ADDRESS, bad)
    entry = table + int(state.control[place]) * symbols + symbol
    if (bad := outside(state, job.tenant, (entry, 1))) is not None:
        return fault(Reason.ADDRESS, bad)
    state.control[place] = state.control[entry]
    return DONE


def _fence(state: RingState, job: Job) -> Outcome:
    tag, row = job.args[1], state.tenants[job.tenant]
    count(state.control, at.EPOCH)
    state.control[at.OBSERVABLES] = tag
    count(row, _TENANT["FENCES"])
    row[_TENANT["FENCE_TAG"]] = tag
    return DONE


def _print(state: RingState, job: Job) -> Outcome:
    size = at.LOG_RECORD.words
    cursor = int(state.log[at.LOG_CURSOR])
    if cursor + size > state.log.size - at.LOG_RECORDS:
        count(state.head, _HEAD["LOG_DROPS"])
        count(state.tenants[job.tenant], _TENANT["LOG_DROPS"])
        return DONE
    start = at.LOG_RECORDS + cursor
    state.log[start : start + size] = *job.args[:3], job.slot * at.SLOT_WORDS
    state.log[at.LOG_CURSOR] = cursor + size
    return DONE


def _shutdown(state: RingState, job: Job) -> Outcome:
    if job.tenant != 0:
        return fault(Reason.TENANT, job.tenant)
    state.control[at.SHUTDOWN] = 1
    return DONE


def _load_miss(state: RingState, job: Job) -> Outcome:
    resource, prefetch, *_ = job.args
    free = np.flatnonzero(state.io_slots[:, at.IO_STATUS] == IoStatus.EMPTY)
    if not free.size:
        return Outcome(SlotStatus.YIELD)
    place = int(free[0])
    request = state.io_slots[place]
    request[:] = 0
    request[_IO["OP_TYPE"]] = IoOp.READ
    request[_IO["SRC_HANDLE"]] = request[_IO["DST_HANDLE"]] = request[_IO["TAG"]] = resource
    request[at.IO_STATUS] = IoStatus.PUBLISHED
    if prefetch:
        state.owners[place] = at.IO_OWNER_NOBODY
        return DONE
    state.owners[place] = job.slot + 1
    entry = state.entries[job.slot]
    entry[_SLOT["WAITS_FOR"]], entry[_SLOT["SINCE"]] = place + 1, state.head[_HEAD["STEPS"]]
    return Outcome(SlotStatus.WAIT_IO)


_EFFECTS: Final[dict[int, Callable[[RingState, Job], Outcome]]] = {
    Opcode.NOP: lambda _state, _job: DONE,
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
"""THE table of effects, PACKED_SLOT and LOAD_MISS apart."""

ALWAYS: Final = frozenset({Opcode.SHUTDOWN, Opcode.BATCH_FENCE, Opcode.PACKED_SLOT})
"""What a fused program answers as every other does; its payload answers for the rest."""


def apply(state: RingState, program: Program, job: Job) -> Outcome:
    """Do what a claimed slot asks for, in place, and return how that leaves it; writes nothing where it is a FAULT.

    A packed slot is the exception: what its operations did before the one at fault stays.
    """
    if job.opcode == Opcode.PACKED_SLOT:
        return _packed(state, program, job)
    return _one(state, program, job)


def _one(state: RingState, program: Program, job: Job) -> Outcome:
    if job.opcode < at.METRICS:
        count(state.control, at.METRICS_BASE + job.opcode)
    if job.opcode == Opcode.LOAD_MISS and program.self_loading:
        return _load_miss(state, job)
    builtin = _EFFECTS.get(job.opcode)
    if builtin and (program.payload is None or job.opcode in ALWAYS):
        return builtin(state, job)
    handler = program.handler(job.opcode)
    return _handle(state, handler, job) if handler else fault(Reason.OPCODE, job.opcode)


def _packed(state: RingState, program: Program, job: Job) -> Outcome:
    operations = unpack(np.array(job.args, WORD))
    if operations is None:
        return fault(Reason.PACKED)
    unknown = [opcode for opcode, _ in operations if opcode not in SMALL and program.handler(opcode) is None]
    if unknown:
        return fault(Reason.OPCODE, unknown[0])
    for operation in operations:
        outcome = _one(state, program, _inner(job, operation))
        if outcome.status is SlotStatus.FAULT:
            return outcome
        if outcome.status is not SlotStatus.DONE:  # Where the others would resume, no word of the slot can say.
            return fault(Reason.HANDLER, operation[0])
    return DONE


def _inner(job: Job, operation: Operation) -> Job:
    opcode, args = operation
    return Job(job.slot, job.tenant, opcode, [*args, *[0] * (at.ARGS_PER_SLOT - len(args))])


def _range(state: RingState, job: Job, span: Span) -> tuple[int, int]:
    """Return the absolute first word and the length of a span."""
    words = job.args[span.words.index] if isinstance(span.words, Arg) else span.words
    if isinstance(span.start, Arg):
        return job.args[span.start.index], words
    base = int(state.tenants[job.tenant, _TENANT["WINDOW_START"]]) if span.memory is Memory.CONTROL else 0
    return base + span.start, words


def _blocks(state: RingState, job: Job, spans: tuple[Span, ...]) -> list[Words] | int:
    """Return a view for each span, or the first word that the tenant may not touch."""
    blocks: list[Words] = []
    for span in spans:
        start, words = _range(state, job, span)
        if span.memory is Memory.CONTROL:
            bad, memory = outside(state, job.tenant, (start, words)), state.control
        else:
            memory = state.workspace if span.memory is Memory.WORKSPACE else state.slots[job.slot, at.ARGS :]
            bad = start if start + words > memory.size else None
        if bad is not None:
            return bad
        blocks.append(memory[start : start + words])
    return blocks


def _handle(state: RingState, handler: Handler, job: Job) -> Outcome:
    reads, writes = _blocks(state, job, handler.reads), _blocks(state, job, handler.writes)
    for blocks in (reads, writes):
        if isinstance(blocks, int):
            return fault(Reason.ADDRESS, blocks)
    assert isinstance(reads, list)
    assert isinstance(writes, list)
    try:
        answer = handler.apply(np.array(job.args, WORD), *(block.copy() for block in reads))
        parts = list(answer) if isinstance(answer, tuple | list) else [answer]
        status = SlotStatus(int(parts.pop(0))) if handler.answers_status else SlotStatus.DONE
        results = [_words(part, block.shape) for part, block in zip(parts, writes, strict=True)]
    except Exception:  # A handler is a guest: whatever it raises, the slot is a FAULT and the worker goes on.
        return fault(Reason.HANDLER, handler.opcode)
    landed = [result for result in results if result is not None]
    if status not in (SlotStatus.DONE, SlotStatus.YIELD, SlotStatus.REQUEUE) or len(landed) < len(writes):
        return fault(Reason.HANDLER, handler.opcode)
    for block, result in zip(writes, landed, strict=True):
        block[:] = result
    return Outcome(status)


def _words(part: object, shape: tuple[int, ...]) -> Words | None:
    """Return a block that a handler answered; None for one that is not uint32 of the length that it declared."""
    block = np.asarray(part)
    return block.reshape(shape) if block.dtype == WORD and block.size == np.prod(shape) else None
