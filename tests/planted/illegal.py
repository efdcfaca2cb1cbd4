"""Kernels that a chip's compiler refuses, each with the twin that it takes; `wrong` chooses, and a mark has the line.

A program returns a function without arguments that calls the kernel, and what the twin should give.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jax.experimental.pallas import triton as plgpu

from tests.planted.bug import MARK

Program = Callable[[bool], tuple[Callable[[], Any], Any]]


@dataclass(frozen=True, slots=True)
class Pair:
    """A fault and its twin: the chip, and the rule that tells them apart."""

    program: Program
    chip: str
    rule: str

    @property
    def name(self) -> str:
        """The program's name with spaces."""
        return self.program.__name__.strip("_").replace("_", " ")

    @property
    def place(self) -> tuple[str, int]:
        """File name and line of the program's only line that bears the mark."""
        lines, first = inspect.getsourcelines(self.program)
        (offset,) = (number for number, line in enumerate(lines) if MARK in line)
        return Path(inspect.getsourcefile(self.program) or "").name, first + offset


PAIRS: list[Pair] = []


def _planted(chip: str, rule: str) -> Callable[[Program], Program]:
    def keep(program: Program) -> Program:
        PAIRS.append(Pair(program, chip, rule))
        return program

    return keep


def _double(x_ref, o_ref, *_):
    o_ref[...] = x_ref[...] + x_ref[...]


def _array(*shape, dtype=np.float32):
    return (np.arange(np.prod(shape)) % 7).reshape(shape).astype(dtype)


def _blocked(spec, shape, steps, dtype=np.float32, **named):
    """Return a call that doubles an array in blocks, and what it gives."""
    x = jnp.asarray(_array(*shape), dtype)
    call = pl.pallas_call(_double, grid=(steps,), in_specs=[spec], out_specs=spec, out_shape=jax.typeof(x), **named)
    return lambda: call(x), x + x


@_planted("v5e", "block-tile")
def _three_rows(wrong):
    rows = 3 if wrong else 8
    spec = pl.BlockSpec((rows, 128), lambda i: (i, 0))  # BUG
    return _blocked(spec, (rows * 4, 128), 4)


@_planted("v6e", "block-tile")
def _a_hundred_lanes(wrong):
    lanes = 100 if wrong else 128
    spec = pl.BlockSpec((8, lanes), lambda i: (0, i))  # BUG
    return _blocked(spec, (8, lanes * 4), 4)


@_planted("v5p", "block-tile")
def _one_row_squeezed(wrong):
    first = None if wrong else 8
    spec = pl.BlockSpec((first, 128), lambda i: (i, 0))  # BUG
    return _blocked(spec, (16, 128), 16 if wrong else 2)


@_planted("v5e", "block-line")
def _a_line_of_no_power_of_two(wrong):
    size = 384 if wrong else 512
    spec = pl.BlockSpec((size,), lambda i: (i,))  # BUG
    return _blocked(spec, (size * 4,), 4)


@_planted("v5e", "block-line")
def _a_packed_line_half_filled(wrong):
    size = 128 if wrong else 256
    spec = pl.BlockSpec((size,), lambda i: (i,))  # BUG
    return _blocked(spec, (size * 4,), 4, jnp.bfloat16)


@_planted("v7x", "block-line")
def _a_line_of_bytes(wrong):
    size = 256 if wrong else 512
    spec = pl.BlockSpec((size,), lambda i: (i,))  # BUG
    return _blocked(spec, (size * 4,), 4, jnp.int8)


@_planted("v5e", "main-memory-block")
def _main_memory_in_blocks(wrong):
    def kernel(x_ref, o_ref):
        pltpu.sync_copy(x_ref if wrong else x_ref.at[pl.ds(pl.program_id(0) * 8, 8)], o_ref)

    x = _array(16, 128)
    cut = pl.BlockSpec((8, 128), lambda i: (i, 0), memory_space=pl.ANY)  # BUG
    given = cut if wrong else pl.BlockSpec(memory_space=pl.ANY)
    out = pl.BlockSpec((8, 128), lambda i: (i, 0))
    call = pl.pallas_call(kernel, grid=(2,), in_specs=[given], out_specs=out, out_shape=jax.typeof(x))
    return lambda: call(x), x


