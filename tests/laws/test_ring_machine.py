"""A state machine over executors whose order is fixed: after every act the ring is the model's, word for word.

Tenants submit, fence, cancel and fill up; tenants are barred and quotas change; the ring is drained. The oracle and the
device also run jobs that yield and are requeued; one cpu worker does not, for it looks at what yielded only once it
has nothing else, which `test_ring_live.py` judges. Counters begin shortly before 2^32.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from prism.ring import host
from prism.ring import layout as at
from prism.ring.errors import QueueFullError, RingClosedError
from prism.ring.exec import cpu_feed
from prism.ring.exec.cpu import wait_limits
from prism.ring.exec.cpu_crew import Crew
from prism.ring.exec.device import DeviceExecutor
from prism.ring.exec.oracle import OracleExecutor, forget_queues
from prism.ring.exec.unfed import Unfed
from prism.ring.handle import Tenant
from prism.ring.jobs import Batch
from prism.ring.layout import ACTIVE, Priority, SlotStatus
from prism.ring.memory import Block
from prism.ring.model import drain
from prism.ring.program import Handler, Memory, Order, Program, Span
from prism.ring.publish import Place, publish_batch, reclaim
from prism.ring.state import RingState
from tests.ring_jobs import SPEC, fresh, jobs, rows, seen

pytestmark = [pytest.mark.m9, pytest.mark.clause("RINGRUN-1")]
PLAIN = Program(order=Order.PRIORITY)
NEAR_WRAP = (1 << 32) - 9


def countdown(step: int) -> Any:
    """Return a handler's function that leaves its slot `step` codes above DONE until its first argument is 0."""

    def apply(args: Any, block: Any) -> Any:
        more = (args[:1] > 0).astype("uint32")
        status = np.uint32(SlotStatus.DONE) + more[0] * np.uint32(step)
        return status, args[:1] - more, block + (np.uint32(1) - more) * np.uint32(7)

    return apply


def counting(opcode: int, status: SlotStatus) -> Handler:
    """Return a handler that leaves its slot so often in a status and then adds 7 to the window's first word."""
    first, own = Span(0, 1), Span(0, 1, Memory.ARGS)
    apply = countdown(status - SlotStatus.DONE)
    return Handler(opcode, status.name, apply, reads=(first,), writes=(own, first), answers_status=True)


YIELDING = Program(order=Order.PRIORITY, handlers=(counting(64, SlotStatus.YIELD), counting(65, SlotStatus.REQUEUE)))


class Still(Unfed):
    """The drain of a handle on a ring that the machine itself drains."""

    def __init__(self, block: Block) -> None:
        self.guard, self._block = nullcontext(), block

    def wait(self, slots: Any, first: int, seconds: float) -> int:
        """Look once."""
        del seconds
        return cpu_feed.wait_over(self._block.words, self._block.longs, slots, first, wait_limits(0))

    def pump(self) -> None:
        """Do nothing."""


def near_wrap(state: RingState) -> None:
    """Put counters and the low word of the next ticket shortly before 2^32."""
    state.control[[at.DONE_COUNT, at.EPOCH, at.METRICS_BASE, at.METRICS_BASE + 2, at.TENANT_FAIRNESS]] = NEAR_WRAP
    state.head[[at.BOOKS_HEAD.at(name) for name in ("CLAIMS", "NEXT_TICKET_LO", "STEPS")]] = NEAR_WRAP
    state.tenants[:, [at.BOOKS_TENANT.at(name) for name in ("CLAIMED", "DONE", "FAULTED")]] = NEAR_WRAP


