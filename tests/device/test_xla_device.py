"""Programs on a GPU through XLA, and through Pallas: what the definition gives."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism.bench import isa_programs
from prism.errors import UsageError
from prism.kernels.exec import pallas
from prism.kernels.exec.faults import FaultError
from prism.kernels.exec.launch import linear
from prism.kernels.exec.xla import DeviceLaunch
from prism.kernels.std.table import STANDARD, close
from tests.kernels_programs import disagreement, sample

pytestmark = [pytest.mark.m8, pytest.mark.clause("ISA-23")]


@pytest.fixture(autouse=True)
def _gpu():
    if jax.default_backend() != "gpu":
        pytest.skip("needs a GPU that JAX supports")


@pytest.mark.parametrize("name", ["fused", "exp"])
def test_standard_kernels_are_right(name: str) -> None:
    """At 2^20 elements, on arrays that stay on the device, within the ulps of the table."""
    n, standard = 1 << 20, STANDARD[name]
    drawn = standard.make(np.random.default_rng(0), n, np.dtype(np.float32))
    given = [jnp.asarray(one) for one in drawn.values()]
    [want] = standard.reference(drawn)
    assert close(np.asarray(standard.kernel(*given, jnp.zeros(n, jnp.float32), n)), want, standard.ulp)


def test_products_and_sums_are_rounded_each() -> None:
    """On 2^20 random lanes the chain is NumPy's to the bit: nothing is contracted."""
    n = 1 << 20
    random = np.random.default_rng(0)
    x, y, z = (random.random(n).astype(np.float32) for _ in range(3))
    buffers = {one: jnp.asarray(array) for one, array in zip("xyz", (x, y, z), strict=True)}
    launch = DeviceLaunch(isa_programs.stream("chain"), linear(n), {"n": n})
    found = np.asarray(launch({**buffers, "out": jnp.zeros(n, jnp.float32)})["out"])
    assert (found == np.maximum((x * y + z) * x, y) - z).all()


@pytest.mark.parametrize("executor", ["xla", "pallas"])
@pytest.mark.parametrize("seed", range(12))
def test_random_programs_agree_with_the_definition(seed: int, executor: str) -> None:
    """Integers and exact float operations to the bit, the others within the ulps of the table; faults alike."""
    try:
        assert disagreement(sample(seed), executor) == ""
    except UsageError as error:
        pytest.skip(str(error))


def test_a_pallas_kernel_gives_what_the_formula_gives() -> None:
    """At a size that fills no instance, on arrays that stay on the device."""
    n = 100_000
    x, y = (jnp.arange(n, dtype=jnp.float32) * k for k in (1, 3))
    launch = DeviceLaunch(isa_programs.stream("add"), linear(n), {"n": n}, make=pallas.function)
    assert (launch({"x": x, "y": y, "out": jnp.zeros(n, jnp.float32)})["out"] == 4 * x).all()


def test_a_fault_comes_from_the_device() -> None:
    """Lanes past the end of an array fault, and the lowest of them is named."""
    given = {one: jnp.ones(1000, jnp.float32) for one in ("x", "y", "out")}
    with pytest.raises(FaultError, match="an access must lie inside its buffer: lane 1000"):
        DeviceLaunch(isa_programs.stream("add"), linear(1024), {"n": 1024})(given)
