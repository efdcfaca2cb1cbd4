"""One launch of a program: finite or bounded, on the host or a device, and what of the ring comes back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prism.errors import UsageError
from prism.ring import layout as at
from prism.ring.build import interpreted, once, prioritised, reporting_control
from prism.ring.exec.device import compiled_launch
from prism.ring.host import submit
from prism.ring.launch import launch
from prism.ring.layout import Opcode
from prism.ring.model import drain, sweep
from prism.ring.program import Program
from prism.ring.publish import Place
from prism.ring.runtime import Runtime
from prism.ring.state import RingState, empty
from tests.laws.test_ring_machine import YIELDING
from tests.ring_jobs import SPEC, rows, seen, submissions

pytestmark = [pytest.mark.m9, pytest.mark.clause("RING-14")]
FINITE = once(interpreted(*YIELDING.handlers))
LEVELLED = once(prioritised(interpreted(*YIELDING.handlers)))


def ring(batches: list, turns: list[int]) -> RingState:
    """Return a ring with batches of tenants, each in its own part, and jobs that yield in what is left of the last."""
    state, taken = empty(SPEC), [8 * tenant for tenant in range(SPEC.tenants)]
    for tenant, level, batch in batches:
        opcodes, table = rows(batch)
        listed = [(int(op), [int(word) for word in args]) for op, args in zip(opcodes, table, strict=True)]
        state, _ = submit(state, Place(taken[tenant], tenant, level), listed)
        taken[tenant] += len(batch)
    for turn in turns[: 8 * SPEC.tenants - taken[-1]]:
        state, _ = submit(state, Place(taken[-1], SPEC.tenants - 1), [(64, (turn,))])
        taken[-1] += 1
    return state


@pytest.mark.parametrize("program", [FINITE, LEVELLED])
@settings(max_examples=15, deadline=None)
@given(submissions(), st.lists(st.integers(0, 2), max_size=3))
def test_a_finite_launch_is_one_pass_on_host_and_device(program: Program, batches: list, turns: list[int]) -> None:
    """It leaves what a sweep leaves: what yields is not taken again in direct order; on a device word for word."""
    state = ring(batches, turns)
    before, expected = state.copy(), sweep(state, program)
    host, device = launch(state, program), launch(state, program, on_device=True)
    assert state.same(before)
    assert host.state is not None
    assert device.state is not None
    assert host.state.same(expected)
    assert seen(device.state) == seen(expected)


@pytest.mark.parametrize("on_device", [False, True])
def test_a_launch_that_is_not_finite_is_bounded(on_device: bool) -> None:
    """It ends after so many claims, and without a bound where nothing may run any more."""
    program, state = interpreted(*YIELDING.handlers), ring([], [2, 1, 0])
    some = launch(state, program, claims=2, on_device=on_device)
    assert some.state is not None
    assert seen(some.state) == seen(drain(state, program, 2))
    assert launch(state, program, on_device=on_device).ended == 3


@pytest.mark.parametrize("on_device", [False, True])
def test_a_report_of_control_brings_nothing_else(on_device: bool) -> None:
    """The control buffer, and so how many ended, is that of the whole report; no other word is copied."""
    state = ring([(0, 2, [(Opcode.NOP, []), (Opcode.ATOMIC_ADD, [3, at.OBSERVABLES + 1])])], [0])
    whole = launch(state, FINITE, on_device=on_device)
    least = launch(state, reporting_control(FINITE), on_device=on_device)
    assert least.state is None
    assert least.control.tolist() == whole.control.tolist()
    assert (least.ended, least.copied) == (3, 4 * len(state.control))
    assert whole.copied == sum(words.nbytes for words in state.buffers())


def test_equal_programs_share_a_compiled_launch() -> None:
    """Programs equal in every field, handlers as the same functions, are compiled once; others are not."""
    again = once(interpreted(*YIELDING.handlers))
    assert compiled_launch(again) is compiled_launch(FINITE)
    assert compiled_launch(replace(again, io_patience=7)) is not compiled_launch(FINITE)


def test_a_runtime_takes_no_finite_program() -> None:
    """A runtime goes on and follows every job, so a finite program, or a report of control alone, is refused."""
    for program in (FINITE, reporting_control(interpreted())):
        with pytest.raises(UsageError, match="this program is finite or reports control alone"):
            Runtime(8, program=program)
