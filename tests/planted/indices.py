"""Ten planted bugs: an index, a slice or a loop bound that is off by one."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from prism.pallas.errors import OutOfBoundsError
from tests.planted.bug import Bug, blocks, floats, ramp, whole


def window_one_element_late(interpret: Any) -> Any:
    """Read each block one element late."""

    def kernel(x_ref, o_ref):
        o_ref[...] = x_ref[pl.ds(8 * pl.program_id(0) + 1, 8)]  # BUG

    return pl.pallas_call(
        kernel, grid=(2,), in_specs=[whole(16)], out_specs=blocks(8), out_shape=floats(16), interpret=interpret
    )(ramp(16))


def loop_runs_once_too_often(interpret: Any) -> Any:
    """Sum the elements counting to n inclusive."""

    def kernel(x_ref, o_ref):
        def add(i, total):
            return total + x_ref[i]  # BUG

        o_ref[0] = lax.fori_loop(0, x_ref.shape[0] + 1, add, jnp.float32(0))

    return pl.pallas_call(kernel, out_shape=floats(1), interpret=interpret)(ramp(8))


def while_tests_at_most(interpret: Any) -> Any:
    """Continue a while loop as long as i <= n."""

    def kernel(x_ref, o_ref):
        def double(i):
            o_ref[i] = x_ref[0] * 2  # BUG
            return i + 1

        lax.while_loop(lambda i: i <= o_ref.shape[0], double, 0)

    return pl.pallas_call(kernel, out_shape=floats(8), interpret=interpret)(ramp(8))


def store_one_element_late(interpret: Any) -> Any:
    """Store each step's scalar one place too far."""

    def kernel(x_ref, o_ref):
        o_ref[pl.program_id(0) + 1] = x_ref[pl.program_id(0)]  # BUG

    return pl.pallas_call(
        kernel, grid=(8,), in_specs=[whole(8)], out_specs=whole(8), out_shape=floats(8), interpret=interpret
    )(ramp(8))


def left_neighbour_of_the_first(interpret: Any) -> Any:
    """Subtract element i - 1 from i = 0 on."""

    def kernel(x_ref, o_ref):
        def difference(i, carry):
            o_ref[i] = x_ref[i] - x_ref[i - 1]  # BUG
            return carry

        lax.fori_loop(0, o_ref.shape[0], difference, 0)

    return pl.pallas_call(kernel, out_shape=floats(8), interpret=interpret)(ramp(8))


def gather_with_indices_from_one(interpret: Any) -> Any:
    """Gather by a table of indices that counts from 1."""

    def kernel(x_ref, index_ref, o_ref):
        o_ref[...] = x_ref[index_ref[...]]  # BUG

    indices = np.arange(1, 9, dtype=np.int32)
    return pl.pallas_call(kernel, out_shape=floats(8), interpret=interpret)(ramp(8), indices)


def histogram_one_bin_short(interpret: Any) -> Any:
    """Give the largest value no bin."""

    def kernel(x_ref, o_ref):
        o_ref[...] = jnp.zeros_like(o_ref)

        def count(i, carry):
            o_ref[x_ref[i]] += 1  # BUG
            return carry

        lax.fori_loop(0, x_ref.shape[0], count, 0)

    values = np.array([0, 3, 1, 4, 2, 4, 0, 1], np.int32)
    return pl.pallas_call(kernel, out_shape=floats(4), interpret=interpret)(values)


def rows_one_late(interpret: Any) -> Any:
    """Start each tile of rows one row late."""

    def kernel(x_ref, o_ref):
        o_ref[...] = x_ref[pl.ds(4 * pl.program_id(0) + 1, 4), :]  # BUG

    return pl.pallas_call(
        kernel,
        grid=(2,),
        in_specs=[whole(8, 4)],
        out_specs=pl.BlockSpec((4, 4), lambda i: (i, 0)),
        out_shape=floats(8, 4),
        interpret=interpret,
    )(ramp(8, 4))


def reversal_starts_at_n(interpret: Any) -> Any:
    """Take element i of the reversed vector from element n - i."""

    def kernel(x_ref, o_ref):
        def move(i, carry):
            o_ref[i] = x_ref[x_ref.shape[0] - i]  # BUG
            return carry

        lax.fori_loop(0, x_ref.shape[0], move, 0)

    return pl.pallas_call(kernel, out_shape=floats(8), interpret=interpret)(ramp(8))


def prefetched_table_read_one_late(interpret: Any) -> Any:
    """Read the next step's entry of a prefetched table, which the last step lacks."""

    def kernel(_, x_ref, o_ref):
        o_ref[...] = x_ref[...]

    specs = pltpu.PrefetchScalarGridSpec(
        num_scalar_prefetch=1,
        grid=(2,),
        in_specs=[pl.BlockSpec((8,), lambda i, table: (table[i + 1],))],  # BUG
        out_specs=blocks(8),
    )
    table = np.array([1, 0], np.int32)
    return pl.pallas_call(kernel, grid_spec=specs, out_shape=floats(16), interpret=interpret)(table, ramp(16))


BUGS = (
    Bug(window_one_element_late, OutOfBoundsError),
    Bug(loop_runs_once_too_often, OutOfBoundsError),
    Bug(while_tests_at_most, OutOfBoundsError),
    Bug(store_one_element_late, OutOfBoundsError),
    Bug(left_neighbour_of_the_first, OutOfBoundsError),
    Bug(gather_with_indices_from_one, OutOfBoundsError),
    Bug(histogram_one_bin_short, OutOfBoundsError),
    Bug(rows_one_late, OutOfBoundsError),
    Bug(reversal_starts_at_n, OutOfBoundsError),
    Bug(prefetched_table_read_one_late, OutOfBoundsError),
)