@_planted("v5e", "block-rank")
def _a_scalar_in_vector_memory(wrong):
    def kernel(s_ref, o_ref):  # BUG
        o_ref[...] = jnp.full_like(o_ref, s_ref[0] if s_ref.shape else s_ref[()])

    space = pltpu.VMEM if wrong else pltpu.SMEM
    s = np.float32(3) if wrong else np.full(1, 3, np.float32)
    spec = pl.BlockSpec(memory_space=space)
    call = pl.pallas_call(kernel, in_specs=[spec], out_shape=jax.ShapeDtypeStruct((8, 128), jnp.float32))
    return lambda: call(s), np.full((8, 128), 3)


@_planted("v5e", "element-mix")
def _elements_and_blocks(wrong):
    last = 128 if wrong else pl.Element(128)
    spec = pl.BlockSpec((pl.Element(8), last), lambda i: (i * 8, 0))  # BUG
    return _blocked(spec, (32, 128), 4)


@_planted("v5e", "buffers")
def _three_buffers(wrong):
    mode = pl.Buffered(3 if wrong else 2)
    spec = pl.BlockSpec((8, 128), lambda i: (i, 0), pipeline_mode=mode)  # BUG
    return _blocked(spec, (32, 128), 4)


@_planted("v4", "semantics")
def _semantics_of_one_axis(wrong):
    def kernel(x_ref, o_ref):  # BUG
        o_ref[...] = x_ref[...] + x_ref[...]

    x = _array(16, 256)
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


@_planted("v5e", "primitive")
def _sorts(wrong):
    def kernel(x_ref, o_ref):
        o_ref[...] = jnp.sort(x_ref[...], axis=0) if wrong else jnp.maximum(x_ref[...], 1.0)  # BUG

    x = _array(8, 128)
    call = pl.pallas_call(kernel, out_shape=jax.typeof(x))
    return lambda: call(x), np.maximum(x, 1)


@_planted("v5e", "access")
def _a_vector_of_scalar_memory(wrong):
    def kernel(s_ref, o_ref):
        row = s_ref[...] if wrong else jnp.stack([s_ref[k] for k in range(4)])  # BUG
        o_ref[...] = jnp.full_like(o_ref, row[0] + row[3]) if wrong else jnp.full_like(o_ref, s_ref[0] + s_ref[3])

    s = np.arange(4, dtype=np.float32)
    spec = pl.BlockSpec(memory_space=pltpu.SMEM)
    call = pl.pallas_call(kernel, in_specs=[spec], out_shape=jax.ShapeDtypeStruct((8, 128), jnp.float32))
    return lambda: call(s), np.full((8, 128), 3)


@_planted("v5e", "access")
def _main_memory_loaded(wrong):
    def kernel(x_ref, o_ref):
        if wrong:
            o_ref[...] = x_ref[...]  # BUG
        else:
            pltpu.sync_copy(x_ref, o_ref)

    x = _array(8, 128)
    call = pl.pallas_call(kernel, in_specs=[pl.BlockSpec(memory_space=pl.ANY)], out_shape=jax.typeof(x))
    return lambda: call(x), x


@_planted("v6e", "access")
def _a_scalar_stored_to_vectors(wrong):
    def kernel(x_ref, o_ref):
        o_ref[...] = x_ref[...]
        if wrong:
            o_ref[0, 0] = 5.0  # BUG
        else:
            o_ref[0:1, 0:1] = jnp.full((1, 1), 5.0)

    x = _array(8, 128)
    want = x.copy()
    want[0, 0] = 5
    call = pl.pallas_call(kernel, out_shape=jax.typeof(x))
    return lambda: call(x), want


def _with_scratch(scratch, kernel=_double, **named):
    x = _array(8, 128)
    call = pl.pallas_call(kernel, out_shape=jax.typeof(x), scratch_shapes=scratch, **named)
    return lambda: call(x), x + x


@_planted("v5e", "vmem")
def _a_gibibyte_of_scratch(wrong):
    def kernel(x_ref, o_ref, _):  # BUG
        o_ref[...] = x_ref[...] + x_ref[...]

    return _with_scratch([pltpu.VMEM((1 << 18 if wrong else 1 << 10, 1024), jnp.float32)], kernel)


