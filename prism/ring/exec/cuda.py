"""The `cuda` executor (extra `gpu`): one kernel, launched once, that the host feeds through mapped memory.

The whole block lies in plain mapped, pinned memory (never managed memory), control buffer, debug log and counters on
the device. The host writes slots, then the line, then the head; the kernel answers with the slots' statuses. What the
tenants' windows hold comes up when somebody looks. Jobs are taken in the order of submission: levels are not honoured.
"""

from __future__ import annotations

import atexit
import threading
import time
import warnings
from collections import deque
from typing import Any, Final

import numpy as np
from numba import njit

from prism.errors import UsageError
from prism.ring import layout as at
from prism.ring.errors import LaunchError, RingError
from prism.ring.exec import cpu_atomics as atomics
from prism.ring.exec import cpu_feed, cuda_effects, cuda_kernel
from prism.ring.exec.cpu import wait_limits
from prism.ring.exec.cpu_words import CLAIMED
from prism.ring.exec.oracle import forget_queues
from prism.ring.layout import ARGS, SLOT_WORDS, STATUS, Opcode, SlotStatus
from prism.ring.memory import AT_BOOKS, AT_CLAIMS, AT_RING, FREE, Block
from prism.ring.program import Handler, Program

THREADS: Final = 256
"""Threads of a block."""
BLOCKS: Final = 8
"""Blocks of the grid; with THREADS a power of two, so that positions may wrap."""
WATCH_S: Final = 0.02
IDLE_LOOKS: Final = 1 << 20
"""Looks at an idle line after which the kernel ends by itself: some seconds. The next job launches it again."""
BEAT_LOOKS: Final = 1 << 20
"""Looks at a host that does not beat after which the kernel ends by itself."""
_STOP_S: Final = 20.0


@njit(nogil=True, cache=True)
def feed_line(words: Any, line: Any, bell: Any, chosen: Any) -> None:
    """Hand slots over: CLAIMED and nobody else's, then onto the line, then the head. line, bell: mapped uint32."""
    head, mask = bell[cuda_kernel.BELL_HEAD], np.uint32(len(line) - 1)
    for k in range(len(chosen)):
        slot = chosen[k]
        words[words[AT_CLAIMS] + slot] = np.uint32(FREE)
        words[words[AT_RING] + SLOT_WORDS * slot + STATUS] = np.uint32(CLAIMED)
        line[np.int64((head + np.uint32(k)) & mask)] = np.uint32(slot)
    atomics.store(bell, cuda_kernel.BELL_HEAD, np.uint32(head + np.uint32(len(chosen))))


def open_cuda() -> Any:
    """Return numba-cuda's `cuda`; raises UsageError, which says what to do, where there is none or no GPU."""
    if not hasattr(np, "row_stack"):
        # numba-cuda 0.30 imports a name that NumPy 2.5 dropped.
        np.row_stack = np.vstack  # pyright: ignore
    try:
        from numba import cuda
    except ImportError as error:
        raise UsageError(
            f"the cuda executor needs numba-cuda, but: {error}; install the extra prism-vm[gpu]"
        ) from error
    if not cuda.is_available():
        raise UsageError("the cuda executor needs a GPU that numba-cuda can use, got none; take the cpu executor")
    return cuda


