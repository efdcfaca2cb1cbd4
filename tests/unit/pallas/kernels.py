"""Small kernels that several test modules share."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu


def _double_kernel(x_ref, o_ref):
    o_ref[...] = x_ref[...] + x_ref[...]


def double(x, interpret=False, block=4):
    """Double a vector in blocks."""
    spec = pl.BlockSpec((block,), lambda i: (i,))
    return pl.pallas_call(
        _double_kernel,
        grid=(x.shape[0] // block,),
        in_specs=[spec],
        out_specs=spec,
        out_shape=jax.ShapeDtypeStruct(x.shape, x.dtype),
        interpret=interpret,
    )(x)


def reach_beyond(x, interpret=False):
    """Read a slice that ends behind the operand; the line is `REACH_LINE`."""

    def kernel(x_ref, o_ref):
        start = pl.program_id(0) * 4 + 1
        o_ref[...] = x_ref[pl.ds(start, 4)]

    return pl.pallas_call(
        kernel,
        grid=(2,),
        out_specs=pl.BlockSpec((4,), lambda i: (i,)),
        out_shape=jax.ShapeDtypeStruct((8,), x.dtype),
        interpret=interpret,
    )(x)


REACH_LINE = 33


def total(x, blocks=4):
    """Sum blocks of a vector into scratch, and hand the sum out in the last step."""

    def kernel(x_ref, o_ref, sum_ref):
        @pl.when(pl.program_id(0) == 0)
        def _start():
            sum_ref[...] = jnp.zeros_like(sum_ref)

        sum_ref[...] += x_ref[...]

        @pl.when(pl.program_id(0) == blocks - 1)
        def _end():
            o_ref[...] = sum_ref[...]

    size = x.shape[0] // blocks
    return pl.pallas_call(
        kernel,
        grid=(blocks,),
        in_specs=[pl.BlockSpec((size,), lambda i: (i,))],
        out_specs=pl.BlockSpec((size,), lambda _: (0,)),
        out_shape=jax.ShapeDtypeStruct((size,), x.dtype),
        scratch_shapes=[pltpu.VMEM((size,), x.dtype)],
    )(x)


def count(x, bins=8):
    """Count small integers one at a time."""

    def kernel(x_ref, o_ref):
        o_ref[...] = jnp.zeros_like(o_ref)

        def body(i, carry):
            o_ref[x_ref[i]] += 1
            return carry

        jax.lax.fori_loop(0, x_ref.shape[0], body, 0)

    return pl.pallas_call(kernel, out_shape=jax.ShapeDtypeStruct((bins,), jnp.int32))(x)


def every_other(x):
    """Keep the even elements of 16, by strided windows whose starts the program's id gives."""

    def kernel(x_ref, o_ref):
        o_ref[...] = x_ref[pl.ds(pl.program_id(0) * 8, 4, stride=2)]

    return pl.pallas_call(
        kernel,
        grid=(2,),
        out_specs=pl.BlockSpec((4,), lambda i: (i,)),
        out_shape=jax.ShapeDtypeStruct((8,), x.dtype),
    )(x)
