"""A tenant's handle on a ring: its slots, its window, its jobs; nothing of another's.

One process at a time feeds for a tenant. Slots of a tenant are its own part of the ring, so that what one tenant
publishes, holds or leaves as faults takes no room from another.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from prism.ring import layout as at
from prism.ring.errors import QueueFullError, RingClosedError, RingError
from prism.ring.exec import cpu_feed, publisher
from prism.ring.jobs import DONE, Batch, Ended, Job
from prism.ring.layout import Opcode, Priority, Reason, SlotStatus, Words
from prism.ring.memory import SPAN_BUCKETS, SPANS, Block

KEPT_FAULTS: Final = 1 << 16
"""Faults of a tenant that are remembered after their slots have other jobs."""
_ROUND_S: Final = 0.1
_REASON: Final = at.BOOKS_SLOT.at("REASON")
_OVER: Final = np.array([SlotStatus.EMPTY, SlotStatus.DONE, SlotStatus.FAULT], np.uint32)
Column = Sequence[int] | NDArray[Any] | int


class Drain(Protocol):
    """What a handle needs of whoever drains the ring."""

    feeds: bool

    @property
    def line(self) -> Any:
        """The line of a persistent kernel onto which slots are published (`line.hand_over`), where it `feeds`."""
        ...

    @property
    def guard(self) -> AbstractContextManager[Any]:
        """What is held by whoever changes the block."""
        ...

    def wait(self, slots: Any, first: int, seconds: float) -> int:
        """Wait at most so long for jobs; returns how many are not over."""
        ...

    def feed(self, chosen: Any) -> None:
        """Hand over slots that were published."""
        ...

    def settle(self, slots: Any = None) -> None:
        """Bring the statuses of slots, or of all, up to what has ended, where it `feeds`."""
        ...

    def wrote(self, start: int, values: Any) -> None:
        """Say that the host wrote control words."""
        ...

    def pump(self) -> None:
        """Let an executor that works only while it is called do some work."""
        ...


class Tenant:
    """Submits for one tenant and follows its jobs; safe to use from several threads.

    A submission that finds no room waits up to `timeout` seconds for it, for ever where that is None, and is refused
    with QueueFullError after that; 0 refuses at once. Everything of a submission is checked before anything is written.
    """

    def __init__(self, block: Block, number: int, drain: Drain, *, self_loading: bool = False) -> None:
        self.number, self._block, self._drain = number, block, drain
        self._slots = block.owned(number)
        self._own = np.arange(self._slots.start, self._slots.stop)
        self._feeds = drain.feeds
        loading = publisher.LOADING if self_loading else 0
        self._who = (number, loading | os.getpid() << publisher.FEEDER_BITS)
        self._post, self._line = publisher.post_of(block.words, *self._who), None
        self._job, self._used = self._post[publisher.POST_OPCODE :].data, 2
        self._spans = block.words[SPANS : SPANS + SPAN_BUCKETS].data
        self._lock = threading.RLock()
        self._faults: OrderedDict[int, Ended] = OrderedDict()
        self._forgotten = 0
        row = block.state.tenants[number]
        start, words = int(row[0]), int(row[1])
        self._window = block.state.control[start : start + words]
        self.window_start: Final = start
        """The control word at which the tenant's window begins: what its jobs call word `window_start + k`."""

    # What is in the window -------------------------------------------------------------

    @property
    def window(self) -> Words:
        """A copy of the tenant's window, uint32."""
        if self._feeds:
            self._drain.pump()
        return self._window.copy()

    def write(self, word: int, values: Column) -> None:
        """Write words of the window, from its word `word` on; raises QueueFullError for one outside."""
        data = np.atleast_1d(np.asarray(values, np.uint32))
        if not 0 <= word <= word + len(data) <= len(self._window):
            raise QueueFullError(
                f"tenant {self.number} has {len(self._window)} words, got {len(data)} words from {word}; stay inside"
            )
        with self._drain.guard:
            self._window[word : word + len(data)] = data
            self._drain.wrote(self.window_start + word, data)

    # Submission ------------------------------------------------------------------------

    def submit(
        self, opcode: int, args: Sequence[int] = (), *, priority: int = Priority.NORMAL, timeout: float | None = None
    ) -> Job:
        """Submit one job. Raises QueueFullError, or RingClosedError after a shutdown. Cost: about 2 microseconds."""
        if len(args) > at.ARGS_PER_SLOT or not 0 <= priority < at.LEVELS:
            raise _misfit(len(args), priority)
        chosen, job, drain = np.empty(1, np.int64), self._job, self._drain
        try:
            with drain.guard, self._lock:
                job[0], job[1] = opcode, priority
                for place, word in enumerate(args, 2):
                    job[place] = word
                for place in range(2 + len(args), self._used):
                    job[place] = 0
                self._used = 2 + len(args)
                first = self._enter_one(chosen)
        except (OverflowError, TypeError, ValueError):
            first = publisher.BAD_WORD
        if first <= 0:
            if first == publisher.BAD_WORD:
                raise _no_words(opcode, args)
            columns = (np.array([opcode], np.uint32), np.array([priority], np.uint32), _rows([args]))
            first = self._retry(columns, chosen, timeout)
        return Job(self, first, chosen)

    def _enter_one(self, chosen: NDArray[np.int64]) -> int:
        """Publish the job in the post once; returns the first ticket, or what `publisher` says instead."""
        if not self._feeds:
            return publisher.publish_one(self._post, chosen, False)
        line = self._drain.line
        if line is not None:
            if line is not self._line:
                self._line = line
                publisher.post_line(self._post, line)
            first = publisher.publish_one(self._post, chosen, True)
            if first != publisher.HELD_BACK:
                return first
        self._drain.settle(self._own)
        first = publisher.publish_one(self._post, chosen, False)
        if first > 0:
            self._drain.feed(chosen)
        return first

    def submit_batch(
        self, opcodes: Column, args: Any = (), *, priority: Column = Priority.NORMAL, timeout: float | None = None
    ) -> Batch:
        """Submit jobs given as columns, all or none: opcodes (n,) or one for all, args (n, at most 12), priorities.

        One of `opcodes` and `args` says how many. Raises QueueFullError, or RingClosedError. Cost: 20 to 100 ns a job.
        """
        *columns, count = _columns(opcodes, args, priority)
        chosen = np.empty(count, np.int64)
        return Batch(self, self._retry(tuple(columns), chosen, timeout), chosen)

    def submit_fenced(self, opcodes: Column, args: Any = (), *, tag: int = 0, timeout: float | None = None) -> Batch:
        """Submit jobs side by side and after them the fence that passes when all have ended, as the batch's last."""
        op, _, rows, count = _columns(opcodes, args, Priority.NORMAL)
        wide = np.zeros((count + 1, max(2, rows.shape[1])), np.uint32)
        wide[:-1, : rows.shape[1]] = rows
        wide[-1, :2] = count, tag
        codes = np.empty(count + 1, np.uint32)
        codes[:-1], codes[-1] = op, Opcode.BATCH_FENCE
        columns = (codes, np.full(1, Priority.NORMAL, np.uint32), wide)
        chosen = np.empty(len(wide), np.int64)
        return Batch(self, self._retry(columns, chosen, timeout, publisher.TOGETHER), chosen)

    def _retry(self, columns: Any, chosen: NDArray[np.int64], timeout: float | None, flags: int = 0) -> int:
        most = self._slots.stop - self._slots.start
        if len(chosen) > most:
            raise QueueFullError(
                f"tenant {self.number} has {most} slots, got {len(chosen)} jobs at once; split the batch or give the "
                "ring more slots"
            )
        if not len(chosen):
            return 1
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            with self._drain.guard, self._lock:
                first = self._enter(columns, chosen, flags)
                if first > 0:
                    return first
                if first < 0:
                    raise self._refusal(first, columns[0], len(chosen))
                if self.reclaim():
                    continue
                oldest = self._oldest()
            left = _ROUND_S if end is None else min(_ROUND_S, end - time.monotonic())
            if left <= 0:
                raise QueueFullError(
                    f"tenant {self.number} must have {len(chosen)} free slots, but its {most} are taken; wait for jobs "
                    "to end, pass a longer timeout, or give the ring more slots"
                )
            if oldest is not None:
                self._drain.wait(*oldest, min(left, 0.002))

    def _enter(self, columns: Any, chosen: NDArray[np.int64], flags: int) -> int:
        """Publish once; returns the first ticket, or what `publisher` says instead."""
        block, who = self._block, (self.number, self._who[1] | flags)
        line = self._drain.line if self._feeds else None
        if line is not None:
            first = publisher.publish_line(block.words, block.longs, who, columns, chosen, line)
            if first != publisher.HELD_BACK:
                return first
        if self._feeds:
            self._drain.settle(self._own)
        first = publisher.publish(block.words, block.longs, who, columns, chosen)
        if first > 0 and self._feeds:
            self._drain.feed(chosen)
        return first

    def _refusal(self, code: int, opcodes: Words, count: int) -> RingError:
        if code == publisher.CLOSED:
            return RingClosedError("a ring takes no job once its shutdown word is set; open another")
        if code == publisher.BEYOND:
            quota = int(self._block.state.control[at.TENANT_QUOTAS + self.number])
            return QueueFullError(
                f"tenant {self.number} may have {quota} slots in flight, got {count} at once; split them, or raise its "
                "quota"
            )
        if code == publisher.BAD_PRIORITY:
            return _misfit(0, at.LEVELS)
        if code == publisher.FED_ELSEWHERE:
            return RingClosedError(
                f"tenant {self.number} must be fed by the process that attached for it, got a job from another; submit "
                "there, or wait until it detaches"
            )
        return _reserved(int(opcodes[publisher.BAD_JOB - code]))

    def _oldest(self) -> tuple[NDArray[np.int64], int] | None:
        """Return the oldest job that has not ended, to be waited for."""
        flying = ~np.isin(self._block.state.slots[self._slots, at.STATUS], _OVER)
        slots = np.flatnonzero(flying) + self._slots.start
        if not len(slots):
            return None
        tickets = self._block.tickets[slots]
        oldest = int(np.argmin(tickets))
        return slots[oldest : oldest + 1], int(tickets[oldest])

    # What became of jobs ----------------------------------------------------------------

    def unended(self, slots: NDArray[np.int64], first: int) -> int:
        """Return how many of the jobs in `slots`, with tickets from `first`, have not ended."""
        if self._feeds:
            self._drain.settle(slots)
        else:
            self._drain.pump()
        return int(np.count_nonzero(~self._ended(slots, first)))

    def _ended(self, slots: NDArray[np.int64], first: int) -> NDArray[np.bool_]:
        statuses = self._block.state.slots[slots, at.STATUS].copy()
        mine = self._block.tickets[slots] == np.arange(first, first + len(slots), dtype=np.uint64)
        return ~mine | np.isin(statuses, _OVER)

    def wait(self, slots: NDArray[np.int64], first: int, timeout: float | None) -> int:
        """Wait for jobs to end, at most `timeout` seconds; returns how many have not. RingClosedError if none will."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            left = self._drain.wait(slots, first, _ROUND_S if end is None else min(_ROUND_S, end - time.monotonic()))
            if left and end is not None and time.monotonic() >= end:
                return self._drain.wait(slots, first, 0)
            if not left:
                return 0
            if self._block.state.control[at.SHUTDOWN]:
                raise RingClosedError(
                    f"{left} jobs of tenant {self.number} are queued, but the shutdown word is set and no worker "
                    "claims them; close the ring, which ends them as cancelled"
                )

    def note_span(self, seconds: float) -> None:
        """Enter how long a job or batch took, from its submission to the return of a wait for it."""
        bucket = min(int(seconds * 1e6).bit_length(), SPAN_BUCKETS - 1)
        self._spans[bucket] = (self._spans[bucket] + 1) & at.WORD_MASK

    def outcomes(self, slots: NDArray[np.int64], first: int) -> list[Ended]:
        """Return how jobs ended that have; raises RingError for one whose fault, if it had one, is forgotten."""
        with self._drain.guard, self._lock:
            state = self._block.state
            if self._feeds:
                self._drain.settle(slots)
            mine = self._block.tickets[slots] == np.arange(first, first + len(slots), dtype=np.uint64)
            faulted = mine & (state.slots[slots, at.STATUS] == SlotStatus.FAULT)
            for job in np.flatnonzero(faulted):
                self._reclaim(int(slots[job]))
            if not self._faults and not self._forgotten:
                return [DONE] * len(slots)
            found = [self._faults.get(ticket, DONE) for ticket in range(first, first + len(slots))]
            unknown = [k for k, ended in enumerate(found) if ended is DONE and first + k <= self._forgotten]
        if unknown and not all(mine[unknown]):
            raise RingError(
                f"the outcome of job {first + unknown[0]} must be asked for before {KEPT_FAULTS} later faults of "
                f"tenant {self.number}, and is forgotten now; look at outcomes as jobs end"
            )
        return found

    def reclaim(self) -> int:
        """Remember the faults in the tenant's slots and free these; returns how many there were."""
        with self._drain.guard, self._lock:
            if self._feeds:
                self._drain.settle(self._own)
            faulted = np.flatnonzero(self._block.state.slots[self._slots, at.STATUS] == SlotStatus.FAULT)
            for slot in faulted:
                self._reclaim(self._slots.start + int(slot))
        return len(faulted)

    def _reclaim(self, slot: int) -> None:
        reason, detail = (int(word) for word in self._block.state.entries[slot, _REASON : _REASON + 2])
        ticket = int(self._block.tickets[slot])
        self._faults[ticket] = Ended(SlotStatus.FAULT, Reason(reason), detail)
        if len(self._faults) > KEPT_FAULTS:
            self._forgotten = max(self._forgotten, self._faults.popitem(last=False)[0])
        self._block.state.slots[slot, at.STATUS] = SlotStatus.EMPTY

    def cancel(self, slots: NDArray[np.int64], first: int) -> int:
        """End the jobs among these that nobody has claimed as faults, CANCELLED; returns how many."""
        words, longs = self._block.words, self._block.longs
        with self._drain.guard:
            return sum(cpu_feed.cancel(words, longs, int(slot), first + k) for k, slot in enumerate(slots))

    async def when_ended(self, batch: Batch, loop: asyncio.AbstractEventLoop) -> None:
        """Return once every job of a batch has ended, without blocking the event loop."""
        pause = 0.0
        while not batch.done():
            # Most jobs end within a few turns of the loop; a long one is looked at ever more seldom.
            await asyncio.sleep(pause)
            pause = min(0.005, pause * 1.5 + 1e-6)
        del loop


