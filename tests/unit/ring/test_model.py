"""Each opcode by example: what it does, and the reason for which it is a fault."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from prism.ring import layout as at
from prism.ring.effects import Job, Outcome
from prism.ring.host import cancel, ended, recover, release, submit
from prism.ring.layout import IoStatus, Opcode, Priority, Reason, SlotStatus
from prism.ring.model import claim, drain, finish, step
from prism.ring.packed import pack
from prism.ring.program import Arg, Handler, Memory, Order, Program, Span, Workspace
from prism.ring.publish import Place
from prism.ring.schedule import due_level, tickets
from prism.ring.state import RingSpec, RingState, empty
from tests.rings import SPEC, ring_with, window

pytestmark = pytest.mark.m9

W = window(1).start
"""The first word of tenant 1."""


def left(state: RingState, slot: int = 0) -> tuple[SlotStatus, Reason]:
    """Return how a slot was left, and why."""
    reason = int(state.entries[slot, at.BOOKS_SLOT.at("REASON")])
    return SlotStatus(int(state.slots[slot, at.STATUS])), Reason(reason)


CASES = {
    "store": (Opcode.STORE_U32, (42, W), {W: 42}, Reason.NONE),
    "store outside": (Opcode.STORE_U32, (42, W + 8), {}, Reason.ADDRESS),
    "store into the masks": (Opcode.STORE_U32, (0, 3), {}, Reason.ADDRESS),
    "add wraps": (Opcode.ATOMIC_ADD, (at.WORD_MASK, W + 1), {W + 1: 4}, Reason.NONE),
    "load": (Opcode.LOAD_U32, (W + 1, W - 160), {W: 5}, Reason.NONE),
    "load from another": (Opcode.LOAD_U32, (W - 1, W - 160), {}, Reason.ADDRESS),
    "load to another": (Opcode.LOAD_U32, (W, 0), {}, Reason.ADDRESS),
    "swap": (Opcode.COMPARE_SWAP, (W + 1, 5, 9, W - 160), {W: 5, W + 1: 9}, Reason.NONE),
    "swap refused": (Opcode.COMPARE_SWAP, (W + 1, 6, 9, W - 160), {W: 5}, Reason.NONE),
    "copy": (Opcode.MEMCPY, (W + 1, W + 4, 2), {W + 4: 5, W + 5: 7}, Reason.NONE),
    "copy onto itself repeats": (Opcode.MEMCPY, (W + 1, W + 2, 2), {W + 2: 5, W + 3: 5}, Reason.NONE),
    "copy of nothing": (Opcode.MEMCPY, (0, 0, 0), {}, Reason.NONE),
    "copy past the window": (Opcode.MEMCPY, (W + 1, W + 6, 3), {}, Reason.ADDRESS),
    "copy of 2**32 - 1 words": (Opcode.MEMCPY, (W, W, at.WORD_MASK), {}, Reason.ADDRESS),
    # State 5 of a table of one symbol at W - 4: the entry is W + 1, which holds 5; then at W - 3: W + 2 holds 7.
    "dfa": (Opcode.DFA_STEP, (W - 3, W + 1, 0, 1), {W + 1: 7}, Reason.NONE),
    "dfa symbol": (Opcode.DFA_STEP, (W, W, 2, 2), {}, Reason.ARGUMENT),
    "dfa entry outside": (Opcode.DFA_STEP, (W + 3, W + 1, 0, 1), {}, Reason.ADDRESS),
    "dfa state outside": (Opcode.DFA_STEP, (W, W - 1, 0, 1), {}, Reason.ADDRESS),
    "shutdown by a tenant": (Opcode.SHUTDOWN, (), {}, Reason.TENANT),
    "no handler": (Opcode(Opcode.NOP) + 300, (), {}, Reason.OPCODE),
}


@pytest.mark.clause("RING-7")
@pytest.mark.parametrize("name", CASES)
def test_an_opcode_does_what_the_table_says(name: str) -> None:
    """The words that change, and whether the slot is DONE or a FAULT with its reason; a fault writes nothing."""
    opcode, args, changes, reason = CASES[name]
    state = ring_with((1, int(opcode), args))
    state.control[W + 1 : W + 3] = 5, 7
    after = step(state, Program())
    expected = state.control[at.SCRATCH :].copy()
    for word, value in changes.items():
        expected[word - at.SCRATCH] = value
    assert np.array_equal(after.control[at.SCRATCH :], expected)
    assert left(after) == (SlotStatus.FAULT if reason else SlotStatus.DONE, reason)
    assert after.control[at.DONE_COUNT] == 1
    assert ended(after, 0, 1) == left(after)


@pytest.mark.clause("RING-6")
def test_the_host_shuts_down() -> None:
    """SHUTDOWN by tenant 0 stops the worker; what is behind it stays published."""
    after = drain(ring_with((0, Opcode.SHUTDOWN, ()), (0, Opcode.NOP, ())), Program(), 5)
    assert left(after) == (SlotStatus.DONE, Reason.NONE)
    assert left(after, 1) == (SlotStatus.PUBLISHED, Reason.NONE)
    assert after.control[at.SHUTDOWN] == 1


@pytest.mark.clause("RING-6")
@pytest.mark.parametrize("tenant", [29, 31, 32, at.WORD_MASK])
def test_a_tenant_outside_the_table_is_refused(tenant: int) -> None:
    """Whatever stands behind the table of masks, a tenant without an entry there is a fault and touches nothing."""
    state = ring_with((0, Opcode.STORE_U32, (1, 161)))
    state.slots[0, at.TENANT] = tenant
    after = step(state, Program())
    assert left(after) == (SlotStatus.FAULT, Reason.TENANT)
    assert after.control[161] == 0


@pytest.mark.clause("RING-6")
def test_a_moved_table_allows_nobody_it_does_not_hold() -> None:
    """A pointer to the masks that leads out of their table is not followed."""
    state = ring_with((1, Opcode.NOP, ()))
    state.control[at.TENANT_BASE] = at.TENANT_QUOTAS
    assert left(step(state, Program())) == (SlotStatus.PUBLISHED, Reason.NONE)
    state.control[at.TENANT_BASE] = at.WORD_MASK
    assert left(step(state, Program())) == (SlotStatus.PUBLISHED, Reason.NONE)


@pytest.mark.clause("RING-6")
def test_a_worker_keeps_to_the_quota() -> None:
    """A tenant whose begun slots reach its quota begins no other until one ends."""
    twice = Handler(300, "twice", lambda args: (np.uint32(5 if args[0] else 3), args * 0), (), (_own_args(),), True)
    state = ring_with((1, 300, (1,)), (1, Opcode.NOP, ()))
    state.control[at.TENANT_QUOTAS + 1] = 1
    program = Program(handlers=(twice,))
    once = step(state, program)
    assert [left(once, slot)[0] for slot in (0, 1)] == [SlotStatus.YIELD, SlotStatus.PUBLISHED]
    again = step(once, program)
    assert [left(again, slot)[0] for slot in (0, 1)] == [SlotStatus.DONE, SlotStatus.PUBLISHED]
    assert left(step(again, program), 1)[0] == SlotStatus.DONE


def _own_args() -> Span:
    return Span(0, at.ARGS_PER_SLOT, Memory.ARGS)


@pytest.mark.clause("RING-12")
def test_a_full_log_counts_what_it_drops() -> None:
    """The cursor stops at the capacity; drops are counted for the ring and for the tenant."""
    state = ring_with(*[(1, Opcode.PRINTF, (i, 2, 3)) for i in range(5)])
    after = drain(state, Program(), 9)
    assert after.log.tolist() == [8, 0, 2, 3, 0, 1, 2, 3, 16]
    assert after.head[at.BOOKS_HEAD.at("LOG_DROPS")] == 3
    assert after.tenants[1, at.BOOKS_TENANT.at("LOG_DROPS")] == 3


@pytest.mark.clause("RING-8")
def test_every_operation_of_a_packed_slot_runs() -> None:
    """Twenty-three operations without arguments run, and so does a short one in the last words."""
    nops = ring_with((1, Opcode.PACKED_SLOT, tuple(map(int, pack([(0, ())] * 23)))))
    assert step(nops, Program()).control[at.METRICS_BASE] == 23
    tail = pack([(0, [0] * 8), (1, [7, W])])
    after = step(ring_with((1, Opcode.PACKED_SLOT, tuple(map(int, tail)))), Program())
    assert (after.control[W], left(after)) == (7, (SlotStatus.DONE, Reason.NONE))


@pytest.mark.clause("RING-8")
@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((0x1805,), Reason.PACKED),  # five operations and 24 words
        ((0x0001_0101, 0), Reason.NONE),  # one STORE of one word: its address is 0, so outside
        ((0x0100_0201 | 0x0002_0000,), Reason.PACKED),  # an offset that is not 0
        ((0x0009_0001,), Reason.OPCODE),  # opcode 9, for which nothing answers
    ],
)
def test_a_packed_slot_that_contradicts_itself_is_a_fault(words: tuple[int, ...], reason: Reason) -> None:
    """Counts that do not fit, offsets out of order and unknown opcodes are faults before any operation runs."""
    after = step(ring_with((1, Opcode.PACKED_SLOT, words)), Program())
    assert left(after) == (SlotStatus.FAULT, reason or Reason.ADDRESS)


@pytest.mark.clause("RING-8")
def test_what_came_before_a_fault_in_a_packed_slot_stays() -> None:
    """Operations run in order; the one at fault ends the slot and the rest do not run."""
    words = pack([(1, [1, W]), (1, [2, 0]), (1, [3, W + 1])])
    after = step(ring_with((1, Opcode.PACKED_SLOT, tuple(map(int, words)))), Program())
    assert left(after) == (SlotStatus.FAULT, Reason.ADDRESS)
    assert after.control[W : W + 2].tolist() == [1, 0]


def _answer(*parts: object) -> Handler:
    return Handler(300, "answers", lambda _args: parts, writes=(Span(0, 2),), answers_status=True)


BLOCK = np.array([8, 9], np.uint32)


@pytest.mark.clause("RING-14")
@pytest.mark.parametrize(
    ("handler", "status", "reason"),
    [
        (_answer(3, BLOCK), SlotStatus.DONE, Reason.NONE),
        (_answer(5, BLOCK), SlotStatus.YIELD, Reason.NONE),
        (_answer(6, BLOCK), SlotStatus.REQUEUE, Reason.NONE),
        (_answer(7, BLOCK), SlotStatus.FAULT, Reason.HANDLER),
        (_answer(2, BLOCK), SlotStatus.FAULT, Reason.HANDLER),
        (_answer(3, BLOCK[:1]), SlotStatus.FAULT, Reason.HANDLER),
        (_answer(3, BLOCK.astype(np.float32)), SlotStatus.FAULT, Reason.HANDLER),
        (_answer(3), SlotStatus.FAULT, Reason.HANDLER),
        (Handler(300, "raises", lambda args: 1 // int(args[0])), SlotStatus.FAULT, Reason.HANDLER),
        (Handler(300, "reads outside", lambda *_: (), reads=(Span(Arg(1), 1),)), SlotStatus.FAULT, Reason.ADDRESS),
        (Handler(300, "writes long", lambda *_: BLOCK, writes=(Span(7, 2),)), SlotStatus.FAULT, Reason.ADDRESS),
    ],
    ids=lambda value: value.name if isinstance(value, Handler) else str(value),
)
def test_a_handler_is_held_to_what_it_declares(handler: Handler, status: SlotStatus, reason: Reason) -> None:
    """What a handler answers decides the status; anything it did not declare is a fault that writes nothing."""
    after = step(ring_with((1, 300, (0, W - 1))), Program(handlers=(handler,)))
    assert left(after) == (status, reason)
    written = after.control[W : W + 2].tolist()
    assert written == ([0, 0] if reason else [8, 9])


@pytest.mark.clause("RING-10")
def test_who_yields_goes_behind_and_who_is_requeued_below() -> None:
    """A yield takes a new place in line at the same level, a requeue one level lower; neither is lost."""
    turns = Handler(300, "turns", lambda args: (args[0], np.full(12, 3, np.uint32)), (), (_own_args(),), True)
    for answer, level in ((SlotStatus.YIELD, Priority.HIGH), (SlotStatus.REQUEUE, Priority.NORMAL)):
        state, given = submit(empty(SPEC), Place(0, 1, Priority.HIGH), [(300, (int(answer),)), (Opcode.NOP, ())])
        program = Program(order=Order.PRIORITY, handlers=(turns,))
        once = step(state, program)
        assert (left(once)[0], once.slots[0, at.PRIORITY]) == (answer, level)
        after = drain(once, program, 4)
        assert [left(after, slot)[0] for slot in (0, 1)] == [SlotStatus.DONE, SlotStatus.DONE]
        assert tickets(after)[:2].tolist() == list(given)
        assert after.tenants[1, at.BOOKS_TENANT.at("HELD")] == 0


@pytest.mark.clause("RING-14")
def test_handlers_share_a_workspace() -> None:
    """The workspace is prepared before each slot, and a span of it reaches the handler."""
    take = Handler(300, "take", lambda _args, word: word, (Span(1, 1, Memory.WORKSPACE),), (Span(0, 1),))
    program = Program(handlers=(take,), workspace=Workspace("count", 2, lambda words: words + np.uint32(1)))
    state = ring_with((1, 300, ()), (1, 300, ()), spec=RingSpec(4, 2, 17, workspace=2))
    after = drain(state, program, 4)
    start = state.tenants[1, 0]
    assert (after.control[start], after.workspace.tolist()) == (2, [2, 2])


LOAD = (1, Opcode.NOP, (42, 0))


def _loading(*, prefetch: bool = False) -> RingState:
    state = ring_with(LOAD)
    state.slots[0, at.OPCODE], state.slots[0, at.ARGS + 1] = Opcode.LOAD_MISS, prefetch
    return state


@pytest.mark.clause("RING-13")
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (IoStatus.OK, (SlotStatus.DONE, Reason.NONE)),
        (IoStatus.ERROR, (SlotStatus.FAULT, Reason.IO)),
        (IoStatus.CLAIMED, (SlotStatus.WAIT_IO, Reason.NONE)),
    ],
)
def test_a_load_waits_for_its_read(status: IoStatus, expected: tuple[SlotStatus, Reason]) -> None:
    """LOAD_MISS asks for a read and waits; how the read ends decides the slot, and the io slot is free again."""
    program = Program(self_loading=True)
    asked = step(_loading(), program)
    assert left(asked) == (SlotStatus.WAIT_IO, Reason.NONE)
    assert asked.io_slots[0].tolist() == [1, 42, 42, 0, 0, 0, 1, 42]
    asked.io_slots[0, at.IO_STATUS] = status
    after = step(asked, program)
    assert left(after) == expected
    assert after.io_slots[0, at.IO_STATUS] == (status if status is IoStatus.CLAIMED else IoStatus.EMPTY)


@pytest.mark.clause("RING-13")
def test_a_read_that_does_not_end_is_a_fault_in_time() -> None:
    """The wait is bounded; a read that ends later is recycled without touching the slot."""
    program = Program(self_loading=True, io_patience=3)
    late = drain(_loading(), program, 10)
    assert left(late) == (SlotStatus.FAULT, Reason.IO_TIMEOUT)
    late.io_slots[0, at.IO_STATUS] = IoStatus.ERROR
    after = step(late, program)
    assert left(after) == (SlotStatus.FAULT, Reason.IO_TIMEOUT)
    assert after.io_slots[0, at.IO_STATUS] == IoStatus.EMPTY
    assert after.head[at.BOOKS_HEAD.at("PREFETCH_ERRORS")] == 1


@pytest.mark.clause("RING-13")
def test_a_load_without_a_free_io_slot_tries_again() -> None:
    """A full io queue makes the slot yield; once there is room the read is asked for, and a prefetch is DONE then."""
    state, program = _loading(prefetch=True), Program(self_loading=True)
    state.io_slots[:, at.IO_STATUS] = IoStatus.CLAIMED
    tried = step(state, program)
    assert left(tried)[0] == SlotStatus.YIELD
    tried.io_slots[3, at.IO_STATUS] = IoStatus.EMPTY
    after = step(tried, program)
    assert left(after) == (SlotStatus.DONE, Reason.NONE)
    assert after.io_slots[3, at.IO_STATUS] == IoStatus.PUBLISHED
    assert left(step(_loading(), Program())) == (SlotStatus.FAULT, Reason.OPCODE)


@pytest.mark.clause("RING-14")
def test_a_fused_worker_honours_what_every_worker_does() -> None:
    """The payload answers for every opcode but SHUTDOWN and the fence, inner ones included, and metrics count."""
    payload = Handler(9, "sum", lambda args, word: word + args[0], (Span(0, 1),), (Span(0, 1),))
    state, _ = submit(empty(SPEC), Place(0, 0), [(1, (5, 3)), (40, (6,))], tag=11)
    state, _ = submit(state, Place(3, 0), [(Opcode.PACKED_SLOT, tuple(map(int, pack([(2, [1]), (3, [2])]))))])
    state, _ = submit(state, Place(4, 0), [(Opcode.SHUTDOWN, ()), (1, (100,))])
    after = drain(state, Program(payload=payload), 20)
    assert after.control[at.OBSERVABLES : at.OBSERVABLES + 2].tolist() == [11, 14]
    assert after.control[at.METRICS_BASE : at.METRICS_BASE + 8].tolist() == [0, 1, 1, 1, 0, 0, 0, 1]
    assert (after.control[at.EPOCH], after.control[at.SHUTDOWN]) == (1, 1)
    assert left(after, 5) == (SlotStatus.PUBLISHED, Reason.NONE)


@pytest.mark.clause("RING-11")
def test_what_a_lost_worker_had_is_put_back_or_reported() -> None:
    """A STORE is put back under its ticket, an ADD is a FAULT that says so; a cancelled slot says so, too."""
    state = ring_with((1, Opcode.STORE_U32, (1, W)), (1, Opcode.ATOMIC_ADD, (1, W + 1)), (1, Opcode.NOP, ()))
    for slot in (0, 1):
        claim(state, Order.DIRECT, slot)
    after = cancel(recover(state, range(SPEC.slots)), 2)
    assert left(after, 0)[0] == SlotStatus.REQUEUE
    assert left(after, 1) == (SlotStatus.FAULT, Reason.WORKER_LOST)
    assert left(after, 2) == (SlotStatus.FAULT, Reason.CANCELLED)
    done = drain(after, Program(), 9)
    assert ended(done, 0, 1) == (SlotStatus.DONE, Reason.NONE)
    assert ended(done, 0, 2) is None
    assert (done.control[W], done.control[W + 1], done.control[at.DONE_COUNT]) == (1, 0, 3)


@pytest.mark.clause("RING-5")
def test_each_transition_of_the_table_happens_and_no_other() -> None:
    """Acts of tenant, worker, ingest and host together take every arrow of the status machine, and none beside."""
    program, seen = Program(self_loading=True), set()

    def note(*rings: RingState) -> RingState:
        """Enter how the first slot went from ring to ring."""
        statuses = [SlotStatus(int(ring.slots[0, at.STATUS])) for ring in rings]
        seen.update(pairwise(statuses))
        return rings[-1]

    def begun() -> RingState:
        """Publish and claim a job, and cancel another."""
        published = submit(empty(SPEC), Place(0, 1), [(Opcode.NOP, ())])[0]
        note(empty(SPEC), published, cancel(published, 0), release(cancel(published, 0), 0))
        ring = published.copy()
        claim(ring, Order.DIRECT, 0)
        return note(published, ring)

    for status in (SlotStatus.DONE, SlotStatus.FAULT, SlotStatus.WAIT_IO, SlotStatus.YIELD, SlotStatus.REQUEUE):
        before = begun()
        after = before.copy()
        finish(after, program, Job(0, 1, Opcode.NOP, []), Outcome(status))
        note(before, after)
        if status in at.RUNNABLE:
            again = after.copy()
            claim(again, Order.DIRECT, 0)
            note(after, again)
            note(after, cancel(after, 0))
        if status is SlotStatus.DONE:
            note(after, submit(after, Place(0, 1), [(Opcode.NOP, ())])[0])
            note(after, release(after, 0))
    for status in (IoStatus.OK, IoStatus.ERROR):
        waits = step(_loading(), program)
        waits.io_slots[0, at.IO_STATUS] = status
        note(waits, step(waits, program))
    assert seen == {(old, new) for old, after in at.TRANSITIONS.items() for new in after}


@pytest.mark.clause("RING-10")
@pytest.mark.parametrize(
    ("passed", "level"),
    [((0, 15, 15, 15, 15), 1), ((0, 3, 16, 17, 16), 3), ((0, 0, 16, 16, 16), 4), ((0, 40, 16, 0, 39), 1)],
)
def test_the_level_that_waited_longest_is_served_next(passed: tuple[int, ...], level: int) -> None:
    """From 16 claims on the longest waiting goes first, the least urgent of equals; before that the most urgent."""
    state = empty(SPEC)
    state.levels[:, at.BOOKS_LEVEL.at("PASSED")] = passed
    assert due_level(state, {1, 2, 3, 4}) == level
