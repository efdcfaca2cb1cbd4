"""Planning as a result that one can read: which form a kernel has, what becomes of its grid, and why."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import pallas as pl

import prism.pallas
from prism.pallas.cache import cache
from prism.pallas.planning import choice_of
from tests.unit.pallas.kernels import double, total

pytestmark = [pytest.mark.m6, pytest.mark.clause("PALLAS-6")]

X = np.arange(8, dtype=np.float32)


def _stepwise(kernel):
    """Return a kernel over a grid of two by four blocks."""
    spec = pl.BlockSpec((1, 2), lambda i, j: (i, j))
    shape = jax.ShapeDtypeStruct((2, 8), np.float32)
    return pl.pallas_call(kernel, grid=(2, 4), in_specs=[spec], out_specs=spec, out_shape=shape)


def _branching(x_ref, o_ref):
    o_ref[...] = x_ref[...]

    @pl.when(pl.program_id(0) == 1)
    def _later():
        o_ref[...] = -x_ref[...]


def _printing(x_ref, o_ref):
    jax.debug.print("{}", x_ref[0, 0])
    o_ref[...] = x_ref[...]


def _summing(x_ref, o_ref):
    o_ref[...] = jnp.cumsum(x_ref[...], axis=1, dtype=np.float32)


def test_an_explanation_is_printed_and_returned(capsys) -> None:
    """It names the kernel, the fate of each axis of more than one step, and both forms."""
    text = prism.pallas.explain(double)(X)
    assert capsys.readouterr().out == text
    head, axis, fast, loops = text.splitlines()
    assert head.startswith("kernel _double_kernel of ")
    assert head.endswith("kernels.py:11 in _double_kernel, grid (2,)")
    assert axis == "  axis 0, 2 steps: batched"
    assert fast.startswith("  fast: NumPy source of ")
    assert loops.startswith("  compiled: loops of ")


def test_what_is_explained_is_what_is_run() -> None:
    """An axis is batched exactly if the source has no loop over it; the others say which line is in the way."""
    text = prism.pallas.explain(_stepwise(_branching))(np.stack([X, X]))
    source = prism.pallas.source(_stepwise(_branching))(np.stack([X, X]))
    assert "axis 0, 2 steps: one step after the other: cond at " in text
    assert "test_planning.py:31 in _branching differs along it and cannot be batched" in text
    assert "axis 1, 4 steps: batched" in text
    assert [f"for i{axis} in" in source for axis in (0, 1)] == [True, False]
    assert f"NumPy source of {source.count(chr(10))} lines" in text
    assert "cond at " in prism.pallas.explain(total)(X)


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"mode": "debug"}, "the parameters ask for debug mode"),
        ({"out_of_bounds": "clamp"}, "indices are clamped, which debug mode does access by access"),
    ],
)
def test_parameters_may_leave_debug_mode_alone(params, why) -> None:
    """Both forms are then refused for the same reason."""
    text = prism.pallas.explain(double, **params)(X)
    assert f"  fast: none: {why}\n  compiled: none: {why}\n" in text


def test_each_form_says_why_it_is_not_there(capsys) -> None:
    """Effects, uncovered outputs, mistaken blocks, element types and primitives each have their words."""
    steps = np.stack([X, X])
    assert "it prints, calls back or waits" in prism.pallas.explain(_stepwise(_printing))(steps)
    assert "compiled: none: Numba has no element type" in prism.pallas.explain(double)(X.astype("bfloat16"))
    sums = prism.pallas.explain(pl.pallas_call(_summing, out_shape=jax.ShapeDtypeStruct((1, 32), np.float32)))
    assert "compiled: none: this use of cumsum at " in sums(np.ones((1, 32), np.float32))
    shuffled = prism.pallas.explain(double, grid_order="shuffled")(X)
    assert "compiled: none: loops run in the order of the grid" in shuffled
    capsys.readouterr()


def _choice(block, index_map, x):
    """Return what planning finds of a copy whose output blocks are chosen so; nothing is run."""
    call = pl.pallas_call(
        lambda x_ref, o_ref: o_ref.__setitem__(..., x_ref[...]),
        grid=(2,),
        in_specs=[pl.BlockSpec(block, index_map)],
        out_specs=pl.BlockSpec(block, index_map),
        out_shape=jax.ShapeDtypeStruct(x.shape, x.dtype),
    )
    (equation,) = jax.make_jaxpr(call)(x).eqns
    return choice_of(cache.prepared(equation.params), [x], prism.pallas.InterpretParams())


def test_blocks_that_debug_mode_reports_have_no_other_form() -> None:
    """Blocks beyond the array, and blocks that leave a part of an output out."""
    assert "the blocks are a mistake" in _choice((4,), lambda i: (i + 1,), X).fast
    assert "some element of an output is in no block" in _choice((2,), lambda i: (i,), X).fast
    large = _choice((1 << 17,), lambda i: (i,), np.zeros(1 << 18, np.float32))
    assert large.axes[0].fate == "one step after the other: a step moves 1048576 bytes, which fill the cache"
