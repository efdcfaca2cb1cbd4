"""Laws of the ring's model: the status machine, windows, fences, levels and tenants, and what becomes of every job."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from prism.ring import layout as at
from prism.ring.errors import QueueFullError
from prism.ring.host import cancel, ended, in_flight, recover, release, submit
from prism.ring.layout import ACTIVE, RUNNABLE, TERMINAL, TRANSITIONS, Opcode, Priority, Reason, SlotStatus
from prism.ring.model import advance, claim, drain, step, step_slot, sweep
from prism.ring.program import Order, Program
from prism.ring.publish import Place
from prism.ring.schedule import choose, runnable, tickets
from prism.ring.state import RingSpec, RingState, empty
from tests.rings import SPEC, jobs, priorities, tenants, window

pytestmark = pytest.mark.m9

ORDERS = [Order.DIRECT, Order.PRIORITY, Order.BANDS]
SYSTEM = range(at.SCRATCH)
FULL_RING = st.lists(st.tuples(tenants, priorities, jobs), min_size=1, max_size=SPEC.slots)


def filled(listed: list[tuple[int, int, tuple[int, tuple[int, ...]]]]) -> RingState:
    """Return a ring of SPEC with the jobs from slot 0 on, and distinct words in every window."""
    state = empty(SPEC)
    state.control[at.OBSERVABLES + 1 :] = np.arange(SPEC.observables - 1) % 3
    for slot, (tenant, priority, job) in enumerate(listed):
        state, _ = submit(state, Place(slot, tenant, priority), [job])
    return state


def may_follow(before: int, after: int) -> bool:
    """Whether one step may take a slot from a status to another: at most through CLAIMED."""
    through = TRANSITIONS[SlotStatus(before)]
    return (
        before == after
        or after in through
        or (SlotStatus.CLAIMED in through and after in TRANSITIONS[SlotStatus.CLAIMED])
    )


@pytest.mark.clause("RING-11")
@pytest.mark.clause("RING-5")
@given(FULL_RING, st.sampled_from(ORDERS))
@settings(max_examples=60)
def test_a_step_keeps_the_status_machine(listed: list, order: Order) -> None:
    """Every step is pure, moves slots only as TRANSITIONS says, and counts exactly the slots that ended."""
    state, program = filled(listed), Program(order=order)
    for _ in range(len(listed) + 1):
        before = state.copy()
        after = step(state, program)
        assert state.same(before)
        pairs = zip(state.slots[:, at.STATUS], after.slots[:, at.STATUS], strict=True)
        assert all(may_follow(old, new) for old, new in pairs)
        ends = np.isin(after.slots[:, at.STATUS], list(TERMINAL)) & ~np.isin(state.slots[:, at.STATUS], list(TERMINAL))
        assert int(after.control[at.DONE_COUNT]) - int(state.control[at.DONE_COUNT]) == np.count_nonzero(ends)
        state = after
    assert not np.isin(state.slots[: len(listed), at.STATUS], list(ACTIVE)).any()


@pytest.mark.clause("RING-2")
@pytest.mark.clause("RING-7")
@given(FULL_RING)
@settings(max_examples=80)
def test_a_tenant_writes_only_its_window(listed: list) -> None:
    """What a slot changes of the control buffer is the worker's own counters and words of its tenant's window."""
    state = filled(listed)
    for slot, (tenant, _, _) in enumerate(listed):
        after = step_slot(state, Program(), slot)
        changed = np.flatnonzero(after.control != state.control)
        assert all(word in SYSTEM or word in window(tenant) for word in changed)
        if after.slots[slot, at.STATUS] == SlotStatus.FAULT and state.slots[slot, at.OPCODE] != Opcode.PACKED_SLOT:
            assert all(word in SYSTEM for word in changed)
        state = after


@pytest.mark.clause("RING-2")
@given(FULL_RING, st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_a_tenant_reads_only_its_window(listed: list, noise: int) -> None:
    """What a slot leaves in its tenant's window is the same whatever the windows of the others hold."""
    state = filled(listed)
    for slot, (tenant, _, _) in enumerate(listed):
        other = state.copy()
        for stranger in range(SPEC.tenants):
            if stranger != tenant:
                other.control[list(window(stranger))] = noise
        mine = list(window(tenant))
        after, changed = step_slot(state, Program(), slot), step_slot(other, Program(), slot)
        assert np.array_equal(after.control[mine], changed.control[mine])
        assert after.slots[slot, at.STATUS] == changed.slots[slot, at.STATUS]
        state = after


