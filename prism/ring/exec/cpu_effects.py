"""What each opcode does, compiled: the table of `prism.ring.effects`, on shared words, each word changed atomically.

`execute` returns a `Reason`, 0 for DONE, or a code below 0 for a job that has not ended.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from prism.ring.exec import cpu_atomics as atomics
from prism.ring.exec.cpu_books import count_tenant, refuse, tenant_of
from prism.ring.exec.cpu_io import ask_for_read
from prism.ring.exec.cpu_words import (
    ATOMIC_ADD,
    BAD_ADDRESS,
    BAD_ARGUMENT,
    BAD_HANDLER,
    BAD_OPCODE,
    BAD_PACKED,
    BAD_TENANT,
    BATCH_FENCE,
    BOOKS_TENANT_WORDS,
    COMPARE_SWAP,
    DFA_STEP,
    DONE,
    EMPTY,
    FAULT,
    FENCE_TAG,
    FENCES_BY,
    LOAD_MISS,
    LOAD_U32,
    LOG_DROPS,
    LOG_DROPS_BY,
    MEMCPY,
    NOP,
    ON_HOST,
    PACKED_SLOT,
    PRINTF,
    SHUTDOWN_JOB,
    STORE_U32,
    WINDOW_START,
    WINDOW_WORDS,
)
from prism.ring.exec.landing import ticket_at
from prism.ring.layout import (
    ARGS,
    ARGS_PER_SLOT,
    BOOKS_TENANTS_START,
    EPOCH,
    LOG_CURSOR,
    LOG_RECORDS,
    METRICS,
    OBSERVABLES,
    OPCODE,
    SHUTDOWN,
    SLOT_WORDS,
    STATUS,
    TENANT,
    TENANTS,
)
from prism.ring.memory import (
    AT_BOOKS,
    AT_CONTROL,
    AT_LOG,
    AT_LOG_RECORDS,
    AT_OBSERVABLES,
    AT_RING,
    AT_WORKER_ROWS,
    INNER_ARGS,
    WORKER_WORDS,
)

SELF_LOADING, FUSED, POLLING = 1, 2, 4
"""Flags of a handler table."""
TABLE_FLAGS, TABLE_COUNT, TABLE_PAYLOAD, TABLE_ROWS = range(4)
"""Words of a handler table, (3 + 2 n,) uint64: flags, n, the payload's address, then opcode and address of each."""
DETAILED = 1 << 31
"""In what a handler's native code answers: the word at fault stands in bits 32 to 63, beside the reason."""
COUNTED = 8 + 2 * 128
"""Where the metrics of a run stand on a worker's desk."""


@njit(nogil=True, cache=True)
def outside(words: Any, tenant: Any, start: Any, count: Any) -> Any:
    """Return the first of some control words that a tenant may not touch, -1 if it may touch all."""
    row = np.int64(words[AT_BOOKS]) + BOOKS_TENANTS_START + BOOKS_TENANT_WORDS * tenant
    low = np.int64(words[row + WINDOW_START])
    high = min(low + np.int64(words[row + WINDOW_WORDS]), OBSERVABLES + np.int64(words[AT_OBSERVABLES]))
    if count == 0 or (start >= low and start + count <= high):
        return -1
    return start if start < low else max(start, high)


@njit(nogil=True, cache=True)
def change(words: Any, slot: Any, opcode: Any, tenant: Any, args: Any) -> Any:
    """Store, add, load, compare and swap, copy: what changes words of a window; args: where the arguments stand."""
    a, b, c = np.int64(words[args]), np.int64(words[args + 1]), np.int64(words[args + 2])
    source, target, count = a, b, 1
    if opcode in (STORE_U32, ATOMIC_ADD):
        source = b
    elif opcode == LOAD_U32:
        target = OBSERVABLES + b
    elif opcode == COMPARE_SWAP:
        target = OBSERVABLES + np.int64(words[args + 3])
    else:
        count = c
    bad = outside(words, tenant, source, count)
    if bad < 0:
        bad = outside(words, tenant, target, count)
    if bad >= 0:
        return refuse(words, slot, BAD_ADDRESS, bad)
    control = np.int64(words[AT_CONTROL])
    if opcode == STORE_U32:
        atomics.store(words, control + target, np.uint32(a))
    elif opcode == ATOMIC_ADD:
        atomics.add(words, control + target, np.uint32(a))
    elif opcode == COMPARE_SWAP:
        previous = atomics.compare_swap(words, control + source, np.uint32(b), np.uint32(c))
        atomics.store(words, control + target, previous)
    else:
        for word in range(count):
            atomics.store(words, control + target + word, atomics.load(words, control + source + word))
    return 0


