"""Readings of a ring: figures by hand, no allocation at a poll, and what is suspected when nothing ends."""

from __future__ import annotations

import statistics
import time
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prism.ring import layout as at
from prism.ring.advice import request_from
from prism.ring.layout import SlotStatus
from prism.ring.policy import Device, Request
from prism.ring.reading import TelemetryDecodeScratch, read_ring
from prism.ring.sketch import CountMinSketch, RingSketches
from prism.ring.state import RingSpec, RingState, empty
from prism.ring.telemetry import (
    RingOccupancy,
    RingStatus,
    RingTelemetry,
    RuntimeEvidence,
    RuntimeEvidenceMetricCoverage,
    RuntimeEvidenceMetricFamily,
    WindowTelemetry,
)

pytestmark = pytest.mark.m9


def busy(slots: int = 4096, seed: int = 0) -> RingState:
    """Return a ring whose slots hold every status, unknown ones too, and windows of two opcodes."""
    state, random = empty(RingSpec(slots=slots, tenants=4)), np.random.default_rng(seed)
    columns = {at.STATUS: 9, at.TENANT: 7, at.OPCODE: 12, at.ARGS: 40, at.ARGS + 1: 3, at.ARGS + 2: 9}
    for column, below in columns.items():
        state.slots[:, column] = random.integers(0, below, slots)
    return state


@pytest.mark.clause("RINGTEL-1")
@given(st.integers(1, 60), st.integers(0, 2**20))
@settings(max_examples=30)
def test_a_reading_is_what_counting_by_hand_gives(slots: int, seed: int) -> None:
    """Occupancy, blocked slots, windows and rows are those that a loop over the slots finds."""
    state = busy(slots, seed)
    reading = read_ring(state.control, state.ring, [11, 9, 11])
    rows = state.slots.tolist()
    counts = [sum(row[0] == status for row in rows) for status in range(8)]
    assert reading.occupancy == RingOccupancy(*counts, unknown=len(rows) - sum(counts))
    assert reading.blocked_slots == sum(row[0] == 1 and row[at.TENANT] >= 4 for row in rows)
    assert [(one.status.raw, one.tenant_id, one.opcode, one.args_prefix) for one in reading.slots] == [
        (row[0], row[2], row[1], tuple(row[4:7])) for row in rows
    ]
    keys = sorted({(row[4], row[1]) for row in rows if row[1] in (9, 11)})
    assert [(window.ticket, window.opcode) for window in reading.windows] == keys
    for window in reading.windows:
        mine = [row for row in rows if (row[4], row[1]) == (window.ticket, window.opcode)]
        statuses = [sum(row[0] == status for row in mine) for status in range(1, 8)]
        classes = [sum(row[5] == kind for row in mine) for kind in (0, 1)]
        assert window == WindowTelemetry(window.ticket, mine[0][2], window.opcode, *classes, *statuses)


@pytest.mark.clause("RINGTEL-2")
def test_a_poll_allocates_nothing() -> None:
    """A hundred readings of 4,096 slots into the caller's memory leave no block behind and need less than 8 KB."""
    state = busy()
    scratch = TelemetryDecodeScratch(4096, [9, 11])
    scratch.decode(state.control, state.ring)
    tracemalloc.start()
    try:
        scratch.decode(state.control, state.ring)
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for _ in range(100):
            scratch.decode(state.control, state.ring)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 512
    assert peak - before < 8192
    assert scratch.capacity_evidence().is_complete


@pytest.mark.clause("RINGTEL-2")
def test_a_reading_of_4096_slots_takes_less_than_half_a_millisecond() -> None:
    """The median of decoding a full ring with windows stays below 0.5 ms, also on a machine that is shared."""
    state = busy()
    scratch = TelemetryDecodeScratch(4096, [9, 11])
    scratch.decode(state.control, state.ring)
    times = []
    for _ in range(51):
        start = time.perf_counter()
        scratch.decode(state.control, state.ring)
        times.append(time.perf_counter() - start)
    assert statistics.median(times) < 0.5e-3
    scratch.clear()
    assert not scratch.status_counts.any()


@pytest.mark.clause("RINGTEL-2")
def test_evidence_says_when_memory_was_too_small_or_not_the_callers() -> None:
    """Capacity evidence is complete only where the caller's memory held what was decoded, under this schema."""
    scratch = TelemetryDecodeScratch(8, [9], windows=2)
    evidence = scratch.capacity_evidence()
    assert evidence.is_complete
    for change in (
        {"schema_version": 2},
        {"uses_caller_owned_scratch": False},
        {"decoded_slot_count": 9},
        {"decoded_window_count": 3},
        {"window_accumulator_scratch_capacity": 0, "decoded_window_count": 1},
    ):
        assert not replace(evidence, **change).is_complete


@pytest.mark.clause("RINGTEL-3")
@pytest.mark.parametrize(
    ("statuses", "tenant", "previous", "now", "stall"),
    [
        ([1], 0, 7, 7, True),
        ([1, 7], 0, 7, 7, True),  # a fault hides nothing
        ([7], 0, 7, 7, False),
        ([1], 5, 7, 7, False),  # its tenant is not allowed: no worker is to blame
        ([2], 5, 7, 7, True),
        ([99], 0, 7, 7, True),
        ([1], 0, 2**32 - 1, 3, False),
        ([0, 3], 0, 7, 7, False),
    ],
)
def test_a_stall_is_suspected_where_something_could_end(
    statuses: list[int], tenant: int, previous: int, now: int, stall: bool
) -> None:
    """Nothing ended although a slot could: neither faults nor barred tenants hide or feign it, nor does the wrap."""
    state = empty(RingSpec(slots=len(statuses)))
    state.slots[:, at.STATUS], state.slots[:, at.TENANT] = statuses, tenant
    state.control[at.DONE_COUNT] = now
    health = read_ring(state.control, state.ring).health_since(previous)
    assert health.suspected_stall is stall
    assert health.done_delta == (now - previous) % 2**32