class CudaExecutor:
    """A kernel of `blocks` x THREADS lanes; `looks` bounds how long it idles, `head` is where the line begins."""

    def __init__(self, blocks: int = BLOCKS, *, looks: int = IDLE_LOOKS, head: int = 0) -> None:
        if blocks < 1 or blocks & (blocks - 1):
            raise UsageError(f"a cuda executor needs a power of two of blocks, got {blocks}; take 8")
        self.name, self.rows, self.launches = "cuda", 0, 0
        self.guard, self.feeds = threading.RLock(), True
        self._blocks, self._looks, self._head = blocks, looks, head
        self._cuda = open_cuda()
        self._block: Block | None = None
        self._pending: deque[Any] = deque()
        self._stop = threading.Event()
        self._watch = threading.Thread(target=self._watching, name="prism-ring-cuda", daemon=True)

    def allocate(self, words: int) -> Any:
        """Return mapped, pinned memory for a block, uint32."""
        self._mapped = self._cuda.mapped_array(words + words % 2, dtype=np.uint32)
        self._mapped[:] = 0
        return np.asarray(self._mapped)[:words]

    def start(self, block: Block, program: Program) -> None:
        """Compile the kernel for a program and launch it; raises LaunchError for a handler without device code."""
        cuda = self._cuda
        handlers = _device_handlers(program)
        self._block = block
        chain = cuda_effects.handler_chain(cuda, [(h.opcode, h.native) for h in handlers if h.native])
        apply = cuda_effects.device_functions(cuda, chain)
        self._kernel = cuda_kernel.make_kernel(cuda, apply, THREADS)
        spec = block.shape.spec
        length = 1 << (spec.slots - 1).bit_length()
        self._line = cuda.mapped_array(length, dtype=np.uint32)
        self._bell = cuda.mapped_array(cuda_kernel.BELL_WORDS, dtype=np.uint32)
        self._host_line, self._host_bell = np.asarray(self._line), np.asarray(self._bell)
        self._host_bell[:] = 0
        self._host_bell[cuda_kernel.BELL_HEAD] = self._head
        self._stream, self._copies = cuda.stream(), cuda.stream()
        state = block.state
        self._control = cuda.to_device(state.control)
        self._log = cuda.to_device(state.log)
        self._totals = cuda.to_device(np.zeros(cuda_effects.TALLY_WORDS, np.uint32))
        self._windows = cuda.to_device(np.ascontiguousarray(state.tenants[:, :2]))
        opcodes = [handler.opcode for handler in handlers] or [0]
        self._known = cuda.to_device(np.array(opcodes, np.uint32))
        self._passed, self._places = cuda.device_array(2, np.uint32), cuda.device_array(8, np.int64)
        self._staged = {
            name: cuda.pinned_array(size, np.uint32)
            for name, size in (("control", len(state.control)), ("log", len(state.log)), ("totals", 256))
        }
        self._launch(np.uint32(self._head))
        atexit.register(self.stop)
        self._watch.start()

    def _launch(self, begin: Any) -> None:
        """Launch the kernel from a position of the line on."""
        assert self._block is not None
        self.launches += 1
        words, shape = self._block.words, self._block.shape
        places = np.array(
            [words[AT_RING], words[AT_BOOKS], shape.share, shape.spec.tenants, len(self._host_line) - 1, self.launches,
             self._looks, BEAT_LOOKS],
            np.int64,
        )  # fmt: skip
        self._places.copy_to_device(places, stream=self._stream)
        self._passed.copy_to_device(np.array([begin, 0], np.uint32), stream=self._stream)
        with warnings.catch_warnings():
            # Few blocks are meant: numba-cuda warns that they leave the rest of the GPU to others.
            warnings.filterwarnings("ignore", message=".*Grid size")
            kernel = self._kernel[self._blocks, THREADS, self._stream]
        kernel(
            self._mapped, self._line, self._bell, self._passed, self._control, self._log, self._totals,
            self._windows, self._known, self._places, np.uint32(begin),
        )  # fmt: skip

    # Feeding ---------------------------------------------------------------------------

    def feed(self, chosen: Any, opcodes: Any) -> None:
        """Hand published slots to the kernel; a fence, and what must not run yet, waits here."""
        assert self._block is not None
        fences = bool(np.any(opcodes == Opcode.BATCH_FENCE))
        if fences or self._pending or not self._allowed(chosen):
            self._pending.extend(int(slot) for slot in chosen)
            self._feed_pending()
        else:
            feed_line(self._block.words, self._host_line, self._host_bell, chosen)
        self._revive()

    def _allowed(self, chosen: Any) -> bool:
        assert self._block is not None
        state = self._block.state
        if state.control[at.SHUTDOWN]:
            return False
        tenant = min(int(chosen[0]) // self._block.shape.share, self._block.shape.spec.tenants - 1)
        index = int(state.control[at.TENANT_BASE]) + tenant
        return at.TENANT_MASKS <= index < at.TENANT_MASKS + at.TENANTS and bool(state.control[index])

    def _feed_pending(self) -> None:
        assert self._block is not None
        state, left = self._block.state, deque[Any]()
        while self._pending:
            slot = self._pending.popleft()
            if state.slots[slot, STATUS] != SlotStatus.PUBLISHED:  # cancelled meanwhile
                self._block.claims[slot] = FREE
            elif self._allowed([slot]) and self._fence_due(slot):
                feed_line(self._block.words, self._host_line, self._host_bell, np.array([slot], np.int64))
            else:
                left.append(slot)
        self._pending = left

    def _fence_due(self, slot: int) -> bool:
        assert self._block is not None
        state, tickets = self._block.state, self._block.tickets
        if state.slots[slot, at.OPCODE] != Opcode.BATCH_FENCE:
            return True
        count = min(int(state.slots[slot, ARGS]), slot)
        before = slice(slot - count, slot)
        members = tickets[before].astype(np.int64) == int(tickets[slot]) - np.arange(count, 0, -1)
        return bool(np.all(~members | np.isin(state.slots[before, STATUS], _OVER)))

    def _revive(self) -> None:
        """Launch the kernel again if it ended by itself and there is work beyond where it ended."""
        bell = self._host_bell
        ended = int(bell[cuda_kernel.BELL_EXIT]) == self.launches
        if ended and not self._stop.is_set() and int(bell[cuda_kernel.BELL_WHY]) != cuda_kernel.SHUT:
            final = np.uint32(bell[cuda_kernel.BELL_FINAL])
            if final != bell[cuda_kernel.BELL_HEAD]:
                self._launch(final)

    def _watching(self) -> None:
        while not self._stop.wait(WATCH_S):
            with self.guard:
                if self._block is None:
                    return
                self._host_bell[cuda_kernel.BELL_BEAT] += 1
                if self._pending:
                    self._feed_pending()
                self._revive()
                forget_queues(self._block)

    # Looking ---------------------------------------------------------------------------

    def wait(self, slots: Any, first: int, seconds: float) -> int:
        """Wait at most so long for jobs; returns how many are not over."""
        assert self._block is not None
        block = self._block
        end = time.monotonic() + seconds
        looks = wait_limits(0)
        looks[0] = 1 << 12
        while True:
            left = cpu_feed.wait_over(block.words, block.longs, slots, first, looks)
            if not left or time.monotonic() >= end:
                return left
            if self._pending:
                with self.guard:
                    self._feed_pending()

    def pump(self) -> None:
        """Bring control buffer, log and counters down from the device, beside the running kernel."""
        with self.guard:
            if self._block is not None:
                self._bring_down()

    def _bring_down(self) -> None:
        assert self._block is not None
        state = self._block.state
        for name, source in (("control", self._control), ("log", self._log), ("totals", self._totals)):
            source.copy_to_host(self._staged[name][: source.size], stream=self._copies)
        self._copies.synchronize()
        control, totals = self._staged["control"], self._staged["totals"]
        kept = state.control[at.TENANT_BASE : at.TENANT_FAIRNESS].copy()
        state.control[:] = control
        state.control[at.TENANT_BASE : at.TENANT_FAIRNESS] = kept
        state.log[:] = self._staged["log"]
        names = {"DONE": cuda_effects.TALLY_DONE, "FAULTED": cuda_effects.TALLY_FAULTED}
        names |= {"FENCES": cuda_effects.TALLY_FENCES, "FENCE_TAG": cuda_effects.TALLY_TAG}
        names |= {"LOG_DROPS": cuda_effects.TALLY_DROPS}
        for name, start in names.items():
            state.tenants[:, at.BOOKS_TENANT.at(name)] = totals[start : start + 32]
        ended = state.tenants[:, at.BOOKS_TENANT.at("DONE")] + state.tenants[:, at.BOOKS_TENANT.at("FAULTED")]
        state.tenants[:, at.BOOKS_TENANT.at("CLAIMED")] = ended
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
            self._host_bell[cuda_kernel.BELL_STOP] = 1
            end = time.monotonic() + _STOP_S
            while int(self._host_bell[cuda_kernel.BELL_EXIT]) != self.launches and time.monotonic() < end:
                time.sleep(0.0005)
            if int(self._host_bell[cuda_kernel.BELL_EXIT]) != self.launches:
                raise RingError(
                    f"the kernel must end within {_STOP_S} s of the stop word, but a handler runs on; end the process, "
                    "and bound the handler"
                )
            self._stream.synchronize()
            self._bring_down()
            self._block = None
        if self._watch.is_alive() and threading.current_thread() is not self._watch:
            self._watch.join()


_OVER: Final = np.array([SlotStatus.EMPTY, SlotStatus.DONE, SlotStatus.FAULT], np.uint32)


def _device_handlers(program: Program) -> tuple[Handler, ...]:
    guests = (*program.handlers, *((program.payload,) if program.payload else ()))
    without = [handler.name for handler in guests if handler.native is None]
    if without or program.payload is not None or program.self_loading or program.io_polling:
        what = f"handler {without[0]!r} has no `native`" if without else "it is fused or does io"
        raise LaunchError(
            f"a program for cuda must have device code for its handlers, but {what}; use the cpu executor"
        )
    return program.handlers