def _rows(args: Sequence[Sequence[int]]) -> Words:
    return np.array(args, np.uint32).reshape(len(args), -1)


def _reserved(opcode: int) -> QueueFullError:
    return QueueFullError(
        f"opcode {opcode:#x} is the worker's own; take one from 8 on, below 0x80000000 and outside 0xfff0 to 0xffff"
    )


def _no_words(opcode: int, args: Sequence[int]) -> QueueFullError:
    return QueueFullError(
        f"an opcode and its arguments must be whole numbers from 0 to 0xffffffff, got {opcode!r} and {tuple(args)!r}; "
        "take words of 32 bits"
    )


def _misfit(args: int, priority: int) -> QueueFullError:
    return QueueFullError(
        f"a job must have at most {at.ARGS_PER_SLOT} arguments and a priority from 0 to {at.LEVELS - 1}, got {args} "
        f"arguments and priority {priority}; use several jobs, and one of Priority"
    )


def _plain(column: Any) -> Words:
    """Return a column as compiled code takes it: uint32, in rows, and writable, copied only if it is not."""
    words = np.asarray(column, np.uint32)
    return words if words.flags.carray else words.copy()


def _columns(opcodes: Column, args: Any, priority: Column) -> tuple[Words, Words, Words, int]:
    """Return opcodes, priorities and args as uint32 columns, of one row where all jobs have the same, and how many.

    Raises QueueFullError. What the columns hold is checked where they are published.
    """
    op, level, rows = _plain(opcodes), _plain(priority), _plain(args)
    count = len(op) if op.ndim else len(rows) if rows.ndim == 2 else 1
    same = rows.ndim != 2
    if same:
        rows = rows.reshape(1, -1)
    if op.shape not in ((), (count,)) or level.shape not in ((), (count,)) or not (same or len(rows) == count):
        raise QueueFullError(
            f"columns must have one length, got opcodes {op.shape}, args {rows.shape}, priorities {level.shape}; pass "
            "(n,), (n, words) and (n,), or one number for all"
        )
    if count and (rows.shape[1] > at.ARGS_PER_SLOT or int(level.max()) >= at.LEVELS):
        raise _misfit(rows.shape[1], int(level.max()))
    return op.reshape(-1), level.reshape(-1), rows, count
