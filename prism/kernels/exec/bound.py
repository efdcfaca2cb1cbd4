"""Bound launches of compiled code: everything is checked and written down once, then a call is one native call."""

from __future__ import annotations

import ctypes
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Protocol

import numpy as np

from prism.codegen.native import Code
from prism.kernels.exec import cpu_record as at
from prism.kernels.exec.faults import FaultError, FaultKind
from prism.kernels.exec.launch import Launch, scalar_value
from prism.kernels.isa.flow import registers_of
from prism.kernels.isa.show import show_instruction
from prism.kernels.isa.types import Type
from prism.kernels.isa.verify import Verified

_PAYS: Final = 1 << 21
"""Steps or elements in all from which a launch is shared out to threads: about as long as waking them takes."""
_UNIT: Final = 1024
"""Threads share lanes out in multiples of this, so that no two write into one cache line of a vector of bytes; lanes
that meet are shared out by blocks.
"""


class Recorder(Protocol):
    """What calls are recorded by instead of run, on its own thread: a launch graph."""

    thread: int

    def add(self, bound: CpuBound) -> None:
        """Record a launch after the others."""
        ...


recording: Final[list[Recorder]] = []
"""The graphs that are being recorded, innermost last; calls on their threads are recorded instead of run."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A program's machine code; `meets`: its lanes meet, so that a record's range counts blocks, not lanes; `serial`:
    one thread runs it; `side_by_side`: lanes have their variables in scratch memory.
    """

    verified: Verified
    code: Code
    meets: bool
    serial: bool
    side_by_side: bool


class CpuBound:
    """A launch that is ready: a call takes no arguments and runs it, or raises FaultError [EXEC-3].

    It keeps the launch, and so the arrays. One thread may call it at a time: it has one record.
    """

    __slots__ = ("_address", "_call", "compiled", "launch", "record")

    launch: Launch | None

    def __init__(self, compiled: Compiled, launch: Launch, record: np.ndarray[Any, Any]) -> None:
        self.compiled, self.launch, self.record = compiled, launch, record
        self._address = ctypes.c_void_p(record.ctypes.data)
        # Short runs keep Python's lock: giving it up and taking it again costs as much as they do.
        self._call = compiled.code.call_briefly if _is_short(launch) else compiled.code.call

    def __call__(self) -> None:
        """Run the launch, or record it where this thread records a graph."""
        if recording and _recorded(self):
            return
        if self._call(self._address):
            raise fault_of(self.compiled.verified, self.record)

    @property
    def address(self) -> int:
        """Where the record lies."""
        return self.record.ctypes.data

    def without_arrays(self) -> CpuBound:
        """Return the same launch for a caller that keeps the arrays alive itself; it cannot be recorded."""
        other = copy(self)
        other.launch = None
        return other


class CpuShared(CpuBound):
    """A launch that several threads run, each a range of its lanes."""

    __slots__ = ("_parts",)

    def __init__(self, compiled: Compiled, launch: Launch, record: np.ndarray[Any, Any], parts: int) -> None:
        super().__init__(compiled, launch, record)
        low, high = int(record[at.LOW]), int(record[at.HIGH])
        unit = 1 if compiled.meets else _UNIT
        step = -(-(high - low) // parts)
        step = -(-step // unit) * unit
        self._parts = []
        for start in range(low, high, step):
            part = record.copy()
            part[at.LOW], part[at.HIGH] = start, min(start + step, high)
            # Each thread has scratch memory of its own, behind the words of its record.
            part[at.SCRATCH] = part.ctypes.data + (record[at.SCRATCH] - np.uint64(record.ctypes.data))
            self._parts.append(part)

    def __call__(self) -> None:
        """Run the launch on all threads, or record it."""
        if recording and _recorded(self):
            return
        call = self.compiled.code.call
        pending = [_threads().submit(call, ctypes.c_void_p(part.ctypes.data)) for part in self._parts[1:]]
        faulted = [call(ctypes.c_void_p(self._parts[0].ctypes.data)), *(one.result() for one in pending)]
        # Every part is done; the first that faulted has the lowest lane.
        failed = [part for part, status in zip(self._parts, faulted, strict=True) if status]
        errors = [fault_of(self.compiled.verified, part) for part in failed]
        if errors:
            raise errors[0]


@cache
def workers() -> int:
    """Return how many threads this process may run at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers(), thread_name_prefix="prism-cpu")


def bind(compiled: Compiled, launch: Launch, scratch_bytes: int) -> CpuBound:
    """Return a launch bound to compiled code. Cost: about 10 us; none of it comes back in a call."""
    record = record_of(compiled, launch, scratch_bytes)
    # Lanes that go round loops do so over elements of the buffers, as a rule.
    work = max(launch.shape.lanes * len(compiled.verified.steps), sum(one.size for one in launch.buffers.values()))
    parts = min(workers(), launch.shape.blocks) if compiled.meets else workers()
    if compiled.serial or (scratch_bytes and not compiled.side_by_side) or work < _PAYS or parts == 1:
        return CpuBound(compiled, launch, record)
    return CpuShared(compiled, launch, record, parts)


def record_of(compiled: Compiled, launch: Launch, scratch_bytes: int) -> np.ndarray[Any, Any]:
    """Return the record of a launch, uint64, with its scratch memory behind its words."""
    program, shape = compiled.verified.program, launch.shape
    length = at.words(program)
    record = np.zeros(length + -(-scratch_bytes // 8), np.uint64)
    record[at.HIGH] = shape.blocks if compiled.meets else shape.lanes
    record[at.FUEL], record[at.CLASS], record[at.PHASE] = launch.fuel, launch.lane_class, launch.phase
    record[at.GRID : at.GRID + 3], record[at.BLOCK : at.BLOCK + 3] = shape.grid, shape.block
    record[at.SCRATCH] = record.ctypes.data + 8 * length
    for number, buffer in enumerate(program.buffers):
        array = launch.buffers[buffer.name]
        word = at.buffer_word(number)
        record[word], record[word + 1] = array.ctypes.data, array.size
    for number, scalar in enumerate(program.scalars):
        value = scalar_value(scalar.type, launch.scalars[scalar.name], scalar.name)
        bits = np.asarray(value).view(f"u{scalar.type.size}")
        record[at.scalar_word(program, number)] = bits
    return record


def fault_of(verified: Verified, record: np.ndarray[Any, Any]) -> FaultError:
    """Return the fault that a record holds, and clear it for the next run."""
    kind, index, lane = (int(record[word]) for word in (at.FAULT, at.FAULT_INDEX, at.FAULT_LANE))
    record[at.FAULT] = 0
    instruction = verified.program.instructions[index]
    reads = [(register, ty) for register, ty, writes in registers_of(instruction) if not writes][: at.VALUES]
    values = tuple(_value(ty, record[at.FAULT_VALUES + k]) for k, (_, ty) in enumerate(reads))
    return FaultError(FaultKind(kind), index, lane, values, show_instruction(instruction))


def _value(ty: Type, bits: np.uint64) -> int | float:
    return np.asarray([bits], "<u8").view(ty.dtype)[0].item()


def _is_short(launch: Launch) -> bool:
    return launch.shape.lanes <= 64 and not launch.verified.counters and len(launch.verified.steps) <= 1024


def _recorded(bound: CpuBound) -> bool:
    """Add a call to the innermost graph that this thread records; False if it records none."""
    me = threading.get_ident()
    graph = next((one for one in reversed(recording) if one.thread == me), None)
    if graph is None:
        return False
    graph.add(bound)
    return True
