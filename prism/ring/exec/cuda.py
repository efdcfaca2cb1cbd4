"""The `cuda` executor (extra `gpu`): one kernel, launched once, that the host feeds through mapped memory.

The whole block lies in plain mapped, pinned memory (never managed memory), control buffer, debug log and counters on
the device. The host writes slots, then the line, then the bell; the kernel answers with one mark for each, in an array
of their own, so that waiting is a pass over a few lines of cache. Statuses follow the marks when somebody looks
(`settle`), and what windows and counters hold comes up then, too. So many jobs lie on the line as the kernel runs at
once, and as many again; what is beyond waits in the queues and goes by levels and turns (`line_order`).
"""

from __future__ import annotations

import atexit
import threading
import time
import warnings
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, Final

import numpy as np

from prism import gpu
from prism.errors import UsageError
from prism.ring import layout as at
from prism.ring.errors import LaunchError, RingError
from prism.ring.exec import cpu_feed, cuda_effects, cuda_kernel, line, line_order, publisher
from prism.ring.exec.cpu import ORDERS
from prism.ring.layout import STATUS, SlotStatus
from prism.ring.memory import AT_BOOKS, AT_ORDER, AT_RING, RUN_ALONE, Block, Shape, fresh_block
from prism.ring.program import Handler, Program
from prism.ring.state import RingSpec

THREADS: Final = 256
"""Threads of a block."""
BLOCKS: Final = 32
"""Blocks of the grid; with THREADS a power of two, so that positions may wrap."""
WATCH_S: Final = 0.02
BUSY_S: Final = 0.0005
"""So often the watch hands over while jobs wait for room on the line."""
AHEAD, ROUNDS = 2, 4
"""How many jobs for each lane lie on the line; how many times the ring's slots it has entries."""
IDLE_LOOKS: Final = 1 << 20
"""Looks at an idle line after which the kernel ends by itself: some seconds. The next job launches it again."""
BEAT_LOOKS: Final = 1 << 20
"""Looks at a host that does not beat after which the kernel ends by itself."""
KERNELS: Final = 16
"""Compiled kernels that are kept, the last used."""
LOOKS: Final = 1 << 14
"""Looks at a mark in vain, some 100 microseconds, before a waiter sees to the kernel and gives way to others."""
BUSY_LOOKS: Final = 1 << 8
"""Looks in vain while jobs wait for room on the line."""
EAGER_WAITS: Final = 20
"""So many times a waiter looks so often before it sleeps between looks."""
_STOP_S: Final = 20.0
_FLUSH_LOOKS: Final = 1000


def open_cuda() -> Any:
    """Return numba-cuda's `cuda`; raises UsageError, which says what to do, where there is none or no GPU."""
    return gpu.open_cuda("the cuda executor")


