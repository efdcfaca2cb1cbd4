"""Steps that run at the same time and wait for one another: TPU cores, GPU blocks and threads.

A lane is the steps that one core or thread runs in order. One lane runs at a time and goes on until it has to wait for
another, so that a run is deterministic. What a lane knows of the others is a vector clock (Fidge 1988, Mattern 1989):
a signal carries the signaller's, and who waits for it learns it.
"""

from __future__ import annotations

import contextlib
import contextvars
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Step = tuple[int, ...]
T = TypeVar("T")


class Place(Protocol):
    """What a lane finds as it left it when it goes on; a machine is one."""

    step: Step
    number: int
    site: Any


@dataclass(slots=True)
class Barrier:
    """A Mosaic GPU barrier: it completes a phase with every `arrivals` arrivals; `waits` counts them by lane."""

    arrivals: int
    phase: int = 0
    arrived: int = 0
    seen: bool = True
    waits: dict[int, int] = field(default_factory=dict)


class _CancelledError(BaseException):
    """Unwinds a waiting lane after another has failed."""


class _Lane:
    """A function in a thread of its own, which runs only while `resume` waits for it."""

    __slots__ = ("_back", "_body", "_cancelled", "_thread", "_turn", "clock", "done", "error", "ready", "visits")

    def __init__(self, body: Callable[[], None]) -> None:
        self._body, self._thread, self._cancelled = body, None, False
        self._turn, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self.ready: Callable[[], bool] = lambda: True
        self.error: BaseException | None = None
        self.done = False
        self.clock: Array | None = None
        self.visits: dict[Hashable, int] = {}

    def resume(self) -> None:
        """Run until the function ends or pauses."""
        if self._thread is None:
            # NumPy's error state and JAX's settings are those of the context.
            context = contextvars.copy_context()
            self._thread = threading.Thread(target=context.run, args=(self._run,), daemon=True)
            self._thread.start()
        else:
            self._turn.release()
        self._back.acquire()

    def _run(self) -> None:
        try:
            self._body()
        except BaseException as error:
            self.error = error
        self.done = True
        self._back.release()

    def pause(self, ready: Callable[[], bool]) -> None:
        """Let `resume` return; called by the function itself."""
        self.ready = ready
        self._back.release()
        self._turn.acquire()
        if self._cancelled:
            raise _CancelledError

    def cancel(self) -> None:
        """End a function that is paused."""
        if self._thread is not None and not self.done:
            self._cancelled = True
            self.resume()


