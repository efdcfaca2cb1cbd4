"""The one place of private JAX."""

from __future__ import annotations

import ast
from pathlib import Path

import jax
import numpy as np
import pytest
from jax.experimental import pallas as pl
from jax.sharding import Mesh, PartitionSpec

import prism.pallas
from prism.pallas import UnsupportedError, compat, decode, read

pytestmark = pytest.mark.m6

PACKAGE = Path(prism.pallas.__file__).parent


@pytest.mark.slow
def test_private_jax_is_used_in_one_module() -> None:
    """No other module of the package imports from jax._src."""
    users = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if any(name.startswith("jax._src") for name in names):
                users.add(path.name)
    assert users == {"compat.py"}


@pytest.mark.clause("PALLAS-9")
@pytest.mark.parametrize("mode", ["debug", "fast", "compiled"])
def test_a_primitive_without_a_rule_is_named(mode) -> None:
    """The message has the primitive, the line and what to report; it is a NotImplementedError."""

    def kernel(x_ref, o_ref):
        o_ref[...] = jax.lax.igamma(x_ref[...], x_ref[...])

    call = pl.pallas_call(kernel, out_shape=jax.ShapeDtypeStruct((4,), np.float32))
    with pytest.raises(UnsupportedError, match=r"test_compat\.py:\d+ .*no rule for the primitive igamma\n.*report it"):
        prism.pallas.run(call, mode=mode)(np.ones(4, np.float32))
    assert issubclass(UnsupportedError, NotImplementedError)


@pytest.mark.clause("PALLAS-9")
@pytest.mark.parametrize("mode", ["debug", "fast"])
def test_an_index_of_a_mesh_axis_is_refused(mode) -> None:
    """A kernel inside of shard_map may not ask which device it is on."""
    mesh, spec = Mesh(np.array(jax.devices()[:1]), "d"), PartitionSpec("d")

    def kernel(x_ref, o_ref):
        o_ref[...] = x_ref[...] + jax.lax.axis_index("d").astype(np.float32)

    call = pl.pallas_call(kernel, out_shape=jax.ShapeDtypeStruct((4,), np.float32))
    sharded = jax.shard_map(call, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)
    with prism.pallas.interpret(mode=mode), pytest.raises(UnsupportedError, match="axis_index of the mesh axis 'd'"):
        jax.block_until_ready(jax.jit(sharded)(np.ones(4, np.float32)))


@pytest.mark.clause("PALLAS-9")
def test_a_call_inside_a_kernel_is_refused() -> None:
    """Kernels do not nest."""
    shape = jax.ShapeDtypeStruct((4,), np.float32)
    inner = pl.pallas_call(lambda x_ref, o_ref: o_ref.__setitem__(..., x_ref[...]), out_shape=shape)
    outer = pl.pallas_call(lambda x_ref, o_ref: o_ref.__setitem__(..., inner(x_ref[...])), out_shape=shape)
    with pytest.raises(UnsupportedError, match="a pallas_call inside a kernel"):
        prism.pallas.run(outer, mode="debug")(np.ones(4, np.float32))


@pytest.mark.clause("PALLAS-9")
def test_an_unknown_transform_or_block_dimension_is_refused() -> None:
    """Neither is taken for one that is known."""

    class Unknown:
        """Nothing that Pallas has."""

    (equation,) = jax.make_jaxpr(jax.numpy.sin)(1.0).eqns
    with pytest.raises(UnsupportedError, match="the reference transform Unknown"):
        decode._transform(Unknown(), equation)
    with pytest.raises(UnsupportedError, match="the block dimension Unknown"):
        read._block_dim(Unknown())


def test_results_are_placed_as_device_put_places_them() -> None:
    """An uncommitted array on the default device, of any strides and type, whatever becomes of the host's memory."""
    host = np.arange(6, dtype=np.float32).reshape(2, 3).T
    for array in (host, host.astype("bfloat16"), np.int32(3)):
        placed, expected = compat.to_jax(array, jax.typeof(array)), jax.device_put(array)
        np.testing.assert_array_equal(placed, expected)
        assert (placed.aval, placed.sharding, placed.committed) == (expected.aval, expected.sharding, False)
    with jax.default_device("cpu"):
        assert compat.to_jax(host, jax.typeof(host)).sharding == jax.device_put(host).sharding
