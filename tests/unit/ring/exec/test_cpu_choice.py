"""What a worker may take, piece by piece: each guard alone, where the others would hide that it is gone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prism.ring import layout as at
from prism.ring.exec import cpu_choice, cpu_work, landing, publisher
from prism.ring.layout import SlotStatus
from prism.ring.memory import FREE, HELD_COUNT, LOST, OWNED, QUEUED, WORKER_STATE, Block, Shape, fresh_block
from prism.ring.state import RingSpec

pytestmark = [pytest.mark.m9]
HELD = at.BOOKS_TENANT.at("HELD")


def ring() -> Block:
    """Return a ring of two tenants and two workers."""
    return fresh_block(Shape(RingSpec(16, 2), 2))


def publish(block: Block, tenant: int, count: int = 1) -> list[int]:
    """Publish so many NOPs; return their slots."""
    column, chosen = np.zeros(1, np.uint32), np.empty(count, np.int64)
    columns = (column, column, np.zeros((1, 0), np.uint32))
    assert publisher.publish(block.words, block.longs, (tenant, 0), columns, chosen) > 0
    return [int(slot) for slot in chosen]


@pytest.mark.clause("RING-6")
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 12), st.lists(st.integers(1, 8), min_size=1, max_size=4))
def test_reservations_never_exceed_a_quota(quota: int, asked: list[int]) -> None:
    """Whatever several workers reserve, they get no more than the quota leaves, and all of it if they ask for it."""
    block = ring()
    block.state.control[at.TENANT_QUOTAS] = quota
    granted = 0
    for turn, most in enumerate(asked):
        worker = turn & 1
        got = cpu_choice.reserve(block.words, worker, 0, most)
        assert got == min(most, quota - granted)
        assert block.workers[worker, HELD_COUNT] == got
        granted += got
        assert block.state.tenants[0, HELD] == granted
    assert granted == min(quota, sum(asked))


@pytest.mark.clause("RING-6")
def test_a_tenant_at_its_quota_or_barred_takes_no_turn() -> None:
    """Its work is not chosen, so that it holds up nobody; what begins again is."""
    block = ring()
    publish(block, 0)
    publish(block, 1)
    assert cpu_choice.choose(block.words) // at.LEVELS == 0
    block.state.tenants[0, HELD] = block.state.control[at.TENANT_QUOTAS] = 3
    assert cpu_choice.choose(block.words) // at.LEVELS == 1
    block.state.control[at.TENANT_MASKS + 1] = 0
    assert cpu_choice.choose(block.words) == -1
    block.state.tenants[0, HELD] = 2
    assert cpu_choice.choose(block.words) // at.LEVELS == 0
    for base in (at.TENANT_MASKS - 2, at.TENANT_MASKS + at.TENANTS, at.WORD_MASK):
        block.state.control[at.TENANT_BASE] = base
        block.state.control[at.TENANT_QUOTAS : at.TENANT_QUOTAS + 2] = 9
        assert cpu_choice.choose(block.words) == -1


@pytest.mark.clause("RINGRUN-2")
def test_a_slot_that_two_entries_name_is_one_workers() -> None:
    """Two workers that both took its number off a queue do not both own it."""
    block = ring()
    slot = publish(block, 0)[0]
    kept = []
    for worker in (0, 1):
        desk = np.zeros(cpu_work.DESK_WORDS + 16, np.int64)
        desk[cpu_choice.TOOK] = slot
        kept.append(cpu_work.own(block.words, worker, desk, 1))
    assert kept == [1, 0]
    assert block.claims[slot] == 1 << 2 | OWNED


@pytest.mark.clause("RINGRUN-3")
def test_a_slot_that_someone_has_is_not_filled() -> None:
    """DONE or EMPTY with a claim is a queue's or a worker's still; without one it is free."""
    block = ring()
    for status in (SlotStatus.EMPTY, SlotStatus.DONE):
        block.state.slots[0, at.STATUS] = status
        for claim, free in ((FREE, True), (QUEUED, False), (4, False)):
            block.claims[0] = claim
            assert publisher.is_free(block.words, block.words[:0], 0) == free
            assert publisher.all_free(block.words, block.words[:0], 0, 8) == free
            assert publisher.all_free(block.words, block.words[:0], 1, 7)


@pytest.mark.clause("RINGRUN-6")
def test_a_cancelled_job_is_not_begun() -> None:
    """A worker that owns the slot of a job that was cancelled gives it up, and no body runs."""
    block = ring()
    slot = publish(block, 0)[0]
    block.claims[slot] = 1 << 2
    block.state.slots[slot, at.STATUS] = SlotStatus.FAULT
    assert not cpu_work.begin(block.words, slot)
    assert (block.claims[slot], block.state.slots[slot, at.STATUS]) == (FREE, SlotStatus.FAULT)
    assert block.workers[0, WORKER_STATE] != LOST


@pytest.mark.clause("RINGRUN-13")
def test_landing_is_status_then_claim_then_queue() -> None:
    """A slot that lands is published before any queue names it, and its queue's tail moves last."""
    block = ring()
    columns = (np.zeros(1, np.uint32), np.full(1, 2, np.uint32), np.zeros((1, 0), np.uint32))
    ticket = landing.prepare(block.words, block.longs, 0, columns, np.array([3]))
    assert (ticket, block.tickets[3], block.state.slots[3, at.STATUS]) == (1, 1, SlotStatus.EMPTY)
    assert landing.land(block.words, 0, 3) == 2
    assert (block.claims[3], block.state.slots[3, at.STATUS]) == (QUEUED, SlotStatus.PUBLISHED)
