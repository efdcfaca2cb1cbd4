"""Native twins of ISA handlers: a worker calls a program's machine code itself, on copies of its spans [RINGRUN-5]."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numba.np.numpy_support import carray
from numpy.typing import NDArray

from prism.kernels.exec import cpu_record as at
from prism.kernels.exec.bound import record_of
from prism.kernels.exec.cpu import CpuExecutor, scratch_bytes
from prism.kernels.exec.launch import FUEL, Launch, Shape
from prism.kernels.isa.program import Access
from prism.kernels.isa.types import Kind
from prism.kernels.isa.verify import Verified
from prism.ring.exec import cpu_atomics as atomics
from prism.ring.exec.cpu_effects import DETAILED
from prism.ring.layout import WORD_BYTES, WORD_MASK, Reason
from prism.ring.memory import LOCKS
from prism.ring.program import Arg, Memory, Span

_ADDRESS, _HANDLER = int(Reason.ADDRESS), int(Reason.HANDLER)
_READ, _WRITTEN = 5, 6


class _Places(NamedTuple):
    """Where a program's parameters are: a row for each buffer, then for each scalar, in the program's order.

    buffers: (b, 8) int64: argument that holds the start or -1, the start, argument that holds the length or -1, the
    length, bytes of an element, whether it is read, whether it is written, the word of the record. scalars: (s, 3)
    int64: the argument, the largest value, the word of the record.
    """

    buffers: NDArray[np.int64]
    scalars: NDArray[np.int64]


def has_twin(verified: Verified, spans: Mapping[str, Span]) -> bool:
    """Whether a program on some spans can be called by a worker: spans of the window, scalars that are whole."""
    whole = all(one.type.kind is not Kind.FLOAT for one in verified.program.scalars)
    return whole and all(span.memory is Memory.CONTROL for span in spans.values())


def isa_twin(
    executor: CpuExecutor,
    verified: Verified,
    spans: Mapping[str, Span],
    scalars: Mapping[str, Arg],
    shape: Shape,
    locks: NDArray[np.uint32],
) -> Callable[..., int]:
    """Return `native(args, control, start, words)` of a program that `has_twin`: what its handler does, and its faults.

    locks: (LOCKS,) uint32, which outlive it; a call holds the lock of its window, so that jobs of one tenant come one
    after the other. Raises CpuLimitError for a program that is not compiled. Cost: 1 s where its code is not kept; a
    call copies spans.
    """
    program, compiled = verified.program, executor.compiled(verified)
    empty = {one.name: np.zeros(1, one.type.dtype) for one in program.buffers}
    launch = Launch(verified, shape, empty, {one.name: 0 for one in program.scalars}, FUEL)
    record = record_of(compiled, launch, scratch_bytes(compiled, prod(shape.block)))
    rows = []
    for number, buffer in enumerate(program.buffers):
        span = spans[buffer.name]
        place = [*_parts(span.start), *_parts(span.words), buffer.type.size]
        access = [buffer.access is not Access.WRITE, buffer.access is not Access.READ]
        rows.append([*place, *access, at.buffer_word(number)])
    bounds = [
        [scalars[one.name].index, min(int(np.iinfo(one.type.dtype).max), WORD_MASK), at.scalar_word(program, number)]
        for number, one in enumerate(program.scalars)
    ]
    places = _Places(np.array(rows, np.int64).reshape(-1, 8), np.array(bounds, np.int64).reshape(-1, 3))
    return _native(compiled.code.call, record, at.words(program), places, locks.ctypes.data)


def _parts(value: int | Arg) -> tuple[int, int]:
    return (value.index, 0) if isinstance(value, Arg) else (-1, value)


@njit(nogil=True, cache=True)
def _locate(buffers: Any, args: Any, window: Any, begins: Any, sizes: Any) -> Any:
    """Note where each span lies; returns 0, or the answer for the first word outside the window, reads first."""
    low, high = window
    for access in (_READ, _WRITTEN):
        for k in range(len(buffers)):
            begin = low + buffers[k, 1] if buffers[k, 0] < 0 else np.int64(args[buffers[k, 0]])
            size = buffers[k, 3] if buffers[k, 2] < 0 else np.int64(args[buffers[k, 2]])
            begins[k], sizes[k] = begin, size
            if buffers[k, access] and size and (begin < low or begin + size > high):
                bad = (begin if begin < low else max(begin, high)) & WORD_MASK
                return np.uint64(bad) << np.uint64(32) | np.uint64(DETAILED | _ADDRESS)
    return np.uint64(0)


@njit(nogil=True, cache=True)
def _gather(buffers: Any, control: Any, begins: Any, sizes: Any, held: Any, record: Any) -> Any:
    """Copy what is read, each buffer to a multiple of 8 bytes; returns whether each is whole elements."""
    block, first = held.view(np.uint32), 0
    for k in range(len(buffers)):
        if WORD_BYTES * sizes[k] % buffers[k, 4]:
            return False
        if buffers[k, _READ]:
            for word in range(sizes[k]):
                block[first + word] = control[begins[k] + word]
        record[buffers[k, 7]] = np.uint64(held.ctypes.data + WORD_BYTES * first)
        record[buffers[k, 7] + 1] = np.uint64(WORD_BYTES * sizes[k] // buffers[k, 4])
        first += (sizes[k] + 1) // 2 * 2
    return True


@njit(nogil=True, cache=True)
def _give_scalars(scalars: Any, args: Any, record: Any) -> Any:
    """Note the scalars; returns whether each fits its type."""
    for k in range(len(scalars)):
        value = np.int64(args[scalars[k, 0]])
        if value > scalars[k, 1]:
            return False
        record[scalars[k, 2]] = np.uint64(value)
    return True


@njit(nogil=True, cache=True)
def _scatter(buffers: Any, control: Any, begins: Any, sizes: Any, held: Any) -> None:
    """Copy back what is written."""
    block, first = held.view(np.uint32), 0
    for k in range(len(buffers)):
        if buffers[k, _WRITTEN]:
            for word in range(sizes[k]):
                control[begins[k] + word] = block[first + word]
        first += (sizes[k] + 1) // 2 * 2


def _native(call: Any, template: NDArray[np.uint64], scratch: int, places: _Places, locks: int) -> Callable[..., int]:
    buffers, scalars = places
    count, process = len(buffers), np.uint32(os.getpid())

    def native(args: Any, control: Any, start: Any, words: Any) -> Any:
        begins, sizes = np.empty(count, np.int64), np.empty(count, np.int64)
        window = np.int64(start), np.int64(start) + np.int64(words)
        answer = _locate(buffers, args, window, begins, sizes)
        if answer:
            return answer
        room = 0
        for k in range(count):
            room += (sizes[k] + 1) // 2
        held, record = np.zeros(room + 1, np.uint64), template.copy()
        if not _give_scalars(scalars, args, record):
            return np.uint64(_HANDLER)
        record[at.SCRATCH] = np.uint64(record.ctypes.data + 8 * scratch)
        ours = carray(atomics.words_at(np.uint64(locks)), LOCKS)
        atomics.lock(ours, np.int64(start) % LOCKS, process)
        done = _gather(buffers, control, begins, sizes, held, record) and call(record.ctypes) == 0
        record[0] = held[room]  # Both live until here: the code that was called has their addresses alone.
        if done:
            _scatter(buffers, control, begins, sizes, held)
        atomics.unlock(ours, np.int64(start) % LOCKS)
        return np.uint64(0 if done else _HANDLER)

    return native