class CudaExecutor:
    """A kernel of `blocks` x THREADS lanes; `looks` bounds how long it idles, `head` is where the line begins.

    ahead: the most jobs that lie on the line and are not over, which is how many an urgent job may find before it; as
    many as run at once, twice, unless given.
    """

    def __init__(
        self, blocks: int = BLOCKS, *, looks: int = IDLE_LOOKS, head: int = 0, ahead: int | None = None
    ) -> None:
        if blocks < 1 or blocks & (blocks - 1):
            raise UsageError(f"a cuda executor needs a power of two of blocks, got {blocks}; take 32")
        self.name, self.rows, self.launches = "cuda", 0, 0
        self.guard, self.feeds = threading.RLock(), True
        self.line: Any = None
        self._blocks, self._looks, self._head = blocks, looks, head
        self._ahead = ahead or AHEAD * blocks * THREADS
        self._cuda = open_cuda()
        self._block: Block | None = None
        self._stop = threading.Event()
        self._watch = threading.Thread(target=self._watching, name="prism-ring-cuda", daemon=True)

    def allocate(self, words: int) -> Any:
        """Return mapped, pinned memory for a block, uint32."""
        self._mapped = self._cuda.mapped_array(words + words % 2 >> 1, dtype=np.uint64)
        host = np.asarray(self._mapped)
        host[:] = 0
        return host.view(np.uint32)[:words]

    def start(self, block: Block, program: Program) -> None:
        """Compile the kernel for a program and launch it; raises LaunchError for a handler without device code."""
        cuda = self._cuda
        handlers = _device_handlers(program)
        self._block = block
        self._kernel = kernel_of(cuda, THREADS, tuple((h.opcode, h.native) for h in handlers if h.native))
        if block.name is not None:
            raise LaunchError(
                "the cuda executor needs memory of its own, got a ring that is shared; open it with shared=False"
            )
        spec = block.shape.spec
        block.words[AT_ORDER] = ORDERS[program.order]
        length = ROUNDS << (spec.slots - 1).bit_length()
        self._chosen, self._aside = np.empty(RUN_ALONE, np.int64), np.zeros(1 + spec.slots, np.int64)
        arrays = [(length, np.uint32), (spec.slots, np.uint32), (line.BELL_LONGS, np.uint64)]
        self._shared = [cuda.mapped_array(size, dtype=kind) for size, kind in arrays]
        self._entries, self._marks, self._bell = (np.asarray(array) for array in self._shared)
        for array in (self._entries, self._marks, self._bell):
            array[:] = 0
        self._bell[: line.BELL_RUN + 1] = self._head | self._head << 32, self._head << 32
        self._bell[line.BELL_AHEAD], self._bell[line.BELL_OLDEST] = self._ahead, self._head
        self._stream, self._copies = cuda.stream(), cuda.stream()
        state = block.state
        self._control = cuda.to_device(state.control)
        self._log = cuda.to_device(state.log)
        self._totals = cuda.to_device(np.zeros(cuda_effects.TALLY_WORDS, np.uint32))
        self._windows = cuda.to_device(np.ascontiguousarray(state.tenants[:, :2]))
        opcodes = [handler.opcode for handler in handlers] or [0]
        self._known = cuda.to_device(np.array(opcodes, np.uint32))
        self._passed = cuda.device_array(cuda_kernel.TOLD, np.uint64)
        self._places = cuda.device_array(8, np.int64)
        self._staged = {
            name: cuda.pinned_array(size, np.uint32)
            for name, size in (("control", len(state.control)), ("log", len(state.log)), ("totals", 256))
        }
        self._counted, self._faulted = state.control[at.DONE_COUNT], np.zeros(32, np.uint32)
        warm_up()
        self._launch(np.uint32(self._head))
        self.line = self._table = (self._entries, self._marks, self._bell)
        self._post = publisher.post_of(block.words, 0, 0)
        publisher.post_line(self._post, self.line)
        atexit.register(self.stop)
        self._watch.start()

    def _launch(self, begin: Any) -> None:
        """Launch the kernel from a position of the line on."""
        assert self._block is not None
        self.launches += 1
        words, shape = self._block.words, self._block.shape
        places = np.array(
            [words[AT_RING], words[AT_BOOKS], shape.share, shape.spec.tenants, len(self._entries) - 1, self.launches,
             self._looks, BEAT_LOOKS],
            np.int64,
        )  # fmt: skip
        self._places.copy_to_device(places, stream=self._stream)
        head = int(begin)
        passed = np.array([head | head << 32, head << 32, 0, 0], np.uint64)
        self._passed.copy_to_device(passed, stream=self._stream)
        with warnings.catch_warnings():
            # Few blocks are meant: numba-cuda warns that they leave the rest of the GPU to others.
            warnings.filterwarnings("ignore", message=".*Grid size")
            kernel = self._kernel[self._blocks, THREADS, self._stream]
        kernel(
            self._mapped, *self._shared, self._passed, self._control, self._log, self._totals, self._windows,
            self._known, self._places, np.uint32(begin),
        )  # fmt: skip

    # Feeding ---------------------------------------------------------------------------

    def feed(self, chosen: Any) -> None:
        """Take slots that were queued, for they may not run now, or it is the turn of others."""
        self._marks[chosen] = 0
        self._hand_on()

    def _hand_on(self) -> bool:
        """Hand jobs over as whose turn it is, and the line has room; returns whether some wait that may run."""
        assert self._block is not None
        words, longs = self._block.words, self._block.longs
        if self._block.state.control[at.SHUTDOWN]:
            self.line = None
            return False
        return bool(line_order.hand_on(words, longs, self._table, self._chosen, self._aside))

    def _revive(self) -> None:
        """Launch the kernel again if it ended by itself and there is work beyond where it ended."""
        assert self._block is not None
        bell = self._bell
        if int(bell[line.BELL_EXIT]) != self.launches or self._stop.is_set():
            return
        if int(bell[line.BELL_WHY]) == cuda_kernel.SHUT:
            self._block.state.control[at.SHUTDOWN] = 1
            self.line = None
        elif int(bell[line.BELL_FINAL]) != int(bell[line.BELL_HEAD]) & at.WORD_MASK:
            self._launch(np.uint32(bell[line.BELL_FINAL]))

    def _watching(self) -> None:
        waits, due = False, 0.0
        while not self._stop.wait(BUSY_S if waits else WATCH_S):
            with self.guard:
                if self._block is None:
                    return
                self._bell[line.BELL_BEAT] += np.uint64(1)
                if time.monotonic() >= due:  # All slots: a job may be over that the oldest on the line hides.
                    self.settle()
                    due = time.monotonic() + WATCH_S
                waits = self._see_to()

    def _see_to(self) -> bool:
        """Hand over what waited, and launch what ended; returns whether some wait that may run."""
        waits = self._hand_on()
        self._revive()
        return waits

    # Looking ---------------------------------------------------------------------------

    def settle(self, slots: Any = None) -> None:
        """Give slots that the kernel has ended, these or all, the statuses of their marks."""
        with self.guard:
            if self._block is None:
                return
            if slots is None:
                line.settle(self._block.words, self._table, 0, len(self._marks))
            else:
                line.settle_these(self._block.words, self._table, slots)

    def wait(self, slots: Any, first: int, seconds: float) -> int:
        """Wait at most so long for jobs; returns how many are not over."""
        assert self._block is not None
        left = cpu_feed.wait_marks(self._post, slots, first, LOOKS if seconds > 0 else 0)
        if not left:
            return 0
        end, rounds = time.monotonic() + seconds, 0
        while left and time.monotonic() < end:
            with self.guard:
                waits = self._block is not None and self._see_to()
            rounds += 1
            if rounds > EAGER_WAITS:
                time.sleep(min(1e-6 * rounds, 5e-4))
            left = cpu_feed.wait_marks(self._post, slots, first, BUSY_LOOKS if waits else LOOKS)
        return left

    def pump(self) -> None:
        """Bring control buffer, log and counters down from the device, beside the running kernel."""
        with self.guard:
            if self._block is not None:
                self._bring_down()

    def _copy_down(self) -> None:
        for name, source in (("control", self._control), ("log", self._log), ("totals", self._totals)):
            source.copy_to_host(self._staged[name][: source.size], stream=self._copies)
        self._copies.synchronize()

    def _bring_down(self) -> None:
        """Bring what is on the device down, once the counts of all that has a mark are there."""
        assert self._block is not None
        state, totals = self._block.state, self._staged["totals"]
        self.settle()
        fed = (int(self._bell[line.BELL_HEAD]) & at.WORD_MASK) - self._head
        marked = fed - int(np.count_nonzero(state.slots[:, STATUS] == SlotStatus.CLAIMED))
        done, faulted = cuda_effects.TALLY_DONE, cuda_effects.TALLY_FAULTED
        for _ in range(_FLUSH_LOOKS):
            self._copy_down()
            counted = int(np.sum(totals[done : done + 32])) + int(np.sum(totals[faulted : faulted + 32]))
            if (counted - marked) & at.WORD_MASK < 1 << 31:
                break
        control = self._staged["control"]
        kept = [(part, state.control[part].copy()) for part in _OF_HOST]
        # The host ends jobs, too, where it cancels them: what it counted stays.
        cancelled = int(state.control[at.DONE_COUNT]) - int(self._counted)
        state.control[:] = control
        self._counted = control[at.DONE_COUNT]
        state.control[at.DONE_COUNT] = (int(self._counted) + cancelled) & at.WORD_MASK
        for part, words in kept:
            state.control[part] = words
        state.log[:] = self._staged["log"]
        self._bring_accounts(totals)

    def _bring_accounts(self, totals: Any) -> None:
        assert self._block is not None
        state = self._block.state
        rows, columns = state.tenants, at.BOOKS_TENANT
        faulted = totals[cuda_effects.TALLY_FAULTED :][:32]
        cancelled = rows[:, columns.at("FAULTED")] - self._faulted
        names = {"DONE": cuda_effects.TALLY_DONE, "FENCES": cuda_effects.TALLY_FENCES}
        names |= {"FENCE_TAG": cuda_effects.TALLY_TAG, "LOG_DROPS": cuda_effects.TALLY_DROPS}
        for name, start in names.items():
            rows[:, columns.at(name)] = totals[start : start + 32]
        rows[:, columns.at("FAULTED")] = faulted + cancelled
        self._faulted = faulted.copy()
        rows[:, columns.at("CLAIMED")] = rows[:, columns.at("DONE")] + faulted
        drops = cuda_effects.TALLY_DROPS
        state.head[at.BOOKS_HEAD.at("LOG_DROPS")] = np.sum(totals[drops : drops + 32], dtype=np.uint32)

    def wrote(self, start: int, values: Any) -> None:
        """Bring words that the host wrote to the control buffer up to the device."""
        with self.guard:
            self._control[start : start + len(values)].copy_to_device(np.ascontiguousarray(values), stream=self._copies)
            self._copies.synchronize()

    def stop(self) -> None:
        """End the kernel, and bring everything down; returns when it is gone."""
        atexit.unregister(self.stop)
        with self.guard:
            if self._block is None:
                return
            self._stop.set()
            self.line = None
            self._bell[line.BELL_STOP] = 1
            end = time.monotonic() + _STOP_S
            while int(self._bell[line.BELL_EXIT]) != self.launches and time.monotonic() < end:
                time.sleep(0.0005)
            if int(self._bell[line.BELL_EXIT]) != self.launches:
                raise RingError(
                    f"the kernel must end within {_STOP_S} s of the stop word, but a handler runs on; end the process, "
                    "and bound the handler"
                )
            self._stream.synchronize()
            self._bring_down()
            self._block = None
        if self._watch.is_alive() and threading.current_thread() is not self._watch:
            self._watch.join()


