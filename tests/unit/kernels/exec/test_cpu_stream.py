"""Streams on the `cpu` executor: loops without checks, where the checks of two lanes speak for all."""

from __future__ import annotations

import numpy as np
import pytest

from prism.kernels.exec.cpu_stream import stream_of
from prism.kernels.exec.launch import linear
from prism.kernels.isa.assemble import assemble
from prism.kernels.isa.verify import verify
from tests.unit.kernels.exec.programs import CPU, NUMPY, add, outcome

pytestmark = [pytest.mark.m8, pytest.mark.clause("EXEC-2")]


@pytest.mark.parametrize("n", [0, 1, 7, 1000])
@pytest.mark.parametrize("length", [0, 1, 999, 1000])
def test_a_stream_stops_where_its_lanes_do(n: int, length: int) -> None:
    """Lanes at or past n do nothing; lanes below it that leave a buffer fault, the lowest of them is reported."""
    assert stream_of(verify(add())) is not None
    rng = np.random.default_rng(0)
    given = {name: rng.random(length).astype(np.float32) for name in ("x", "y", "out")}
    got, fault = outcome(CPU, add(), linear(1000), given, {"n": n})
    want, expected = outcome(NUMPY, add(), linear(1000), given, {"n": n})
    assert fault == expected
    assert fault is not None or np.array_equal(got["out"], want["out"])
    assert (fault is None) == (min(n, 1000) <= length)


STRIDED = """
.program strided
.buffer x f32 read 1
.buffer out f32 write 2
.scalar start {ty} r4
.scalar n {ty} r5
mov_imm.u64 r1, 1
mov_imm.u64 r2, 2
cvt.{ty}.u64 r6, r255
setlt.{ty} p0, r6, r5
bra.!p0 @end
mov_imm.{ty} r7, 3
mad.{ty} r8, r6, r7, r4
cvt.u64.{ty} r8, r8
mov_imm.u64 r10, 4
mul.u64 r8, r8, r10
mul.u64 r0, r255, r10
ldg.f32 r20, [r1 + r8]
stg.f32 [r2 + r0], r20
end:
exit
"""


@pytest.mark.parametrize(("ty", "start", "n"), [("u32", 5, 30), ("i32", -3, 30), ("i64", 0, 90), ("u64", 2**63, 30)])
def test_strided_streams_are_checked_at_their_ends(ty: str, start: int, n: int) -> None:
    """An address three times the lane plus a scalar is a stream; lanes beyond type or buffer say so."""
    program = assemble(STRIDED.format(ty=ty))
    assert stream_of(verify(program)) is not None
    given = {"x": np.arange(100, dtype=np.float32), "out": np.zeros(40, np.float32)}
    outcomes = [outcome(one, program, linear(40), given, {"start": start, "n": n}) for one in (CPU, NUMPY)]
    assert outcomes[0][1] == outcomes[1][1]
    if outcomes[0][1] is None:
        np.testing.assert_array_equal(outcomes[0][0]["out"], outcomes[1][0]["out"])


def test_a_lane_that_writes_a_scalar_leaves_it_to_the_next() -> None:
    """Registers that the launch sets are a lane's own: y := a x + y in the register of `a` is no product of all x."""
    text = """
.program own
.buffer x f32 read 1
.buffer y f32 readwrite 2
.scalar a f32 r4
.size x r5
mov_imm.u64 r1, 1
mov_imm.u64 r2, 2
mov_imm.u32 r9, 2
shl.u64 r0, r255, r9
ldg.f32 r10, [r1 + r0]
mul.f32 r4, r4, r10
cvt.f32.u64 r11, r5
mov_imm.u64 r5, 0
add.f32 r4, r4, r11
stg.f32 [r2 + r0], r4
"""
    program = assemble(text)
    assert stream_of(verify(program)) is not None
    x = np.arange(40, dtype=np.float32)
    got, fault = outcome(CPU, program, linear(40, 40), {"x": x, "y": x}, {"a": 2.0})
    assert fault is None
    np.testing.assert_array_equal(got["y"], 2 * x + 40)
