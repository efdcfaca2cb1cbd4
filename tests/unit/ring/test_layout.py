"""The table of words: no gaps, no overlaps, and the codes of the wire."""

from __future__ import annotations

import numpy as np
import pytest

from prism.errors import UsageError
from prism.ring import layout as at
from prism.ring.layout import ACTIVE, PUBLISHABLE, TERMINAL, TRANSITIONS, Record, SlotStatus
from prism.ring.state import RingSpec, Window, band_offsets, empty, of_buffers

pytestmark = pytest.mark.m9

RECORDS = [value for value in vars(at).values() if isinstance(value, Record)]


@pytest.mark.clause("RING-1")
@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_fields_do_not_overlap(record: Record) -> None:
    """The fields of a record are in order, disjoint and inside it, and each has a name of its own."""
    end = 0
    for field in record.fields:
        assert field.start >= end
        assert field.words > 0
        end = field.start + field.words
    assert end <= record.words
    assert len({field.name for field in record.fields}) == len(record.fields)


@pytest.mark.clause("RING-1")
def test_the_words_are_those_of_the_wire() -> None:
    """The offsets that other implementations of this wire rely on."""
    assert (at.STATUS, at.OPCODE, at.TENANT, at.PRIORITY, at.ARGS, at.SLOT_WORDS) == (0, 1, 2, 3, 4, 16)
    control = (at.SHUTDOWN, at.DONE_COUNT, at.TENANT_BASE, at.TENANT_MASKS, at.TENANT_QUOTAS, at.TENANT_FAIRNESS)
    assert control == (0, 1, 2, 3, 32, 64)
    rest = (at.METRICS_BASE, at.EPOCH, at.PRIORITY_OFFSETS, at.STARVATION, at.PRIORITY_FAIRNESS, at.OBSERVABLES)
    assert rest == (96, 128, 129, 135, 136, 160)
    assert at.SCRATCH == at.PRIORITY_FAIRNESS + at.LEVELS
    assert [at.packed_metadata_words(n) for n in (0, 1, 2, 3, 4, 23, 24)] == [1, 1, 2, 2, 3, 12, 13]


@pytest.mark.clause("RING-5")
def test_the_status_machine_is_closed() -> None:
    """Each status has successors; what has ended is only reclaimed or, when DONE, published anew."""
    assert set(TRANSITIONS) == set(SlotStatus)
    assert TERMINAL | ACTIVE | {SlotStatus.EMPTY} == set(SlotStatus)
    for status in TERMINAL:
        assert TRANSITIONS[status] <= {SlotStatus.EMPTY, SlotStatus.PUBLISHED}
    assert {status for status, after in TRANSITIONS.items() if SlotStatus.PUBLISHED in after} == PUBLISHABLE


@pytest.mark.clause("RING-2")
def test_windows_are_disjoint_and_inside() -> None:
    """The windows of a spec that names none are equal, disjoint, after the fence tag and inside the control buffer."""
    spec = RingSpec(slots=8, tenants=29, observables=100)
    taken = [word for window in spec.windows for word in range(window.start, window.start + window.words)]
    assert len(taken) == len(set(taken)) == 29 * 3
    assert min(taken) == at.OBSERVABLES + 1
    assert max(taken) < spec.control_words


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"slots": 0}, "slots of a ring must be 1 to 1048576, got 0"),
        ({"slots": 4, "tenants": 30}, "tenants of a ring must be 1 to 29, got 30"),
        ({"slots": 4, "windows": (Window(3, 1),)}, "the window of tenant 0 must lie in the control words 141 to 176"),
        ({"slots": 4, "tenants": 2, "windows": (Window(161, 1),)}, "windows must be one for each of 2 tenants, got 1"),
    ],
)
def test_a_spec_outside_its_bounds_is_refused(arguments: dict, message: str) -> None:
    """A spec says which of its numbers is wrong and what range it has."""
    with pytest.raises(UsageError) as caught:
        RingSpec(**arguments)
    assert message in str(caught.value)


def test_an_empty_ring_is_as_the_wire_says() -> None:
    """A new ring holds the pointer to the masks, masks and quotas of its tenants and the bands, and nothing else."""
    state = empty(RingSpec(slots=7, tenants=2))
    expected = {
        2: 3,
        3: at.ALLOWED,
        4: at.ALLOWED,
        32: 1_000_000,
        33: 1_000_000,
        130: 1,
        131: 2,
        132: 5,
        133: 6,
        134: 7,
    }
    assert {int(i): int(state.control[i]) for i in np.flatnonzero(state.control)} == expected
    assert not state.ring.any()
    assert band_offsets(256) == (0, 51, 102, 154, 205, 256)
    assert state.same(state.copy())


def test_buffers_of_another_length_are_refused() -> None:
    """Memory that does not fit the spec is named, with what it should be."""
    spec = RingSpec(slots=2)
    buffers = {name: np.zeros(words, at.WORD) for name, words in spec.buffer_words.items()}
    buffers["io_queue"] = buffers["io_queue"][:-1]
    with pytest.raises(UsageError, match=r"buffer io_queue must be 512 words .*; allocate it by the RingSpec"):
        of_buffers(spec, buffers)