@lru_cache(KERNELS)
def kernel_of(cuda: Any, threads: int, handlers: tuple[tuple[int, Callable[..., int]], ...]) -> Any:
    """Return the kernel for blocks of `threads` that calls these handlers, by opcode.

    One that is compiled serves every ring whose program has the same functions: sizes and places are arguments. Cost:
    some seconds for the first launch of a new one.
    """
    apply = cuda_effects.device_functions(cuda, cuda_effects.handler_chain(cuda, handlers))
    return cuda_kernel.make_kernel(cuda, apply, threads)


@cache
def warm_up() -> None:
    """Compile, or load, what feeding and waiting need, so that no first job waits for it. Cost: some seconds, once."""
    block = fresh_block(Shape(RingSpec(4), 0))
    column, chosen, post = np.zeros(1, np.uint32), np.empty(1, np.int64), publisher.post_of(block.words, 0, 0)
    table = (np.zeros(4, np.uint32), np.zeros(4, np.uint32), np.zeros(line.BELL_LONGS, np.uint64))
    table[2][line.BELL_AHEAD] = 4
    words, longs = block.words, block.longs
    publisher.publish_line(words, longs, (0, 0), (column, column, np.zeros((1, 1), np.uint32)), chosen, table)
    publisher.post_line(post, table)
    publisher.publish_one(post, chosen, False)
    cpu_feed.wait_marks(post, chosen, publisher.publish_one(post, chosen, True), 0)
    line.settle_these(words, table, chosen)
    line.settle(words, table, 0, 4)
    line_order.hand_on(words, longs, table, chosen, np.zeros(5, np.int64))


_OF_HOST: Final = (slice(at.TENANT_BASE, at.METRICS_BASE), slice(at.PRIORITY_OFFSETS, at.SCRATCH))
"""Control words that the host writes while a kernel runs: who may run, how much, and whose turns it was."""


def _device_handlers(program: Program) -> tuple[Handler, ...]:
    guests = (*program.handlers, *((program.payload,) if program.payload else ()))
    without = [handler.name for handler in guests if handler.native is None]
    if without or program.payload is not None or program.self_loading or program.io_polling:
        what = f"handler {without[0]!r} has no `native`" if without else "it is fused or does io"
        raise LaunchError(
            f"a program for cuda must have device code for its handlers, but {what}; use the cpu executor"
        )
    return program.handlers
