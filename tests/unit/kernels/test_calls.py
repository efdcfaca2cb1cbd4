"""Calls of kernels on NumPy's and JAX's arrays."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism import DeviceArray, f32, get_global_id, kernel, u32
from prism.errors import UsageError
from prism.kernels.exec.faults import FaultError
from prism.kernels.exec.table import EXECUTORS

pytestmark = [
    pytest.mark.m8,
    pytest.mark.clause("KERNELS-13"),
    pytest.mark.skipif("numpy" not in EXECUTORS, reason="the definition is not there"),
]


@kernel
def add(a: DeviceArray[f32], b: DeviceArray[f32], c: DeviceArray[f32], n: u32):
    """Add two arrays, the tail guarded."""
    i = get_global_id()
    if i < n:
        c[i] = a[i] + b[i]


@kernel
def double(a: DeviceArray[f32], b: DeviceArray[f32]):
    """Write twice an array over it, and three times to another one; no lane may be left over."""
    i = get_global_id()
    x = a[i]
    a[i] = x + x
    b[i] = x * 3


@kernel
def column(m: DeviceArray[f32], out: DeviceArray[f32]):
    """Copy the last column of a matrix, whose shape only the arguments say."""
    i = get_global_id()
    if i < m.shape[0]:
        out[i] = m[i, m.shape[1] - 1]


@pytest.mark.parametrize("n", [0, 1, 7, 257, 1009])
def test_arrays_are_written_in_place(n: int) -> None:
    """One lane for each element, whatever the size; a prime number of elements too."""
    a, c = np.arange(n, dtype=np.float32), np.zeros(n, np.float32)
    assert add.on("numpy")(a, a, c, n=n) is None
    assert np.array_equal(c, a + a)
    b = np.zeros(n, np.float32)
    double.on("numpy")(a, b)
    assert np.array_equal(a, c)
    assert np.array_equal(b, 3 * c / 2)


def test_a_guard_beyond_the_arrays_faults() -> None:
    """The bound is what the caller says; lanes that it lets through and that have no element fault."""
    a = np.zeros(4, np.float32)
    with pytest.raises(FaultError, match="an access must lie inside its buffer"):
        add.on("numpy")[2, 4](a, a.copy(), a.copy(), 5)
    out = np.ones(300, np.float32)
    add.on("numpy")(np.ones(300, np.float32), np.ones(300, np.float32), out, n=2)
    assert out.tolist() == [2, 2] + [1] * 298


def test_a_grid_says_how_many_lanes_run() -> None:
    """Blocks times lanes; a grid of nothing runs nothing."""
    a, c = np.ones(10, np.float32), np.zeros(10, np.float32)
    add.on("numpy")[2, 3](a, a, c, 10)
    assert c.tolist() == [2] * 6 + [0] * 4
    add.on("numpy")[0](a, a, c, 10)
    assert c.sum() == 12


def test_shapes_come_from_the_arrays() -> None:
    """A matrix brings its lengths along; the same program serves all of them."""
    for shape in ((3, 4), (5, 2)):
        m, out = np.arange(np.prod(shape), dtype=np.float32).reshape(shape), np.zeros(shape[0], np.float32)
        column.on("numpy")(m, out)
        assert np.array_equal(out, m[:, -1])


@pytest.mark.parametrize("executor", ["", "numpy", "xla"])
def test_jax_arrays_are_returned(executor: str) -> None:
    """Nothing is written; one written array comes back alone, several as a tuple, in the order of the parameters."""
    a = jnp.arange(5.0)
    c = jnp.zeros(5)
    found = add.on(executor)(a, a, c, n=5)
    assert isinstance(found, jax.Array)
    assert np.array_equal(found, 2 * np.arange(5))
    assert not c.any()
    for _ in range(2):
        twice, thrice = double.on(executor)(a, c)
        assert np.array_equal(twice, 2 * np.arange(5))
        assert np.array_equal(thrice, 3 * np.arange(5))
    assert np.array_equal(a, np.arange(5))
    assert np.array_equal(add.on(executor)[0](a, a, c, 5), c)
    m = jnp.arange(12.0).reshape(3, 4)
    assert column.on(executor)(m, jnp.zeros(3)).tolist() == [3, 7, 11]


@pytest.mark.slow
def test_jit_and_vmap_take_kernels() -> None:
    """Under a trace a call is part of the computation, its numbers too, and no host is asked."""
    a = jnp.arange(6.0)
    jitted = jax.jit(lambda x, y, n: add(x, y * 2, jnp.zeros(6), n=n) + 1)
    for n in (6, 4):
        assert np.array_equal(jitted(a, a, n), np.where(np.arange(6) < n, 3 * np.arange(6), 0) + 1)
    assert "callback" not in str(jax.make_jaxpr(lambda x: add(x, x, jnp.zeros(6), n=6))(a))
    batch = jnp.stack([a, a + 1])
    assert np.array_equal(jax.vmap(lambda x: add(x, x, jnp.zeros(6), n=6))(batch), 2 * np.asarray(batch))
    slope = jax.grad(lambda x: (add(x, x, jnp.zeros(6), n=4) ** 2).sum())(a)
    assert np.array_equal(slope, np.where(np.arange(6) < 4, 8 * np.arange(6), 0))


def _waited(function: Callable[..., jax.Array], *args: int) -> None:
    """Run a function jitted, and what it calls on the host, to their ends."""
    jax.jit(function)(*args).block_until_ready()
    jax.effects_barrier()


def test_faults_and_refusals_of_jax_arrays() -> None:
    """A fault is raised with its lane, under a trace too; what the host would have to run is refused there."""
    a = jnp.arange(4.0)
    with pytest.raises(FaultError, match="an access must lie inside its buffer: lane 4"):
        add[2, 4](a, a, a, 5)
    with pytest.raises(jax.errors.JaxRuntimeError, match="an access must lie inside its buffer: lane 4"):
        _waited(lambda n: add[2, 4](a, a, a, n), 5)
    assert jax.jit(lambda n: add[2, 4](a, a, a, n))(4).tolist() == [0, 2, 4, 6]
    with pytest.raises(UsageError, match="a kernel under a JAX trace must run on the executor xla"):
        jax.jit(lambda x: add.on("numpy")(x, x, x, 4))(a)
    with pytest.raises(UsageError, match="buffer 'c' must be an array of f32 for xla, got int32; convert it"):
        add[1, 4](a, a, jnp.zeros(4, jnp.int32), 4)


def test_a_repeated_call_is_remembered_and_checked() -> None:
    """The same arrays and numbers run again unchecked, in their new shapes and flags they are another call."""
    a, out = np.ones(6, np.float32), np.zeros(6, np.float32)
    for n in (6, 6, 3):
        out[:] = 0
        add(a, a, out, n)
        assert out.sum() == 2 * n
    assert len(add.calls) == 2
    out.flags.writeable = False
    with pytest.raises(UsageError, match="must be writable, for the program writes it"):
        add(a, a, out, 6)
    del out
    assert len(add.calls) == 0
    m, last = np.arange(6, dtype=np.float32).reshape(2, 3), np.zeros(3, np.float32)
    for shape, want in (((2, 3), [2, 5, 0]), ((3, 2), [1, 3, 5])):
        column(m.reshape(shape), last)
        assert last.tolist() == want


def test_calls_of_one_form_share_what_was_compiled() -> None:
    """Other arrays of the same shapes and types are the same form, another number or name is another one."""
    add.placed.clear()
    for k in range(3):
        x, y = jnp.full(9, k, jnp.float32), jnp.arange(9, dtype=jnp.float32)
        assert np.array_equal(add(x, y, x, 9), k + np.arange(9))
        assert np.array_equal(add(y, x, c=x, n=4), np.where(np.arange(9) < 4, k + np.arange(9), k))
    assert len(add.placed) == 2
    for n in (2, 5):
        assert add(y, y, jnp.zeros(9), jnp.uint32(n)).tolist() == [*(2.0 * k for k in range(n)), *[0.0] * (9 - n)]
    assert len(add.placed) == 2
