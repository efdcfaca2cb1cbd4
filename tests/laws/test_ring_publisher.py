"""The compiled publisher writes the bytes of the pure codec, or nothing [RING-4]."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prism.ring import layout as at
from prism.ring.exec import publisher
from prism.ring.exec.line import BELL_AHEAD, BELL_FLYING, BELL_LONGS, BELL_OLDEST
from prism.ring.memory import Block, Shape, fresh_block
from prism.ring.opcodes import is_publishable
from prism.ring.publish import Place, publish_columns
from prism.ring.state import RingSpec

pytestmark = [pytest.mark.m9, pytest.mark.clause("RING-4")]
WORDS = st.integers(0, at.WORD_MASK)
OPCODES = st.sampled_from([0, 1, 6, 7, 8, 77, 0xFFEF, 0xFFFE, 0x1_0000, 0x7FFF_FFFF, 0x8000_0001, at.WORD_MASK])
ANY_OPCODE = OPCODES | st.sampled_from([0xFFF0, 0xFFFD, 0xFFFF, 0x8000_0000, 0x8000_0002]) | WORDS


def fresh(taken: Any = ()) -> Block:
    """Return a ring of two tenants, some of whose slots are taken."""
    block = fresh_block(Shape(RingSpec(24, 2), 0))
    block.state.slots[list(taken), at.STATUS] = at.SlotStatus.WAIT_IO
    return block


def line_of(block: Block) -> Any:
    """Return an empty line for a ring."""
    size = block.shape.spec.slots
    bell = np.zeros(BELL_LONGS, np.uint64)
    bell[BELL_AHEAD] = size
    return np.zeros(32, np.uint32), np.full(size, 9, np.uint32), bell


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_the_publisher_writes_what_the_codec_writes(data: st.DataObject) -> None:
    """Slot by slot the ring's bytes are the codec's, on the queues and on the line, where only the status is CLAIMED.

    Tickets follow one another from the books' next, and a line names the slots in order, from the bell's old head.
    """
    count = data.draw(st.integers(1, 8))
    opcodes = np.array(data.draw(st.lists(OPCODES, min_size=count, max_size=count)), np.uint32)
    levels = np.array(data.draw(st.lists(st.integers(0, 4), min_size=count, max_size=count)), np.uint32)
    width = data.draw(st.integers(0, 12))
    args = np.array(data.draw(st.lists(WORDS, min_size=width, max_size=width)), np.uint32)[None] + np.zeros(
        (count, 1), np.uint32
    )
    same = data.draw(st.booleans())
    if same:
        opcodes[:], levels[:] = opcodes[0], levels[0]
    columns = (opcodes[:1], levels[:1], args[:1]) if same else (opcodes, levels, args)
    taken = data.draw(st.sets(st.integers(12, 23), max_size=4))
    head = data.draw(st.sampled_from([0, at.WORD_MASK - 3]))
    for onto_line in (False, True):
        block, chosen = fresh(taken), np.empty(count, np.int64)
        expected, line = block.state.ring.copy(), line_of(block)
        line[2][:2] = head | head << 32, head << 32
        line[2][BELL_OLDEST] = head
        if onto_line:
            first = publisher.publish_line(block.words, block.longs, (1, 0), columns, chosen, line)
            held = bool(np.any(opcodes == at.Opcode.BATCH_FENCE))
            assert (first == publisher.HELD_BACK) == held
            if held:
                assert block.state.ring.tolist() == expected.tolist()
                continue
        else:
            first = publisher.publish(block.words, block.longs, (1, 0), columns, chosen)
        assert first == 1
        assert chosen.tolist() == [slot for slot in range(12, 24) if slot not in taken][:count]
        for job, slot in enumerate(chosen):
            publish_columns(
                expected, Place(int(slot), 1, int(levels[job])), opcodes[job : job + 1], args[job : job + 1]
            )
        if onto_line:
            expected.reshape(-1, at.SLOT_WORDS)[chosen, at.STATUS] = at.SlotStatus.CLAIMED
            entries, marks, bell = line
            assert [int(entries[(head + k) & 31]) for k in range(count)] == chosen.tolist()
            assert not marks[chosen].any()
            assert read_bell(bell) == ((head + count) & at.WORD_MASK, chosen.tolist()[tail(chosen) :])
        assert block.state.ring.tolist() == expected.tolist()
        assert block.tickets[chosen].tolist() == list(range(1, 1 + count))


def tail(chosen: Any) -> int:
    """Return where the last run of slots side by side begins."""
    breaks = np.flatnonzero(np.diff(chosen) != 1)
    return int(breaks[-1]) + 1 if len(breaks) else 0


def read_bell(bell: Any) -> tuple[int, list[int]]:
    """Return the head of a bell, and the slots of its last run, as the kernel reads them."""
    head, start = int(bell[0]) & at.WORD_MASK, int(bell[0]) >> 32
    base, again = int(bell[1]) & at.WORD_MASK, int(bell[1]) >> 32
    assert head == again
    run = (head - start) & at.WORD_MASK
    return head, [(base + start + k) & at.WORD_MASK for k in range(run)]


@settings(max_examples=150, deadline=None)
@given(st.lists(ANY_OPCODE, min_size=1, max_size=4), st.booleans(), st.integers(0, 6))
def test_what_may_not_be_published_writes_nothing(opcodes: list[int], loading: bool, level: int) -> None:
    """The publisher refuses exactly what the table of opcodes refuses, names the first such job, and writes no word."""
    block, chosen = fresh(), np.empty(len(opcodes), np.int64)
    before = block.words.copy()
    args = np.zeros((1, 0), np.uint32)
    columns = (np.array(opcodes, np.uint32), np.array([level], np.uint32), args)
    allowed = [is_publishable(code) or (loading and code == at.Opcode.LOAD_MISS) for code in opcodes]
    code = publisher.publish(block.words, block.longs, (0, publisher.LOADING if loading else 0), columns, chosen)
    if level >= at.LEVELS:
        assert code == publisher.BAD_PRIORITY
    elif all(allowed):
        assert code == 1
        return
    else:
        assert code == publisher.BAD_JOB - allowed.index(False)
    assert block.words.tolist() == before.tolist()


@pytest.mark.parametrize("onto_line", [False, True])
def test_no_room_a_quota_and_a_shutdown_write_nothing(onto_line: bool) -> None:
    """Each has a code of its own, and the block is as it was."""
    args = np.zeros((1, 0), np.uint32)
    one = np.zeros(1, np.uint32)
    for change, count, code in (
        (lambda block: block.state.slots.__setitem__((slice(0, 5), at.STATUS), 2), 8, publisher.NO_ROOM),
        (lambda block: block.state.control.__setitem__(at.TENANT_QUOTAS, 3), 4, publisher.BEYOND),
        (lambda block: block.state.control.__setitem__(at.SHUTDOWN, 1), 1, publisher.CLOSED),
    ):
        block, chosen = fresh(), np.empty(count, np.int64)
        change(block)
        before = block.words.copy()
        if onto_line:
            found = publisher.publish_line(block.words, block.longs, (0, 0), (one, one, args), chosen, line_of(block))
        else:
            found = publisher.publish(block.words, block.longs, (0, 0), (one, one, args), chosen)
        assert found == code
        assert block.words.tolist() == before.tolist()


def test_a_slot_that_the_kernel_has_done_is_free_before_its_status_says_so() -> None:
    """CLAIMED with a mark of DONE is free for the line; with a mark of 0 or FAULT it is not."""
    block, chosen = fresh(), np.empty(1, np.int64)
    line = line_of(block)
    block.state.slots[:12, at.STATUS] = at.SlotStatus.CLAIMED
    line[1][:12] = 0
    line[1][3], line[1][5] = at.SlotStatus.FAULT, at.SlotStatus.DONE
    line[2][BELL_FLYING] = 11
    one = np.zeros(1, np.uint32)
    columns = (one, one, np.zeros((1, 0), np.uint32))
    assert publisher.publish_line(block.words, block.longs, (0, 0), columns, chosen, line) == 1
    assert chosen[0] == 5
    assert publisher.publish_line(block.words, block.longs, (0, 0), columns, chosen, line) == publisher.NO_ROOM


@pytest.mark.clause("RINGRUN-7")
def test_what_goes_onto_the_line_past_the_queues() -> None:
    """As many as shall lie there; more only of one level onto an empty line; none past a job that waits its turn."""
    one, two, args = np.zeros(1, np.uint32), np.array([1, 2] * 4, np.uint32), np.zeros((1, 0), np.uint32)

    def found(columns: Any, count: int, flying: int = 0, queued: bool = False) -> int:
        block, chosen = fresh(), np.empty(count, np.int64)
        line = line_of(block)
        line[2][BELL_AHEAD], line[2][BELL_FLYING] = 4, flying
        if queued:
            publisher.publish(block.words, block.longs, (1, 0), (one, one, args), np.empty(1, np.int64))
        return int(publisher.publish_line(block.words, block.longs, (0, 0), columns, chosen, line))

    assert found((one, one, args), 8) == 1
    assert found((one, two, args), 8) == publisher.HELD_BACK
    assert found((one, two[:4], args), 4) == 1
    assert found((one, one, args), 3, flying=1) == 1
    assert found((one, one, args), 4, flying=1) == publisher.HELD_BACK
    assert found((one, one, args), 1, queued=True) == publisher.HELD_BACK
