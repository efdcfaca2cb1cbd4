"""Kernels that Mosaic refuses for a TPU, each with the twin that it takes."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jax.experimental.pallas import triton as plgpu

from tests.planted.illegal import array, planted


def _double(x_ref, o_ref, *_):
    o_ref[...] = x_ref[...] + x_ref[...]


def _blocked(spec, shape, steps, dtype=np.float32, **named):
    """Return a call that doubles an array in blocks, and what it gives."""
    x = jnp.asarray(array(*shape), dtype)
    call = pl.pallas_call(_double, grid=(steps,), in_specs=[spec], out_specs=spec, out_shape=jax.typeof(x), **named)
    return lambda: call(x), x + x


@planted("v5e", "block-tile")
def _three_rows(wrong):
    rows = 3 if wrong else 8
    spec = pl.BlockSpec((rows, 128), lambda i: (i, 0))  # BUG
    return _blocked(spec, (rows * 4, 128), 4)


@planted("v6e", "block-tile")
def _a_hundred_lanes(wrong):
    lanes = 100 if wrong else 128
    spec = pl.BlockSpec((8, lanes), lambda i: (0, i))  # BUG
    return _blocked(spec, (8, lanes * 4), 4)


@planted("v5p", "block-tile")
def _one_row_squeezed(wrong):
    first = None if wrong else 8
    spec = pl.BlockSpec((first, 128), lambda i: (i, 0))  # BUG
    return _blocked(spec, (16, 128), 16 if wrong else 2)


@planted("v5e", "block-line")
def _a_line_of_no_power_of_two(wrong):
    size = 384 if wrong else 512
    spec = pl.BlockSpec((size,), lambda i: (i,))  # BUG
    return _blocked(spec, (size * 4,), 4)


@planted("v5e", "block-line")
def _a_packed_line_half_filled(wrong):
    size = 128 if wrong else 256
    spec = pl.BlockSpec((size,), lambda i: (i,))  # BUG
    return _blocked(spec, (size * 4,), 4, jnp.bfloat16)


@planted("v7x", "block-line")
def _a_line_of_bytes(wrong):
    size = 256 if wrong else 512
    spec = pl.BlockSpec((size,), lambda i: (i,))  # BUG
    return _blocked(spec, (size * 4,), 4, jnp.int8)


@planted("v5e", "main-memory-block")
def _main_memory_in_blocks(wrong):
    def kernel(x_ref, o_ref):
        pltpu.sync_copy(x_ref if wrong else x_ref.at[pl.ds(pl.program_id(0) * 8, 8)], o_ref)

    x = array(16, 128)
    cut = pl.BlockSpec((8, 128), lambda i: (i, 0), memory_space=pl.ANY)  # BUG
    given = cut if wrong else pl.BlockSpec(memory_space=pl.ANY)
    out = pl.BlockSpec((8, 128), lambda i: (i, 0))
    call = pl.pallas_call(kernel, grid=(2,), in_specs=[given], out_specs=out, out_shape=jax.typeof(x))
    return lambda: call(x), x


@planted("v5e", "block-rank")
def _a_scalar_in_vector_memory(wrong):
    def kernel(s_ref, o_ref):  # BUG
        o_ref[...] = jnp.full_like(o_ref, s_ref[0] if s_ref.shape else s_ref[()])

    space = pltpu.VMEM if wrong else pltpu.SMEM
    s = np.float32(3) if wrong else np.full(1, 3, np.float32)
    spec = pl.BlockSpec(memory_space=space)
    call = pl.pallas_call(kernel, in_specs=[spec], out_shape=jax.ShapeDtypeStruct((8, 128), jnp.float32))
    return lambda: call(s), np.full((8, 128), 3)


@planted("v5e", "element-mix")
def _elements_and_blocks(wrong):
    last = 128 if wrong else pl.Element(128)
    spec = pl.BlockSpec((pl.Element(8), last), lambda i: (i * 8, 0))  # BUG
    return _blocked(spec, (32, 128), 4)


@planted("v5e", "buffers")
def _three_buffers(wrong):
    mode = pl.Buffered(3 if wrong else 2)
    spec = pl.BlockSpec((8, 128), lambda i: (i, 0), pipeline_mode=mode)  # BUG
    return _blocked(spec, (32, 128), 4)


@planted("v4", "semantics")
def _semantics_of_one_axis(wrong):
    def kernel(x_ref, o_ref):  # BUG
        o_ref[...] = x_ref[...] + x_ref[...]

    x = array(16, 256)
    spec = pl.BlockSpec((8, 128), lambda i, j: (i, j))
    semantics = ("parallel",) if wrong else ("parallel", "arbitrary")
    call = pl.pallas_call(
        kernel,
        grid=(2, 2),
        in_specs=[spec],
        out_specs=spec,
        out_shape=jax.typeof(x),
        compiler_params=pltpu.CompilerParams(dimension_semantics=semantics),
    )
    return lambda: call(x), x + x


@planted("v5e", "primitive")
def _sorts(wrong):
    def kernel(x_ref, o_ref):
        o_ref[...] = jnp.sort(x_ref[...], axis=0) if wrong else jnp.maximum(x_ref[...], 1.0)  # BUG

    x = array(8, 128)
    call = pl.pallas_call(kernel, out_shape=jax.typeof(x))
    return lambda: call(x), np.maximum(x, 1)


@planted("v5e", "access")
def _a_vector_of_scalar_memory(wrong):
    def kernel(s_ref, o_ref):
        row = s_ref[...] if wrong else jnp.stack([s_ref[k] for k in range(4)])  # BUG
        o_ref[...] = jnp.full_like(o_ref, row[0] + row[3]) if wrong else jnp.full_like(o_ref, s_ref[0] + s_ref[3])

    s = np.arange(4, dtype=np.float32)
    spec = pl.BlockSpec(memory_space=pltpu.SMEM)
    call = pl.pallas_call(kernel, in_specs=[spec], out_shape=jax.ShapeDtypeStruct((8, 128), jnp.float32))
    return lambda: call(s), np.full((8, 128), 3)


@planted("v5e", "access")
def _main_memory_loaded(wrong):
    def kernel(x_ref, o_ref):
        if wrong:
            o_ref[...] = x_ref[...]  # BUG
        else:
            pltpu.sync_copy(x_ref, o_ref)

    x = array(8, 128)
    call = pl.pallas_call(kernel, in_specs=[pl.BlockSpec(memory_space=pl.ANY)], out_shape=jax.typeof(x))
    return lambda: call(x), x


@planted("v6e", "access")
def _a_scalar_stored_to_vectors(wrong):
    def kernel(x_ref, o_ref):
        o_ref[...] = x_ref[...]
        if wrong:
            o_ref[0, 0] = 5.0  # BUG
        else:
            o_ref[0:1, 0:1] = jnp.full((1, 1), 5.0)

    x = array(8, 128)
    want = x.copy()
    want[0, 0] = 5
    call = pl.pallas_call(kernel, out_shape=jax.typeof(x))
    return lambda: call(x), want


def _with_scratch(scratch, kernel=_double, **named):
    x = array(8, 128)
    call = pl.pallas_call(kernel, out_shape=jax.typeof(x), scratch_shapes=scratch, **named)
    return lambda: call(x), x + x


@planted("v5e", "vmem")
def _a_gibibyte_of_scratch(wrong):
    def kernel(x_ref, o_ref, _):  # BUG
        o_ref[...] = x_ref[...] + x_ref[...]

    return _with_scratch([pltpu.VMEM((1 << 18 if wrong else 1 << 10, 1024), jnp.float32)], kernel)


@planted("v5e", "vmem")
def _double_buffers_that_do_not_fit(wrong):
    def kernel(x_ref, o_ref):  # BUG
        o_ref[...] = x_ref[...] + x_ref[...]

    x = array(2 * 1032 if wrong else 2 * 1024, 1024)
    spec = pl.BlockSpec((x.shape[0] // 2, 1024), lambda i: (i, 0))
    call = pl.pallas_call(kernel, grid=(2,), in_specs=[spec], out_specs=spec, out_shape=jax.typeof(x))
    return lambda: call(x), x + x


@planted("v6e", "vmem")
def _scopes_at_once(wrong):
    def kernel(x_ref, o_ref):  # BUG
        def inner(a_ref):
            a_ref[...] = jnp.zeros_like(a_ref)
            o_ref[...] = x_ref[...] + x_ref[...] + a_ref[:8, :128]

        half = pltpu.VMEM((4096, 1024), jnp.float32)
        if wrong:
            pl.run_scoped(lambda a_ref, _: inner(a_ref), half, half)
        else:
            pl.run_scoped(inner, half)
            pl.run_scoped(inner, half)

    x = array(8, 128)
    call = pl.pallas_call(kernel, out_shape=jax.typeof(x))
    return lambda: call(x), x + x


@planted("v5e", "vmem")
def _lanes_that_padding_fills(wrong):
    def kernel(x_ref, o_ref, _):  # BUG
        o_ref[...] = x_ref[...] + x_ref[...]

    # Eight of a tile's 128 lanes are used: what looks like 2 MiB takes 32.
    return _with_scratch([pltpu.VMEM((1 << 16, 8) if wrong else (1 << 12, 128), jnp.float32)], kernel)


@planted("v5e", "smem")
def _scalars_that_do_not_fit(wrong):
    def kernel(x_ref, o_ref, _):  # BUG
        o_ref[...] = x_ref[...] + x_ref[...]

    return _with_scratch([pltpu.SMEM((1 << 24 if wrong else 1 << 10,), jnp.int32)], kernel)


@planted("v3", "smem")
def _a_prefetched_table_that_does_not_fit(wrong):
    def kernel(_, x_ref, o_ref):  # BUG
        o_ref[...] = x_ref[...] + x_ref[...]

    table, x = np.zeros(8192 if wrong else 2048, np.int32), array(16, 128)
    spec = pl.BlockSpec((8, 128), lambda i, table_ref: (table_ref[i] + i, 0))
    grid = pltpu.PrefetchScalarGridSpec(num_scalar_prefetch=1, grid=(2,), in_specs=[spec], out_specs=spec)
    call = pl.pallas_call(kernel, grid_spec=grid, out_shape=jax.typeof(x))
    return lambda: call(table, x), x + x


@planted("v5e", "dialect")
def _parameters_of_another_device(wrong):
    def kernel(x_ref, o_ref):  # BUG
        o_ref[...] = x_ref[...] + x_ref[...]

    x = array(8, 128)
    params = plgpu.CompilerParams() if wrong else pltpu.CompilerParams()
    call = pl.pallas_call(kernel, out_shape=jax.typeof(x), compiler_params=params)
    return lambda: call(x), x + x


@planted("v5e", "lowering")
def _a_gather_of_rows(wrong):
    def kernel(x_ref, i_ref, o_ref):
        if wrong:
            o_ref[...] = jnp.take(x_ref[...], i_ref[0], axis=0)  # BUG
        else:
            o_ref[...] = jnp.take_along_axis(x_ref[...], i_ref[...], axis=0)

    x, i = array(8, 128), array(8, 128, dtype=np.int32)
    want = x[i[0, :8]] if wrong else np.take_along_axis(x, i, axis=0)
    index = i[:1, :8] if wrong else i
    call = pl.pallas_call(kernel, out_shape=jax.typeof(x))
    return lambda: call(x, index), want


@planted("v5e", "lowering")
def _a_dot_of_unsigned(wrong):
    dtype = jnp.uint8 if wrong else jnp.int8

    def kernel(x_ref, o_ref):
        o_ref[...] = jnp.dot(x_ref[...], x_ref[...], preferred_element_type=jnp.int32)  # BUG

    x = jnp.asarray(array(128, 128), dtype)
    call = pl.pallas_call(kernel, out_shape=jax.ShapeDtypeStruct((128, 128), jnp.int32))
    return lambda: call(x), np.asarray(x, np.int32) @ np.asarray(x, np.int32)
