"""Generated loops give what debug mode gives, and report what it reports; they are run by Python here."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jax.experimental.pallas import triton as plgpu

import prism.pallas
from prism.pallas import KernelError, OutOfBoundsError, UninitializedReadError
from tests.pallas_loops import python_loops
from tests.planted import KINDS

pytestmark = pytest.mark.m6

ROWS = np.arange(24, dtype=np.float32).reshape(3, 8) % 7 - 3


def call(kernel, *shapes, grid=(), **options):
    """Return the call of a kernel on whole arrays, float32 outputs of these shapes."""
    outs = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return pl.pallas_call(kernel, out_shape=outs, grid=grid, **options)


def outcome(function, operands, mode):
    """Return the results, or the report."""
    try:
        return jax.tree.leaves(prism.pallas.run(function, mode=mode)(*operands))
    except KernelError as error:
        return type(error), str(error)


def agree(function, *operands):
    """Assert that loops give debug mode's results, or leave its report to it; return either."""
    expected = outcome(function, operands, "debug")
    with python_loops() as loops:
        found = outcome(function, operands, "compiled")
    assert len(loops.sources) == 1
    if isinstance(expected, tuple) or isinstance(found, tuple):
        assert found == expected
        assert any(loops.outcomes)
    else:
        assert 1 not in loops.outcomes
        for x, y in zip(found, expected, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-5)
    return found


def moves(x_ref, a_ref, b_ref, c_ref):
    """Roll, stack, reverse, tile, pad, update and reshape."""
    x = x_ref[...]
    turned = jnp.roll(x, x_ref[0, 0].astype(jnp.int32), axis=1)
    pairs = jnp.stack([turned[:, :4], lax.rev(x, (1,))[:, :4]], axis=1).reshape(3, 8)
    a_ref[...] = lax.dynamic_update_slice(pairs, x[:1, :2] * 10, (1, 9))
    b_ref[...] = jnp.pad(jnp.tile(x[:, 2:5], (2, 2)), ((1, 1), (0, 2)), constant_values=5.0)
    c_ref[...] = jnp.concatenate(
        [x.T, x[:2].reshape(8, 2), jnp.split(x, 2, axis=1)[1].T.reshape(2, 6).reshape(4, 3)[:, :2].repeat(2, 0)], axis=1
    )


def folds(x_ref, a_ref, b_ref, c_ref):
    """Reduce along every axis, run along one, find extremes, and multiply in batches."""
    x = x_ref[...]
    holes = jnp.where(x == 2, jnp.nan, x)
    a_ref[...] = jnp.stack([x.sum(0), holes.max(0), x.min(0), x.prod(0), jnp.argmax(holes, 0).astype(x.dtype)])
    totals = jnp.stack([x.sum(1), x.max(1), jnp.argmin(x, 1).astype(x.dtype), jnp.any(x > 2, 1).astype(x.dtype)])
    b_ref[...] = totals + x.sum() + jnp.all(x < 5).astype(x.dtype)
    whole = lax.cumsum(x.astype(jnp.int32), 1, reverse=True)
    cubes = jnp.stack([lax.cumprod(x, 1), lax.cumsum(x, 1) + whole.astype(x.dtype)])
    c_ref[...] = lax.dot_general(cubes, cubes, (((2,), (2,)), ((0,), (0,))))


def carries(x_ref, a_ref, b_ref, c_ref):
    """Exchange carried arrays, carry one twice, carry one from outside, and branch on arrays."""
    x = x_ref[...]
    fixed = x * x + jnp.exp(x) / 3

    def body(i, carry):
        a, b, c = carry
        a, b = lax.cond(i % 2 == 0, lambda: (b, a + 1), lambda: (b * 2, a))
        doubled = lax.fori_loop(0, i, lambda _, d: (d[1], d[0] + fixed), (a, c))
        c, _ = lax.fori_loop(0, 2, lambda _, d: (jnp.tanh(d[0] + d[1]),) * 2, (c, b))
        return doubled[0], fixed, lax.cond(i == 3, lambda: b, lambda: doubled[0] + c)

    a_ref[...], b_ref[...], c_ref[...] = lax.fori_loop(0, 5, body, (x, x, x))


def lanes(x_ref, n_ref, a_ref, b_ref):
    """Load and store by lanes, by index and by slice, also where elements do not exist."""
    index = jnp.arange(12) + n_ref[0]
    on = (index >= 0) & (index < 8)
    first, last = (plgpu.load(x_ref.at[row, index], mask=on, other=-1.0) for row in (0, 2))
    value = first + last
    plgpu.store(a_ref.at[jnp.arange(12)], value, mask=on | (value < 0))
    bare = plgpu.load(x_ref.at[0, pl.ds(0, 8)], mask=jnp.arange(8) < 5)
    plgpu.store(b_ref.at[jnp.arange(8)], bare, mask=jnp.arange(8) < 5)
    plgpu.store(b_ref.at[pl.ds(5 + n_ref[0] * 0, 4)], x_ref[2, :4], mask=jnp.arange(4) < 3)


@pytest.mark.clause("PALLAS-1")
@pytest.mark.parametrize(
    ("kernel", "shapes"),
    [
        (moves, [(3, 8), (8, 8), (8, 7)]),
        (folds, [(5, 8), (4, 3), (2, 3, 3)]),
        (carries, [(3, 8)] * 3),
    ],
)
def test_values(kernel, shapes) -> None:
    """Moved, combined and carried arrays are debug mode's."""
    agree(call(kernel, *shapes), ROWS)