@njit(nogil=True, cache=True)
def dfa_step(words: Any, slot: Any, tenant: Any, args: Any) -> Any:
    """Set a state to the table's entry for it and a symbol."""
    table, place = np.int64(words[args]), np.int64(words[args + 1])
    symbol, symbols = np.int64(words[args + 2]), np.int64(words[args + 3])
    if symbol >= symbols:
        return refuse(words, slot, BAD_ARGUMENT, symbol)
    bad = outside(words, tenant, place, 1)
    if bad >= 0:
        return refuse(words, slot, BAD_ADDRESS, bad)
    control = np.int64(words[AT_CONTROL])
    entry = table + np.int64(atomics.load(words, control + place)) * symbols + symbol
    bad = outside(words, tenant, entry, 1)
    if bad >= 0:
        return refuse(words, slot, BAD_ADDRESS, bad)
    atomics.store(words, control + place, atomics.load(words, control + entry))
    return 0


@njit(nogil=True, cache=True)
def batch_ended(words: Any, longs: Any, slot: Any) -> bool:
    """Return whether every earlier slot of a fence's batch has ended."""
    base = np.int64(words[AT_RING]) + SLOT_WORDS * slot
    ours = np.int64(longs[ticket_at(words, slot)])
    for back in range(1, min(np.int64(words[base + ARGS]), slot) + 1):
        if np.int64(atomics.load(longs, ticket_at(words, slot - back))) != ours - back:
            continue
        status = atomics.load(words, base - SLOT_WORDS * back + STATUS)
        # A slot that was reclaimed or taken anew since the look at its ticket had ended.
        if status in (EMPTY, DONE, FAULT):
            continue
        if np.int64(atomics.load(longs, ticket_at(words, slot - back))) == ours - back:
            return False
    return True


@njit(nogil=True, cache=True)
def pass_fence(words: Any, tenant: Any, args: Any) -> Any:
    """Count a fence, and leave its tag."""
    tag = words[args + 1]
    control = np.int64(words[AT_CONTROL])
    atomics.add(words, control + EPOCH, np.uint32(1))
    atomics.store(words, control + OBSERVABLES, tag)
    count_tenant(words, tenant, FENCES_BY, 1)
    row = np.int64(words[AT_BOOKS]) + BOOKS_TENANTS_START + BOOKS_TENANT_WORDS * tenant
    atomics.store(words, row + FENCE_TAG, tag)
    return 0


@njit(nogil=True, cache=True)
def print_words(words: Any, slot: Any, tenant: Any, args: Any) -> Any:
    """Append a record to the debug log, or count that it was full; who moves the cursor has the place."""
    log = np.int64(words[AT_LOG])
    room = 4 * np.int64(words[AT_LOG_RECORDS])
    while True:
        cursor = atomics.load(words, log + LOG_CURSOR)
        if np.int64(cursor) + 4 > room:
            atomics.add(words, np.int64(words[AT_BOOKS]) + LOG_DROPS, np.uint32(1))
            count_tenant(words, tenant, LOG_DROPS_BY, 1)
            return 0
        if atomics.compare_swap(words, log + LOG_CURSOR, cursor, np.uint32(cursor + np.uint32(4))) == cursor:
            break
    at = log + LOG_RECORDS + np.int64(cursor)
    for k in range(3):
        words[at + k] = words[args + k]
    atomics.store(words, at + 3, np.uint32(SLOT_WORDS * slot))
    return 0


@njit(nogil=True, cache=True)
def find_handler(handlers: Any, opcode: Any) -> Any:
    """Return where a table has an opcode's handler, -1 if nowhere; for a fused program its payload."""
    if handlers[TABLE_FLAGS] & np.uint64(FUSED):
        return TABLE_PAYLOAD - 1
    for row in range(np.int64(handlers[TABLE_COUNT])):
        if np.int64(handlers[TABLE_ROWS + 2 * row]) == opcode:
            return TABLE_ROWS + 2 * row
    return -1


@njit(nogil=True, cache=True)
def handle(words: Any, slot: Any, opcode: Any, args: Any, handlers: Any) -> Any:
    """Call what answers for an opcode; a handler that fails is a fault."""
    row = find_handler(handlers, opcode)
    if row < 0:
        return refuse(words, slot, BAD_OPCODE, opcode)
    address = handlers[row + 1]
    if address == 0:
        return ON_HOST
    tenant = np.int64(words[AT_BOOKS]) + BOOKS_TENANTS_START + BOOKS_TENANT_WORDS * tenant_of(words, slot)
    answer = atomics.call_handler(address, words, args, words[AT_CONTROL], tenant + WINDOW_START)
    reason, detail = np.int64(answer & np.uint64(0xFFFF_FFFF)) - 1, np.int64(opcode)
    if reason >= DETAILED:
        reason, detail = reason - DETAILED, np.int64(answer >> np.uint64(32))
    if answer == np.uint64(1) or 0 < reason <= BAD_HANDLER:
        return refuse(words, slot, reason, detail) if reason else 0
    return refuse(words, slot, BAD_HANDLER, opcode)


