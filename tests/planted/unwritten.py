"""Ten planted bugs: an output or a scratch element is used or returned that nobody wrote."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jax.experimental.pallas import triton as plgpu

from prism.pallas.errors import UninitializedReadError
from tests.planted.bug import Bug, blocks, floats, ramp, whole


def second_output_forgotten(interpret: Any) -> Any:
    """Write one of two outputs."""

    def kernel(x_ref, sum_ref, mean_ref):  # noqa: ARG001 - the planted mistake # BUG
        sum_ref[...] = x_ref[...] * 2

    return pl.pallas_call(kernel, out_shape=(floats(8), floats(8)), interpret=interpret)(ramp(8))


def first_step_left_out(interpret: Any) -> Any:
    """Guard the store so that step 0 leaves it out."""

    def kernel(x_ref, o_ref):
        @pl.when(pl.program_id(0) > 0)
        def _store():
            o_ref[...] = x_ref[...]  # BUG

    return pl.pallas_call(
        kernel, grid=(2,), in_specs=[blocks(8)], out_specs=blocks(8), out_shape=floats(16), interpret=interpret
    )(ramp(16))


def half_of_the_block(interpret: Any) -> Any:
    """Store only the first half of each block."""

    def kernel(x_ref, o_ref):
        o_ref[:4] = x_ref[:4]  # BUG

    return pl.pallas_call(
        kernel, grid=(2,), in_specs=[blocks(8)], out_specs=blocks(8), out_shape=floats(16), interpret=interpret
    )(ramp(16))


def loop_ends_early(interpret: Any) -> Any:
    """End a loop of scalar stores before the last element."""

    def kernel(x_ref, o_ref):
        def copy(i, carry):
            o_ref[i] = x_ref[i]  # BUG
            return carry

        lax.fori_loop(0, o_ref.shape[0] - 1, copy, 0)

    return pl.pallas_call(kernel, out_shape=floats(8), interpret=interpret)(ramp(8))


def sum_without_a_start(interpret: Any) -> Any:
    """Add blocks to an output that was never set to zero."""

    def kernel(x_ref, o_ref):
        o_ref[...] += x_ref[...]  # BUG

    return pl.pallas_call(
        kernel, grid=(2,), in_specs=[blocks(8)], out_specs=whole(8), out_shape=floats(8), interpret=interpret
    )(ramp(16))


def scratch_without_a_start(interpret: Any) -> Any:
    """Add to an accumulator in scratch memory that was never set."""

    def kernel(x_ref, o_ref, total_ref):
        total_ref[...] += x_ref[...]  # BUG
        o_ref[...] = total_ref[...]

    return pl.pallas_call(
        kernel,
        grid=(2,),
        in_specs=[blocks(8)],
        out_specs=whole(8),
        out_shape=floats(8),
        scratch_shapes=[pltpu.VMEM((8,), jnp.float32)],
        interpret=interpret,
    )(ramp(16))


def mask_excludes_the_last(interpret: Any) -> Any:
    """Compare a store's mask with n - 1 in place of n."""

    def kernel(x_ref, o_ref):
        index = jnp.arange(8)
        plgpu.store(o_ref.at[index], x_ref[...], mask=index < 7)  # BUG

    return pl.pallas_call(kernel, out_shape=floats(8), interpret=interpret)(ramp(8))


def last_step_never_comes(interpret: Any) -> Any:
    """Copy the accumulator out at step num_programs, which does not exist."""

    def kernel(x_ref, o_ref, total_ref):
        @pl.when(pl.program_id(0) == 0)
        def _start():
            total_ref[...] = jnp.zeros_like(total_ref)

        total_ref[...] += x_ref[...]

        @pl.when(pl.program_id(0) == pl.num_programs(0))
        def _finish():
            o_ref[...] = total_ref[...]  # BUG

    return pl.pallas_call(
        kernel,
        grid=(2,),
        in_specs=[blocks(8)],
        out_specs=whole(8),
        out_shape=floats(8),
        scratch_shapes=[pltpu.VMEM((8,), jnp.float32)],
        interpret=interpret,
    )(ramp(16))


def even_elements_only(interpret: Any) -> Any:
    """Fill every other element by a strided store."""

    def kernel(x_ref, o_ref):
        o_ref[pl.ds(0, 4, stride=2)] = x_ref[pl.ds(0, 4, stride=2)]  # BUG

    return pl.pallas_call(kernel, out_shape=floats(8), interpret=interpret)(ramp(8))


def branch_that_forgets(interpret: Any) -> Any:
    """Store in one branch of a condition on the data and not in the other."""

    def kernel(x_ref, o_ref):
        def store():
            o_ref[...] = x_ref[...]  # BUG

        lax.cond(x_ref[0] < 8, store, lambda: None)

    return pl.pallas_call(
        kernel, grid=(2,), in_specs=[blocks(8)], out_specs=blocks(8), out_shape=floats(16), interpret=interpret
    )(np.asarray(ramp(16)))


BUGS = (
    Bug(second_output_forgotten, UninitializedReadError),
    Bug(first_step_left_out, UninitializedReadError),
    Bug(half_of_the_block, UninitializedReadError),
    Bug(loop_ends_early, UninitializedReadError),
    Bug(sum_without_a_start, UninitializedReadError),
    Bug(scratch_without_a_start, UninitializedReadError),
    Bug(mask_excludes_the_last, UninitializedReadError),
    Bug(last_step_never_comes, UninitializedReadError),
    Bug(even_elements_only, UninitializedReadError),
    Bug(branch_that_forgets, UninitializedReadError),
)
