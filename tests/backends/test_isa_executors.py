"""Every executor agrees with the definition, and does what it promises beside."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism.kernels.exec.faults import FaultError, FaultKind
from prism.kernels.exec.launch import Launch, Shape
from prism.kernels.exec.table import EXECUTORS, open_executor
from prism.kernels.exec.xla import function
from prism.kernels.isa.assemble import assemble
from prism.kernels.isa.verify import Verified, verify
from tests.kernels_programs import disagreement, sample

pytestmark = [pytest.mark.m8, pytest.mark.clause("ISA-23")]

OTHERS = [name for name in EXECUTORS if name != "numpy"]
SEEDS = {"xla": range(6), "pallas": range(6), "cpu": range(5)}
"""Programs of the normal run; a seed that XLA or Numba compiles takes a second.

The rest: python -m tests.kernels_programs.
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_random_programs_agree_with_the_definition(name: str) -> None:
    """Integers and exact float operations to the bit, the others within the ulps of the table; faults alike."""
    for seed in SEEDS.get(name, range(60)):
        assert disagreement(sample(seed), name) == ""


SAXPY = """
.buffer x f32 read 1
.buffer y f32 readwrite 2
.scalar a f32 r20
mov_imm.u64 r1, 1
mov_imm.u64 r2, 2
mov_imm.u32 r3, 2
shl.u64 r5, r255, r3
ldg.f32 r10, [r1 + r5]
ldg.f32 r11, [r2 + r5]
mad.f32 r12, r20, r10, r11
stg.f32 [r2 + r5], r12
"""
POWER = """
.buffer x f32 readwrite 1
mov_imm.u64 r1, 1
mov_imm.u32 r3, 2
shl.u64 r5, r255, r3
ldg.f32 r10, [r1 + r5]
mov_imm.f32 r11, 1.0
mov_imm.u32 r4, 3
body: mul.f32 r11, r11, r10
loop r4, @body
stg.f32 [r1 + r5], r11
"""


PARTED = """
.buffer x u32 write 1
mov_imm.u64 r1, 1
mov_imm.u64 r2, 64
mov_imm.u64 r4, 0
mov_imm.u32 r3, 7
seteq.u64 p0, r255, r4
bra.p0 @later
bar.sync 0
stg.u32 [r1 + r4], r3
bra @end
later: stg.u32 [r1 + r2], r3
end: stg.u32 [r1 + r4], r3
"""
"""Lane 0 goes to `later`, and lane 1 waits at a barrier that lies before it."""


def checked(text: str) -> Verified:
    """Return a verified program."""
    return verify(assemble(text))


@pytest.mark.slow
@pytest.mark.clause("ISA-17")
@pytest.mark.parametrize("name", list(EXECUTORS))
def test_the_lower_steps_run_first_where_lanes_part(name: str) -> None:
    """Who waits at a barrier meets nobody from a later arm, though the lane there faults: nothing is stored."""
    buffers = {"x": np.zeros(4, np.uint32)}
    launch = Launch(checked(PARTED), Shape((1, 1, 1), (2, 1, 1)), buffers)
    with pytest.raises(FaultError) as caught:
        open_executor(name).bind(launch)()
    assert (caught.value.kind, caught.value.lane) == (FaultKind.BOUNDS, 0)
    assert not buffers["x"].any()


@pytest.mark.parametrize("name", list(EXECUTORS))
def test_an_access_past_the_end_faults_alike(name: str) -> None:
    """Five lanes on four elements: lane 4 faults at the first load, what the others stored stays."""
    buffers = {"x": np.arange(4, dtype=np.float32), "y": np.ones(4, np.float32)}
    launch = Launch(checked(SAXPY), Shape((1, 1, 1), (5, 1, 1)), buffers, {"a": 2.0})
    with pytest.raises(FaultError) as caught:
        open_executor(name).bind(launch)()
    assert (caught.value.kind, caught.value.index, caught.value.lane) == (FaultKind.BOUNDS, 4, 4)
    assert caught.value.values == (1, 16)
    assert buffers["y"].tolist() == [1, 3, 5, 7]


def test_contiguous_accesses_are_slices() -> None:
    """No gather and no scatter is left where each lane accesses the element of its own number."""
    call = function(checked(SAXPY), Shape((1, 1, 1), (4, 1, 1)), fuel=1)
    with jax.enable_x64(True):
        x = jnp.zeros(4, jnp.float32)
        text = str(jax.make_jaxpr(call)({"x": x, "y": x}, {"a": np.float32(2)}))
    assert "gather" not in text
    assert "scatter" not in text


def test_a_float_program_is_mapped_and_differentiated() -> None:
    """The cube of x by a counted loop: its derivative is 3 x^2, over a batch too."""
    call = function(checked(POWER), Shape((1, 1, 1), (3, 1, 1)), fuel=9)

    def total(x: jax.Array) -> jax.Array:
        return call({"x": x}, {})[0]["x"].sum()

    with jax.enable_x64(True):
        x = jnp.asarray([[1.0, 2.0, 3.0], [0.5, -1.0, 4.0]], jnp.float32)
        slope = jax.jit(jax.vmap(jax.grad(total)))(x)
    assert slope.dtype == jnp.float32
    assert np.allclose(slope, 3 * np.square(np.asarray(x)), rtol=1e-6)
