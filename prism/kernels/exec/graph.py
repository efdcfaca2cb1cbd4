"""Launch graphs: bound launches recorded in order, their hazards known, replayed by one native call.

with prism.kernels.graph() as g:
first()                     # bound launches: recorded, not run
second()
g()                             # both, in order
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np

from prism.codegen.directory import cache_directory
from prism.codegen.machine import MACHINE
from prism.codegen.native import Code, LinkError, compile_entry, toolchain
from prism.codegen.prelude import library, prelude
from prism.errors import UsageError
from prism.kernels.cache.artefact import Key
from prism.kernels.cache.store import Store
from prism.kernels.exec.bound import CpuBound, fault_of, recording
from prism.kernels.isa.program import Access

_REPLAY: Final = """
def kernel(record):
    # Words: how many launches, then for each its code and its record.
    for k in range(record[0]):
        if _call(record[2 * k + 1], record[2 * k + 2]) != 0:
            return np.int64(k + 1)
    return np.int64(0)
"""


@dataclass(frozen=True, slots=True)
class Hazard:
    """Two launches of a graph that must keep their order, by number.

    kind: "raw" if the second reads what the first writes, "war" if it writes what the first reads, "waw" if both
    write. buffers: the names of the overlapping arrays in the two programs.
    """

    kind: str
    first: int
    second: int
    buffers: tuple[str, str]


class Graph:
    """Launches in the order of their recording.

    independent: the launches must have no hazards, whichever order they would run in; UsageError at the end of the
    recording if they do.
    """

    def __init__(self, *, independent: bool = False) -> None:
        self.independent = independent
        self.launches: list[CpuBound] = []
        self.thread = threading.get_ident()
        self._table: np.ndarray[Any, Any] | None = None
        self._call: Any = None
        self._address: Any = None

    def __enter__(self) -> Graph:
        if self._table is not None:
            raise UsageError("a launch graph must be recorded once, but it has been; make another graph")
        recording.append(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        recording.remove(self)
        if error is not None:
            return
        if self.independent:
            for hazard in self.hazards():
                one, other = (self.launches[k].compiled.verified.program.name for k in (hazard.first, hazard.second))
                raise UsageError(
                    f"launches of an independent graph must not touch what another writes, but launch {hazard.first} "
                    f"({one}, {hazard.buffers[0]}) and launch {hazard.second} ({other}, {hazard.buffers[1]}) have a "
                    f"{hazard.kind} hazard; bind other arrays, or record without independent=True"
                )
        table = np.zeros(1 + 2 * len(self.launches), np.uint64)
        table[0] = len(self.launches)
        table[1::2] = [one.compiled.code.address for one in self.launches]
        table[2::2] = [one.address for one in self.launches]
        self._table, self._address, self._call = table, ctypes.c_void_p(table.ctypes.data), replayer().call

    def add(self, bound: CpuBound) -> None:
        """Record a launch after the others."""
        self.launches.append(bound)

    def __call__(self) -> None:
        """Run all launches in order; FaultError of the first that faults, after which none is run."""
        if self._call is None:
            raise UsageError("a launch graph must be recorded before it is replayed; leave its `with` block first")
        stopped = self._call(self._address)
        if stopped:
            failed = self.launches[stopped - 1]
            raise fault_of(failed.compiled.verified, failed.record)

    def __len__(self) -> int:
        return len(self.launches)

    def hazards(self) -> Iterator[Hazard]:
        """Yield the hazards between launches: each with the last launches that touched the same bytes.

        Arrays that overlap, directly or through others, count as the same bytes. Cost: linear in launches and buffers,
        but for one sort.
        """
        group = self._groups()
        writer: dict[int, tuple[int, str]] = {}
        readers: dict[int, list[tuple[int, str]]] = {}
        for number, launch in enumerate(self.launches):
            touched = [(group[_span(array)], name, writes) for name, array, writes in _operands(launch)]
            for place, name, writes in touched:
                if place in writer and writer[place][0] != number:
                    yield Hazard("waw" if writes else "raw", writer[place][0], number, (writer[place][1], name))
                if writes:
                    for reader, other in readers.get(place, ()):
                        if reader != number:
                            yield Hazard("war", reader, number, (other, name))
            for place, name, writes in touched:
                if writes:
                    writer[place], readers[place] = (number, name), []
                else:
                    readers.setdefault(place, []).append((number, name))

    def _groups(self) -> dict[tuple[int, int], int]:
        """Return a number for each span of bytes; spans that overlap have the same."""
        spans = sorted({_span(array) for launch in self.launches for _, array, _ in _operands(launch)})
        group, number, end = {}, -1, -1
        for low, high in spans:
            if low >= end:
                number += 1
            group[low, high] = number
            end = max(end, high)
        return group


def _operands(bound: CpuBound) -> Iterator[tuple[str, np.ndarray[Any, Any], bool]]:
    """Yield the name of each buffer, its array, and whether the program may write it."""
    assert bound.launch is not None
    for buffer in bound.compiled.verified.program.buffers:
        yield buffer.name, bound.launch.buffers[buffer.name], buffer.access is not Access.READ


def _span(array: np.ndarray[Any, Any]) -> tuple[int, int]:
    return array.ctypes.data, array.ctypes.data + max(array.nbytes, 1)


@cache
def replayer() -> Code:
    """Return the native loop over launches, compiled by the first process that needs it."""
    source = f"{prelude(_REPLAY, library(MACHINE))}\n\n\n{_REPLAY}"
    store, key = Store(cache_directory("kernels")), Key(source.encode(), (), "replay", toolchain())
    kept = store.get(key)
    if kept is not None:
        try:
            return Code(kept)
        except LinkError:  # damaged in a way that the linker alone sees: made again
            pass
    made = compile_entry(source, "prism_replay")
    store.put(key, made)
    return Code(made)
