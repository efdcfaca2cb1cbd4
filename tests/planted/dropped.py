"""Kernels whose unwritten memory somebody uses, each with a twin in which nobody does; a mark has the line.

Half of the twins leave the memory unwritten all the same: what differs is the code around the kernel.
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
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jax.experimental.pallas import triton as plgpu

from tests.planted.bug import MARK

X = np.arange(32, dtype=np.float32).reshape(4, 8)
ROW = pl.BlockSpec((1, 8), lambda i: (i, 0))
OUT = jax.ShapeDtypeStruct((4, 8), jnp.float32)
VMEM, SMEM = pltpu.VMEM((4, 8), jnp.float32), pltpu.SMEM((2,), jnp.int32)
Program = Callable[[bool], tuple[Callable[[Any], Any], Any]]


@dataclass(frozen=True, slots=True)
class Dropped:
    """A program: of its fault and of its twin it returns a function of `X`, and what the twin gives."""

    program: Program

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


DROPPED: list[Dropped] = []


def _planted(program: Program) -> Program:
    DROPPED.append(Dropped(program))
    return program


def _call(kernel, *scratch, out=OUT, **named):
    given = {} if "grid_spec" in named else {"scratch_shapes": scratch}
    return pl.pallas_call(kernel, out_shape=out, **given, **named)


@_planted
def _half_an_output(wrong):
    def kernel(x_ref, o_ref):
        o_ref[:2] = x_ref[:2]  # BUG

    return lambda x: _call(kernel)(x)[: 4 if wrong else 2], X[:2]


@_planted
def _a_second_output(wrong):
    def kernel(x_ref, o_ref, _):  # BUG
        o_ref[...] = x_ref[...]

    return lambda x: _call(kernel, out=(OUT, OUT))(x)[: 2 if wrong else 1], (X,)


@_planted
def _an_accumulator_without_a_start(wrong):
    def kernel(x_ref, o_ref, sum_ref):
        pl.when(pl.program_id(0) == (9 if wrong else 0))(lambda: sum_ref.__setitem__(..., jnp.zeros((1, 8))))
        sum_ref[...] += x_ref[...]  # BUG
        o_ref[...] = sum_ref[...]

    named = {"grid": (4,), "in_specs": [ROW], "out_specs": ROW}
    return lambda x: _call(kernel, pltpu.VMEM((1, 8), jnp.float32), **named)(x), X.cumsum(0)


@_planted
def _blocks_that_no_step_visits(wrong):
    def kernel(x_ref, o_ref):
        o_ref[...] = x_ref[...] * 2

    rows = pl.BlockSpec((1, 8), lambda i: (i, 0))  # BUG
    call = _call(kernel, grid=(3,), in_specs=[rows], out_specs=rows)
    return lambda x: call(x)[: 4 if wrong else 3], 2 * X[:3]


@_planted
def _a_sum_with_its_padding(wrong):
    def kernel(x_ref, o_ref):
        x = x_ref[...]  # BUG
        seen = pl.program_id(0) * 3 + lax.broadcasted_iota(jnp.int32, (3, 8), 0) < (9 if wrong else 4)
        o_ref[...] = jnp.sum(jnp.where(seen, x, 0), axis=0, keepdims=True)

    blocks = pl.BlockSpec((3, 8), lambda i: (i, 0))
    out = jax.ShapeDtypeStruct((2, 8), jnp.float32)
    return _call(kernel, out=out, grid=(2,), in_specs=[blocks], out_specs=ROW), np.stack([X[:3].sum(0), X[3]])


@_planted
def _every_other_block(wrong):
    def kernel(x_ref, o_ref):
        @pl.when(pl.program_id(0) % 2 == 0)
        def _():
            o_ref[...] = x_ref[...]  # BUG

    call = _call(kernel, grid=(4,), in_specs=[ROW], out_specs=ROW)
    return lambda x: call(x)[:: 1 if wrong else 2], X[::2]


@_planted
def _a_last_state(wrong):
    def kernel(x_ref, o_ref, state_ref):
        o_ref[...] = x_ref[...] + 1
        pl.when(pl.program_id(0) == 4)(lambda: state_ref.__setitem__(..., x_ref[...]))  # BUG

    whole = pl.BlockSpec((1, 8), lambda _: (0, 0))
    out = OUT, jax.ShapeDtypeStruct((1, 8), jnp.float32)
    call = _call(kernel, out=out, grid=(4,), in_specs=[ROW], out_specs=(ROW, whole))

    def both(x):
        y, state = call(x)
        return y + state if wrong else y

    return both, X + 1


@_planted
def _dummies_of_a_top_k(wrong):
    def kernel(x_ref, top_ref, at_ref):
        top_ref[0, :] = jnp.max(x_ref[...], axis=0)
        at_ref[0, :] = jnp.argmax(x_ref[...], axis=0).astype(jnp.int32)  # BUG
        top_ref[1:, :] = jnp.zeros((3, 8))

    def best(x):
        top, at = _call(kernel, out=(OUT, jax.ShapeDtypeStruct((4, 8), jnp.int32)))(x)
        at = jnp.sum(at, axis=0) if wrong else at[0]
        return top[0] + at.astype(jnp.float32)

    return best, X[3] + 3


@_planted
def _lanes_that_a_mask_leaves_off(wrong):
    def kernel(x_ref, o_ref):
        on = jnp.arange(8) < 5
        x = plgpu.load(x_ref.at[0, :], mask=on, other=None if wrong else 0.0)  # BUG
        o_ref[...] = jnp.full_like(o_ref, jnp.sum(x))

    return _call(kernel, compiler_params=plgpu.CompilerParams()), np.full((4, 8), 10)


@_planted
def _a_masked_store(wrong):
    def kernel(x_ref, o_ref):
        plgpu.store(o_ref.at[0, :], x_ref[0, :], mask=jnp.arange(8) < 5)  # BUG

    call = _call(kernel, out=jax.ShapeDtypeStruct((1, 8), jnp.float32), compiler_params=plgpu.CompilerParams())
    return lambda x: call(x)[:, : 8 if wrong else 5], X[:1, :5]


@_planted
def _a_scope_that_is_read_first(wrong):
    def kernel(x_ref, o_ref):
        def body(s_ref):
            pl.when(jnp.bool_(not wrong))(lambda: s_ref.__setitem__(..., x_ref[...]))
            o_ref[...] = s_ref[...] * 2  # BUG

        pl.run_scoped(body, VMEM)

    return _call(kernel), 2 * X


@_planted
def _one_row_too_many(wrong):
    def kernel(x_ref, o_ref, s_ref):
        s_ref[:3] = x_ref[:3]
        o_ref[...] = jnp.broadcast_to(jnp.sum(s_ref[: 4 if wrong else 3], axis=0), (4, 8))  # BUG

    return _call(kernel, VMEM), np.broadcast_to(X[:3].sum(0), (4, 8))


@_planted
def _adding_to_an_output(wrong):
    def kernel(x_ref, o_ref):
        pl.when(pl.program_id(0) == (9 if wrong else 0))(lambda: o_ref.__setitem__(..., jnp.zeros((1, 8))))
        o_ref[...] += x_ref[...]  # BUG

    whole = pl.BlockSpec((1, 8), lambda _: (0, 0))
    out = jax.ShapeDtypeStruct((1, 8), jnp.float32)
    return _call(kernel, out=out, grid=(4,), in_specs=[ROW], out_specs=whole), X.sum(0, keepdims=True)


@_planted
def _a_flag_that_nobody_set(wrong):
    def kernel(x_ref, o_ref, flag_ref):
        if not wrong:
            flag_ref[0] = 1
        o_ref[...] = x_ref[...] * jnp.where(flag_ref[0] == 1, 2.0, 3.0)  # BUG

    return _call(kernel, SMEM), 2 * X


@_planted
def _a_loop_that_looks_ahead(wrong):
    def kernel(x_ref, o_ref, s_ref):
        s_ref[0, :] = x_ref[0, :]

        @pl.loop(0, 3)
        def _(k):
            o_ref[k, :] = s_ref[k + 1 if wrong else k, :]  # BUG
            s_ref[k + 1, :] = x_ref[k + 1, :]

        o_ref[3, :] = x_ref[3, :]

    return _call(kernel, VMEM), X


@_planted
def _an_index_out_of_nothing(wrong):
    def kernel(x_ref, o_ref, at_ref):
        if not wrong:
            at_ref[0] = 2
        row = jnp.clip(at_ref[0], 0, 3)  # BUG
        o_ref[...] = jnp.broadcast_to(x_ref[row, :], (4, 8))

    return _call(kernel, SMEM), np.broadcast_to(X[2], (4, 8))


@_planted
def _a_bound_out_of_nothing(wrong):
    def kernel(x_ref, o_ref, bound_ref):
        if not wrong:
            bound_ref[0] = 3
        many = jnp.clip(bound_ref[0], 0, 4)  # BUG
        o_ref[...] = lax.fori_loop(0, many, lambda _, y: y + x_ref[...], jnp.zeros((4, 8)))

    return _call(kernel, SMEM), 3 * X


@_planted
def _one_branch_that_stores(wrong):
    def kernel(x_ref, o_ref):
        o_ref[0:1] = x_ref[0:1]
        first = x_ref[0, 0] > (1 if wrong else -1)
        pl.when(first)(lambda: o_ref.__setitem__(pl.ds(1, 3), x_ref[1:]))  # BUG

    return _call(kernel), X


@_planted
def _the_tail_goes_into_the_next_kernel(wrong):
    def first(x_ref, o_ref):
        o_ref[:3] = x_ref[:3]  # BUG

    def second(y_ref, o_ref):
        o_ref[...] = jnp.sum(y_ref[: 4 if wrong else 3], axis=0, keepdims=True)

    last = _call(second, out=jax.ShapeDtypeStruct((1, 8), jnp.float32))
    return lambda x: last(_call(first)(x)), X[:3].sum(0, keepdims=True)


@_planted
def _rows_beyond_the_groups(wrong):
    def kernel(sizes_ref, x_ref, o_ref):
        @pl.when(pl.program_id(0) < sizes_ref[0])
        def _():
            o_ref[...] = x_ref[...] * 3  # BUG

    rows = pl.BlockSpec((1, 8), lambda i, _: (i, 0))
    grid = pltpu.PrefetchScalarGridSpec(num_scalar_prefetch=1, grid=(4,), in_specs=[rows], out_specs=rows)

    def grouped(x):
        y = _call(kernel, grid_spec=grid)(jnp.full(1, 2, jnp.int32), x)
        return jnp.where(jnp.arange(4)[:, None] < (4 if wrong else 2), y, 0)

    return grouped, np.concatenate([3 * X[:2], np.zeros((2, 8))])
