"""Running a function without XLA: what its traces are kept by."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import prism.pallas
from tests.unit.pallas.kernels import double

pytestmark = pytest.mark.m6

X = np.arange(8, dtype=np.float32)


def test_a_trace_serves_the_settings_and_types_that_it_was_made_for() -> None:
    """Equal types share a trace; another type, a weak one, or another of JAX's settings has its own."""
    traced = []

    def function(x):
        traced.append(x)
        return double(x) if x.ndim else jnp.asarray(x, float)

    run = prism.pallas.run(function)
    np.testing.assert_array_equal(run(X), run(jnp.asarray(X)))
    assert len(traced) == 1
    assert run(X.astype(np.int32)).dtype == np.int32
    assert run(X.astype(np.float64)).dtype == np.float32
    assert run(np.float32(1)).dtype == np.float32
    with jax.enable_x64(True):
        assert run(np.float32(1)).dtype == np.float64
        assert run(X.astype(np.float64)).dtype == np.float64
    before = len(traced)
    run(X)
    assert len(traced) == before


@pytest.mark.clause("PALLAS-3")
def test_constants_and_repeated_results_of_the_surrounding_program() -> None:
    """A function may return an operand, a constant, and one result twice, around a kernel that runs in a loop."""

    def function(x):
        y = jax.lax.fori_loop(0, 3, lambda _, v: double(v), x)
        return {"in": x, "twice": (y, y), "table": jnp.asarray(X[:3]), "one": 1.0}

    results = prism.pallas.run(function)(X)
    np.testing.assert_array_equal(results["in"], X)
    np.testing.assert_array_equal(results["twice"], (8 * X, 8 * X))
    np.testing.assert_array_equal(results["table"], X[:3])
    assert results["one"] == 1
