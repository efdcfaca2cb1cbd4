"""The ring as a service: memory, an executor that drains it, and a handle for each tenant."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Final, Protocol

import numpy as np

from prism.errors import UsageError
from prism.ring import layout as at
from prism.ring.errors import LaunchError, RingClosedError
from prism.ring.exec.cpu import CpuExecutor
from prism.ring.exec.oracle import OracleExecutor
from prism.ring.feeders import FeederWatch
from prism.ring.handle import Column, Tenant
from prism.ring.jobs import Batch, Job
from prism.ring.layout import Reason, SlotStatus
from prism.ring.memory import Block, Shape, format_block, fresh_block
from prism.ring.program import Order, Program, Report
from prism.ring.segment import Segment
from prism.ring.state import RingSpec, RingState


class Executor(Protocol):
    """What drains a block: its name in reports, and how many of the block's worker rows it takes."""

    name: str
    rows: int
    feeds: bool

    @property
    def line(self) -> Any:
        """The line of a persistent kernel onto which slots are published, where it `feeds` and takes them now."""
        ...

    @property
    def guard(self) -> AbstractContextManager[Any]:
        """What is held by whoever changes the block, where the executor cannot bear it at any moment."""
        ...

    def allocate(self, words: int) -> Any:
        """Return memory for a block that it wants in a place of its own, zeroed words, or None."""
        ...

    def start(self, block: Block, program: Program) -> None:
        """Begin to drain a block."""
        ...

    def feed(self, chosen: Any) -> None:
        """Take published slots, where it `feeds`: where it does not find them by itself."""
        ...

    def settle(self, slots: Any = None) -> None:
        """Bring the statuses of slots, or of all, up to what has ended, where it `feeds`."""
        ...

    def wrote(self, start: int, values: Any) -> None:
        """Take note that the host wrote control words."""
        ...

    def wait(self, slots: Any, first: int, seconds: float) -> int:
        """Wait at most so long for the jobs in `slots`, with tickets from `first`; returns how many are not over."""
        ...

    def pump(self) -> None:
        """Do some work, if it works only while it is called."""
        ...

    def stop(self) -> None:
        """Drain no more; returns when no one touches the block."""
        ...


def _device() -> Executor:
    from prism.ring.exec.device import DeviceExecutor

    return DeviceExecutor()


def _cuda() -> Executor:
    from prism.ring.exec.cuda import CudaExecutor

    return CudaExecutor()


EXECUTORS: Final[dict[str, Callable[[], Executor]]] = {
    "cpu": CpuExecutor,
    "oracle": OracleExecutor,
    "device": _device,
    "cuda": _cuda,
}
"""Executors by name."""
PRIORITY: Final = Program(order=Order.PRIORITY)
_LIVE: Final = np.array(sorted(at.ACTIVE), np.uint32)


