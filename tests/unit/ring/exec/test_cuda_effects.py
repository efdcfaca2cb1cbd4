"""The device code of the cuda executor, run by a stand-in for Numba-CUDA, does what the model does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from prism.ring import layout as at
from prism.ring.exec import cuda_effects
from prism.ring.model import drain
from prism.ring.program import Order, Program
from tests.cuda_stand_in import StandIn
from tests.laws.test_ring_executors import publish
from tests.ring_jobs import SPEC, fresh, submissions

pytestmark = [pytest.mark.m9, pytest.mark.clause("RINGRUN-7")]


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(submissions())
def test_device_functions_do_what_the_model_does(batches: Any) -> None:
    """One level and one tenant at a time, in the order of submission, every word of control and log is the model's."""
    cuda = StandIn()
    apply = cuda_effects.device_functions(cuda, cuda_effects.handler_chain(cuda, []))
    block = fresh()
    ring = block.state.copy()
    tally = np.zeros(cuda_effects.TALLY_WORDS, np.uint32)
    windows = np.ascontiguousarray(ring.tenants[:, :2])
    expected = block.state
    for batch in batches:
        publish(block, [batch])
        before = block.state.slots[:, at.STATUS] == at.SlotStatus.PUBLISHED
        expected = drain(block.state, Program(order=Order.DIRECT), 1000)
        for slot in np.flatnonzero(before):
            words = block.state.slots[slot]
            inner = np.zeros(at.ARGS_PER_SLOT, np.uint32)
            reason, detail = apply(
                int(words[at.OPCODE]), words[at.ARGS :], inner, np.zeros(0, np.uint32), int(slot),
                int(slot) // (SPEC.slots // SPEC.tenants), int(words[at.TENANT]), windows, ring.control, ring.log,
                tally,
            )  # fmt: skip
            entry = expected.entries[slot]
            assert (reason, detail & at.WORD_MASK) == (
                entry[at.BOOKS_SLOT.at("REASON")],
                entry[at.BOOKS_SLOT.at("DETAIL")],
            )
        block.state.control[:], block.state.log[:] = expected.control, expected.log
        block.state.slots[:] = expected.slots
        block.claims[:] = 0
    assert ring.control[at.EPOCH :].tolist() == expected.control[at.EPOCH :].tolist()
    assert ring.log.tolist() == expected.log.tolist()
    assert tally[: at.METRICS].tolist() == expected.control[at.METRICS_BASE : at.METRICS_BASE + at.METRICS].tolist()
