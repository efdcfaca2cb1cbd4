"""Launches on arrays of JAX's: one fusion where one is enough, one fault, gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism.bench import isa_programs
from prism.kernels.exec.faults import FaultError, FaultKind
from prism.kernels.exec.launch import Shape, linear
from prism.kernels.exec.xla import DeviceLaunch, function
from prism.kernels.isa.assemble import assemble
from prism.kernels.isa.verify import Verified, verify

pytestmark = [pytest.mark.m8, pytest.mark.clause("EXEC-8")]

FORMULA: dict[str, Callable[..., Any]] = {
    "copy": lambda x: x,
    "add": lambda x, y: x + y,
    "chain": lambda x, y, z: jnp.maximum((x * y + z) * x, y) - z,
}
GATHER = """
.buffer x f32 read 1
.buffer at u32 read 2
.buffer out f32 write 3
.scalar n u32 r0
mov_imm.u64 r1, 1
mov_imm.u64 r2, 2
mov_imm.u64 r3, 3
mov_imm.u32 r4, 2
cvt.u32.u64 r5, r255
setlt.u32 p0, r5, r0
bra.!p0 @end
shl.u64 r6, r255, r4
ldg.u32 r7, [r2 + r6]
cvt.u64.u32 r8, r7
shl.u64 r8, r8, r4
ldg.f32 r9, [r1 + r8]
stg.f32 [r3 + r6], r9
end: exit
"""


def inputs(name: str, n: int) -> dict[str, jax.Array]:
    """Return random arrays for a stream."""
    random = np.random.default_rng(n)
    names = {"copy": "x", "add": "xy", "chain": "xyz"}[name]
    found = {one: jnp.asarray(random.standard_normal(n), jnp.float32) for one in names}
    return {**found, "out": jnp.zeros(n, jnp.float32)}


def compiled(verified: Verified, shape: Shape, buffers: dict[str, jax.Array], scalars: dict[str, Any]) -> Any:
    """Return a launch compiled for arrays, with its scalars as constants."""
    call = function(verified, shape)
    with jax.enable_x64(True):
        return jax.jit(lambda given: call(given, scalars)).lower(buffers).compile()


@pytest.mark.parametrize("name", list(FORMULA))
def test_a_stream_is_one_fusion(name: str) -> None:
    """No gather, scatter, loop or temporary: what `jax.jit` makes of the formula, whatever the last block lacks."""
    for n in (4096, 1000):
        made = compiled(isa_programs.stream(name), linear(n), inputs(name, n), {"n": n})
        text, peer = made.as_text(), jax.jit(FORMULA[name]).lower(*list(inputs(name, n).values())[:-1]).compile()
        assert not any(word in text for word in ("gather", "scatter", "while", "conditional", "dynamic", "pad("))
        entry = text[text.index("ENTRY") :]
        assert sum(entry.count(f" {word}(") for word in ("fusion", "call", "copy")) <= 1
        for one in (made, peer):
            memory = one.memory_analysis()
            assert memory is not None
            assert memory.temp_size_in_bytes == 0


@pytest.mark.parametrize("n", [1, 255, 256, 1000])
def test_device_launches_give_what_the_formula_gives(n: int) -> None:
    """At sizes that fill blocks and sizes that do not, and for fewer elements than the arrays have."""
    given = inputs("chain", n)
    x, y, z = (np.asarray(given[one]) for one in "xyz")
    want = np.maximum((x * y + z) * x, y) - z
    for count in {n, n // 2}:
        launch = DeviceLaunch(isa_programs.stream("chain"), linear(n), {"n": count})
        written, faulted = launch.run(given)
        assert faulted is None
        assert np.asarray(written["out"]).tolist() == [*want[:count].tolist(), *[0.0] * (n - count)]


def test_the_lowest_lane_of_a_gather_faults() -> None:
    """Of lanes 3 and 5 that read outside lane 3 is said, with what it read; the others have stored."""
    at = np.array([0, 1, 2, 9, 0, 8, 1, 2], np.uint32)
    buffers = {"x": jnp.arange(4, dtype=jnp.float32), "at": jnp.asarray(at), "out": jnp.full(8, -1, jnp.float32)}
    launch = DeviceLaunch(verify(assemble(GATHER)), Shape(block=(8, 1, 1)), {"n": 8})
    written, _ = launch.run(buffers)
    assert written["out"].tolist() == [0, 1, 2, -1, 0, -1, 1, 2]
    with pytest.raises(FaultError) as caught:
        launch(buffers)
    assert (caught.value.kind, caught.value.index, caught.value.lane) == (FaultKind.BOUNDS, 11, 3)
    assert caught.value.values == (1, 36)
    assert DeviceLaunch(verify(assemble(GATHER)), Shape(block=(8, 1, 1)), {"n": 3})(buffers)["out"][2] == 2


def test_donated_buffers_are_used_up() -> None:
    """A buffer that is read and written may be given away: its memory is that of the result."""
    text = GATHER.replace(".buffer out f32 write 3", ".buffer out f32 readwrite 3").replace(
        "stg.f32 [r3", "ldg.f32 r10, [r3 + r6]\nadd.f32 r9, r9, r10\nstg.f32 [r3"
    )
    out = jnp.ones(4, jnp.float32)
    buffers = {"x": jnp.arange(4, dtype=jnp.float32), "at": jnp.arange(4, dtype=jnp.uint32), "out": out}
    launch = DeviceLaunch(verify(assemble(text)), Shape(block=(4, 1, 1)), {"n": 4}, donate=True)
    assert launch(buffers)["out"].tolist() == [1, 2, 3, 4]
    assert out.is_deleted()


@pytest.mark.slow
def test_a_gradient_is_that_of_the_formula() -> None:
    """The derivative of a kernel's result by its inputs is what JAX says of the plain function, and so over a batch."""
    n = 300
    given = inputs("chain", n)
    given["z"] = given["z"] + 0.125
    call = function(isa_programs.stream("chain"), linear(n))

    def ours(x: jax.Array, y: jax.Array, z: jax.Array) -> jax.Array:
        return (call({"x": x, "y": y, "z": z, "out": given["out"]}, {"n": n})[0]["out"] ** 2).sum()

    def plain(x: jax.Array, y: jax.Array, z: jax.Array) -> jax.Array:
        return (FORMULA["chain"](x, y, z) ** 2).sum()

    arrays = [given[one] for one in "xyz"]
    batch = [jnp.stack([one, 2 * one]) for one in arrays]
    with jax.enable_x64(True):
        for got, want in zip(
            jax.jit(jax.grad(ours, (0, 1, 2)))(*arrays), jax.grad(plain, (0, 1, 2))(*arrays), strict=True
        ):
            assert np.allclose(got, want, rtol=1e-5, atol=1e-5)
        got, want = (jax.vmap(jax.grad(one))(*batch) for one in (ours, plain))
    assert np.allclose(got, want, rtol=1e-5, atol=1e-5)


def test_a_product_and_a_sum_are_rounded_each() -> None:
    """`mad` on many random lanes is NumPy's product and sum to the bit: no compiler makes one rounding of the two."""
    random = np.random.default_rng(0)
    n = 1 << 14
    given = {one: random.random(n).astype(np.float32) for one in "xyz"}
    buffers = {one: jnp.asarray(array) for one, array in given.items()} | {"out": jnp.zeros(n, jnp.float32)}
    got = DeviceLaunch(isa_programs.stream("chain"), linear(n), {"n": n})(buffers)["out"]
    x, y, z = given.values()
    assert (np.asarray(got) == np.maximum((x * y + z) * x, y) - z).all()


def test_too_many_lanes_are_refused() -> None:
    """The lane of no fault is the last of 2^31, so that one is too many."""
    with pytest.raises(Exception, match="a launch on xla must have at most"):
        function(isa_programs.stream("add"), Shape(grid=(1 << 31, 1, 1)))
