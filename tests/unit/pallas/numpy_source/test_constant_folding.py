"""What is known before a kernel runs is not computed when it does, and nothing else is left out."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plt_triton

import prism.pallas
from prism.pallas import OutOfBoundsError

pytestmark = [pytest.mark.m6, pytest.mark.clause("PALLAS-6")]

X = np.arange(8, dtype=np.float32)


def _agree(call, *args):
    """Return the source of a call whose fast mode gives what debug mode gives."""
    fast, debug = (prism.pallas.run(call, mode=mode)(*args) for mode in ("fast", "debug"))
    np.testing.assert_array_equal(fast, debug)
    return prism.pallas.source(call)(*args)


def test_an_axis_and_a_loop_of_one_step_are_no_loops() -> None:
    """Their index is the constant 0, which chooses branches and blocks."""

    def kernel(x_ref, o_ref):
        @pl.when(pl.program_id(1) == 0)
        def _start():
            o_ref[...] = jnp.zeros_like(o_ref)

        def body(k, total):
            return total + x_ref[pl.ds(k * 4, 4)] * (k + 1).astype(jnp.float32)

        o_ref[...] += lax.fori_loop(0, 1, body, jnp.zeros((4,), jnp.float32))

        @pl.when(pl.program_id(1) > 0)
        def _never():
            o_ref[...] = x_ref[...] / 0.0

    call = pl.pallas_call(
        kernel,
        grid=(2, 1),
        in_specs=[pl.BlockSpec((4,), lambda i, _: (i,))],
        out_specs=pl.BlockSpec((4,), lambda i, _: (i,)),
        out_shape=jax.ShapeDtypeStruct((8,), np.float32),
    )
    body = _agree(call, X).split("def ")[1]
    assert not any(word in body for word in ("for ", "i1", "p1", "/", "astype", "arange"))


def test_a_loop_of_two_steps_stays_one() -> None:
    """What a loop carries is not the constant that it began with."""

    def kernel(x_ref, o_ref):
        o_ref[...] = lax.fori_loop(0, 2, lambda k, t: t * 2.0 + k, jnp.float32(1)) + x_ref[...]

    text = _agree(pl.pallas_call(kernel, out_shape=jax.ShapeDtypeStruct((8,), np.float32)), X)
    assert "for a in range(2):" in text


def _masked(offsets, mask, other=None):
    """Return a Triton-style call that copies the elements at constant offsets where a constant mask holds."""

    def kernel(x_ref, o_ref):
        at = jnp.arange(8) + offsets if np.ndim(offsets) == 0 else lax.iota(jnp.int32, 8) * offsets[1] + offsets[0]
        on = (jnp.arange(8) < mask) if mask is not None else None
        o_ref[...] = jnp.full((8,), -1.0)
        plt_triton.store(o_ref.at[at], plt_triton.load(x_ref.at[at], mask=on, other=other), mask=on)

    return pl.pallas_call(
        kernel, out_shape=jax.ShapeDtypeStruct((8,), np.float32), compiler_params=plt_triton.CompilerParams()
    )


def test_a_mask_that_is_all_true_is_no_mask() -> None:
    """Offsets that count up make a slice; one lane that is off, or another stride, keeps the lanes."""
    assert "masked" not in _agree(_masked(0, 8), X)
    partial = _agree(_masked(0, 7, 5.0), X)
    assert "masked_load" in partial
    assert "masked_store" in partial
    assert "masked_load" in _agree(_masked((7, -1), 8), X)
    assert "masked_load" in _agree(_masked((0, 0), 8), X)


@pytest.mark.parametrize("offset", [-1, 1])
@pytest.mark.parametrize("mode", ["debug", "fast"])
def test_lanes_that_are_on_are_checked_although_their_mask_is_constant(offset, mode) -> None:
    """An element beyond the memory, on either side, is reported as if the mask were computed."""
    with pytest.raises(OutOfBoundsError, match=r"test_constant_folding\.py"):
        prism.pallas.run(_masked(offset, 8), mode=mode)(X)


def test_a_constant_array_is_shared_by_all_runs() -> None:
    """A folded array is nobody's to write over."""

    def kernel(x_ref, o_ref):
        weights = (lax.iota(jnp.float32, 8) + 1.0) * 2.0
        o_ref[...] = weights - x_ref[...]

    call = pl.pallas_call(kernel, out_shape=jax.ShapeDtypeStruct((8,), np.float32))
    assert "iota" not in _agree(call, X)
    run = prism.pallas.run(call, mode="fast")
    np.testing.assert_array_equal(run(X), run(X))
    np.testing.assert_array_equal(run(X), X + 2)
