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
from typing import Protocol, TypeVar, cast

import numpy as np

from prism.pallas.dtypes import Array
from prism.pallas.errors import KernelSite
from prism.pallas.flights import Flights, Key

Step = tuple[int, ...]
Clock = dict[int, int]
"""What is known of each writer that is known at all: when it was last heard of."""


class Memory(Protocol):
    """What lanes share; a reference is one."""

    data: Array


M = TypeVar("M", bound=Memory)


class Place(Protocol):
    """What a lane finds as it left it when it goes on; a machine is one."""

    step: Step
    number: int
    site: KernelSite


@dataclass(slots=True)
class Barrier:
    """A Mosaic GPU barrier: it completes a phase with every `arrivals` arrivals; `waits` counts them by lane."""

    arrivals: int
    phase: int = 0
    arrived: int = 0
    seen: bool = True
    waits: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Allocation:
    """Memory that `sharers` lanes use, less those that have left it."""

    memory: Memory
    sharers: int


class _CancelledError(BaseException):
    """Unwinds a waiting lane after another has failed."""


class _Lane:
    """A function in a thread of its own, which runs only while `resume` waits for it."""

    __slots__ = (
        "_back",
        "_body",
        "_cancelled",
        "_thread",
        "_turn",
        "clock",
        "done",
        "error",
        "held",
        "ready",
        "visits",
        "waits_at",
    )

    def __init__(self, body: Callable[[], None]) -> None:
        self._body, self._thread, self._cancelled = body, None, False
        self._turn, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self.ready: Callable[[], bool] = lambda: True
        self.error: BaseException | None = None
        self.done = False
        self.clock: Clock | None = None
        self.waits_at: KernelSite | None = None
        self.visits: dict[Hashable, int] = {}
        self.held: list[Hashable] = []

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

    Clocks count each lane's signals, and its asynchronous copies as one more lane's. A write is stamped with who wrote,
    the number of a step or beyond them that of a lane for its copies, and when: `who + (steps + lanes) * time`.
    """

    def __init__(self, machine: Place, lane_of: Array, flights: Flights) -> None:
        self._machine, self.flights = machine, flights
        self._numbers, self._lane_of = np.unique(lane_of, return_inverse=True)
        self._steps = len(lane_of)
        self._lanes: list[_Lane] = []
        self._current = 0
        self._copies = np.zeros(self.count, np.int64)
        self._copying = False
        self._shared: dict[Hashable, _Allocation] = {}
        self._clocks: dict[int, Clock] = {}
        self._landed: dict[Key, tuple[int, int]] = {}
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
                    lane.clock = {self._current: 1}
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
        lane = self._lanes[self._current]
        lane.waits_at = machine.site
        lane.pause(ready)
        lane.waits_at = None
        machine.step, machine.number, machine.site = place

    def others_waiting(self) -> list[KernelSite]:
        """Return where the lanes wait that wait beside the current one."""
        found = [lane.waits_at for k, lane in enumerate(self._lanes) if k != self._current]
        return [site for site in found if site is not None]

    def shared(self, key: Hashable, group: Hashable, sharers: int, make: Callable[[], M]) -> M:
        """Return what `make` made for the first of `sharers` lanes of the group that came to `key` as often as this."""
        lane = self._lanes[self._current]
        visit = lane.visits[key, group] = lane.visits.get((key, group), 0) + 1
        place = key, group, visit
        if place not in self._shared:
            self._shared[place] = _Allocation(make(), sharers)
        lane.held.append(place)
        return cast(M, self._shared[place].memory)

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Free what is allocated inside when the last lane that shares it leaves."""
        held = self._lanes[self._current].held
        before = len(held)
        yield
        for place in held[before:]:
            self._leave(place)
        del held[before:]

    def _leave(self, place: Hashable) -> None:
        allocation = self._shared[place]
        allocation.sharers -= 1
        if allocation.sharers:
            return
        del self._shared[place]
        begin = address_of(allocation.memory.data)
        end = begin + allocation.memory.data.nbytes
        self.flights.free(begin, end)
        for states in (self._clocks, self._barriers):
            for address in [a for a in states if begin <= a < end]:
                del states[address]

    def group(self, step: Step, axes: Sequence[int]) -> Step:
        """Return what the steps have in common that differ along `axes` only."""
        return tuple(-1 if axis in axes else index for axis, index in enumerate(step))

    def stamp(self, number: int) -> int:
        """Return the stamp of what the step `number` of the current lane writes now, or the copy that it starts."""
        if self._copying:
            return self._steps + self._current + self._writers * int(self._copies[self._current])
        return number + self._writers * self._clock()[self._current]

    def unseen(self, stamp: int) -> bool:
        """Whether the current lane cannot know of a write: nothing that it waited for came after it."""
        who, time = stamp % self._writers, stamp // self._writers
        if who < self._steps:
            return time > self._clock().get(int(self._lane_of[who]), 0)
        waiter, when = self._landed.get((who - self._steps, time), (self._current, 1 + self._clock()[self._current]))
        if when <= self._clock().get(waiter, 0):
            return False
        return time > self._clock().get(self.count + who - self._steps, 0)

    def step_number(self, stamp: int) -> int | None:
        """Return the step that wrote a stamp, or None for an asynchronous copy."""
        who = stamp % self._writers
        return who if who < self._steps else None

    @property
    def _writers(self) -> int:
        return self._steps + self.count

    def _clock(self) -> Clock:
        clock = self._lanes[self._current].clock
        assert clock is not None
        return clock

    def release(self, memory: Array) -> None:
        """Attach what the current lane knows to a semaphore or barrier."""
        clock = self._clock()
        _learn(self._clocks.setdefault(address_of(memory), {}), clock)
        clock[self._current] += 1

    def acquire(self, memory: Array) -> None:
        """Learn what was attached to a semaphore or barrier."""
        _learn(self._clock(), self._clocks.get(address_of(memory), {}))

    @contextlib.contextmanager
    def asynchronous(self, signal: Array, *, barrier: bool) -> Iterator[Key]:
        """Stamp what is written inside as a copy's: only who waits for `signal` knows of it.

        A barrier tells of all copies of the lane up to this one; a semaphore, of what its count proves.
        """
        self._copies[self._current] += 1
        self._copying = True
        key = self._current, int(self._copies[self._current])
        try:
            yield key
        finally:
            self._copying = False
        copies = {self.count + self._current: key[1]} if barrier else {}
        _learn(self._clocks.setdefault(address_of(signal), {}), self._clock() | copies)

    def waited(self, memory: Array, amount: int) -> None:
        """Learn which copies a semaphore proves to have landed, when an amount was waited for."""
        for key in self.flights.waited(address_of(memory), amount):
            self._landed[key] = self._current, self._clock()[self._current]

    def barrier(self, memory: Array, arrivals: int) -> Barrier:
        """Return the state of the barrier at a place of memory."""
        return self._barriers.setdefault(address_of(memory), Barrier(arrivals))


def _learn(clock: Clock, known: Clock) -> None:
    for writer, time in known.items():
        if time > clock.get(writer, 0):
            clock[writer] = time


def address_of(memory: Array) -> int:
    """Return what tells one semaphore from another for as long as it is allocated."""
    return int(memory.__array_interface__["data"][0])