class Runtime:
    """A ring that is being drained, from `with Runtime(...)` to the end of the block.

    slots: how many, dealt out to `tenants`, or a RingSpec that says everything. executor: a name of `EXECUTORS`, or an
    executor. shared: True puts the ring where other processes can attach to it by `name`. Raises UsageError.
    """

    def __init__(
        self,
        slots: int | RingSpec = 4096,
        tenants: int = 1,
        executor: str | Executor = "cpu",
        program: Program = PRIORITY,
        *,
        shared: bool = False,
    ) -> None:
        if isinstance(executor, str) and executor not in EXECUTORS:
            raise UsageError(f"an executor must be one of {', '.join(EXECUTORS)}, got {executor!r}; name one of these")
        if program.once or program.report is not Report.ALL:
            raise LaunchError(
                "a runtime drains on and follows every job, but this program is finite or reports control alone; give "
                "it to prism.ring.launch"
            )
        self.executor = EXECUTORS[executor]() if isinstance(executor, str) else executor
        spec = slots if isinstance(slots, RingSpec) else RingSpec(slots, tenants, workspace=_workspace(program))
        shape = Shape(spec, self.executor.rows)
        self._segment = Segment(shape) if shared else None
        memory = None if self._segment else self.executor.allocate(shape.words)
        if self._segment:
            self._block = self._segment.block
        else:
            self._block = fresh_block(shape) if memory is None else format_block(memory, shape)
        self.program, self.spec, self._open = program, spec, True
        self.started_at = time.monotonic()
        loading = program.self_loading
        self.tenants: Final = tuple(
            Tenant(self._block, number, self.executor, self_loading=loading) for number in range(spec.tenants)
        )
        self.feeders: FeederWatch | None = None
        try:
            self.executor.start(self._block, program)
            if self._segment:
                self.feeders = FeederWatch(self._block, self.executor.guard)
        except BaseException:
            self._release()
            raise

    @property
    def name(self) -> str:
        """What another process attaches to; RingClosedError for a ring that is this process's alone."""
        if self._segment is None:
            raise RingClosedError("only a shared ring has a name, and this one is not; open it with shared=True")
        return self._segment.name

    @property
    def state(self) -> RingState:
        """The ring's words as they change: look, do not write."""
        return self._block.state

    @property
    def block(self) -> Block:
        """The ring's memory, with what stands beside the wire."""
        return self._block

    def tenant(self, number: int) -> Tenant:
        """Return a tenant's handle; raises UsageError."""
        if not 0 <= number < len(self.tenants):
            raise UsageError(f"a tenant must be 0 to {len(self.tenants) - 1}, got {number}; open the ring with more")
        return self.tenants[number]

    def submit(self, opcode: int, args: Sequence[int] = (), *, tenant: int = 0, timeout: float | None = None) -> Job:
        """Submit one job for a tenant, at NORMAL; as `Tenant.submit`."""
        return self.tenant(tenant).submit(opcode, args, timeout=timeout)

    def submit_batch(self, opcodes: Column, args: Any = (), *, tenant: int = 0, timeout: float | None = None) -> Batch:
        """Submit jobs for a tenant, at NORMAL; as `Tenant.submit_batch`."""
        return self.tenant(tenant).submit_batch(opcodes, args, timeout=timeout)

    def in_flight(self) -> int:
        """Return how many jobs have been submitted and have not ended."""
        self.executor.pump()
        return int(np.count_nonzero(np.isin(self._block.state.slots[:, at.STATUS], _LIVE)))

    def drain(self, timeout: float | None = None) -> bool:
        """Wait until no job is in flight; returns False if some is after `timeout` seconds, or after a shutdown."""
        end = None if timeout is None else time.monotonic() + timeout
        pause = 0.0
        while self.in_flight():
            if (end is not None and time.monotonic() >= end) or self._block.state.control[at.SHUTDOWN]:
                return False
            time.sleep(pause)
            pause = min(0.002, pause + 1e-5)
        return True

    def close(self, *, drain: bool = True, timeout: float | None = None) -> int:
        """End the ring: wait for what is in flight if `drain`, stop, cancel what is left; returns how many."""
        if not self._open:
            return 0
        if drain:
            self.drain(timeout)
        self._open = False
        if self.feeders is not None:
            self.feeders.stop()
        if not self.executor.feeds:
            self._block.state.control[at.SHUTDOWN] = 1
        self.executor.stop()
        self._block.state.control[at.SHUTDOWN] = 1
        left = self._cancel_all()
        self._release()
        return left

    def _cancel_all(self) -> int:
        """End every job that has not ended as CANCELLED; nobody else touches the block any more."""
        state = self._block.state
        left = np.flatnonzero(np.isin(state.slots[:, at.STATUS], _LIVE))
        state.entries[left, at.BOOKS_SLOT.at("REASON")] = Reason.CANCELLED
        for tenant, count in zip(*np.unique(state.slots[left, at.TENANT], return_counts=True), strict=True):
            if tenant < at.TENANTS:
                state.tenants[tenant, at.BOOKS_TENANT.at("FAULTED")] += count
        state.control[at.DONE_COUNT] = (int(state.control[at.DONE_COUNT]) + len(left)) & at.WORD_MASK
        state.slots[left, at.STATUS] = SlotStatus.FAULT
        self._block.claims[:] = 0
        return len(left)

    def _release(self) -> None:
        if self._segment is not None:
            self._segment.close()

    def __enter__(self) -> Runtime:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close(drain=kind is None)


def _workspace(program: Program) -> int:
    return program.workspace.words if program.workspace else 0
