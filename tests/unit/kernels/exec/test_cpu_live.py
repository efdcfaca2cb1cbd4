"""What lanes keep where they wait, and loops that they go through without waiting."""

from __future__ import annotations

import numpy as np
import pytest

from prism.kernels.exec import bound
from prism.kernels.exec.bound import CpuShared
from prism.kernels.exec.cpu import CpuExecutor
from prism.kernels.exec.cpu_live import kept_at_meetings, live_before, whole_loops
from prism.kernels.exec.cpu_uses import constants
from prism.kernels.exec.faults import FaultError
from prism.kernels.exec.launch import Launch, Shape
from prism.kernels.exec.table import open_executor
from prism.kernels.isa.assemble import assemble
from prism.kernels.isa.verify import Verified, verify

pytestmark = [pytest.mark.m8, pytest.mark.clause("EXEC-2")]

TEXT = """
.program turns
.buffer x u32 read 1
.buffer out u32 write 2
.scalar n u32 r4
mov_imm.u64 r1, 1
mov_imm.u64 r2, 2
mov_imm.u32 r3, 2
mov_imm.u32 r6, 3
mov_imm.u32 r10, 0
shl.u64 r5, r255, r3
outer:
mov.u32 r7, r4
inner:
ldg.u32 r8, [r1 + r5]
add.u32 r10, r10, r8
loop r7, @inner
bar.sync 0
lane.add.u32 r9, r10
add.u32 r10, r9, r10
loop r6, @outer
stg.u32 [r2 + r5], r10
"""


def program() -> Verified:
    """Return a loop with a meeting around one without."""
    return verify(assemble(TEXT))


def test_loops_in_which_no_lane_waits_are_found() -> None:
    """The inner loop is whole: its start, its body, its end; the outer one is not, for lanes wait in it."""
    steps = program().steps
    ((start, found),) = whole_loops(program()).items()
    assert (steps[start].op, steps[found.end - 1].op, found.start) == ("enter", "loop", start)
    assert [step.op for step in steps[start + 1 : found.end]] == ["ldg", "add", "loop"]


def test_a_lane_that_waits_keeps_what_is_read_later() -> None:
    """The place, the sum and what the meeting gives; no constants, nothing of the inner loop or of the launch."""
    assert kept_at_meetings(program(), set()) == {"r5_u64", "r9_u32", "r10_u32"}
    assert {"r1_u64", "r2_u64", "r3_u32"} <= constants(program()).keys()
    assert not {"r7_u32", "r8_u32", "r4_u32"} & kept_at_meetings(program(), set())


def test_liveness_is_that_of_the_way_back() -> None:
    """What a turn of a loop reads first is live at the end of its body, and nothing is live at the end."""
    live = live_before(program().steps)
    last = max(k for k, step in enumerate(program().steps) if step.op == "loop")
    assert {"r4_u32", "r10_u32"} <= live[last]
    assert live[-1] == set()


@pytest.mark.slow
def test_blocks_are_shared_out_to_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """With three threads and in one the results are the definition's; so is the fault, which is the lowest lane's."""
    monkeypatch.setattr(bound, "_PAYS", 0)
    monkeypatch.setattr(bound, "workers", lambda: 3)
    x, shape = np.arange(70, dtype=np.uint32), Shape((7, 1, 1), (10, 1, 1))
    found = {}
    for name in ("numpy", "cpu"):
        found[name] = np.zeros(70, np.uint32)
        run = open_executor(name).bind(Launch(program(), shape, {"x": x, "out": found[name]}, {"n": 4}))
        assert name == "numpy" or isinstance(run, CpuShared)
        run()
    np.testing.assert_array_equal(found["cpu"], found["numpy"])
    short = Launch(program(), shape, {"x": x[:35], "out": np.zeros(70, np.uint32)}, {"n": 4})
    with pytest.raises(FaultError) as expected:
        open_executor("numpy").bind(short)()
    with pytest.raises(FaultError) as caught:
        CpuExecutor().bind(short)()
    assert str(caught.value) == str(expected.value)