@pytest.mark.clause("RINGTEL-1")
def test_shares_are_floors_and_nothing_of_nothing() -> None:
    """Shares are rounded down, an empty ring has none, and sums of full counters do not wrap."""
    empty_reading = RingTelemetry(read_ring(np.zeros(160, np.uint32), np.zeros(0, np.uint32)).control, RingOccupancy())
    assert empty_reading.counters.gpu_idle_ppm == empty_reading.counters.occupancy_proxy_bps == 0
    counters = RingTelemetry(empty_reading.control, RingOccupancy(empty=4, published=2, done=1)).counters
    shares = (counters.gpu_idle_ppm, counters.frontier_density_bps, counters.occupancy_proxy_bps)
    assert shares == (571428, 2857, 4285)
    assert RingOccupancy(published=2**32 - 1, fault=9).queue_depth == 2**32 - 1


@pytest.mark.clause("RINGTEL-5")
def test_evidence_names_the_families_it_lacks() -> None:
    """Evidence is complete when it covers every family under this schema; the avoided share of copies is in bps."""
    occupancy = RingOccupancy(1, 2, 3, 4, 5, 6, 7, 8, 9)
    assert (occupancy.total_slots, occupancy.queue_depth) == (45, 40)
    whole = RuntimeEvidence(4096, 1024, 3072, occupancy, 11, 13, RuntimeEvidenceMetricCoverage.complete())
    assert whole.is_complete
    assert whole.host_copy_avoidance_bps == 7500
    part = replace(whole, coverage=RuntimeEvidenceMetricCoverage(ring=True, copy=True))
    missing = [RuntimeEvidenceMetricFamily.CONTROL, RuntimeEvidenceMetricFamily.RESIDENCY]
    assert part.missing_metric_families() == missing
    assert not part.is_complete
    assert not replace(whole, schema_version=2).is_complete
    assert replace(whole, host_copy_bytes=0, host_copy_avoided_bytes=0).host_copy_avoidance_bps == 0


@pytest.mark.clause("RINGTEL-1")
def test_a_status_outside_the_wire_is_shown_as_it_is() -> None:
    """Known statuses have names and may be active; any other is shown by its number and is not."""
    assert (str(RingStatus(4)), RingStatus(4).is_active) == ("wait_io", True)
    assert (str(RingStatus(77)), RingStatus(77).known, RingStatus(77).is_active) == ("unknown(77)", None, False)
    assert not RingStatus(int(SlotStatus.FAULT)).is_active


@pytest.mark.clause("RINGTEL-4")
@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 1000)), min_size=1, max_size=60))
@settings(max_examples=30)
def test_a_sketch_never_counts_too_few(adds: list[tuple[int, int]]) -> None:
    """An estimate is at least the true count and at most all counts; merging is counting both."""
    both, first, second = CountMinSketch(3, 16), CountMinSketch(3, 16), CountMinSketch(3, 16)
    true: dict[int, int] = {}
    for place, (key, amount) in enumerate(adds):
        pair = np.array([key], np.uint64), np.array([amount], np.uint64)
        both.add(*pair)
        (second if place % 2 else first).add(*pair)
        true[key] = true.get(key, 0) + amount
    estimates = both.estimate(np.array(list(true), np.uint64)).tolist()
    assert all(
        count <= estimate <= sum(true.values()) for count, estimate in zip(true.values(), estimates, strict=True)
    )
    first.merge(second)
    assert np.array_equal(first.counters, both.counters)


@pytest.mark.clause("RINGTEL-4")
def test_sketches_of_a_ring_count_its_slots() -> None:
    """Each slot counts once by status, tenant and opcode, and by opcode again while it has not ended."""
    state = busy(200)
    scratch = TelemetryDecodeScratch(200)
    scratch.decode(state.control, state.ring)
    sketches = RingSketches.empty(4, 512)
    sketches.add(scratch)
    done = int(sketches.statuses.estimate(np.array([3], np.uint64))[0])
    assert done == np.count_nonzero(state.slots[:, 0] == 3)
    assert int(sketches.active_opcodes.counters[0].sum()) == np.isin(state.slots[:, 0], [1, 2, 4, 5, 6]).sum()


@pytest.mark.clause("RING-17")
def test_a_reading_fills_in_what_a_request_lacks() -> None:
    """Graph, density, hot opcodes, hot windows and requeues come from the reading where the caller gave none."""
    state = busy(64)
    state.control[at.METRICS_BASE : at.METRICS_BASE + 9] = 1
    reading = read_ring(state.control, state.ring, range(12))
    base = Request(64, 4, Device(4, 4, 4), requeues=2, density_bps=77)
    asked = request_from(reading, base)
    assert (asked.graph_nodes, asked.graph_edges) == (64, reading.occupancy.queue_depth)
    assert (asked.density_bps, asked.hot_opcodes) == (77, 9)
    assert asked.requeues == 2 + reading.occupancy.requeue
    assert asked.hot_windows == sum(one.required_slots + one.lookahead_slots >= 4 for one in reading.windows)
