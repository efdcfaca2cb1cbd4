"""Lanes that meet on the `cpu` executor, against the definition."""

from __future__ import annotations

import numpy as np
import pytest

from prism.kernels.exec.faults import FaultKind
from prism.kernels.exec.launch import linear
from tests.unit.kernels.exec.programs import both

pytestmark = [pytest.mark.m8, pytest.mark.slow, pytest.mark.clause("EXEC-2")]

MEETINGS = """
.program meetings
.buffer x f32 read 1
.buffer out f32 write 2
.shared s f32 8 3
mov_imm.u64 r1, 1
mov_imm.u64 r2, 2
mov_imm.u64 r3, 3
mov_imm.u32 r9, 2
shl.u64 r0, r255, r9
ldg.f32 r10, [r1 + r0]
cvt.u64.u32 r4, r252
shl.u64 r5, r4, r9
mov_imm.u64 r6, 1
xor.u64 r7, r4, r6
shl.u64 r7, r7, r9
mov_imm.u32 r20, 3
body:
sts.f32 [r3 + r5], r10
bar.sync 0
lds.f32 r11, [r3 + r7]
add.f32 r10, r10, r11
bar.sync 1
loop r20, @body
mov_imm.f32 r30, 0x40400000
lane.max.f32 r12, r10
setlt.f32 p0, r12, r30
bra.p0 @end
lane.add.f32 r13, r10
stg.f32 [r2 + r0], r13
end:
exit
"""


@pytest.mark.clause("ISA-20")
@pytest.mark.slow
def test_lanes_meet_as_in_the_definition() -> None:
    """Barriers in a loop, shared memory, and folds over the lanes of a block, of which some blocks leave early."""
    x = (np.arange(32) % 8 / 64).astype(np.float32) * (np.arange(32) >= 16)
    assert both(MEETINGS, linear(32, 8), {"x": x.astype(np.float32), "out": np.zeros(32, np.float32)}) is None


APART = """
.program apart
.buffer out u32 write 1
mov_imm.u64 r1, 1
mov_imm.u32 r9, 2
shl.u64 r0, r255, r9
mov_imm.u32 r5, {turns}
mov_imm.u32 r6, 2
mov_imm.u32 r7, 0
mov_imm.u32 r8, 1
top:
add.u32 r7, r7, r8
seteq.u32 p0, r7, r6
bra.p0 @over
{middle}
over:
setlt.u32 p1, r7, r5
bra.p1 @top
stg.u32 [r1 + r0], r7
exit
"""


@pytest.mark.clause("ISA-11")
def test_a_meeting_that_all_skip_is_none() -> None:
    """In one turn of a loop all lanes go round the barrier: nobody waits there."""
    assert both(APART.format(turns=4, middle="bar.sync 0"), linear(8, 4), {"out": np.zeros(8, np.uint32)}) is None


@pytest.mark.clause("ISA-11")
def test_lanes_that_part_are_reported() -> None:
    """Lanes wait where another has gone past: the lowest that waits is reported, as the definition does."""
    middle = "setlt.u32 p2, r252, r6\nbra.p2 @over\nbar.sync 0"
    fault = both(APART.format(turns=4, middle=middle), linear(8, 4), {"out": np.zeros(8, np.uint32)})
    assert fault is not None
    assert (fault[0], fault[2]) == (FaultKind.DIVERGENCE, 2)
