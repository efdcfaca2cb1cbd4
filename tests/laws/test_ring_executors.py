"""Executors of the ring do what its model does, word for word, where the order is fixed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from prism.ring import layout as at
from prism.ring.exec import cpu_work, publisher
from prism.ring.exec.cpu_handlers import Table
from prism.ring.exec.device import DeviceExecutor
from prism.ring.exec.oracle import forget_queues
from prism.ring.memory import Block
from prism.ring.model import drain
from prism.ring.program import Order, Program
from tests.ring_jobs import SPEC, fresh, rows, seen, submissions

pytestmark = [pytest.mark.m9, pytest.mark.clause("RINGRUN-1")]

PRIORITY = Program(order=Order.PRIORITY)
Batches = list[tuple[int, int, list[tuple[int, list[int]]]]]


def publish(block: Block, batches: Batches) -> None:
    """Publish batches, all of which fit."""
    for tenant, level, batch in batches:
        opcodes, args = rows(batch)
        chosen = np.empty(len(batch), np.int64)
        levels = np.full(len(batch), level, np.uint32)
        assert publisher.publish(block.words, block.longs, (tenant, 0), (opcodes, levels, args), chosen) > 0


def work(block: Block, program: Program) -> None:
    """Drain a block as the cpu executor's worker does, in this thread, until there is nothing to do."""
    desk = np.zeros(cpu_work.DESK_WORDS + SPEC.slots, np.int64)
    limits = np.array([-1, 0, 1000, 0, 1000], np.int64)
    assert cpu_work.work(block.words, block.longs, 0, Table(program, block).words, desk, limits) == cpu_work.STOPPED


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(submissions())
def test_one_cpu_worker_does_what_the_model_does(batches: Batches) -> None:
    """Published jobs leave every word of control, slots, log, reasons and accounts as the model leaves it."""
    block = fresh()
    publish(block, batches)
    expected = drain(block.state, PRIORITY, 1000)
    work(block, PRIORITY)
    assert seen(block.state) == seen(expected)


@pytest.fixture(scope="module")
def device() -> tuple[DeviceExecutor, Block]:
    """Return a device executor on a block; one, because it is compiled."""
    block, executor = fresh(), DeviceExecutor()
    executor.start(block, PRIORITY)
    return executor, block


def reclaim(block: Block) -> None:
    """Free the slots of jobs that ended as faults."""
    statuses = block.state.slots[:, at.STATUS]
    statuses[statuses == at.SlotStatus.FAULT] = at.SlotStatus.EMPTY


@settings(max_examples=40, deadline=None)
@given(batches=submissions())
@pytest.mark.slow
def test_a_device_does_what_the_model_does(device: tuple[DeviceExecutor, Block], batches: Batches) -> None:
    """A launch leaves every word as the model does, with state that stayed on the device from launch to launch."""
    executor, block = device
    reclaim(block)
    publish(block, batches)
    expected = drain(block.state, PRIORITY, 1000)
    while executor.launch():
        pass
    forget_queues(block)
    assert seen(block.state) == seen(expected)


@settings(max_examples=30, deadline=None)
@given(submissions())
def test_a_shutdown_leaves_the_rest_published(batches: Batches) -> None:
    """After tenant 0's SHUTDOWN at the most urgent level nothing else is claimed."""
    block = fresh()
    batches = [(0, 0, [(int(at.Opcode.SHUTDOWN), [])]), *((t, max(level, 1), jobs[:2]) for t, level, jobs in batches)]
    publish(block, batches)
    work(block, PRIORITY)
    statuses = block.state.slots[:, at.STATUS]
    assert np.count_nonzero(statuses == at.SlotStatus.DONE) == 1
    assert np.count_nonzero(statuses == at.SlotStatus.PUBLISHED) == sum(len(jobs) for _, _, jobs in batches) - 1
