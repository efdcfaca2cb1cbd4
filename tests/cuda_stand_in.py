"""As much of `numba.cuda` as the ring's persistent kernel needs, in plain Python: a thread for each lane of the grid.

It shows on any machine that host and kernel understand one another. It is no model of a GPU's memory: what a fence is
for, only a GPU can show.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from prism.ring import layout as at


class Atomic:
    """Atomics under one lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def add(self, words: Any, index: Any, value: Any) -> Any:
        """Add and return what was there."""
        with self._lock:
            before = words[index]
            words[index] = np.uint32((int(before) + int(value)) & at.WORD_MASK)
        return before

    def exch(self, words: Any, index: Any, value: Any) -> Any:
        """Set and return what was there."""
        with self._lock:
            before = words[index]
            words[index] = value
        return before

    def cas(self, words: Any, index: Any, expected: Any, value: Any) -> Any:
        """Set if it holds `expected`, and return what was there."""
        with self._lock:
            before = words[index]
            if before == expected:
                words[index] = value
        return before


class Device(np.ndarray):
    """An array on the device, which is the host's memory here."""

    def copy_to_device(self, source: Any, stream: Any = None) -> None:
        """Copy from the host, after what runs on the stream."""
        if stream is not None:
            stream.synchronize()
        self[...] = source

    def copy_to_host(self, target: Any, stream: Any = None) -> None:
        """Copy to the host."""
        assert stream is None or not stream.running
        target[...] = self


class Stream:
    """A stream: the threads of the kernel that runs on it."""

    def __init__(self) -> None:
        self.running: list[threading.Thread] = []

    def synchronize(self) -> None:
        """Wait for what runs."""
        for thread in self.running:
            thread.join(60)
            assert not thread.is_alive(), "the kernel runs on"
        self.running = []


class Lanes:
    """What the lanes of one block share."""

    def __init__(self, threads: int) -> None:
        self.barrier = threading.Barrier(threads)
        self.lock = threading.Lock()
        self.arrays: dict[int, Any] = {}
        self.votes: list[int] = [0, 0, 0]


class Place:
    """An index of a thread or block."""

    def __init__(self, x: int) -> None:
        self.x = x


class StandIn:
    """`numba.cuda` in plain Python; `failures` holds what lanes raised, `compiled` how many kernels were made."""

    def __init__(self) -> None:
        self.atomic = Atomic()
        self.shared = self.local = self
        self._mine = threading.local()
        self.failures: list[BaseException] = []
        self.compiled = 0

    # Device code --------------------------------------------------------------

    def jit(self, function: Any = None, *, device: bool = False) -> Any:
        """Leave a device function as it is; make a kernel something that is launched by kernel[blocks, threads, s]."""
        if device:
            return lambda given: given
        self.compiled += 1
        return Launchable(self, function)

    def array(self, size: int, dtype: Any) -> Any:
        """Return a local array, or the block's own where lanes ask in the same order for arrays of this size."""
        mine = self._mine
        if getattr(mine, "asked", None) is None or size < 4 or (size, dtype) in ((4, np.int64), (12, np.uint32)):
            return np.zeros(size, dtype)
        mine.asked += 1
        with mine.lanes.lock:
            return mine.lanes.arrays.setdefault(mine.asked, np.zeros(size, dtype))

    def grid(self, _: int) -> int:
        """Return the lane's number in the grid."""
        return self._mine.block * self._mine.threads + self._mine.lane

    def gridsize(self, _: int) -> int:
        """Return the lanes of the grid."""
        return self._mine.blocks * self._mine.threads

    @property
    def threadIdx(self) -> Place:  # noqa: N802 (CUDA's name)
        """Return the lane's place in its block."""
        return Place(self._mine.lane)

    @property
    def blockIdx(self) -> Place:  # noqa: N802 (CUDA's name)
        """Return the block's place in the grid."""
        return Place(self._mine.block)

    def syncthreads(self) -> None:
        """Wait for the block."""
        self._mine.lanes.barrier.wait(60)

    syncwarp = syncthreads  # One warp a block is all that is launched here.

    def syncthreads_or(self, value: Any) -> int:
        """Wait for the block, and return whether a lane says so."""
        lanes, mine = self._mine.lanes, self._mine
        turn = mine.turn = (getattr(mine, "turn", 0) + 1) % 3
        if value:
            lanes.votes[turn] = 1
        lanes.barrier.wait(60)
        found = lanes.votes[turn]
        # Everyone is past the vote before this one.
        lanes.votes[(turn + 2) % 3] = 0
        return found

    def ldcv(self, words: Any, index: Any) -> Any:
        """Load a word."""
        return words[int(index)]

    def nanosleep(self, _: int) -> None:
        """Give way."""
        time.sleep(0.002)

    def threadfence(self) -> None:
        """Do nothing."""

    threadfence_system = threadfence

    # Memory -------------------------------------------------------------------

    def mapped_array(self, size: int, dtype: Any) -> Any:
        """Return memory of both."""
        return np.zeros(size, dtype)

    pinned_array = mapped_array

    def device_array(self, size: int, dtype: Any) -> Device:
        """Return memory of the device."""
        return np.zeros(size, dtype).view(Device)

    def to_device(self, words: Any) -> Device:
        """Return a copy on the device."""
        return np.array(words).view(Device)

    def stream(self) -> Stream:
        """Return a stream."""
        return Stream()

    # Launching ----------------------------------------------------------------

    def run(self, function: Callable[..., None], shape: Any, lanes: Lanes, args: Any) -> None:
        """Be one lane."""
        mine = self._mine
        mine.blocks, mine.threads, mine.block, mine.lane = shape
        mine.lanes, mine.asked = lanes, 0
        try:
            with np.errstate(over="ignore"):
                function(*args)
        except BaseException as error:
            self.failures.append(error)
            lanes.barrier.abort()


class Launchable:
    """A kernel of the stand-in."""

    def __init__(self, cuda: StandIn, function: Callable[..., None]) -> None:
        self._cuda, self._function = cuda, function

    def __getitem__(self, shape: tuple[int, int, Stream]) -> Callable[..., None]:
        blocks, threads, stream = shape
        assert threads == 32

        def launch(*args: Any) -> None:
            stream.synchronize()
            for block in range(blocks):
                lanes = Lanes(threads)
                for lane in range(threads):
                    place = (blocks, threads, block, lane)
                    given = (self._function, place, lanes, args)
                    stream.running.append(threading.Thread(target=self._cuda.run, args=given, daemon=True))
            for thread in stream.running:
                thread.start()

        return launch
