"""Tables of blocks: affine maps are found, mistakes are found before the first step."""

from __future__ import annotations

import functools

import jax
import numpy as np
import pytest
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

import prism.pallas
from prism.pallas import OutOfBoundsError, RaceError, UninitializedReadError
from prism.pallas.call import Block, BlockDim
from prism.pallas.grid import Table, _slopes, visits
from prism.pallas.numpy_source.layout import _apart, batched_layout, covers

pytestmark = pytest.mark.m6

X = np.arange(8, dtype=np.float32)


def _block(shape, dims):
    return Block("o_ref", shape, np.dtype(np.float32), dims, None, "default")


def _copy(grid, in_map, out_map, *, size=2, out=8, semantics=None):
    def kernel(x_ref, o_ref):
        o_ref[...] = x_ref[...]

    return pl.pallas_call(
        kernel,
        grid=grid,
        in_specs=[pl.BlockSpec((size,), in_map)],
        out_specs=pl.BlockSpec((size,), out_map),
        out_shape=jax.ShapeDtypeStruct((out,), np.float32),
        compiler_params=pltpu.CompilerParams(dimension_semantics=semantics) if semantics else None,
    )


def test_slopes_are_found_exactly_for_affine_tables() -> None:
    """A table is affine or it is not; extents of 1 say nothing about their axis."""
    i, j = np.meshgrid(np.arange(3), np.arange(4), indexing="ij")
    affine = np.stack([5 + 2 * i, 3 * j - i], axis=-1).reshape(-1, 2)
    assert _slopes(affine, (3, 4)).tolist() == [[2, 0], [-1, 3]]
    assert _slopes(np.stack([i * j, j], axis=-1).reshape(-1, 2), (3, 4)) is None


@pytest.mark.clause("PALLAS-5")
def test_padding_makes_every_block_whole() -> None:
    """The end is filled up to a multiple; an element dimension may ask for more on both sides."""
    block = _block((10, 7), (BlockDim("blocked", 4), BlockDim("element", 3, (1, 2))))
    assert block.padding == ((0, 2), (1, 4))


@pytest.mark.clause("PALLAS-12")
def test_visits_tell_accumulation_from_return_and_contest() -> None:
    """Consecutive visits are accumulation, a return is remembered, and so is a block of two lanes."""
    block, order = _block((4,), (BlockDim("blocked", 2),)), np.arange(4)
    table = Table(block, np.array([[0], [0], [2], [2]]), None)
    assert visits(table, np.zeros(4, int), order).returned is None
    assert visits(table, np.array([0, 1, 0, 1]), order).contested
    back = Table(block, np.array([[0], [2], [0], [2]]), None)
    assert visits(back, np.zeros(4, int), order).returned == (0, 2)
    assert covers(back, np.array([[0], [2]]))
    assert not covers(back, np.array([[0]]))


@pytest.mark.parametrize("mode", ["debug", "fast"])
@pytest.mark.clause("PALLAS-10")
def test_a_block_outside_names_the_index_map(mode) -> None:
    """The report has the map's line, the block's index and how many blocks there are."""
    call = _copy((4,), lambda i: (i + 1,), lambda i: (i,))
    with pytest.raises(OutOfBoundsError, match=r"test_grid\.py.*chooses block \(4,\), which starts at element \(8,\)"):
        prism.pallas.run(call, mode=mode)(X)


@pytest.mark.parametrize("mode", ["debug", "fast"])
@pytest.mark.clause("PALLAS-12")
def test_a_return_to_a_block_that_was_left_is_a_race(mode) -> None:
    """Revisiting on consecutive steps is not; `races="off"` lets it pass."""
    call = _copy((2, 4), lambda _, j: (j,), lambda _, j: (j,))
    with pytest.raises(
        RaceError, match=r"step \(1, 0\) returns to the block of o_ref at element \(0,\), which step \(0, 0\)"
    ):
        prism.pallas.run(call, mode=mode)(X)
    np.testing.assert_array_equal(prism.pallas.run(call, mode=mode, races="off")(X), X)
    fine = _copy((4, 2), lambda i, _: (i,), lambda i, _: (i,))
    np.testing.assert_array_equal(prism.pallas.run(fine, mode=mode)(X), X)


