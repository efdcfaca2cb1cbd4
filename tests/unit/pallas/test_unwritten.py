"""Uses of unwritten memory: told by what outputs depend on, whatever stands between, and blamed on the right line."""

from __future__ import annotations

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jax.experimental.pallas import triton as plgpu

import prism.pallas
from prism.pallas import UninitializedReadError

pytestmark = [pytest.mark.m6, pytest.mark.clause("PALLAS-11")]

BOTH = pytest.mark.parametrize("mode", ["debug", "fast"])
VALUES = np.arange(8, dtype=np.float32)


def _negative(x_ref, o_ref, s_ref):
    o_ref[...] = jnp.where(s_ref[...] < 0, x_ref[...], 0)  # BUG
    s_ref[...] = jnp.ones_like(s_ref)


def _flag_set(x_ref, o_ref, s_ref):
    o_ref[...] = jnp.where(s_ref[...] == 1, x_ref[...], 0)  # BUG
    s_ref[...] = jnp.ones_like(s_ref)


def _rounded(x_ref, o_ref, s_ref):
    o_ref[...] = x_ref[...] + s_ref[...].astype(jnp.int32).astype(jnp.float32)  # BUG
    s_ref[...] = x_ref[...].astype(s_ref.dtype)


def _bits(x_ref, o_ref, _):
    def body(s_ref):
        s_ref[:7] = jnp.zeros((7, 8))
        o_ref[...] = x_ref[...] + s_ref.bitcast(jnp.int32)[7].astype(jnp.float32)  # BUG

    pl.run_scoped(body, pltpu.VMEM((8, 8), jnp.float32))


def _index(x_ref, o_ref, s_ref):
    o_ref[...] = jnp.full_like(o_ref, x_ref[s_ref[0].astype(jnp.int32)])  # BUG
    s_ref[...] = jnp.zeros_like(s_ref)


def _loop(x_ref, o_ref, s_ref):
    many = s_ref[0].astype(jnp.int32)  # BUG
    o_ref[...] = lax.fori_loop(0, many, lambda _, total: total + x_ref[...], jnp.zeros_like(x_ref))
    s_ref[...] = jnp.zeros_like(s_ref)


def _second_line(x_ref, o_ref, s_ref):
    first = pl.program_id(0) == 0
    s_ref[:4] = jnp.where(first, 0, s_ref[:4]) + x_ref[:4]
    o_ref[...] = s_ref[...] * 2  # BUG
    s_ref[...] = x_ref[...]


def _padding_is_masked(x_ref, o_ref, s_ref):
    inside = pl.program_id(0) * 8 + jnp.arange(8) < 12
    s_ref[...] += jnp.where(inside, x_ref[...], 0)  # BUG
    o_ref[...] = s_ref[...]


def _lanes_off(x_ref, o_ref, _):
    lanes = jnp.arange(8)
    o_ref[...] = jnp.full_like(o_ref, jnp.sum(plgpu.load(x_ref.at[lanes], mask=lanes < 6)))  # BUG


def _line(kernel) -> int:
    lines, first = inspect.getsourcelines(kernel)
    (offset,) = (k for k, line in enumerate(lines) if "# BUG" in line)
    return first + offset


@BOTH
@pytest.mark.parametrize(
    ("kernel", "dtype"),
    [
        (_negative, "float32"),
        (_negative, "int32"),
        (_flag_set, "int32"),
        (_flag_set, "float32"),
        (_rounded, "float32"),
        (_bits, "float32"),
        (_index, "int32"),
        (_loop, "int32"),
        (_second_line, "float32"),
        (_padding_is_masked, "float32"),
        (_lanes_off, "float32"),
    ],
)
def test_what_depends_on_unwritten_memory_is_blamed_on_its_line(kernel, dtype, mode) -> None:
    """Comparisons, conversions, indices and loop bounds hide no dependence; uses without consequence take no blame."""
    block = pl.BlockSpec((8,), lambda i: (i,))
    call = pl.pallas_call(
        kernel,
        grid=(2,),
        in_specs=[block],
        out_specs=block,
        out_shape=jax.ShapeDtypeStruct((16,), np.float32),
        scratch_shapes=[pltpu.VMEM((8,), dtype)],
    )
    with pytest.raises(UninitializedReadError) as caught:
        prism.pallas.run(call, mode=mode)(np.arange(12, dtype=np.float32))
    assert caught.value.site.line == _line(kernel)


@BOTH
def test_lanes_that_are_off_may_be_loaded_if_nothing_depends_on_them(mode) -> None:
    """A load without another value is fine under a store with the same mask."""

    def kernel(x_ref, o_ref):
        lanes = 4 * pl.program_id(0) + jnp.arange(4)
        plgpu.store(o_ref.at[lanes], plgpu.load(x_ref.at[lanes], mask=lanes < 6) * 2, mask=lanes < 6)

    call = pl.pallas_call(
        kernel,
        grid=(2,),
        out_shape=jax.ShapeDtypeStruct((6,), np.float32),
        compiler_params=plgpu.CompilerParams(num_warps=1),
    )
    np.testing.assert_array_equal(prism.pallas.run(call, mode=mode)(VALUES[:6]), VALUES[:6] * 2)
