"""Executors starve no level and no tenant: the debug log of PRINTF jobs says in which order they ran [RING-10]."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prism.ring import layout as at
from prism.ring.codec import decode_log
from prism.ring.exec import line, line_order, publisher
from prism.ring.exec.cpu_crew import Crew
from prism.ring.exec.device import DeviceExecutor
from prism.ring.exec.oracle import forget_queues
from prism.ring.layout import Opcode
from prism.ring.memory import AT_RUN_ALONE, AT_RUN_CONTENDED, PENDING, RUN_ALONE, RUN_CONTENDED, Block
from prism.ring.program import Order, Program
from prism.ring.state import RingSpec
from tests.ring_jobs import fresh

pytestmark = [pytest.mark.m9, pytest.mark.clause("RING-10"), pytest.mark.clause("RINGRUN-1")]
TENANTS, SHARE = 3, 48
SPEC = RingSpec(slots=TENANTS * SHARE, tenants=TENANTS, observables=1 + TENANTS * 4, log_records=TENANTS * SHARE)
PROGRAM = Program(order=Order.PRIORITY)
CROWDS = st.lists(st.tuples(st.integers(0, TENANTS - 1), st.integers(0, 4), st.integers(1, 30)), min_size=3, max_size=9)
"""Batches: tenant, level, jobs."""


def published(block: Block, crowds: list[tuple[int, int, int]]) -> dict[int, tuple[int, int]]:
    """Publish PRINTF jobs as far as there is room; return tenant and level of each slot."""
    of: dict[int, tuple[int, int]] = {}
    for tenant, level, count in crowds:
        chosen = np.empty(count, np.int64)
        columns = np.array([Opcode.PRINTF], np.uint32), np.array([level], np.uint32), np.zeros((1, 0), np.uint32)
        if publisher.publish(block.words, block.longs, (tenant, 0), columns, chosen) > 0:
            of |= {int(slot): (tenant, level) for slot in chosen}
    return of


def waits(block: Block, of: dict[int, tuple[int, int]], runs: int) -> tuple[int, int]:
    """Return the longest waits of a level and of a tenant, as parts of their bounds in thousandths.

    runs: the most claims in a row that an executor may make for one choice.
    """
    return waits_in([int(record[3]) // at.SLOT_WORDS for record in decode_log(block.state.log)], of, runs)


def waits_in(slots: list[int], of: dict[int, tuple[int, int]], runs: int) -> tuple[int, int]:
    """Return the same for slots in the order in which they were claimed."""
    order = [of[slot] for slot in slots]
    assert len(order) == len(of)
    left_level = Counter(level for _, level in of.values())
    left = Counter(of.values())
    level_since: Counter[int] = Counter()
    since: Counter[tuple[int, int]] = Counter()
    longest = longest_tenant = 0
    for who in order:
        left_level[who[1]] -= 1
        left[who] -= 1
        for level in left_level:
            level_since[level] = 0 if level == who[1] or not left_level[level] else level_since[level] + 1
            longest = max(longest, level_since[level] * 1000 // (runs * at.LEVEL_WAIT))
        for key in left:
            since[key] = 0 if key == who or not left[key] else since[key] + 1
            beside = sum(left[tenant, key[1]] > 0 for tenant in range(TENANTS)) + 1
            longest_tenant = max(longest_tenant, since[key] * 1000 // (runs * beside * (at.LEVEL_WAIT + 1)))
    return longest, longest_tenant


def cpu(runs: int) -> Iterator[tuple[Block, Callable[[], None]]]:
    """Yield a fresh ring with one worker that makes so many claims for a choice where queues compete."""
    block = fresh(SPEC)
    block.words[AT_RUN_CONTENDED] = runs
    crew = Crew(block, PROGRAM)
    crew.limits[0] = -1
    yield block, lambda: crew.serve(0)


@pytest.mark.parametrize("runs", [1, RUN_CONTENDED])
@settings(max_examples=40, deadline=None)
@given(crowds=CROWDS)
def test_a_worker_starves_nobody(runs: int, crowds: list[tuple[int, int, int]]) -> None:
    """No level waits longer than 20 of a worker's choices, no tenant longer than 21 for each that has work there."""
    block, run = next(cpu(runs))
    of = published(block, crowds)
    run()
    assert max(waits(block, of, runs)) <= 1000