@pytest.mark.clause("PALLAS-4")
@pytest.mark.parametrize(("extent", "reverse"), [(16, False), (17, False), (16, True)])
def test_scans_of_floats_round_as_in_debug_mode(extent, reverse) -> None:
    """A scan that goes in tiles, or from the end, has no loop form: one sequence would round otherwise."""

    def kernel(x_ref, o_ref):
        o_ref[...] = lax.cumsum(x_ref[...], reverse=reverse)

    x = np.random.default_rng(0).standard_normal(extent, dtype=np.float32)
    function = pl.pallas_call(kernel, out_shape=jax.ShapeDtypeStruct(x.shape, x.dtype))
    with python_loops() as loops:
        found = prism.pallas.run(function, mode="compiled")(x)
    np.testing.assert_array_equal(found, prism.pallas.run(function, mode="debug")(x))
    assert len(loops.outcomes) == (extent <= 16 and not reverse)


@pytest.mark.clause("PALLAS-10")
@pytest.mark.parametrize("shift", [0, 3, -2])
def test_lanes(shift) -> None:
    """Lanes that are off are neither read nor written, and what they hold does not matter."""
    agree(call(lanes, (12,), (8,)), ROWS, np.array([shift], np.int32))


@pytest.mark.clause("PALLAS-10")
def test_arrays_of_indices() -> None:
    """Negative entries count from the end; one beyond it is reported at its line."""

    def kernel(x_ref, i_ref, o_ref):
        o_ref[...] = x_ref[i_ref[...], 2:6]

    function = call(kernel, (4, 4))
    agree(function, ROWS, np.array([0, -1, 2, -3], np.int32))
    report = agree(function, ROWS, np.array([0, 3, 2, 1], np.int32))
    assert report[0] is OutOfBoundsError


def test_a_barrier_passes_all_of_its_operands() -> None:
    """Each result of a barrier is its own operand."""

    def kernel(x_ref, o_ref):
        first, second = jax.lax.optimization_barrier((x_ref[0], x_ref[1] * 2))
        o_ref[...] = first - second

    agree(call(kernel, (8,)), ROWS)


@pytest.mark.clause("PALLAS-11")
def test_lanes_without_a_value_hold_nothing() -> None:
    """A sum over lanes that are off is reported."""

    def kernel(x_ref, o_ref):
        o_ref[...] = x_ref[0] + jnp.sum(plgpu.load(x_ref.at[1, pl.ds(0, 8)], mask=jnp.arange(8) < 6))

    assert agree(call(kernel, (8,)), ROWS)[0] is UninitializedReadError


@pytest.mark.clause("PALLAS-11")
def test_scratch_keeps_what_was_written_of_it() -> None:
    """A row of scratch that a step wrote may be read in the next one; a row that none wrote is reported."""

    def kernel(x_ref, o_ref, s_ref, *, read):
        step = pl.program_id(0)
        s_ref[pl.ds(step, 1)] = x_ref[...]
        o_ref[...] = s_ref[pl.ds(jnp.maximum(step - read, 0), 1)] + s_ref[pl.ds(jnp.minimum(step + read, 3), 1)]

    def function(read):
        row = pl.BlockSpec((1, 8), lambda i: (i, 0))
        return call(
            lambda *refs: kernel(*refs, read=read),
            (3, 8),
            grid=(3,),
            in_specs=[row],
            out_specs=[row],
            scratch_shapes=[pltpu.VMEM((4, 8), jnp.float32)],
        )

    agree(function(0), ROWS)
    assert agree(function(1), ROWS)[0] is UninitializedReadError


@pytest.mark.clause("PALLAS-5")
def test_blocks_by_table_and_padding() -> None:
    """Blocks found through prefetched memory serve every run of the same loops; padding may be read, but not used."""

    def kernel(i_ref, x_ref, o_ref):
        o_ref[...] = jnp.where(jnp.arange(8) < 7, x_ref[...], 0.0) + i_ref[pl.program_id(0)].astype(jnp.float32)

    def function(index, x):
        spec = pltpu.PrefetchScalarGridSpec(
            num_scalar_prefetch=1,
            grid=(3,),
            in_specs=[pl.BlockSpec((1, 8), lambda i, ref: (ref[i], 0))],
            out_specs=[pl.BlockSpec((1, 8), lambda i, _: ((i + 1) % 3, 0))],
        )
        return call_with(kernel, spec)(index, x)

    def call_with(kernel, spec):
        return pl.pallas_call(kernel, out_shape=[jax.ShapeDtypeStruct((3, 8), jnp.float32)], grid_spec=spec)

    short = ROWS[:, :7]
    with python_loops() as loops:
        for index in (np.array([2, 0, 1], np.int32), np.array([0, 1, 2], np.int32)):
            found = prism.pallas.run(function, mode="compiled")(index, short)
            np.testing.assert_array_equal(found[0], prism.pallas.run(function, mode="debug")(index, short)[0])
    assert len(set(loops.sources)) == 1
    assert 1 not in loops.outcomes


@pytest.mark.clause("PALLAS-13")
@pytest.mark.parametrize("kind", KINDS)
def test_planted_bugs_are_reported(kind) -> None:
    """Compiled mode names each planted bug at its line."""
    with python_loops() as loops:
        missed = [bug for bug in KINDS[kind] if not bug.is_named_by(_report(bug))]
    assert not missed
    assert loops.sources or kind == "overlapping writes"


def _report(bug):
    try:
        prism.pallas.run(lambda: bug.program(False), mode="compiled")()
    except KernelError as error:
        return error
    return None