@pytest.mark.parametrize("mode", ["debug", "fast"])
@pytest.mark.clause("PALLAS-12")
def test_steps_of_a_parallel_axis_must_not_share_a_block(mode) -> None:
    """What is legal on a sequential axis is a race on a parallel one."""
    call = _copy((2, 4), lambda _, j: (j,), lambda _, j: (j,), semantics=("parallel", "arbitrary"))
    with pytest.raises(RaceError, match=r"steps \(0, 0\) and \(1, 0\) both write element"):
        prism.pallas.run(call, mode=mode)(X)


@pytest.mark.parametrize("mode", ["debug", "fast", "compiled"])
@pytest.mark.clause("PALLAS-11")
def test_an_output_block_that_no_step_visits(mode) -> None:
    """The index map is named, and the first element; with uninitialized="nan" it holds NaN."""
    call = _copy((3,), lambda i: (i,), lambda i: (i,))
    with pytest.raises(
        UninitializedReadError, match=r"element \(6,\) of the output o_ref is never written: no grid step"
    ):
        prism.pallas.run(call, mode=mode)(X)
    result = prism.pallas.run(call, mode=mode, uninitialized="nan")(X)
    np.testing.assert_array_equal(result, np.where(X < 6, X, np.nan))


@pytest.mark.clause("PALLAS-6")
def test_steps_are_apart_only_if_their_blocks_cannot_overlap() -> None:
    """A stride of the block's size keeps steps apart; a smaller one, or one shared with another axis, does not."""
    block = _block((8,), (BlockDim("element", 2),))
    slopes = {(2, 0): True, (1, 0): False, (0, 0): False, (2, 2): False}
    for row, apart in slopes.items():
        assert _apart(Table(block, np.zeros((4, 1), int), np.array([row])), 0) is apart
    assert not _apart(Table(block, np.zeros((4, 1), int), None), 0)


def test_a_layout_batches_what_fits_the_cache() -> None:
    """Inner axes first, the outermost in chunks; large steps are not batched."""
    assert batched_layout((4, 8), [0, 1], 1024).batched == (0, 1)
    layout = batched_layout((1024,), [0], 12 * 1024)
    assert (layout.batched, layout.chunk) == ((0,), 42)
    assert batched_layout((4, 8), [1], 1 << 20).batched == ()


def _scaled(scale, x_ref, o_ref):
    o_ref[...] = x_ref[...] * scale


def _late(by, i):
    return (i + by,)


@pytest.mark.clause("PALLAS-13")
def test_a_map_that_is_a_partial_function_is_named() -> None:
    """The report has the line of the function that computes the block index, and the kernel's own name."""
    late = pl.BlockSpec((2,), functools.partial(_late, 1))
    call = pl.pallas_call(
        functools.partial(_scaled, 2),
        grid=(4,),
        in_specs=[late],
        out_specs=pl.BlockSpec((2,), lambda i: (i,)),
        out_shape=jax.ShapeDtypeStruct((8,), np.float32),
    )
    with pytest.raises(OutOfBoundsError, match=r"test_grid\.py:\d+ in _late: the index map of x_ref") as caught:
        prism.pallas.run(call)(X)
    assert caught.value.site.line - _late.__code__.co_firstlineno in (0, 1)


@pytest.mark.clause("PALLAS-13")
def test_a_block_without_an_index_map_is_reported_at_the_kernel() -> None:
    """Every step has the first block; none of the user's lines says so, and JAX's own are not named."""
    call = pl.pallas_call(
        functools.partial(_scaled, 2),
        grid=(4,),
        in_specs=[pl.BlockSpec((2,), lambda i: (i,))],
        out_specs=pl.BlockSpec((2,)),
        out_shape=jax.ShapeDtypeStruct((8,), np.float32),
    )
    with pytest.raises(UninitializedReadError, match=r"test_grid\.py:\d+ in _scaled: element \(2,\) of the output"):
        prism.pallas.run(call)(X)