class Machine(RuleBasedStateMachine):
    """The acts, done to a block by a handle and an executor, and to a copy by the model's functions."""

    program: ClassVar[Program] = YIELDING

    def open(self) -> Block:
        """Return a fresh ring, and make ready what drains it."""
        raise NotImplementedError

    def run(self) -> None:
        """Drain the ring until nothing may run."""
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        """Start with an empty ring."""
        self.block = self.open()
        self.model = self.block.state.copy()
        self.tenants = [Tenant(self.block, number, Still(self.block)) for number in range(SPEC.tenants)]
        self.batches: list[tuple[int, Batch]] = []
        self.cancelled = False

    def free(self, tenant: int) -> int:
        """Return how many more slots the model lets a tenant have."""
        statuses = self.model.slots[self.block.owned(tenant), at.STATUS]
        quota = int(self.model.control[at.TENANT_QUOTAS + tenant]) - host.in_flight(self.model, tenant)
        return min(int(np.count_nonzero(np.isin(statuses, list(at.PUBLISHABLE)))), quota)

    @rule(data=st.data(), tenant=st.integers(0, SPEC.tenants - 1), level=st.integers(0, 4), count=st.integers(1, 9))
    def submit(self, data: st.DataObject, tenant: int, level: int, count: int) -> None:
        """Submit a batch: it lands as the model lands it, or is refused for lack of room and changes nothing."""
        kinds = jobs(tenant)
        if self.program.handlers:
            kinds |= st.tuples(st.sampled_from([64, 65]), st.lists(st.integers(0, 3), min_size=1, max_size=1))
        batch = data.draw(st.lists(kinds, min_size=count, max_size=count))
        self.reclaim(tenant)
        opcodes, args = rows(batch)
        room = count <= self.free(tenant) and not self.model.control[at.SHUTDOWN]
        try:
            landed = self.tenants[tenant].submit_batch(opcodes, args, priority=level, timeout=0)
        except (QueueFullError, RingClosedError):
            # What was cancelled holds its slot until the worker has passed its place in the queue.
            assert not room or self.cancelled
            return
        assert room
        for slot, job in zip(landed.slots, batch, strict=True):
            self.model, tickets = host.submit(self.model, Place(int(slot), tenant, level), [job])
        assert tickets.stop == landed.tickets.stop
        self.batches.append((tenant, landed))

    @rule(tenant=st.integers(0, SPEC.tenants - 1), count=st.integers(0, 4), tag=st.integers(0, at.WORD_MASK))
    def fence(self, tenant: int, count: int, tag: int) -> None:
        """Submit jobs and a fence after them, side by side."""
        self.reclaim(tenant)
        word = self.tenants[tenant].window_start
        try:
            landed = self.tenants[tenant].submit_fenced(at.Opcode.ATOMIC_ADD, [[1, word]] * count or np.empty((0, 2)),
                                                        tag=tag, timeout=0)  # fmt: skip
        except (QueueFullError, RingClosedError):
            return
        place = Place(int(landed.slots[0]), tenant, Priority.NORMAL)
        listed = [(int(at.Opcode.ATOMIC_ADD), (1, word))] * count
        publish_batch(self.model.ring.copy(), place, listed, tag)  # It fits where the handle put it.
        self.model, _ = host.submit(self.model, place, listed, tag)
        self.batches.append((tenant, landed))

    @precondition(lambda self: self.batches)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """Cancel a batch: exactly what has not ended, and is not begun, is a fault now."""
        tenant, batch = data.draw(st.sampled_from(self.batches))
        count = batch.cancel()
        mine = [int(s) for k, s in enumerate(batch.slots) if self.block.tickets[s] == batch.first + k]
        due = [slot for slot in mine if self.model.slots[slot, at.STATUS] == SlotStatus.PUBLISHED]
        for slot in due:
            self.model = host.cancel(self.model, slot)
        assert count == len(due)
        self.cancelled = self.cancelled or bool(due)
        assert tenant < SPEC.tenants

    @rule(tenant=st.integers(0, SPEC.tenants - 1))
    def reclaim(self, tenant: int) -> None:
        """Free the slots of a tenant's faults."""
        self.tenants[tenant].reclaim()
        part = self.block.owned(tenant)
        for slot in range(part.start, part.stop):
            if self.model.slots[slot, at.STATUS] == SlotStatus.FAULT:
                reclaim(self.model.ring, slot)

    @rule(tenant=st.integers(0, SPEC.tenants - 1), mask=st.sampled_from([0, 1, at.ALLOWED]))
    def bar(self, tenant: int, mask: int) -> None:
        """Bar a tenant, or let it run again."""
        for state in (self.block.state, self.model):
            state.control[at.TENANT_MASKS + tenant] = mask

    @rule(tenant=st.integers(0, SPEC.tenants - 1), quota=st.sampled_from([1, 2, 3, 8, 1000]))
    def limit(self, tenant: int, quota: int) -> None:
        """Change how much a tenant may have in flight."""
        for state in (self.block.state, self.model):
            state.control[at.TENANT_QUOTAS + tenant] = quota

    @rule(word=st.sampled_from([0, 0, 1]))
    def shut(self, word: int) -> None:
        """Set or clear the shutdown word, as the host may."""
        for state in (self.block.state, self.model):
            state.control[at.SHUTDOWN] = word

    @rule()
    def drain(self) -> None:
        """Drain both."""
        before = self.model.copy()
        self.run()
        self.model = drain(self.model, self.program, 2000)
        self.cancelled = self.cancelled and bool(before.control[at.SHUTDOWN])
        faults = {int(slot) for slot in np.flatnonzero(self.model.slots[:, at.STATUS] == SlotStatus.FAULT)}
        assert all(self.model.entries[slot, at.BOOKS_SLOT.at("REASON")] for slot in faults)

    @invariant()
    def same(self) -> None:
        """Every word that the ring shows is the model's."""
        if hasattr(self, "block"):
            assert seen(self.block.state) == seen(self.model)

    def teardown(self) -> None:
        """Let everything run: nothing is left."""
        if hasattr(self, "block"):
            self.shut(0)
            for tenant in range(SPEC.tenants):
                self.bar(tenant, at.ALLOWED)
                self.limit(tenant, 1000)
            self.drain()
            self.same()
            assert not np.isin(self.model.slots[:, at.STATUS], list(ACTIVE)).any()
            for tenant in range(SPEC.tenants):
                self.reclaim(tenant)


