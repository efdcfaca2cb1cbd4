"""Ten planted bugs: a block shape, a grid or an index map that does not fit the array."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax.experimental import pallas as pl

from prism.pallas.errors import OutOfBoundsError, UninitializedReadError
from tests.planted.bug import Bug, blocks, floats, ramp, whole


def _copy(x_ref, o_ref):
    o_ref[...] = x_ref[...]


def _run(interpret: Any, grid: tuple[int, ...], source: pl.BlockSpec, target: pl.BlockSpec, *shape: int) -> Any:
    return pl.pallas_call(
        _copy, grid=grid, in_specs=[source], out_specs=target, out_shape=floats(*shape), interpret=interpret
    )(ramp(*shape))


def input_block_one_late(interpret: Any) -> Any:
    """Read block i + 1 at step i, which the last step lacks."""
    late = pl.BlockSpec((8,), lambda i: (i + 1,))  # BUG
    return _run(interpret, (2,), late, blocks(8), 16)


def output_block_one_late(interpret: Any) -> Any:
    """Write block i + 1 at step i, which the last step lacks."""
    late = pl.BlockSpec((8,), lambda i: (i + 1,))  # BUG
    return _run(interpret, (2,), blocks(8), late, 16)


def map_in_elements(interpret: Any) -> Any:
    """Give element offsets where block indices are due."""
    elements = pl.BlockSpec((8,), lambda i: (8 * i,))  # BUG
    return _run(interpret, (2,), elements, blocks(8), 16)


def axes_swapped(interpret: Any) -> Any:
    """Swap the axes of a grid that is not square in the input's index map."""
    swapped = pl.BlockSpec((4, 4), lambda i, j: (j, i))  # BUG
    return _run(interpret, (2, 4), swapped, pl.BlockSpec((4, 4), lambda i, j: (i, j)), 8, 16)


def output_block_too_small(interpret: Any) -> Any:
    """Cover half of the output by blocks of 4 on a grid that was computed for blocks of 8."""
    small = pl.BlockSpec((4,), lambda i: (i,))  # BUG
    return _run(interpret, (2,), blocks(4), small, 16)


def grid_rounded_down(interpret: Any) -> Any:
    """Leave the tail of the output to nobody by the grid n // block."""
    target = pl.BlockSpec((8,), lambda i: (i,))  # BUG
    return _run(interpret, (20 // 8,), blocks(8), target, 20)


def output_map_constant(interpret: Any) -> Any:
    """Write the first block at every step and the second never."""
    constant = pl.BlockSpec((8,), lambda _: (0,))  # BUG
    return _run(interpret, (2,), blocks(8), constant, 16)


def padding_summed(interpret: Any) -> Any:
    """Sum a last block that reaches past the array without masking its padding."""

    def kernel(x_ref, o_ref):
        o_ref[pl.program_id(0)] = jnp.sum(x_ref[...])  # BUG

    return pl.pallas_call(
        kernel, grid=(2,), in_specs=[blocks(8)], out_specs=whole(2), out_shape=floats(2), interpret=interpret
    )(ramp(12))


def output_map_halved(interpret: Any) -> Any:
    """Share each output block between two steps, so that half of the blocks stay unwritten."""
    halved = pl.BlockSpec((4,), lambda i: (i // 2,))  # BUG
    return _run(interpret, (4,), blocks(4), halved, 16)


def squeezed_dimension_misplaced(interpret: Any) -> Any:
    """Give the grid's row as the column of a block whose row dimension is squeezed."""
    misplaced = pl.BlockSpec((None, 8), lambda i: (0, i))  # BUG
    return _run(interpret, (2,), misplaced, pl.BlockSpec((None, 8), lambda i: (i, 0)), 2, 8)


BUGS = (
    Bug(input_block_one_late, OutOfBoundsError),
    Bug(output_block_one_late, OutOfBoundsError),
    Bug(map_in_elements, OutOfBoundsError),
    Bug(axes_swapped, OutOfBoundsError),
    Bug(output_block_too_small, UninitializedReadError),
    Bug(grid_rounded_down, UninitializedReadError),
    Bug(output_map_constant, UninitializedReadError),
    Bug(padding_summed, UninitializedReadError),
    Bug(output_map_halved, UninitializedReadError),
    Bug(squeezed_dimension_misplaced, OutOfBoundsError),
)
