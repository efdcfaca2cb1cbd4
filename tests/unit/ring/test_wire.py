"""Round trips of the wire: packed slots, columns, replay files, and replaying what they hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prism.ring import codec, publish, replay, work
from prism.ring import layout as at
from prism.ring.errors import QueueFullError
from prism.ring.host import release
from prism.ring.layout import Opcode, Reason, SlotStatus
from prism.ring.packed import pack, unpack
from prism.ring.program import Program
from prism.ring.publish import Place
from prism.ring.state import empty
from tests.rings import SPEC, jobs, tenants

pytestmark = pytest.mark.m9

WORD = st.integers(0, at.WORD_MASK)


@pytest.mark.clause("RING-8")
@given(st.lists(st.tuples(st.integers(0, 255), st.lists(WORD, max_size=5)), max_size=24))
@settings(max_examples=150)
def test_writer_and_worker_agree_on_packed_slots(operations: list[tuple[int, list[int]]]) -> None:
    """What fits is read back whole; what does not fit is refused, by the one limit of both sides."""
    size = at.packed_metadata_words(len(operations)) + sum(len(args) for _, args in operations)
    if size <= at.ARGS_PER_SLOT:
        assert unpack(pack(operations)) == tuple(operations)
    else:
        with pytest.raises(QueueFullError):
            pack(operations)


@pytest.mark.clause("RING-8")
@given(st.lists(WORD, min_size=12, max_size=12))
@settings(max_examples=150)
def test_any_words_are_a_packed_slot_or_are_not(words: list[int]) -> None:
    """Whatever a slot holds is either read as operations with arguments from the slot, or as a contradiction."""
    operations = unpack(np.array(words, np.uint32))
    if operations is not None:
        assert sum(len(args) for _, args in operations) <= at.ARGS_PER_SLOT
        assert all(word in words for _, args in operations for word in args)


@pytest.mark.clause("RING-4")
@given(st.lists(st.tuples(st.integers(8, 0xFFEF), st.lists(WORD, min_size=3, max_size=3)), max_size=6))
@settings(max_examples=40)
def test_columns_are_jobs_side_by_side(listed: list[tuple[int, list[int]]]) -> None:
    """Publishing columns leaves the ring that publishing the jobs one by one leaves, work items likewise."""
    one_by_one, columns, items = (np.zeros(6 * at.SLOT_WORDS, np.uint32) for _ in range(3))
    for slot, (opcode, args) in enumerate(listed):
        publish.publish(one_by_one, Place(slot, 3), opcode, args)
    opcodes, args = np.array([op for op, _ in listed], np.uint32), np.array([a for _, a in listed], np.uint32)
    assert publish.publish_columns(columns, Place(0, 3), opcodes, args.reshape(-1, 3)) == len(listed)
    work.publish_items(items, Place(0, 3), [work.WorkItem(op, *args) for op, args in listed])
    assert np.array_equal(columns, one_by_one)
    assert np.array_equal(items, one_by_one)
    assert publish.free_slots(columns).tolist() == list(range(len(listed), 6))


@pytest.mark.clause("RING-3")
def test_readers_read_what_encoders_wrote() -> None:
    """Counters, observables and records come back from bytes as from arrays."""
    control = codec.encode_control(True, 40, 3)
    control[[at.DONE_COUNT, at.EPOCH, at.OBSERVABLES + 2, at.METRICS_BASE + 4]] = 5, 6, 7, 8
    for held in (control, control.tobytes(), bytearray(control.tobytes()), control.view(np.uint8)):
        read = codec.read_done_count(held), codec.read_epoch(held), codec.read_observable(held, 2)
        assert (*read, codec.read_metrics(held)) == (5, 6, 7, [(4, 8)])
    codec.write_bands(control, 5)
    assert control[at.PRIORITY_OFFSETS :][:6].tolist() == [0, 1, 2, 3, 4, 5]
    log = codec.encode_log(2)
    log[:5] = 4, 9, 8, 7, 16
    assert codec.decode_log(log).tolist() == [[9, 8, 7, 16]]
    assert codec.encode_ring(2).size == 32


ENTRIES = st.lists(
    st.builds(
        lambda stamp, slot, tenant, job: replay.Entry(stamp, slot, tenant, int(job[0]), job[1], 7),
        st.integers(0, 2**64 - 1),
        st.integers(0, SPEC.slots - 1),
        tenants,
        jobs.filter(lambda job: job[0] < 0x8000_0000),
    ),
    max_size=8,
)


def padded(entry: replay.Entry, words: int) -> replay.Entry:
    """Return an entry with as many arguments as a version of the file holds."""
    return replace(entry, args=(*entry.args, *[0] * 12)[:words])


@pytest.mark.clause("RING-15")
@given(ENTRIES, st.integers(1, 5), st.sampled_from([1, 2]))
@settings(max_examples=60)
def test_a_replay_file_keeps_the_newest_entries(entries: list[replay.Entry], capacity: int, version: int) -> None:
    """A file of either version gives back the last entries in order, as much of each as its version holds."""
    log = replay.decode(replay.encode(capacity, entries, version))
    words = 4 if version == 1 else 12
    assert list(log.entries) == [padded(entry, words) for entry in entries[-capacity:]]
    assert (log.capacity, log.cursor) == (capacity, len(entries) % capacity)


@pytest.mark.clause("RING-15")
@given(ENTRIES.filter(bool))
@settings(max_examples=40)
def test_a_replay_replays(entries: list[replay.Entry]) -> None:
    """Recorded jobs run again give the same outcomes and digests, through a file too; a changed word is found."""
    state, program = empty(SPEC), Program()
    recorded = replay.record(state, program, entries)
    assert all(entry.outcome in (SlotStatus.DONE, SlotStatus.FAULT) for entry in recorded)
    again = replay.decode(replay.encode(len(entries), recorded)).entries
    assert replay.replay(state, program, again) == []
    other = state.copy()
    other.control[at.OBSERVABLES + 1 :] += np.uint32(1)
    assert replay.replay(other, program, again)[0].place == 0


@pytest.mark.clause("RING-15")
def test_a_full_record_keeps_every_field() -> None:
    """Through a file of version 2 each field comes back, all twelve arguments and the high words included."""
    full = replay.Entry(
        *(5 << 32 | 6, 3, 2, 77, tuple(range(100, 112)), 9, 4, 8 << 32 | 1),
        *(int(SlotStatus.FAULT), int(Reason.ADDRESS), bytes(range(16))),
    )
    assert replay.decode(replay.encode(3, [full])).entries == (full,)
    old = replay.decode(replay.encode(3, [full], version=1)).entries[0]
    assert (old.args, old.ticket, old.timestamp_ns) == ((100, 101, 102, 103), 0, full.timestamp_ns)


@pytest.mark.clause("RING-15")
def test_a_replay_shows_where_it_went_another_way() -> None:
    """Where a handler is missing the second time, the difference names the entry and both outcomes."""
    state = empty(SPEC)
    entry = replay.Entry(0, 0, 1, Opcode.STORE_U32, (1, 169), 0)
    recorded = replay.record(state, Program(), [entry, replace(entry, args=(2, 170))])
    wrong = replace(recorded[1], outcome=int(SlotStatus.FAULT), reason=int(Reason.OPCODE))
    (difference,) = replay.replay(state, Program(), [recorded[0], wrong])
    assert (difference.place, difference.recorded[:2], difference.came[:2]) == (1, (7, 1), (3, 0))


@pytest.mark.clause("RING-5")
def test_what_ended_is_released() -> None:
    """A slot that ended becomes EMPTY with nobody in it."""
    state = empty(SPEC)
    publish.publish(state.ring, Place(0, 0), 0)
    state.slots[0, at.STATUS] = SlotStatus.FAULT
    after = release(state, 0)
    assert after.slots[0, at.STATUS] == SlotStatus.EMPTY
    assert not after.entries[0].any()
