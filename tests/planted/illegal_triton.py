"""Kernels that the lowering to Triton refuses, each with the twin that it takes."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jax.experimental.pallas import triton as plgpu

from tests.planted.illegal import array, planted


def _on_triton(kernel, *operands, out, **named):
    params = named.pop("params", plgpu.CompilerParams())
    call = pl.pallas_call(kernel, out_shape=out, compiler_params=params, **named)
    return lambda: call(*operands)


@planted("h100", "triton-grid")
def _a_grid_that_an_array_bounds(wrong):
    def kernel(x_ref, o_ref):  # BUG
        o_ref[...] = x_ref[...] + x_ref[...]

    x = array(4, 64)
    spec = pl.BlockSpec((1, 64), lambda i: (i, 0))

    def call(steps, x):
        return _on_triton(kernel, x, out=jax.typeof(x), grid=(steps,), in_specs=[spec], out_specs=spec)()

    return lambda: jax.jit(call)(4, x) if wrong else call(4, x), x + x


@planted("h100", "triton-memory")
def _prefetch_on_triton(wrong):
    def kernel(table_ref, x_ref, o_ref):  # BUG
        o_ref[...] = x_ref[...] + table_ref[0].astype(jnp.float32)

    table, x = np.ones(4, np.int32), array(4, 64)
    spec = pl.BlockSpec((1, 64), lambda i, *_: (i, 0))
    given = [spec] if wrong else [pl.BlockSpec((4,), lambda _: (0,)), spec]
    grid = pltpu.PrefetchScalarGridSpec(num_scalar_prefetch=int(wrong), grid=(4,), in_specs=given, out_specs=spec)
    return _on_triton(kernel, table, x, out=jax.typeof(x), grid_spec=grid), x + 1


@planted("h100", "triton-memory")
def _scratch_on_triton(wrong):
    def kernel(x_ref, o_ref, *_):  # BUG
        o_ref[...] = x_ref[...] + x_ref[...]

    x = array(16, 64)
    scratch = [pltpu.VMEM((16, 64), jnp.float32)] if wrong else []
    return _on_triton(kernel, x, out=jax.typeof(x), scratch_shapes=scratch), x + x


@planted("h100", "power-of-two")
def _forty_eight_elements(wrong):
    size = 48 if wrong else 64

    def kernel(x_ref, o_ref):
        x = x_ref[pl.ds(0, size)]  # BUG
        o_ref[pl.ds(0, 64)] = jnp.full(64, jnp.sum(x))

    x = array(64)
    return _on_triton(kernel, x, out=jax.typeof(x)), np.full(64, x.sum())


@planted("a100", "shared-memory")
def _a_dot_too_large(wrong):
    n = 256 if wrong else 128

    def kernel(x_ref, y_ref, o_ref):
        def body(k, total):
            x, y = x_ref[:, pl.ds(k * n, n)], y_ref[pl.ds(k * n, n), :]
            return total + plgpu.dot(x, y)  # BUG

        o_ref[...] = jax.lax.fori_loop(0, 2, body, jnp.zeros((64, 64), jnp.float32))

    x, y = array(64, 2 * n), array(2 * n, 64)
    out = jax.ShapeDtypeStruct((64, 64), jnp.float32)
    return _on_triton(kernel, x, y, out=out, params=plgpu.CompilerParams(num_stages=2)), x @ y


@planted("h100", "warps")
def _three_warps(wrong):
    def kernel(x_ref, o_ref):  # BUG
        o_ref[...] = x_ref[...] + x_ref[...]

    x = array(64)
    return _on_triton(kernel, x, out=jax.typeof(x), params=plgpu.CompilerParams(num_warps=3 if wrong else 4)), x + x


@planted("h100", "primitive")
def _sorts_on_triton(wrong):
    def kernel(x_ref, o_ref):
        o_ref[...] = jnp.sort(x_ref[...]) if wrong else jnp.maximum(x_ref[...], 1.0)  # BUG

    x = array(64)
    return _on_triton(kernel, x, out=jax.typeof(x)), np.maximum(x, 1)


@planted("h100", "dialect")
def _tpu_parameters_on_a_gpu(wrong):
    def kernel(x_ref, o_ref):  # BUG
        o_ref[...] = x_ref[...] + x_ref[...]

    x = array(64)
    return _on_triton(kernel, x, out=jax.typeof(x), params=(pltpu if wrong else plgpu).CompilerParams()), x + x
