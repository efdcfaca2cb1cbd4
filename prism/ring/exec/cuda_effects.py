"""What each opcode does on a GPU: the table of `prism.ring.effects`, as device functions of Numba-CUDA.

`device_functions(cuda)` builds them with the `cuda` that it is given, so that a stand-in shows on any machine that they
do what the model does. Control buffer and debug log lie in device memory, where atomics are atomic; slots are read from
the host's memory and never changed here but by their marks.
"""

# ruff: noqa: C901 (device functions close over one another, so that they are built in one place)

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from prism.ring.exec.cpu_words import (
    ATOMIC_ADD,
    BAD_ADDRESS,
    BAD_ARGUMENT,
    BAD_HANDLER,
    BAD_OPCODE,
    BAD_PACKED,
    BAD_TENANT,
    BATCH_FENCE,
    COMPARE_SWAP,
    DFA_STEP,
    LOAD_U32,
    MEMCPY,
    NOP,
    PACKED_SLOT,
    PRINTF,
    SHUTDOWN_JOB,
    STORE_U32,
)
from prism.ring.layout import (
    ARGS_PER_SLOT,
    EPOCH,
    LOG_CURSOR,
    LOG_RECORDS,
    METRICS,
    OBSERVABLES,
    SHUTDOWN,
    SLOT_WORDS,
    TENANTS,
)

TALLY_METRICS, TALLY_DONE, TALLY_FAULTED, TALLY_DROPS = 0, METRICS, METRICS + 32, METRICS + 64
TALLY_FENCES, TALLY_TAG, TALLY_WORDS = METRICS + 96, METRICS + 128, METRICS + 160
"""Words of a tally: executions by opcode; by tenant the jobs done and faulted, log drops, fences, the last tag."""
_WORD: Final = 0xFFFF_FFFF


def handler_chain(cuda: Any, handlers: Sequence[tuple[int, Callable[..., int]]]) -> Any:
    """Return the device function that calls what answers for an opcode, for its reason; -1 where nobody does."""

    @cuda.jit(device=True)
    def nobody(opcode: Any, args: Any, control: Any, start: Any, words: Any) -> Any:  # noqa: ARG001 (one signature)
        return np.int32(-1)

    chain = nobody
    for opcode, native in reversed(handlers):
        chain = _link(cuda, opcode, cuda.jit(device=True)(getattr(native, "py_func", native)), chain)
    return chain


def _link(cuda: Any, known: int, handler: Any, rest: Any) -> Any:
    @cuda.jit(device=True)
    def link(opcode: Any, args: Any, control: Any, start: Any, words: Any) -> Any:
        if opcode == known:
            return np.int32(handler(args, control, start, words))
        return np.int32(rest(opcode, args, control, start, words))

    return link