class OracleMachine(Machine):
    """The oracle's steps."""

    def open(self) -> Block:
        """Return a fresh ring with an oracle on it."""
        block = fresh()
        near_wrap(block.state)
        self.executor = OracleExecutor()
        self.executor.start(block, self.program)
        return block

    def run(self) -> None:
        """Step until nothing may run."""
        while self.executor.step():
            pass


class CpuMachine(Machine):
    """One cpu worker that takes jobs singly."""

    program = PLAIN

    def open(self) -> Block:
        """Return a fresh ring with a worker's crew."""
        block = fresh()
        near_wrap(block.state)
        self.crew = Crew(block, self.program)
        self.crew.limits[0] = -1
        return block

    def run(self) -> None:
        """Let the worker work until it finds nothing."""
        self.crew.serve(0)


class DeviceMachine(Machine):
    """The device executor; one, because it is compiled, so the ring goes on from example to example."""

    kept: ClassVar[list[Any]] = []

    def open(self) -> Block:
        """Return the ring."""
        if not self.kept:
            block, executor = fresh(), DeviceExecutor()
            near_wrap(block.state)
            executor.start(block, self.program)
            self.kept.extend((block, executor))
        return self.kept[0]

    def run(self) -> None:
        """Launch until nothing may run."""
        block, executor = self.kept
        while executor.launch():
            pass
        forget_queues(block)


SETTINGS = settings(
    max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@pytest.mark.slow
def test_the_oracle_does_what_the_model_does() -> None:
    """Whatever tenants and host do, each word of the oracle's ring is the model's."""
    assert run_state_machine_as_test(OracleMachine, settings=SETTINGS) is None


def test_a_worker_does_what_the_model_does() -> None:
    """Whatever tenants and host do, each word of one worker's ring is the model's."""
    assert run_state_machine_as_test(CpuMachine, settings=SETTINGS) is None


@pytest.mark.slow
def test_a_device_does_what_the_model_does() -> None:
    """Whatever tenants and host do, each word of a device's ring is the model's."""
    assert run_state_machine_as_test(DeviceMachine, settings=SETTINGS) is None