@njit(nogil=True, cache=True)
def apply_one(words: Any, slot: Any, opcode: Any, args: Any, handlers: Any, desk: Any) -> Any:
    """Do one operation, of a slot or inside a packed one."""
    if opcode < METRICS:
        desk[COUNTED + opcode] += 1
    tenant = tenant_of(words, slot)
    if opcode == LOAD_MISS and handlers[TABLE_FLAGS] & np.uint64(SELF_LOADING):
        return ask_for_read(words, slot, args)
    if opcode == BATCH_FENCE:
        return pass_fence(words, tenant, args)
    if opcode == SHUTDOWN_JOB:
        if tenant != 0:
            return refuse(words, slot, BAD_TENANT, tenant)
        atomics.store(words, np.int64(words[AT_CONTROL]) + SHUTDOWN, np.uint32(1))
        return 0
    if handlers[TABLE_FLAGS] & np.uint64(FUSED) or not (opcode <= DFA_STEP or opcode == PRINTF):
        return handle(words, slot, opcode, args, handlers)
    if opcode == NOP:
        return 0
    if opcode <= MEMCPY:
        return change(words, slot, opcode, tenant, args)
    return dfa_step(words, slot, tenant, args) if opcode == DFA_STEP else print_words(words, slot, tenant, args)


@njit(nogil=True, cache=True)
def packed_byte(words: Any, args: Any, at: Any) -> Any:
    """Return a byte of the arguments of a packed slot."""
    return np.int64(words[args + at // 4] >> np.uint32(8 * (at % 4)) & np.uint32(0xFF))


@njit(nogil=True, cache=True)
def check_packed(words: Any, slot: Any, args: Any, handlers: Any) -> Any:
    """Return the reason why a packed slot cannot run, ON_HOST if an operation in it needs Python, else 0."""
    count, total = packed_byte(words, args, 0), packed_byte(words, args, 1)
    if (2 + 2 * count + 3) // 4 + total > ARGS_PER_SLOT:
        return refuse(words, slot, BAD_PACKED, 0)
    before, needs, unknown = 0, 0, -1
    for k in range(count):
        opcode, offset = packed_byte(words, args, 2 + 2 * k), packed_byte(words, args, 3 + 2 * k)
        if offset < before or offset > total or (k == 0 and offset != 0):
            return refuse(words, slot, BAD_PACKED, 0)
        before = offset
        row = find_handler(handlers, opcode)
        if opcode > BATCH_FENCE and row < 0 and unknown < 0:
            unknown = opcode
        guest = opcode > BATCH_FENCE or (handlers[TABLE_FLAGS] & np.uint64(FUSED) and opcode != BATCH_FENCE)
        if guest and row >= 0 and handlers[row + 1] == 0:
            needs = ON_HOST
    if count == 0 and total != 0:
        return refuse(words, slot, BAD_PACKED, 0)
    return needs if unknown < 0 else refuse(words, slot, BAD_OPCODE, unknown)


@njit(nogil=True, cache=True)
def execute_packed(words: Any, worker: Any, slot: Any, args: Any, handlers: Any, desk: Any) -> Any:
    """Do the operations of a packed slot in order, up to the first that faults."""
    reason = check_packed(words, slot, args, handlers)
    if reason != 0:
        return reason
    count, total = packed_byte(words, args, 0), packed_byte(words, args, 1)
    first = args + (2 + 2 * count + 3) // 4
    inner = np.int64(words[AT_WORKER_ROWS]) + WORKER_WORDS * worker + INNER_ARGS
    for k in range(count):
        begin = packed_byte(words, args, 3 + 2 * k)
        end = packed_byte(words, args, 5 + 2 * k) if k + 1 < count else total
        for at in range(ARGS_PER_SLOT):
            words[inner + at] = words[first + begin + at] if begin + at < end else np.uint32(0)
        reason = apply_one(words, slot, packed_byte(words, args, 2 + 2 * k), inner, handlers, desk)
        if reason != 0:
            return reason
    return 0


@njit(nogil=True, cache=True)
def execute(words: Any, worker: Any, slot: Any, handlers: Any, desk: Any) -> Any:
    """Do what a claimed slot asks for; returns its reason or code. The slot's tenant must be the one that has it."""
    base = np.int64(words[AT_RING]) + SLOT_WORDS * slot
    tenant = np.int64(words[base + TENANT])
    if tenant != tenant_of(words, slot) or tenant >= TENANTS:
        return refuse(words, slot, BAD_TENANT, tenant)
    opcode = np.int64(words[base + OPCODE])
    if opcode == PACKED_SLOT:
        return execute_packed(words, worker, slot, base + ARGS, handlers, desk)
    return apply_one(words, slot, opcode, base + ARGS, handlers, desk)