def device_functions(cuda: Any, chain: Any) -> Any:
    """Return the device function that does what a slot asks for, and returns its reason and detail.

    args: (12,) uint32, local. owner: whose the slot is. windows: (32, 2) uint32, start and length of each. tally: the
    counters of `TALLY_WORDS` words, in memory that the block shares.
    """

    @cuda.jit(device=True)
    def outside(windows: Any, owner: Any, start: Any, count: Any, size: Any) -> Any:
        low = np.int64(windows[owner, 0])
        high = min(low + np.int64(windows[owner, 1]), np.int64(size))
        if count == 0 or (start >= low and start + count <= high):
            return np.int64(-1)
        return np.int64(start) if start < low else np.int64(max(start, high))

    @cuda.jit(device=True)
    def change(opcode: Any, args: Any, owner: Any, windows: Any, control: Any) -> Any:
        source, target, count = np.int64(args[0]), np.int64(args[1]), np.int64(1)
        if opcode == STORE_U32 or opcode == ATOMIC_ADD:  # noqa: SIM109 (device code)
            source = target
        elif opcode == LOAD_U32:
            target = np.int64(OBSERVABLES) + target
        elif opcode == COMPARE_SWAP:
            target = np.int64(OBSERVABLES) + np.int64(args[3])
        else:
            count = np.int64(args[2])
        bad = outside(windows, owner, source, count, control.size)
        if bad < 0:
            bad = outside(windows, owner, target, count, control.size)
        if bad >= 0:
            return np.int64(BAD_ADDRESS), bad
        if opcode == STORE_U32:
            cuda.atomic.exch(control, target, args[0])
        elif opcode == ATOMIC_ADD:
            cuda.atomic.add(control, target, args[0])
        elif opcode == COMPARE_SWAP:
            previous = cuda.atomic.cas(control, source, args[1], args[2])
            cuda.atomic.exch(control, target, previous)
        else:
            for word in range(count):
                cuda.atomic.exch(control, target + word, control[source + word])
        return np.int64(0), np.int64(0)

    @cuda.jit(device=True)
    def dfa_step(args: Any, owner: Any, windows: Any, control: Any) -> Any:
        table, place, symbol = np.int64(args[0]), np.int64(args[1]), np.int64(args[2])
        symbols = np.int64(args[3])
        if symbol >= symbols:
            return np.int64(BAD_ARGUMENT), symbol
        bad = outside(windows, owner, place, np.int64(1), control.size)
        if bad >= 0:
            return np.int64(BAD_ADDRESS), bad
        state = np.int64(control[place])
        # A row beyond every window, told before its product leaves 64 bits.
        if state > control.size:
            return np.int64(BAD_ADDRESS), (table + state * symbols + symbol) & _WORD
        entry = table + state * symbols + symbol
        bad = outside(windows, owner, entry, np.int64(1), control.size)
        if bad >= 0:
            return np.int64(BAD_ADDRESS), bad
        cuda.atomic.exch(control, place, control[entry])
        return np.int64(0), np.int64(0)

    @cuda.jit(device=True)
    def print_words(args: Any, slot: Any, owner: Any, log: Any, tally: Any) -> Any:
        while True:
            cursor = cuda.atomic.add(log, LOG_CURSOR, np.uint32(0))
            if np.int64(cursor) + 4 > log.size - LOG_RECORDS:
                cuda.atomic.add(tally, TALLY_DROPS + owner, np.uint32(1))
                break
            if cuda.atomic.cas(log, LOG_CURSOR, np.uint32(cursor), np.uint32(cursor + 4)) == cursor:
                at = LOG_RECORDS + np.int64(cursor)
                for k in range(3):
                    log[at + k] = args[k]
                log[at + 3] = np.uint32(SLOT_WORDS * slot)
                break
        return np.int64(0), np.int64(0)

    @cuda.jit(device=True)
    def one(opcode: Any, args: Any, slot: Any, owner: Any, windows: Any, control: Any, log: Any, tally: Any) -> Any:
        if opcode < METRICS:
            cuda.atomic.add(tally, TALLY_METRICS + opcode, np.uint32(1))
        if opcode == NOP:
            return np.int64(0), np.int64(0)
        if opcode <= MEMCPY:
            return change(opcode, args, owner, windows, control)
        if opcode == DFA_STEP:
            return dfa_step(args, owner, windows, control)
        if opcode == BATCH_FENCE:
            cuda.atomic.add(control, EPOCH, np.uint32(1))
            cuda.atomic.exch(control, OBSERVABLES, args[1])
            cuda.atomic.add(tally, TALLY_FENCES + owner, np.uint32(1))
            cuda.atomic.exch(tally, TALLY_TAG + owner, args[1])
            return np.int64(0), np.int64(0)
        if opcode == PRINTF:
            return print_words(args, slot, owner, log, tally)
        if opcode == SHUTDOWN_JOB:
            if owner != 0:
                return np.int64(BAD_TENANT), np.int64(owner)
            cuda.atomic.exch(control, SHUTDOWN, np.uint32(1))
            return np.int64(0), np.int64(0)
        reason = chain(opcode, args, control, windows[owner, 0], windows[owner, 1])
        if reason < 0:
            return np.int64(BAD_OPCODE), np.int64(opcode)
        if reason > BAD_HANDLER:
            return np.int64(BAD_HANDLER), np.int64(opcode)
        return np.int64(reason), np.int64(opcode if reason else 0)

    @cuda.jit(device=True)
    def byte(args: Any, at: Any) -> Any:
        return np.int64(args[at >> 2] >> np.uint32(8 * (at & 3))) & 0xFF

    @cuda.jit(device=True)
    def check_packed(args: Any) -> Any:
        count, total = byte(args, 0), byte(args, 1)
        if ((2 + 2 * count + 3) >> 2) + total > ARGS_PER_SLOT or (count == 0 and total != 0):
            return np.int64(BAD_PACKED), np.int64(0)
        before = np.int64(0)
        for k in range(count):
            offset = byte(args, 3 + 2 * k)
            if offset < before or offset > total or (k == 0 and offset != 0):
                return np.int64(BAD_PACKED), np.int64(0)
            before = offset
        return np.int64(0), np.int64(0)

    @cuda.jit(device=True)
    def packed(
        args: Any, inner: Any, known: Any, slot: Any, owner: Any, windows: Any, control: Any, log: Any, tally: Any
    ) -> Any:
        reason, detail = check_packed(args)
        if reason:
            return reason, detail
        count, total = byte(args, 0), byte(args, 1)
        first = (2 + 2 * count + 3) >> 2
        for k in range(count):
            opcode = byte(args, 2 + 2 * k)
            answered = opcode <= BATCH_FENCE
            for row in range(known.size):
                answered = answered or np.int64(known[row]) == opcode
            if not answered:
                return np.int64(BAD_OPCODE), opcode
        for k in range(count):
            begin = byte(args, 3 + 2 * k)
            end = byte(args, 5 + 2 * k) if k + 1 < count else total
            for at in range(ARGS_PER_SLOT):
                inner[at] = args[first + begin + at] if begin + at < end else np.uint32(0)
            reason, detail = one(byte(args, 2 + 2 * k), inner, slot, owner, windows, control, log, tally)
            if reason:
                return reason, detail
        return np.int64(0), np.int64(0)

    @cuda.jit(device=True)
    def apply(
        opcode: Any, args: Any, inner: Any, known: Any, slot: Any, owner: Any, tenant: Any, windows: Any, control: Any,
        log: Any, tally: Any,
    ) -> Any:  # fmt: skip
        if tenant != owner or tenant >= TENANTS:
            return np.int64(BAD_TENANT), np.int64(tenant)
        if opcode == PACKED_SLOT:
            return packed(args, inner, known, slot, owner, windows, control, log, tally)
        return one(opcode, args, slot, owner, windows, control, log, tally)

    return apply
