"""What the ring refuses: the kind of error, its words, and that nothing was changed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from prism.errors import PrismError
from prism.ring import codec, host, ioqueue, policy, publish, replay, tenants, work
from prism.ring import layout as at
from prism.ring.errors import (
    ByteLengthError,
    LaunchError,
    MisalignedError,
    MissingWordError,
    QueueFullError,
)
from prism.ring.layout import Opcode, SlotStatus
from prism.ring.packed import pack
from prism.ring.program import Arg, Handler, Memory, Program, Span
from prism.ring.publish import Place, Route
from prism.ring.reading import TelemetryDecodeScratch
from prism.ring.sketch import CountMinSketch
from prism.ring.state import empty
from tests.rings import SPEC, ring_with

pytestmark = pytest.mark.m9


def ring(*statuses: int) -> np.ndarray:
    """Return a ring of two slots, or of the statuses given."""
    words = np.zeros((len(statuses) or 2) * at.SLOT_WORDS, np.uint32)
    words[:: at.SLOT_WORDS] = statuses or 0
    return words


PUBLISHING: dict[str, tuple[Callable[[np.ndarray], object], str]] = {
    "cut": (lambda r: publish.publish(r[:-1], Place(0, 0), 0), "a ring must be whole slots of 64 bytes"),
    "bytes": (lambda r: publish.publish(r.view(np.uint8)[:-1], Place(0, 0), 0), "a ring must be whole slots of"),
    "arguments": (
        lambda r: publish.publish(r, Place(0, 0), 0, [0] * 13),
        "a slot has 12 words for these arguments, got 13",
    ),
    "opcode": (lambda r: publish.publish(r, Place(0, 0), 0xFFF0), "opcode 0xfff0 is kept for the worker"),
    "load miss": (lambda r: publish.publish(r, Place(0, 0), Opcode.LOAD_MISS), "is kept for the worker; take"),
    "place": (lambda r: publish.publish(r, Place(2, 0), 0), "slots 2 to 2 must lie in a ring of 2"),
    "before": (lambda r: publish.publish(r, Place(-1, 0), 0), "must lie in a ring of 2; enlarge the ring or split"),
    "batch": (lambda r: publish.publish_batch(r, Place(0, 0), [(0, ())] * 2, 7), "slots 0 to 2 must lie in a ring"),
    "last of a batch": (
        lambda r: publish.publish_batch(r, Place(0, 0), [(0xFFF0, ())], 7),
        "is kept for the worker",
    ),
    "window": (
        lambda r: publish.publish_window(r, Place(0, 0), Route(1, 9, [[0] * 11])),
        "a slot has 10 words for these arguments, got 11",
    ),
    "columns": (
        lambda r: publish.publish_columns(r, Place(0, 0), r[:2], r[:2]),
        "args must have one row for each of 2 opcodes",
    ),
    "packed": (
        lambda r: publish.publish_packed(r, Place(0, 0), [(0, [])] * 24),
        "a packed slot holds 12 words, but 24",
    ),
    "packed opcode": (lambda _: pack([(256, ())]), "an opcode in a packed slot is one byte, got 0x100"),
    "items": (lambda r: work.fill(r, 0, [work.WorkItem(0, 0, 0, 0)] * 3), "3 work items need as many slots, got 2"),
    "reclaim": (lambda r: publish.reclaim(r, 0), "slot 0 must have ended to be reclaimed, got status 0"),
    "reclaim outside": (lambda r: publish.reclaim(r, 9), "slot 9 must have ended to be reclaimed"),
}


@pytest.mark.clause("RING-4")
@pytest.mark.parametrize("name", PUBLISHING)
def test_publishing_is_all_or_nothing(name: str) -> None:
    """What does not fit is refused as QueueFullError with a remedy, and the ring stays as it was."""
    call, message = PUBLISHING[name]
    words = ring()
    with pytest.raises(QueueFullError) as caught:
        call(words)
    assert message in str(caught.value)
    assert not words.any()


@pytest.mark.clause("RING-5")
@pytest.mark.parametrize("status", [1, 2, 4, 5, 6, 7, 8, 0xFFFF_FFFF])
def test_only_a_free_slot_is_published_into(status: int) -> None:
    """A batch into a ring whose last slot is neither EMPTY nor DONE lands nowhere; a FAULT counts as taken."""
    words = ring(0, status)
    before = words.copy()
    with pytest.raises(QueueFullError, match="slot 1 must be EMPTY or DONE to be published into, got status"):
        publish.publish_batch(words, Place(0, 0), [(0, ())], 7)
    assert np.array_equal(words, before)


OTHERS: dict[str, tuple[Callable[[], object], type[PrismError], str]] = {
    "words": (lambda: codec.words_of(b"abc"), MisalignedError, "a buffer must be whole words of 4 bytes, got 3"),
    "control": (
        lambda: codec.encode_control(False, 1, 1 << 21),
        ByteLengthError,
        "an encoder allocates at most 1048576",
    ),
    "ring": (lambda: codec.encode_ring(1 << 21), ByteLengthError, "an encoder allocates at most 1048576 slots"),
    "log": (lambda: codec.encode_log(1 << 21), ByteLengthError, "at most 1048576 log records"),
    "observable": (
        lambda: codec.read_observable(bytes(640), 2**32 - 1),
        ByteLengthError,
        "lies beyond the last index of 32 bits",
    ),
    "done count": (lambda: codec.read_done_count(bytes(4)), MissingWordError, "but the buffer has 1 words"),
    "bands": (lambda: codec.write_bands(np.zeros(9, np.uint32), 5), MissingWordError, "band offset is word 134, but"),
    "cursor outside": (
        lambda: codec.decode_log(np.array([5, 0, 0, 0, 0], np.uint32)),
        MissingWordError,
        "the cursor of the debug log must stay within its 4 words",
    ),
    "cursor inside": (
        lambda: codec.decode_log(np.array([3, 0, 0, 0, 0], np.uint32)),
        MissingWordError,
        "must stand between whole records of 4 words",
    ),
    "count": (lambda: publish.count_done(ring(), 3), MissingWordError, "3 slots are to be counted, but the ring has"),
    "io slots": (lambda: ioqueue.encode_queue(65), QueueFullError, "an io queue has 1 to 64 slots, got 65"),
    "io bytes": (lambda: ioqueue.queue_of(bytes(33)), MisalignedError, "an io queue must be whole slots of 32 bytes"),
    "io size": (lambda: ioqueue.queue_of(bytes(2080)), QueueFullError, "an io queue has at most 64 slots, got 65"),
    "io slot": (
        lambda: ioqueue.is_recycled(ioqueue.queue_of(bytes(32)), 1),
        QueueFullError,
        "io slot 1 must be 0 to 0",
    ),
    "io complete": (
        lambda: ioqueue.complete(ioqueue.queue_of(bytes(32)), [(0, True)]),
        QueueFullError,
        "io slot 0 must be CLAIMED to be completed, got status 0",
    ),
    "io recycle": (
        lambda: ioqueue.recycle(ioqueue.queue_of(bytes(32)), 0),
        QueueFullError,
        "io slot 0 must have ended to be recycled",
    ),
    "replay capacity": (
        lambda: replay.encode(0, []),
        ByteLengthError,
        "a replay file holds 1 to 1048576 records, got 0",
    ),
    "replay header": (lambda: replay.decode(b"VRRL"), MissingWordError, "a replay file has a header of 32 bytes"),
    "replay magic": (lambda: replay.decode(bytes(32)), MissingWordError, "a replay file begins with VRRL0001, got"),
    "replay version": (
        lambda: replay.decode(b"VRRL0001" + bytes([9]) + bytes(23)),
        MissingWordError,
        "a replay file has version 1 or 2 and no flags, got",
    ),
    "replay length": (
        lambda: replay.decode(replay.encode(2, [])[:-1]),
        MisalignedError,
        "the file was cut or added to",
    ),
    "tenant": (
        lambda: host.submit(empty(SPEC), Place(0, 29), []),
        QueueFullError,
        "a tenant id must be 0 to 28, got 29",
    ),
    "priority": (
        lambda: host.submit(empty(SPEC), Place(0, 0, 5), []),
        QueueFullError,
        "a priority must be 0 to 4, got 5",
    ),
    "cancel": (
        lambda: host.cancel(empty(SPEC), 0),
        QueueFullError,
        "slot 0 must be runnable to be cancelled, got status 0",
    ),
    "opcode": (lambda: tenants.opcode_window(1).opcode(1 << 20), tenants.OpcodeRangeError, "must be 0 to 1048575, got"),
    "high bit": (
        lambda: tenants.opcode_window(1024).opcode(0),
        tenants.OpcodeRangeError,
        "but the high bit is reserved; use tenants below",
    ),
    "registry": (
        lambda: tenants.opcode_window(3071),
        tenants.RegistryFullError,
        "tenant 3071 has no opcode window left below 2**32",
    ),
    "backpressure": (
        lambda: tenants.Outstanding(cap=1, published=1).reserve(),
        tenants.BackpressureError,
        "a tenant may have 1 slots outstanding, and has 1; wait for some",
    ),
    "quiesce": (
        lambda: tenants.Outstanding(published=2).quiesce(3),
        tenants.QuiesceError,
        "2 slots were outstanding after 3 looks; drain first or look longer",
    ),
    "sketch": (lambda: CountMinSketch(0, 3), QueueFullError, "a sketch has at least 1 row of 1 counter"),
    "merge": (
        lambda: CountMinSketch(1, 3).merge(CountMinSketch(1, 4)),
        QueueFullError,
        "sketches to merge have one shape, got",
    ),
    "limit": (
        lambda: policy.launch_grid(1, 1, policy.Device(0, 1, 1)),
        LaunchError,
        "the device limit group_size must be at least 1, got 0",
    ),
    "hits": (
        lambda: policy.recommend(policy.Request(2**32 - 1, 1, policy.Device(1, 1, 1))),
        LaunchError,
        "the room for hits must fit 32 bits, got",
    ),
    "budget": (
        lambda: policy.recommend(policy.Request(1, 1, policy.Device(1, 1, 1), budget_bytes=9)),
        policy.OutOfBudgetError,
        "a launch must fit its budget of 9 bytes, got",
    ),
    "scratch control": (
        lambda: TelemetryDecodeScratch(1).decode(np.zeros(159, np.uint32), ring(0)),
        MissingWordError,
        "a control buffer has 160 words at least, got 159",
    ),
    "scratch ring": (
        lambda: TelemetryDecodeScratch(1).decode(np.zeros(160, np.uint32), np.zeros(15, np.uint32)),
        MisalignedError,
        "a ring is whole slots of 16 words, got 15",
    ),
    "scratch slots": (
        lambda: TelemetryDecodeScratch(1).decode(np.zeros(160, np.uint32), ring()),
        QueueFullError,
        "this scratch reads 1 slots, got 2; make a larger one",
    ),
    "scratch windows": (
        lambda: TelemetryDecodeScratch(2, [0], windows=0).decode(np.zeros(160, np.uint32), ring()),
        QueueFullError,
        "this scratch holds 0 windows, fewer than there are",
    ),
}


@pytest.mark.clause("RING-3")
@pytest.mark.parametrize("name", OTHERS)
def test_what_is_refused_says_why(name: str) -> None:
    """Each refusal is of its kind and says what must hold, what was got and what to do."""
    call, kind, message = OTHERS[name]
    with pytest.raises(kind) as caught:
        call()
    assert message in str(caught.value)


@pytest.mark.clause("RING-6")
def test_a_quota_is_enforced_when_a_job_is_submitted() -> None:
    """A tenant at its quota is refused with nothing written, and may submit again once a slot has ended."""
    state = ring_with((1, 0, ()))
    state.control[at.TENANT_QUOTAS + 1] = 2
    before = state.copy()
    with pytest.raises(QueueFullError, match="tenant 1 may have 2 slots in flight, got 2 more to 1"):
        host.submit(state, Place(2, 1), [(0, ())], tag=1)
    assert state.same(before)
    state.slots[0, at.STATUS] = SlotStatus.DONE
    assert host.in_flight(host.submit(state, Place(2, 1), [(0, ())], tag=1)[0], 1) == 2


@pytest.mark.clause("RING-13")
def test_an_io_slot_is_asked_with_once() -> None:
    """A slot that is in use refuses another request and keeps the first."""
    queue = ioqueue.queue_of(bytearray(64))
    ioqueue.submit(queue, ioqueue.Request(1, 1, 5, 6, 2**33 + 7, 9, 4))
    before = queue.copy()
    with pytest.raises(QueueFullError, match="io slot 1 must be EMPTY to ask with, got status 1"):
        ioqueue.submit(queue, ioqueue.Request(1, 1, 0, 0, 0, 0, 0))
    assert np.array_equal(queue, before)
    assert ioqueue.claim(queue) == [ioqueue.Request(1, 1, 5, 6, 2**33 + 7, 9, 4)]
    ioqueue.complete(queue, [(1, False)])
    assert ioqueue.completion(queue, 1) == ioqueue.Completion(1, 6, 9, 4)
    ioqueue.recycle(queue, 1)
    assert ioqueue.is_recycled(queue, 1)
    assert ioqueue.completion(queue, 1) is None


def test_counters_of_a_sketch_do_not_wrap() -> None:
    """A count above 64 bits is refused and nothing is counted, by adding as by merging."""
    sketch, most = CountMinSketch(2, 4), np.array([2**64 - 1], np.uint64)
    key = np.array([7], np.uint64)
    sketch.add(key, most)
    before = sketch.counters.copy()
    with pytest.raises(ByteLengthError, match="a counter of a sketch must stay below"):
        sketch.add(key, np.array([1], np.uint64))
    with pytest.raises(ByteLengthError, match="a counter of a merged sketch must stay below"):
        sketch.merge(sketch)
    assert np.array_equal(sketch.counters, before)


def test_a_replay_file_is_checked_record_by_record() -> None:
    """A cursor outside and a record that was overwritten in part are named."""
    file = np.frombuffer(replay.encode(2, [replay.Entry(1, 0, 0, 0, (), 0)]), np.uint32).copy()
    for word, value, message in (
        (6, 2, "the cursor of a replay file must be below its 2 records"),
        (8, 7, "record 0 of a replay file must begin with 0xdeadbeef, got 0x7"),
    ):
        broken = file.copy()
        broken[word] = value
        with pytest.raises(MissingWordError) as caught:
            replay.decode(broken.tobytes())
        assert message in str(caught.value)


NOP = Handler(300, "h", lambda *_: ())


@pytest.mark.clause("RING-14")
@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Program(handlers=(NOP, NOP)), "one handler answers for an opcode, got two for 0x12c"),
        (lambda: Program(handlers=(NOP,), payload=NOP), "a fused program has one payload and no handlers"),
        (lambda: Program(handlers=(Handler(7, "h", NOP.apply),)), "must take an opcode from 8 on, below"),
        (
            lambda: Program(handlers=(Handler(300, "h", NOP.apply, (Span(Arg(12), 1),)),)),
            "names an argument outside 0 to 11 in",
        ),
        (
            lambda: Program(handlers=(Handler(300, "h", NOP.apply, (Span(0, 13, Memory.ARGS),)),)),
            "shorten it or give the program a larger workspace",
        ),
    ],
)
def test_a_program_that_contradicts_itself_is_refused(build: Callable[[], Program], message: str) -> None:
    """A program is checked when it is built, not when a slot meets its fault."""
    with pytest.raises(LaunchError) as caught:
        build()
    assert message in str(caught.value)
