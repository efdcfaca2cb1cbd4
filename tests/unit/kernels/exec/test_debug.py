"""prism.kernels.exec.debug: what one lane reads and changes, step by step."""

from __future__ import annotations

import numpy as np
import pytest

from prism.errors import UsageError
from prism.kernels.exec.debug import Change, Debugger
from prism.kernels.exec.faults import FaultKind
from prism.kernels.exec.launch import Launch, Shape
from prism.kernels.isa.assemble import assemble
from prism.kernels.isa.verify import verify

pytestmark = [pytest.mark.m8, pytest.mark.clause("ISA-17")]

TEXT = """
.buffer x u64 readwrite 1
.shared s u64 2 2
mov_imm.u64 r1, 1
mov_imm.u32 r2, 3
shl.u64 r3, r255, r2
setlt.u64 p1, r1, r255
ldg.u64 r4, [r1 + r3]
sel.u64 r4, p1, r3, r4
phase.adv 3
stg.u64 [r1 + r3], r4
a: loop r2, @a
bra.p1 @b
b: ldg.u64 r4, [buf1 + 64]
"""


def opened(lane: int) -> Debugger:
    """Open a debugger on one lane of two blocks of two."""
    x = np.array([7, 8, 9, 10], np.uint64)
    return Debugger(Launch(verify(assemble(TEXT)), Shape((2, 1, 1), (2, 1, 1)), {"x": x}), lane)


def test_each_step_says_what_it_read_and_changed() -> None:
    """Registers, predicates, the phase, elements, and rounds of a loop, to the fault at the end."""
    debugger = opened(1)
    events = list(debugger.trace())
    assert events[2].reads == (Change("r255", 1), Change("r2", 3))
    assert events[2].changes == (Change("r3", 8),)
    assert events[3].changes == (Change("p1", False),)
    assert events[5].reads == (Change("r3", 8), Change("r4", 8), Change("p1", False))
    assert events[6].changes == (Change("phase", 3),)
    assert events[7].text == "stg.u64 [r1 + r3], r4"
    assert events[8].text == "enter loop r2, @a"
    assert [one.changes for one in events[8:12]] == [(Change("rounds left", k),) for k in (3, 2, 1, 0)]
    assert events[12].reads == (Change("p1", False),)
    assert events[-1].fault is not None
    assert (events[-1].fault.kind, events[-1].fault.lane) == (FaultKind.BOUNDS, 1)
    assert debugger.stopped()
    assert debugger.step() is None


def test_a_store_shows_the_elements_that_changed() -> None:
    """Lane 3 stores its offset; the other lane of its block does too, in the same step."""
    debugger = opened(3)
    stored = [event for event in debugger.trace() if event.text.startswith("stg")]
    assert stored[0].changes == (Change("x[2]", 16), Change("x[3]", 24))
    assert debugger.memory("x").tolist() == [7, 8, 16, 24]
    assert debugger.memory("s").tolist() == [0, 0]
    assert Change("p1", True) in debugger.registers()
    assert Change("r2:u32", 3) in debugger.registers()


def test_what_a_debugger_refuses() -> None:
    """A lane that the launch lacks, and memory that the program lacks."""
    with pytest.raises(UsageError, match="a lane must be 0 to 3, got 4"):
        opened(4)
    with pytest.raises(UsageError, match="memory must be one of x, s, got 'y'"):
        opened(0).memory("y")
