"""A ring that several processes feed: each attaches to the shared block for one tenant."""

from __future__ import annotations

import time
from contextlib import nullcontext
from types import TracebackType
from typing import Any, Final

from prism.ring import layout as at
from prism.ring.errors import RingClosedError
from prism.ring.exec import cpu_feed
from prism.ring.exec.cpu import wait_limits
from prism.ring.exec.unfed import Unfed
from prism.ring.feeders import NOBODY, exchange, holder_of
from prism.ring.handle import Tenant
from prism.ring.memory import AT_OWNER, Block, read_block
from prism.ring.processes import process_lives, this_process
from prism.ring.segment import map_segment

LOOK_S: Final = 0.1
"""So often a feeder that waits looks whether the ring's owner lives."""
_SETTLED_S: Final = 5.0


def require_owner(block: Block) -> None:
    """Raise RingClosedError unless the process that holds a shared ring lives."""
    process, since = (int(word) for word in block.words[AT_OWNER : AT_OWNER + 2])
    if process and not process_lives(process, since):
        raise RingClosedError(
            f"process {process} must live, which holds this ring, but is gone; what it left undone stays so, "
            "open another ring"
        )


class Feeder(Unfed):
    """Feeds and waits for one tenant of another process's ring; the drain of its `Tenant`."""

    def __init__(self, block: Block) -> None:
        self._block, self.guard, self._look = block, nullcontext(), 0.0

    def wait(self, slots: Any, first: int, seconds: float) -> int:
        """Wait at most so long for jobs; returns how many are not over. RingClosedError if the ring's owner is gone."""
        left = cpu_feed.wait_over(self._block.words, self._block.longs, slots, first, wait_limits(seconds))
        if left and time.monotonic() >= self._look:
            self._look = time.monotonic() + LOOK_S
            require_owner(self._block)
        return left

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
        require_owner(block)
        self._block, self._number, self._me = block, number, this_process()
        self._attach(block)
        self.tenant: Final = Tenant(block, number, Feeder(block))
        self._control = block.state.control

    def _attach(self, block: Block) -> None:
        """Become the tenant's feeder, once the ring's owner has settled what one left that is gone."""
        end = time.monotonic() + _SETTLED_S
        while True:
            holder = holder_of(block, self._number)
            if holder in (NOBODY, self._me):
                if exchange(block, self._number, holder, self._me):
                    return
                continue
            waits = holder[0] == int(block.words[AT_OWNER]) or not process_lives(*holder)
            if not waits or time.monotonic() > end:
                raise RingClosedError(
                    f"tenant {self._number} must be fed by one process, but process {holder[0]} feeds for it; "
                    "attach as another tenant"
                )
            time.sleep(0.001)

    def open(self) -> bool:
        """Return whether the ring takes jobs."""
        return not self._control[at.SHUTDOWN]

    def __enter__(self) -> Tenant:
        return self.tenant

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        exchange(self._block, self._number, self._me, NOBODY)


def attach(name: str, tenant: int) -> Attached:
    """Attach to the shared ring `name` as one tenant; raises RingClosedError, CorruptError.

    The handle writes its own slots and window alone. A slot that names another tenant is a fault, TENANT, whoever wrote
    it: the worker checks each slot against the part of the ring that it lies in.
    """
    return Attached(name, tenant)
