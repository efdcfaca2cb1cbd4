"""A ring that several processes feed: each attaches to the shared block for one tenant."""

from __future__ import annotations

import os
from contextlib import nullcontext
from types import TracebackType
from typing import Any, Final

from prism.ring import layout as at
from prism.ring.errors import RingClosedError
from prism.ring.exec import cpu_feed
from prism.ring.exec.cpu import process_lives, wait_limits
from prism.ring.exec.unfed import Unfed
from prism.ring.handle import Tenant
from prism.ring.memory import FEED_PROCESS, Block, read_block
from prism.ring.segment import map_segment


class Feeder(Unfed):
    """Feeds and waits for one tenant of another process's ring; the drain of its `Tenant`."""

    def __init__(self, block: Block) -> None:
        self._block, self.guard = block, nullcontext()

    def wait(self, slots: Any, first: int, seconds: float) -> int:
        """Wait at most so long for jobs; returns how many are not over."""
        return cpu_feed.wait_over(self._block.words, self._block.longs, slots, first, wait_limits(seconds))

    def pump(self) -> None:
        """Do nothing: the ring's owner drains it."""


class Attached:
    """A tenant of a ring in another process, from `with attach(...)` to the end of the block."""

    def __init__(self, name: str, number: int) -> None:
        block = read_block(map_segment(name))
        if not 0 <= number < block.shape.spec.tenants:
            raise RingClosedError(
                f"a tenant of this ring must be 0 to {block.shape.spec.tenants - 1}, got {number}; "
                "attach as one of these"
            )
        self._row = block.feeders[number]
        holder = int(self._row[FEED_PROCESS])
        if holder not in (0, os.getpid()) and process_lives(holder):
            raise RingClosedError(
                f"tenant {number} must be fed by one process, but process {holder} feeds for it; "
                "attach as another tenant"
            )
        self._row[FEED_PROCESS] = os.getpid()
        self.tenant: Final = Tenant(block, number, Feeder(block))
        self._control = block.state.control

    def open(self) -> bool:
        """Return whether the ring takes jobs."""
        return not self._control[at.SHUTDOWN]

    def __enter__(self) -> Tenant:
        return self.tenant

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._row[FEED_PROCESS] = 0


def attach(name: str, tenant: int) -> Attached:
    """Attach to the shared ring `name` as one tenant; raises RingClosedError, CorruptError.

    The handle writes its own slots and window alone. A slot that names another tenant is a fault, TENANT, whoever wrote
    it: the worker checks each slot against the part of the ring that it lies in.
    """
    return Attached(name, tenant)