def handed_on(block: Block, ahead: int, clear: bool) -> list[int]:
    """Return the slots in the order in which they come onto a line that holds so many; each is over at once."""
    size = 4 * SPEC.slots
    entries, marks = np.zeros(1 << size.bit_length(), np.uint32), np.zeros(SPEC.slots, np.uint32)
    table = entries, marks, np.zeros(line.BELL_LONGS, np.uint64)
    table[2][line.BELL_AHEAD] = ahead
    chosen, aside, seen = np.empty(RUN_ALONE, np.int64), np.zeros(1 + SPEC.slots, np.int64), 0
    for _ in range(size):
        waits = line_order.hand_on(block.words, block.longs, table, chosen, aside)
        head = int(table[2][0]) & at.WORD_MASK
        assert head - seen <= ahead
        marks[entries[seen:head]] = at.SlotStatus.DONE
        seen = head
        if not waits:
            break
    line.settle(block.words, table, 0, SPEC.slots)
    assert int(table[2][line.BELL_FLYING]) == 0
    assert not block.state.tenants[:, at.BOOKS_TENANT.at("HELD")].any()
    assert clear == (not block.words[PENDING : PENDING + at.LEVELS].any())
    return [int(slot) for slot in entries[:seen]]


@pytest.mark.clause("RINGRUN-7")
@pytest.mark.parametrize(("runs", "ahead"), [(1, 1), (1, 40), (RUN_CONTENDED, 16)])
@settings(max_examples=40, deadline=None)
@given(crowds=CROWDS)
def test_a_line_starves_nobody(runs: int, ahead: int, crowds: list[tuple[int, int, int]]) -> None:
    """What comes onto a kernel's line keeps the bounds, and singly it is what a worker takes, in the worker's order."""
    block, _ = next(cpu(runs))
    of = published(block, crowds)
    worker, run_worker = next(cpu(runs))
    published(worker, crowds)
    block.words[AT_RUN_ALONE] = worker.words[AT_RUN_ALONE] = runs
    run_worker()
    slots = handed_on(block, ahead, clear=True)
    assert max(waits_in(slots, of, runs)) <= 1000
    turns = slice(at.TENANT_FAIRNESS, at.TENANT_FAIRNESS + 32)
    assert block.state.control[turns].tolist() == worker.state.control[turns].tolist()
    # What room there is cuts longer runs short, and so moves turns.
    taken = [int(record[3]) // at.SLOT_WORDS for record in decode_log(worker.state.log)]
    assert slots == taken if runs == 1 else sorted(slots) == sorted(taken)


@pytest.mark.clause("RINGRUN-7")
def test_a_line_keeps_masks_and_quotas() -> None:
    """A barred tenant's jobs stay queued, and of a tenant no more lie on the line than its quota."""
    block, _ = next(cpu(1))
    of = published(block, [(0, 2, 10), (1, 2, 10), (2, 1, 10)])
    block.state.control[at.TENANT_MASKS] = 0
    block.state.control[at.TENANT_QUOTAS + 1] = 3
    slots = handed_on(block, 1, clear=False)
    assert {of[slot][0] for slot in slots} == {1, 2}
    assert len(slots) == 20
    block.state.control[at.TENANT_MASKS] = at.ALLOWED
    entries, marks = np.zeros(1024, np.uint32), np.zeros(SPEC.slots, np.uint32)
    table = entries, marks, np.zeros(line.BELL_LONGS, np.uint64)
    table[2][line.BELL_AHEAD] = 100
    block.state.control[at.TENANT_QUOTAS] = 4
    chosen, aside = np.empty(RUN_ALONE, np.int64), np.zeros(1 + SPEC.slots, np.int64)
    assert not line_order.hand_on(block.words, block.longs, table, chosen, aside)
    assert int(table[2][line.BELL_FLYING]) == 4


@pytest.fixture(scope="module")
def device() -> tuple[Block, DeviceExecutor]:
    """Return a ring on a device; one, because it is compiled."""
    block, executor = fresh(SPEC), DeviceExecutor()
    executor.start(block, PROGRAM)
    return block, executor


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(crowds=CROWDS)
def test_a_device_starves_nobody(device: Any, crowds: list[tuple[int, int, int]]) -> None:
    """On a device, the same, claim by claim."""
    block, executor = device
    of = published(block, crowds)
    executor.launch()
    while executor.launch():
        pass
    forget_queues(block)
    assert max(waits(block, of, 1)) <= 1000
    executor._ring["debug_log"] = executor._ring["debug_log"].at[at.LOG_CURSOR].set(0)
    block.state.log[at.LOG_CURSOR] = 0