@_planted("v5e", "vmem")
def _double_buffers_that_do_not_fit(wrong):
    def kernel(x_ref, o_ref):  # BUG
        o_ref[...] = x_ref[...] + x_ref[...]

    x = _array(2 * 1032 if wrong else 2 * 1024, 1024)
    spec = pl.BlockSpec((x.shape[0] // 2, 1024), lambda i: (i, 0))
    call = pl.pallas_call(kernel, grid=(2,), in_specs=[spec], out_specs=spec, out_shape=jax.typeof(x))
    return lambda: call(x), x + x


@_planted("v6e", "vmem")
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

    x = _array(8, 128)
    call = pl.pallas_call(kernel, out_shape=jax.typeof(x))
    return lambda: call(x), x + x


@_planted("v5e", "vmem")
def _lanes_that_padding_fills(wrong):
    def kernel(x_ref, o_ref, _):  # BUG
        o_ref[...] = x_ref[...] + x_ref[...]

    # Eight of a tile's 128 lanes are used: what looks like 2 MiB takes 32.
    return _with_scratch([pltpu.VMEM((1 << 16, 8) if wrong else (1 << 12, 128), jnp.float32)], kernel)


@_planted("v5e", "smem")
def _scalars_that_do_not_fit(wrong):
    def kernel(x_ref, o_ref, _):  # BUG
        o_ref[...] = x_ref[...] + x_ref[...]

    return _with_scratch([pltpu.SMEM((1 << 24 if wrong else 1 << 10,), jnp.int32)], kernel)


@_planted("v3", "smem")
def _a_prefetched_table_that_does_not_fit(wrong):
    def kernel(_, x_ref, o_ref):  # BUG
        o_ref[...] = x_ref[...] + x_ref[...]

    table, x = np.zeros(8192 if wrong else 2048, np.int32), _array(16, 128)
    spec = pl.BlockSpec((8, 128), lambda i, table_ref: (table_ref[i] + i, 0))
    grid = pltpu.PrefetchScalarGridSpec(num_scalar_prefetch=1, grid=(2,), in_specs=[spec], out_specs=spec)
    call = pl.pallas_call(kernel, grid_spec=grid, out_shape=jax.typeof(x))
    return lambda: call(table, x), x + x


@_planted("v5e", "dialect")
def _parameters_of_another_device(wrong):
    def kernel(x_ref, o_ref):  # BUG
        o_ref[...] = x_ref[...] + x_ref[...]

    x = _array(8, 128)
    params = plgpu.CompilerParams() if wrong else pltpu.CompilerParams()
    call = pl.pallas_call(kernel, out_shape=jax.typeof(x), compiler_params=params)
    return lambda: call(x), x + x


@_planted("h100", "dialect")
def _tpu_parameters_on_a_gpu(wrong):
    def kernel(x_ref, o_ref):  # BUG
        o_ref[...] = x_ref[...] + x_ref[...]

    x = _array(64)
    return _on_triton(kernel, x, out=jax.typeof(x), params=(pltpu if wrong else plgpu).CompilerParams()), x + x


@_planted("v5e", "lowering")
def _a_gather_of_rows(wrong):
    def kernel(x_ref, i_ref, o_ref):
        if wrong:
            o_ref[...] = jnp.take(x_ref[...], i_ref[0], axis=0)  # BUG
        else:
            o_ref[...] = jnp.take_along_axis(x_ref[...], i_ref[...], axis=0)

    x, i = _array(8, 128), _array(8, 128, dtype=np.int32)
    want = x[i[0, :8]] if wrong else np.take_along_axis(x, i, axis=0)
    index = i[:1, :8] if wrong else i
    call = pl.pallas_call(kernel, out_shape=jax.typeof(x))
    return lambda: call(x, index), want


@_planted("v5e", "lowering")
def _a_dot_of_unsigned(wrong):
    dtype = jnp.uint8 if wrong else jnp.int8

    def kernel(x_ref, o_ref):
        o_ref[...] = jnp.dot(x_ref[...], x_ref[...], preferred_element_type=jnp.int32)  # BUG

    x = jnp.asarray(_array(128, 128), dtype)
    call = pl.pallas_call(kernel, out_shape=jax.ShapeDtypeStruct((128, 128), jnp.int32))
    return lambda: call(x), np.asarray(x, np.int32) @ np.asarray(x, np.int32)


def _on_triton(kernel, *operands, out, **named):
    params = named.pop("params", plgpu.CompilerParams())
    call = pl.pallas_call(kernel, out_shape=out, compiler_params=params, **named)
    return lambda: call(*operands)


@_planted("h100", "triton-grid")
def _a_grid_that_an_array_bounds(wrong):
    def kernel(x_ref, o_ref):  # BUG
        o_ref[...] = x_ref[...] + x_ref[...]

    x = _array(4, 64)
    spec = pl.BlockSpec((1, 64), lambda i: (i, 0))

    def call(steps, x):
        return _on_triton(kernel, x, out=jax.typeof(x), grid=(steps,), in_specs=[spec], out_specs=spec)()

    return lambda: jax.jit(call)(4, x) if wrong else call(4, x), x + x


@_planted("h100", "triton-memory")
def _prefetch_on_triton(wrong):
    def kernel(table_ref, x_ref, o_ref):  # BUG
        o_ref[...] = x_ref[...] + table_ref[0].astype(jnp.float32)

    table, x = np.ones(4, np.int32), _array(4, 64)
    spec = pl.BlockSpec((1, 64), lambda i, *_: (i, 0))
    given = [spec] if wrong else [pl.BlockSpec((4,), lambda _: (0,)), spec]
    grid = pltpu.PrefetchScalarGridSpec(num_scalar_prefetch=int(wrong), grid=(4,), in_specs=given, out_specs=spec)
    return _on_triton(kernel, table, x, out=jax.typeof(x), grid_spec=grid), x + 1


@_planted("h100", "triton-memory")
def _scratch_on_triton(wrong):
    def kernel(x_ref, o_ref, *_):  # BUG
        o_ref[...] = x_ref[...] + x_ref[...]

    x = _array(16, 64)
    scratch = [pltpu.VMEM((16, 64), jnp.float32)] if wrong else []
    return _on_triton(kernel, x, out=jax.typeof(x), scratch_shapes=scratch), x + x


@_planted("h100", "power-of-two")
def _forty_eight_elements(wrong):
    size = 48 if wrong else 64

    def kernel(x_ref, o_ref):
        x = x_ref[pl.ds(0, size)]  # BUG
        o_ref[pl.ds(0, 64)] = jnp.full(64, jnp.sum(x))

    x = _array(64)
    return _on_triton(kernel, x, out=jax.typeof(x)), np.full(64, x.sum())


@_planted("a100", "shared-memory")
def _a_dot_too_large(wrong):
    n = 256 if wrong else 128

    def kernel(x_ref, y_ref, o_ref):
        def body(k, total):
            x, y = x_ref[:, pl.ds(k * n, n)], y_ref[pl.ds(k * n, n), :]
            return total + plgpu.dot(x, y)  # BUG

        o_ref[...] = jax.lax.fori_loop(0, 2, body, jnp.zeros((64, 64), jnp.float32))

    x, y = _array(64, 2 * n), _array(2 * n, 64)
    out = jax.ShapeDtypeStruct((64, 64), jnp.float32)
    return _on_triton(kernel, x, y, out=out, params=plgpu.CompilerParams(num_stages=2)), x @ y


@_planted("h100", "warps")
def _three_warps(wrong):
    def kernel(x_ref, o_ref):  # BUG
        o_ref[...] = x_ref[...] + x_ref[...]

    x = _array(64)
    return _on_triton(kernel, x, out=jax.typeof(x), params=plgpu.CompilerParams(num_warps=3 if wrong else 4)), x + x


@_planted("h100", "primitive")
def _sorts_on_triton(wrong):
    def kernel(x_ref, o_ref):
        o_ref[...] = jnp.sort(x_ref[...]) if wrong else jnp.maximum(x_ref[...], 1.0)  # BUG

    x = _array(64)
    return _on_triton(kernel, x, out=jax.typeof(x)), np.maximum(x, 1)
