"""Programs as functions of their arguments: a call that was made before with the same arrays is one native call."""

from __future__ import annotations

import weakref
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from prism.errors import UsageError
from prism.kernels.exec.bound import CpuBound, recording
from prism.kernels.exec.cpu import CpuExecutor
from prism.kernels.exec.launch import Launch, Shape
from prism.kernels.isa.program import Access
from prism.kernels.isa.verify import Verified

_KEPT: Final = 64
"""Calls that a function or a kernel remembers."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A checked call; while it is remembered its arrays live, so that no other array has the identity of one."""

    run: CpuBound
    alive: list[weakref.ref[np.ndarray[Any, Any]]]


Calls = dict[Hashable, Remembered]
"""Checked calls by what they were made with."""


def remember(calls: Calls, key: Hashable, bound: CpuBound, arrays: Iterable[np.ndarray[Any, Any]]) -> None:
    """Keep a call until one of its arrays dies or too many others are kept; it keeps no array alive."""
    while len(calls) >= _KEPT:
        calls.pop(next(iter(calls)), None)

    def forget(_: Any) -> None:
        calls.pop(key, None)

    calls[key] = Remembered(bound.without_arrays(), [weakref.ref(one, forget) for one in arrays])


class Function:
    """A program on the `cpu` executor: `f(x, y, out, n, shape=linear(n))` runs a launch [EXEC-3].

    Arguments are the program's buffers, then its scalars, in the order of their declaration. Arrays are written in
    place. A call with arrays, numbers and a shape that were seen together before skips all checks but whether an array
    may still be written; an array that has died is forgotten. One thread may call with the same arrays at a time.
    """

    __slots__ = ("_arrays", "_executor", "_known", "_written", "verified")

    def __init__(self, verified: Verified, executor: CpuExecutor) -> None:
        program = verified.program
        self.verified, self._executor = verified, executor
        self._arrays = len(program.buffers)
        self._written = tuple(k for k, one in enumerate(program.buffers) if one.access is not Access.READ)
        self._known: Calls = {}

    def __call__(self, *arguments: Any, shape: Shape) -> None:
        """Run once; UsageError for arguments that a launch refuses, FaultError where a lane faults."""
        arrays = self._arrays
        key = (shape.grid, shape.block, *map(id, arguments[:arrays]), *exactly(arguments[arrays:]))
        known = self._known.get(key)
        if known is None or recording:
            self._first(key, arguments, shape)
            return
        for k in self._written:
            if not arguments[k].flags.writeable:
                self._first(key, arguments, shape)  # which says what is wrong
                return
        known.run()

    def _first(self, key: tuple[Any, ...], arguments: tuple[Any, ...], shape: Shape) -> None:
        """Check a call and remember it, by weak references to its arrays."""
        program = self.verified.program
        expected = len(program.buffers) + len(program.scalars)
        if len(arguments) != expected:
            names = ", ".join(one.name for one in (*program.buffers, *program.scalars))
            raise UsageError(
                f"{program.name} must be called with its {expected} arguments, {names}, got {len(arguments)}; "
                "give buffers first, then scalars"
            )
        buffers = {one.name: given for one, given in zip(program.buffers, arguments, strict=False)}
        scalars = {one.name: given for one, given in zip(program.scalars, arguments[self._arrays :], strict=True)}
        bound = self._executor.bind(Launch(self.verified, shape, buffers, scalars))
        bound()
        if recording:
            return
        remember(self._known, key, bound, buffers.values())


def exactly(scalars: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return scalars so that only those of one type and value are equal: 1, 1.0 and True differ, and so do zeros."""
    for one in scalars:
        if type(one) is not int:
            return tuple((type(one), repr(one)) for one in scalars)
    return scalars