class Lanes:
    """The lanes of one run, by the number of each step's lane.

    Clocks have one entry a lane, then one for each lane's asynchronous copies. A write is stamped with who wrote, the
    number of a step or beyond them that of a lane for its copies, and when: `who + (steps + lanes) * time`.
    """

    def __init__(self, machine: Place, lane_of: Array) -> None:
        self._machine = machine
        self._numbers, self._lane_of = np.unique(lane_of, return_inverse=True)
        self._steps = len(lane_of)
        self._lanes: list[_Lane] = []
        self._current = 0
        self._copies = np.zeros(self.count, np.int64)
        self._copying = False
        self._shared: dict[Hashable, Any] = {}
        self._clocks: dict[int, Array] = {}
        self._barriers: dict[int, Barrier] = {}

    @property
    def count(self) -> int:
        """How many lanes there are."""
        return len(self._numbers)

    @property
    def current(self) -> int:
        """The number of the lane that is running."""
        return self._current

    def run(self, order: Sequence[int], body: Callable[[Sequence[int]], None]) -> None:
        """Run `body(steps of a lane)` for every lane; steps keep their order within a lane."""
        mine: dict[int, list[int]] = {}
        for number in order:
            mine.setdefault(int(self._lane_of[number]), []).append(number)
        self._lanes = [_Lane(lambda: None)] * self.count
        for lane, numbers in mine.items():
            self._lanes[lane] = _Lane(partial(body, numbers))
        pending = list(mine)
        try:
            while pending:
                # If nobody is ready, the first finds that what it waits for never comes.
                self._current = next((lane for lane in pending if self._lanes[lane].ready()), pending[0])
                lane = self._lanes[self._current]
                if lane.clock is None:
                    lane.clock = np.zeros(2 * self.count, np.int64)
                    lane.clock[self._current] = 1
                lane.resume()
                if lane.error is not None:
                    raise lane.error.with_traceback(None)
                if lane.done:
                    lane.clock = None
                    pending.remove(self._current)
        finally:
            for number in pending:
                self._lanes[number].cancel()

    def wait(self, ready: Callable[[], bool]) -> None:
        """Let other lanes run until `ready()` holds, or until nobody can run any more."""
        if ready():
            return
        machine = self._machine
        place = machine.step, machine.number, machine.site
        self._lanes[self._current].pause(ready)
        machine.step, machine.number, machine.site = place

    def shared(self, key: Hashable, group: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` made for the first lane of the group that came to `key` as often as this one."""
        lane = self._lanes[self._current]
        visit = lane.visits[key, group] = lane.visits.get((key, group), 0) + 1
        place = key, group, visit
        if place not in self._shared:
            self._shared[place] = make()
        return self._shared[place]

    def group(self, step: Step, axes: Sequence[int]) -> Step:
        """Return what the steps have in common that differ along `axes` only."""
        return tuple(-1 if axis in axes else index for axis, index in enumerate(step))

    def stamp(self, number: int) -> int:
        """Return the stamp of what the step `number` of the current lane writes now, or the copy that it starts."""
        if self._copying:
            return self._steps + self._current + self._writers * int(self._copies[self._current])
        return number + self._writers * int(self._clock()[self._current])

    def unseen(self, stamp: int) -> bool:
        """Whether the current lane cannot know of a write: nothing that it waited for came after it."""
        who, time = stamp % self._writers, stamp // self._writers
        column = int(self._lane_of[who]) if who < self._steps else self.count + who - self._steps
        return time > int(self._clock()[column])

    def step_number(self, stamp: int) -> int | None:
        """Return the step that wrote a stamp, or None for an asynchronous copy."""
        who = stamp % self._writers
        return who if who < self._steps else None

    @property
    def _writers(self) -> int:
        return self._steps + self.count

    def _clock(self) -> Array:
        clock = self._lanes[self._current].clock
        assert clock is not None
        return clock

    def release(self, memory: Array) -> None:
        """Attach what the current lane knows to a semaphore or barrier."""
        clock, address = self._clock(), _address(memory)
        known = self._clocks.get(address)
        self._clocks[address] = clock.copy() if known is None else np.maximum(known, clock)
        clock[self._current] += 1

    def acquire(self, memory: Array) -> None:
        """Learn what was attached to a semaphore or barrier."""
        known = self._clocks.get(_address(memory))
        if known is not None:
            np.maximum(self._clock(), known, out=self._clock())

    @contextlib.contextmanager
    def asynchronous(self, signal: Array) -> Iterator[None]:
        """Stamp what is written inside as a copy's: only who waits for `signal` knows of it."""
        self._copies[self._current] += 1
        self._copying = True
        try:
            yield
        finally:
            self._copying = False
        known = self._clock().copy()
        known[self.count + self._current] = self._copies[self._current]
        address = _address(signal)
        self._clocks[address] = np.maximum(self._clocks.get(address, known), known)

    def barrier(self, memory: Array, arrivals: int) -> Barrier:
        """Return the state of the barrier at a place of memory."""
        return self._barriers.setdefault(_address(memory), Barrier(arrivals))


def _address(memory: Array) -> int:
    """Return what tells one semaphore from another; `Lanes` keeps their memory for as long as it lives."""
    return int(memory.__array_interface__["data"][0])
