"""Programs on a GPU through XLA: what the definition gives, as fast as `jax.jit` of the formula."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism.bench import isa_programs
from prism.kernels.exec.faults import FaultError
from prism.kernels.exec.launch import linear
from prism.kernels.exec.xla import DeviceLaunch
from prism.kernels.isa.verify import verify
from prism.kernels.std.table import STANDARD, close
from tests.kernels_programs import disagreement, sample

pytestmark = [pytest.mark.m8, pytest.mark.clause("ISA-23")]

FORMULA: dict[str, Callable[..., Any]] = {
    "copy": jnp.copy,
    "add": jnp.add,
    "chain": lambda x, y, z: jnp.maximum((x * y + z) * x, y) - z,
}
WITHIN = 1.2


@pytest.fixture(autouse=True)
def _gpu():
    if jax.default_backend() != "gpu":
        pytest.skip("needs a GPU that JAX supports")


def paired(ours: Callable[[], Any], theirs: Callable[[], Any]) -> float:
    """Return how many times longer ours takes: the median of pairs, each timed in turn."""
    ratios = []
    for k in range(60):
        times = []
        for work in (ours, theirs):
            start = time.perf_counter()
            jax.block_until_ready([work() for _ in range(10)])
            times.append(time.perf_counter() - start)
        if k >= 10:
            ratios.append(times[0] / times[1])
    return statistics.median(ratios)


@pytest.mark.parametrize("name", list(FORMULA))
def test_streams_take_as_long_as_their_formula(name: str) -> None:
    """At 2^24 a stream is within 1.2 times of `jax.jit` on the same arrays."""
    n = 1 << 24
    names = {"copy": "x", "add": "xy", "chain": "xyz"}[name]
    given = {one: jnp.full(n, k + 1.5, jnp.float32) for k, one in enumerate(names)}
    launch, formula = DeviceLaunch(isa_programs.stream(name), linear(n), {"n": n}), jax.jit(FORMULA[name])
    buffers = {**given, "out": jnp.zeros(n, jnp.float32)}
    assert paired(lambda: launch(buffers)["out"], lambda: formula(*given.values())) < WITHIN


def test_a_fused_sigmoid_takes_as_long_as_its_formula() -> None:
    """`sigmoid(a * b + c)` at 2^24 is within 1.2 times of `jax.jit` on the same arrays, and right."""
    n, standard = 1 << 24, STANDARD["fused"]
    drawn = standard.make(np.random.default_rng(0), n, np.dtype(np.float32))
    given = {name: jnp.asarray(one) for name, one in drawn.items()}
    program = standard.kernel.program(F="f32")
    [out] = [one.name for one in program.buffers if one.name not in given]
    launch = DeviceLaunch(verify(program), linear(n), {one.name: n for one in program.scalars})
    buffers, formula = {**given, out: jnp.zeros(n, jnp.float32)}, jax.jit(lambda a, b, c: jax.nn.sigmoid(a * b + c))
    [want] = standard.reference(drawn)
    assert close(np.asarray(launch(buffers)[out]), want, standard.ulp)
    assert paired(lambda: launch(buffers)[out], lambda: formula(*given.values())) < WITHIN


def test_products_and_sums_are_rounded_each() -> None:
    """On 2^20 random lanes the chain is NumPy's to the bit: nothing is contracted."""
    n = 1 << 20
    random = np.random.default_rng(0)
    x, y, z = (random.random(n).astype(np.float32) for _ in range(3))
    buffers = {one: jnp.asarray(array) for one, array in zip("xyz", (x, y, z), strict=True)}
    launch = DeviceLaunch(isa_programs.stream("chain"), linear(n), {"n": n})
    found = np.asarray(launch({**buffers, "out": jnp.zeros(n, jnp.float32)})["out"])
    assert (found == np.maximum((x * y + z) * x, y) - z).all()


@pytest.mark.parametrize("seed", range(12))
def test_random_programs_agree_with_the_definition(seed: int) -> None:
    """Integers and exact float operations to the bit, the others within the ulps of the table; faults alike."""
    assert disagreement(sample(seed), "xla") == ""


def test_a_fault_comes_from_the_device() -> None:
    """Lanes past the end of an array fault, and the lowest of them is named."""
    given = {one: jnp.ones(1000, jnp.float32) for one in ("x", "y", "out")}
    with pytest.raises(FaultError, match="an access must lie inside its buffer: lane 1000"):
        DeviceLaunch(isa_programs.stream("add"), linear(1024), {"n": 1024})(given)
