"""Jobs in the hand: what was submitted, as futures that can be polled, waited for, awaited and cancelled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from prism.ring.errors import JobFaultError, RingTimeoutError
from prism.ring.layout import Reason, SlotStatus


class Ended(NamedTuple):
    """How a job ended: DONE, or FAULT with its reason and the word or opcode at fault."""

    status: SlotStatus
    reason: Reason = Reason.NONE
    detail: int = 0


DONE = Ended(SlotStatus.DONE)


class Follower(Protocol):
    """What a batch asks of the tenant that submitted it; slots (n,) int64, with tickets from `first` on."""

    number: int

    def unended(self, slots: NDArray[np.int64], first: int) -> int:
        """Return how many of the jobs have not ended."""
        ...

    def wait(self, slots: NDArray[np.int64], first: int, timeout: float | None) -> int:
        """Wait for jobs to end, at most `timeout` seconds; returns how many have not."""
        ...

    def note_span(self, seconds: float) -> None:
        """Enter how long jobs took."""
        ...

    def outcomes(self, slots: NDArray[np.int64], first: int) -> list[Ended]:
        """Return how jobs ended that have."""
        ...

    def cancel(self, slots: NDArray[np.int64], first: int) -> int:
        """End the jobs that nobody has claimed; returns how many."""
        ...

    async def when_ended(self, batch: Batch, loop: asyncio.AbstractEventLoop) -> None:
        """Return once every job of a batch has ended."""
        ...


class Batch:
    """Jobs that were submitted together: tickets `first` to `first + len - 1`, in `slots`.

    A ticket names a job for ever; the slot is where it was, and may have another job by now.
    """

    __slots__ = ("_began", "_tenant", "first", "slots")

    def __init__(self, tenant: Follower, first: int, slots: NDArray[np.int64]) -> None:
        self._tenant, self.first, self.slots = tenant, first, slots
        self._began = time.perf_counter()

    def __len__(self) -> int:
        return len(self.slots)

    @property
    def tickets(self) -> range:
        """The tickets of the jobs, in the order of submission."""
        return range(self.first, self.first + len(self.slots))

    def poll(self) -> int:
        """Return how many jobs have not ended."""
        return self._tenant.unended(self.slots, self.first)

    def done(self) -> bool:
        """Return whether every job has ended."""
        return self.poll() == 0

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for every job to end; returns False if some has not after `timeout` seconds."""
        if self._tenant.wait(self.slots, self.first, timeout):
            return False
        if self._began:
            self._tenant.note_span(time.perf_counter() - self._began)
            self._began = 0.0
        return True

    def outcomes(self, timeout: float | None = None) -> list[Ended]:
        """Wait, and return how each job ended, in order; raises RingTimeoutError."""
        if not self.wait(timeout):
            raise RingTimeoutError(
                f"{len(self)} jobs must end within {timeout} s, got {self.poll()} that did not; wait longer, or look "
                "at `prism ring top` for what holds them up"
            )
        return self._tenant.outcomes(self.slots, self.first)

    def result(self, timeout: float | None = None) -> None:
        """Wait, and raise JobFaultError if a job ended as a fault; raises RingTimeoutError."""
        for ticket, ended in zip(self.tickets, self.outcomes(timeout), strict=True):
            if ended.status is not SlotStatus.DONE:
                raise JobFaultError(
                    f"job {ticket} of tenant {self._tenant.number} must end as done, got a fault, "
                    f"{ended.reason.name} ({ended.detail:#x}); see the reasons in spec/ring.md"
                )

    def cancel(self) -> int:
        """End the jobs that no worker has claimed as faults, CANCELLED; returns how many."""
        return self._tenant.cancel(self.slots, self.first)

    def __await__(self) -> Generator[Any, None, None]:
        """Wait without blocking the event loop, then as `result`."""
        yield from self._ended(asyncio.get_running_loop()).__await__()
        self.result(0)

    async def _ended(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self.done():
            await self._tenant.when_ended(self, loop)


class Job(Batch):
    """One job."""

    __slots__ = ()

    @property
    def ticket(self) -> int:
        """The ticket."""
        return self.first

    def outcome(self, timeout: float | None = None) -> Ended:
        """Wait, and return how the job ended; raises RingTimeoutError."""
        return self.outcomes(timeout)[0]