@pytest.mark.clause("RING-9")
@given(st.integers(1, 6), st.lists(st.integers(0, 7), max_size=20), st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_a_fence_never_passes_an_unfinished_slot(size: int, picks: list[int], tag: int) -> None:
    """In whatever order slots are looked at, the epoch moves only once all earlier slots of the batch have ended."""
    state, _ = submit(empty(SPEC), Place(0, 1), [(Opcode.NOP, ())] * size, tag=tag)
    for pick in [*picks, *range(size + 1)]:
        before = state
        state = step_slot(state, Program(), pick)
        passed = int(state.control[at.EPOCH]) - int(before.control[at.EPOCH])
        unfinished = ~np.isin(before.slots[:size, at.STATUS], list(TERMINAL))
        assert not (passed and unfinished.any())
    assert int(state.control[at.EPOCH]) == 1
    assert int(state.control[at.OBSERVABLES]) == tag


@pytest.mark.clause("RING-10")
@given(st.lists(priorities, min_size=2, max_size=5, unique=True), st.integers(1, 3), st.integers(0, 15))
@settings(max_examples=25)
def test_no_level_starves(levels: list[Priority], crowd: int, counter: int) -> None:
    """A level that always has work is passed over at most LEVEL_WAIT times in a row, however urgent the others are."""
    state = empty(SPEC)
    state.control[at.STARVATION] = counter
    listed = [*levels, *[min(levels)] * crowd][: SPEC.slots]
    since: Counter[int] = Counter()
    for slot, level in enumerate(listed):
        state, _ = submit(state, Place(slot, 0, level), [(Opcode.NOP, ())])
    for _ in range(120):
        slot = advance(state, Program(order=Order.PRIORITY))
        assert slot is not None
        for level in set(listed):
            since[level] = 0 if level == listed[slot] else since[level] + 1
            assert since[level] <= at.LEVEL_WAIT
        state, _ = submit(state, Place(slot, 0, listed[slot]), [(Opcode.NOP, ())])


@pytest.mark.clause("RING-10")
@given(st.lists(st.tuples(tenants, priorities), min_size=2, max_size=8), st.integers(2**32 - 60, 2**32 - 1))
@settings(max_examples=25)
def test_no_tenant_starves(listed: list[tuple[int, Priority]], claims: int) -> None:
    """A tenant with work at a level waits at most T * (LEVEL_WAIT + 1) claims, T tenants having work there."""
    state = empty(SPEC)
    state.head[at.BOOKS_HEAD.at("CLAIMS")] = claims  # the count wraps on the way
    state.levels[:, at.BOOKS_LEVEL.at("TURNS") :] = claims
    since: Counter[tuple[int, int]] = Counter()
    for slot, (tenant, level) in enumerate(listed):
        state, _ = submit(state, Place(slot, tenant, level), [(Opcode.NOP, ())])
    for _ in range(150):
        slot = advance(state, Program(order=Order.PRIORITY))
        assert slot is not None
        for tenant, level in set(listed):
            beside = len({other for other, theirs in listed if theirs == level})
            key = (tenant, level)
            since[key] = 0 if key == listed[slot] else since[key] + 1
            assert since[key] <= beside * (at.LEVEL_WAIT + 1)
        tenant, level = listed[slot]
        state, _ = submit(state, Place(slot, tenant, level), [(Opcode.NOP, ())])


@pytest.mark.clause("RING-6")
@given(FULL_RING, st.integers(0, 3), st.sampled_from(ORDERS))
@settings(max_examples=40)
def test_who_may_not_run_is_left_alone(listed: list, barred: int, order: Order) -> None:
    """A disabled tenant's slots stay PUBLISHED, and after SHUTDOWN no slot changes."""
    state = filled(listed)
    state.control[at.TENANT_MASKS + barred] = 0
    after = drain(state, Program(order=order), 20)
    kept = [slot for slot, (tenant, _, _) in enumerate(listed) if tenant == barred]
    assert all(after.slots[slot, at.STATUS] == SlotStatus.PUBLISHED for slot in kept)
    state.control[at.SHUTDOWN] = 1
    assert np.array_equal(drain(state, Program(order=order), 20).ring, state.ring)


@pytest.mark.clause("RING-10")
@given(FULL_RING)
@settings(max_examples=30)
def test_a_sweep_takes_each_slot_once(listed: list) -> None:
    """A finite launch in direct order leaves the ring that looking at the slots one by one leaves."""
    state, program = filled(listed), Program(once=True)
    one_by_one = state
    for slot in range(SPEC.slots):
        one_by_one = step_slot(one_by_one, program, slot)
    assert sweep(state, program).same(one_by_one)


class Jobs(RuleBasedStateMachine):
    """Submit, run, kill, cancel and reclaim in any order; every ticket ends exactly once, or is still there."""

    def __init__(self) -> None:
        super().__init__()
        self.program = Program(order=Order.PRIORITY)
        self.ends: Counter[int] = Counter()
        self.open: dict[int, int] = {}
        self.state = empty(SPEC)

    @initialize(near=st.sampled_from([0, 2**32 - 3]), quota=st.integers(1, 8))
    def begin(self, near: int, quota: int) -> None:
        """Begin with counters near their end, and a quota."""
        self.state = empty(RingSpec(SPEC.slots, SPEC.tenants, SPEC.observables, 2, quota=quota))
        self.quota = quota
        self.state.control[at.DONE_COUNT] = self.state.control[at.EPOCH] = near
        self.state.head[at.BOOKS_HEAD.at("NEXT_TICKET_LO")] = near or 1
        self.state.tenants[:, at.BOOKS_TENANT.at("CLAIMED")] = near
        self.first = self.state.control.copy()

    def settle(self, after: RingState) -> None:
        """Enter who ended between two states."""
        before, self.state = self.state, after
        was = np.isin(before.slots[:, at.STATUS], list(TERMINAL))
        now = np.isin(after.slots[:, at.STATUS], list(TERMINAL))
        for slot in np.flatnonzero(now & ~was):
            ticket = int(tickets(after)[slot])
            self.ends[ticket] += 1
            del self.open[ticket]
            assert ended(after, int(slot), ticket) is not None

    @rule(tenant=tenants, priority=priorities, job=jobs, fence=st.booleans(), slot=st.integers(0, 7))
    def publish(self, tenant: int, priority: int, job: tuple, fence: bool, slot: int) -> None:
        """Submit a job, perhaps with a fence; refused, nothing changes."""
        before = self.state.copy()
        try:
            after, given_out = submit(self.state, Place(slot, tenant, priority), [job], tag=7 if fence else None)
        except QueueFullError:
            assert self.state.same(before)
            return
        self.open |= {ticket: slot + place for place, ticket in enumerate(given_out)}
        self.state = after

    @rule()
    def run(self) -> None:
        """Take a step."""
        self.settle(step(self.state, self.program))

    @rule()
    def kill(self) -> None:
        """Lose a worker between claim and end; what it had is put back or reported."""
        slot = choose(self.state, self.program.order)
        if slot is None:
            return
        lost = self.state.copy()
        opcode = claim(lost, self.program.order, slot).opcode
        after = recover(lost, range(SPEC.slots))
        expected = SlotStatus.REQUEUE if opcode in (Opcode.NOP, Opcode.STORE_U32) else SlotStatus.FAULT
        assert after.slots[slot, at.STATUS] == expected
        if expected is SlotStatus.FAULT:
            assert ended(after, slot, int(tickets(after)[slot])) == (SlotStatus.FAULT, Reason.WORKER_LOST)
        self.settle(after)

    @rule(slot=st.integers(0, 7))
    def cancel(self, slot: int) -> None:
        """Cancel what no worker has."""
        waiting = np.flatnonzero(np.isin(self.state.slots[:, at.STATUS], list(RUNNABLE)))
        if waiting.size:
            self.settle(cancel(self.state, int(waiting[slot % waiting.size])))

    @rule(slot=st.integers(0, 7))
    def reclaim(self, slot: int) -> None:
        """Reclaim what has ended, and nothing else."""
        over = np.flatnonzero(np.isin(self.state.slots[:, at.STATUS], list(TERMINAL)))
        if over.size:
            self.state = release(self.state, int(over[slot % over.size]))
        if self.state.slots[slot, at.STATUS] not in TERMINAL:
            before = self.state.copy()
            with pytest.raises(QueueFullError, match="must have ended to be reclaimed"):
                release(self.state, slot)
            assert self.state.same(before)

    @invariant()
    def every_job_is_somewhere(self) -> None:
        """No ticket ends twice, and one that has not ended is in the ring."""
        assert all(times == 1 for times in self.ends.values())
        assert not self.ends.keys() & self.open.keys()
        for ticket, slot in self.open.items():
            assert tickets(self.state)[slot] == ticket
            assert self.state.slots[slot, at.STATUS] in ACTIVE

    @invariant()
    def accounts_agree(self) -> None:
        """Compare the done count with what ended, quotas with what is in flight, what is held with what was begun."""
        if not hasattr(self, "first"):
            return
        ended_now = (int(self.state.control[at.DONE_COUNT]) - int(self.first[at.DONE_COUNT])) % 2**32
        assert ended_now == sum(self.ends.values())
        for tenant in range(SPEC.tenants):
            assert in_flight(self.state, tenant) <= self.quota
            mine = self.state.slots[self.state.slots[:, at.TENANT] == tenant, at.STATUS]
            held = np.isin(mine, [int(status) for status in at.BEGUN]).sum()
            assert self.state.tenants[tenant, at.BOOKS_TENANT.at("HELD")] == held

    @precondition(lambda self: self.open)
    @rule()
    def finish(self) -> None:
        """Everything that is open ends within a bounded number of steps."""
        while self.open:
            left = len(self.open)
            for _ in range(2 * SPEC.slots):
                self.settle(step(self.state, self.program))
            assert len(self.open) < left
        assume(self.ends)
        assert not runnable(self.state).size


TestJobs = pytest.mark.clause("RING-11")(Jobs.TestCase)
TestJobs.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
