"""The executor pallas: blocks that meet, memory of their own, atomics; what it refuses; what Triton takes."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from prism.bench import isa_programs
from prism.errors import UsageError
from prism.kernels.exec import pallas
from prism.kernels.exec.launch import Shape, linear
from prism.kernels.isa.assemble import assemble
from prism.kernels.isa.verify import Verified, verify
from tests.kernels_programs import sample
from tests.kernels_runs import run

pytestmark = [pytest.mark.m8, pytest.mark.clause("EXEC-10")]

TURNED = """
.buffer x u32 readwrite 1
.shared s u32 8 2
mov_imm.u64 r1, 1
mov_imm.u64 r2, 2
mov_imm.u32 r3, 2
shl.u64 r4, r255, r3
ldg.u32 r5, [r1 + r4]
cvt.u64.u32 r6, r252
shl.u64 r6, r6, r3
sts.u32 [r2 + r6], r5
bar.sync 0
mov_imm.u64 r7, 16
sub.u64 r6, r7, r6
lds.u32 r5, [r2 + r6]
lane.add.u32 r8, r5
add.u32 r5, r5, r8
stg.u32 [r1 + r4], r5
"""
POOLED = """
.buffer x i64 readwrite 1
.buffer sum i64 readwrite 2
mov_imm.u64 r1, 1
mov_imm.u32 r3, 3
shl.u64 r4, r255, r3
ldg.i64 r5, [r1 + r4]
pool.alloc r6, 16
mov_imm.u64 r7, 8
pool.store.i64 r6, r7, r5
pool.load.i64 r8, r6, r7
add.i64 r8, r8, r5
pool.free r6
stg.i64 [r1 + r4], r8
atom.add.i64 r9, [buf2 + 0], r5
"""


def test_blocks_meet_in_shared_memory() -> None:
    """Two blocks of five lanes turn their elements round and add the block's sum; a power of two is not needed."""
    x = np.arange(10, dtype=np.uint32)
    found = [run(TURNED, Shape((2, 1, 1), (5, 1, 1)), executor=name, x=x)["x"] for name in ("pallas", "numpy")]
    assert found[0].tolist() == found[1].tolist() == [14, 13, 12, 11, 10, 44, 43, 42, 41, 40]


def test_lanes_have_pools_and_share_atomics() -> None:
    """Each lane reads back what its own pool holds, and all lanes of three instances add up."""
    x, total = np.arange(1200, dtype=np.int64), np.zeros(1, np.int64)
    found = run(POOLED, linear(1200, 100), executor="pallas", x=x, sum=total)
    assert (found["x"] == 2 * x).all()
    assert found["sum"][0] == x.sum()


@pytest.mark.parametrize(("op", "ty"), [("cas", "u32"), ("min", "f32"), ("max", "f64")])
def test_atomics_that_pallas_lacks_are_refused(op: str, ty: str) -> None:
    """By name, before anything runs."""
    sources = "r1, r1" if op == "cas" else "r1"
    text = f".buffer x {ty} readwrite 1\nmov_imm.{ty} r1, 0\natom.{op}.{ty} r2, [buf1 + 0], {sources}"
    with pytest.raises(UsageError, match=rf"a program on pallas must not use `atom.{op}.*\(instruction 1\)"):
        run(text, executor="pallas", x=np.zeros(1, np.dtype(ty.replace("f", "float").replace("u", "uint"))))


def test_too_many_lanes_are_refused() -> None:
    """The lane of no fault is the last of 2^31, so that one is too many."""
    with pytest.raises(UsageError, match="a launch on pallas must have at most"):
        pallas.function(isa_programs.stream("add"), Shape(grid=(1 << 31, 1, 1)))


def lowered(verified: Verified, shape: Shape, buffers: dict[str, np.ndarray], scalars: dict[str, Any]) -> str:
    """Return a program lowered for a GPU, by Triton, which needs none for that."""
    call = pallas.function(verified, shape)
    with jax.enable_x64(True):
        traced = jax.jit(lambda given: call(given, scalars)).trace(buffers)
        return traced.lower(lowering_platforms=("cuda",)).as_text()


def test_triton_takes_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams, loops, choices, pools, folds and atomics are one call of Triton's each; erf is not, and is named."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    arrays = {one: np.ones(1000, np.float32) for one in ("x", "y", "z", "out")}
    assert lowered(isa_programs.stream("chain"), linear(1000), arrays, {"n": 1000}).count("__gpu$xla.gpu.triton") == 1
    for seed in (0, 3, 11, 16):
        one = sample(seed)
        text = lowered(verify(assemble(one.text)), one.shape, one.buffers, one.scalars)
        assert text.count("__gpu$xla.gpu.triton") == 1
    erf = ".buffer x f64 readwrite 1\nldg.f64 r1, [buf1 + 0]\nerf.f64 r1, r1\nstg.f64 [buf1 + 0], r1"
    with pytest.raises(NotImplementedError, match="erf"):
        lowered(verify(assemble(erf)), Shape(), {"x": np.zeros(1)}, {})

    def refused(*_: object) -> None:
        raise NotImplementedError("Unimplemented primitive: erf")

    monkeypatch.setattr(pallas.DeviceLaunch, "run", refused)
    with pytest.raises(UsageError, match="must be what Triton can compile for pallas, got: Unimplemented"):
        run(erf, executor="pallas", x=np.zeros(1))
