"""Ten planted bugs: two grid steps write the same element although nothing orders them."""

from __future__ import annotations

from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jax.experimental.pallas import triton as plgpu

from prism.pallas.errors import RaceError
from tests.planted.bug import Bug, blocks, floats, ramp, whole

_TRITON = plgpu.CompilerParams(num_warps=4)


def _parallel(*axes: Literal["parallel"]) -> pltpu.CompilerParams:
    return pltpu.CompilerParams(dimension_semantics=axes)


def every_program_writes_one_block(interpret: Any) -> Any:
    """Copy different inputs to the same output block from Triton programs."""

    def kernel(x_ref, o_ref):
        o_ref[...] = x_ref[...]  # BUG

    return pl.pallas_call(
        kernel,
        grid=(2,),
        in_specs=[blocks(8)],
        out_specs=whole(8),
        out_shape=floats(8),
        compiler_params=_TRITON,
        interpret=interpret,
    )(ramp(16))


def sum_over_a_parallel_axis(interpret: Any) -> Any:
    """Sum blocks into one output over an axis that the call declares parallel."""

    def kernel(x_ref, o_ref):
        @pl.when(pl.program_id(0) == 0)
        def _start():
            o_ref[...] = jnp.zeros_like(o_ref)

        o_ref[...] += x_ref[...]  # BUG

    return pl.pallas_call(
        kernel,
        grid=(4,),
        in_specs=[blocks(8)],
        out_specs=whole(8),
        out_shape=floats(8),
        compiler_params=_parallel("parallel"),
        interpret=interpret,
    )(ramp(32))


def block_opened_again(interpret: Any) -> Any:
    """Alternate between two output blocks on a sequential grid, and so return to each after it was written back."""

    def kernel(x_ref, o_ref):
        o_ref[...] = x_ref[...]

    return pl.pallas_call(
        kernel,
        grid=(4,),
        in_specs=[blocks(8)],
        out_specs=pl.BlockSpec((8,), lambda i: (i % 2,)),  # BUG
        out_shape=floats(16),
        interpret=interpret,
    )(ramp(32))


def windows_overlap_by_half(interpret: Any) -> Any:
    """Advance by half of what a program stores."""

    def kernel(x_ref, o_ref):
        o_ref[pl.ds(4 * pl.program_id(0), 8)] = x_ref[...]  # BUG

    return pl.pallas_call(
        kernel,
        grid=(3,),
        in_specs=[whole(8)],
        out_specs=whole(16),
        out_shape=floats(16),
        compiler_params=_TRITON,
        interpret=interpret,
    )(ramp(8))


def counting_without_atomics(interpret: Any) -> Any:
    """Increment shared bins by load and store from parallel programs."""

    def kernel(x_ref, _, o_ref):
        o_ref[x_ref[pl.program_id(0)]] += 1  # BUG

    values = np.array([0, 3, 1, 0], np.int32)
    return pl.pallas_call(
        kernel,
        grid=(4,),
        in_specs=[whole(4), whole(4)],
        out_specs=whole(4),
        out_shape=floats(4),
        input_output_aliases={1: 0},
        compiler_params=_TRITON,
        interpret=interpret,
    )(values, np.zeros(4, np.float32))


def element_blocks_overlap(interpret: Any) -> Any:
    """Overlap output windows given by element offsets on a parallel axis."""

    def kernel(x_ref, o_ref):
        o_ref[...] = x_ref[...]  # BUG

    return pl.pallas_call(
        kernel,
        grid=(3,),
        in_specs=[whole(8)],
        out_specs=pl.BlockSpec((pl.Element(8),), lambda i: (4 * i,)),
        out_shape=floats(16),
        compiler_params=_parallel("parallel"),
        interpret=interpret,
    )(ramp(8))


def second_axis_forgotten(interpret: Any) -> Any:
    """Drop a parallel axis from the output's index map."""

    def kernel(x_ref, o_ref):
        o_ref[...] = x_ref[...]  # BUG

    return pl.pallas_call(
        kernel,
        grid=(2, 2),
        in_specs=[pl.BlockSpec((4, 4), lambda i, j: (i, j))],
        out_specs=pl.BlockSpec((4, 4), lambda i, j: (i, 0)),  # noqa: ARG005 - the planted mistake
        out_shape=floats(8, 4),
        compiler_params=_parallel("parallel", "parallel"),
        interpret=interpret,
    )(ramp(8, 8))


def reduction_axis_outermost(interpret: Any) -> Any:
    """Run a matrix product's reduction axis first, so that every output block is left and reopened."""

    def kernel(x_ref, y_ref, o_ref):
        product = jnp.dot(x_ref[...], y_ref[...], preferred_element_type=jnp.float32)

        @pl.when(pl.program_id(0) == 0)
        def _start():
            o_ref[...] = jnp.zeros_like(o_ref)

        o_ref[...] += product

    return pl.pallas_call(
        kernel,
        grid=(2, 2, 2),
        in_specs=[pl.BlockSpec((4, 4), lambda k, i, _: (i, k)), pl.BlockSpec((4, 4), lambda k, _, j: (k, j))],
        out_specs=pl.BlockSpec((4, 4), lambda _, i, j: (i, j)),  # BUG
        out_shape=floats(8, 8),
        interpret=interpret,
    )(ramp(8, 8), ramp(8, 8))


def masked_tails_meet(interpret: Any) -> Any:
    """Step by one less than the block; the mask guards only the end of the array."""

    def kernel(x_ref, o_ref):
        index = 7 * pl.program_id(0) + jnp.arange(8)
        inside = index < 16
        plgpu.store(o_ref.at[index], plgpu.load(x_ref.at[index], mask=inside), mask=inside)  # BUG

    return pl.pallas_call(
        kernel,
        grid=(3,),
        in_specs=[whole(16)],
        out_specs=whole(16),
        out_shape=floats(16),
        compiler_params=_TRITON,
        interpret=interpret,
    )(ramp(16))


def scatter_with_a_repeated_index(interpret: Any) -> Any:
    """Scatter to the same place from two programs."""

    def kernel(x_ref, index_ref, o_ref):
        o_ref[index_ref[pl.program_id(0)]] = x_ref[pl.program_id(0)]  # BUG

    indices = np.array([2, 0, 1, 3, 0], np.int32)
    return pl.pallas_call(
        kernel,
        grid=(5,),
        in_specs=[whole(5), whole(5)],
        out_specs=whole(4),
        out_shape=floats(4),
        compiler_params=_TRITON,
        interpret=interpret,
    )(ramp(5), indices)


BUGS = (
    Bug(every_program_writes_one_block, RaceError),
    Bug(sum_over_a_parallel_axis, RaceError),
    Bug(block_opened_again, RaceError),
    Bug(windows_overlap_by_half, RaceError),
    Bug(counting_without_atomics, RaceError),
    Bug(element_blocks_overlap, RaceError),
    Bug(second_axis_forgotten, RaceError),
    Bug(reduction_axis_outermost, RaceError),
    Bug(masked_tails_meet, RaceError),
    Bug(scatter_with_a_repeated_index, RaceError),
)
