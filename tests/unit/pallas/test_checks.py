"""Checks in kernels: checkify.check and pl.debug_check."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from jax.experimental import checkify
from jax.experimental import pallas as pl

import prism.pallas
from prism.pallas import CheckError

pytestmark = [pytest.mark.m6, pytest.mark.clause("PALLAS-17")]

MODES = pytest.mark.parametrize("mode", ["debug", "auto", "compiled"])


def _call(kernel):
    spec = pl.BlockSpec((4,), lambda i: (i,))
    shape = jax.ShapeDtypeStruct((12,), np.float32)
    return pl.pallas_call(kernel, grid=(3,), in_specs=[spec], out_specs=spec, out_shape=shape)


@MODES
def test_a_check_that_fails_names_its_line_and_step(mode) -> None:
    """The report has the check's own words and values, its line and the step; a check that holds changes nothing."""

    def kernel(x_ref, o_ref):
        checkify.check(x_ref[0] >= 0, "x starts with {first}", first=x_ref[0])
        o_ref[...] = 2 * x_ref[...]

    x = np.arange(12, dtype=np.float32)
    np.testing.assert_array_equal(prism.pallas.run(_call(kernel), mode=mode)(x), 2 * x)
    x[8] = -5
    words = r"test_checks\.py:\d+ in .*kernel: check failed: x starts with -5\.0"
    with pytest.raises(CheckError, match=words) as caught:
        prism.pallas.run(_call(kernel), mode=mode)(x)
    assert caught.value.step == (2,)
    assert "the kernel's own check does not hold" in str(caught.value)
    assert " of shape " not in str(caught.value)


@MODES
def test_a_debug_check_counts_where_debug_checks_are_enabled(mode) -> None:
    """It holds by default, as when it is lowered; with `pl.enable_debug_checks` the same traced call is checked."""

    def kernel(x_ref, o_ref):
        pl.debug_check(x_ref[0] < 8, "the last block")
        o_ref[...] = x_ref[...]

    call, x = prism.pallas.run(_call(kernel), mode=mode), np.arange(12, dtype=np.float32)
    np.testing.assert_array_equal(call(x), x)
    with pl.enable_debug_checks(True), pytest.raises(CheckError, match="the last block"):
        call(x)


@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_checkify_turns_debug_checks_into_checks(wrap) -> None:
    """As it does outside of kernels, also in a branch of one; without it they are dropped, as JAX documents."""

    def kernel(x_ref, o_ref):
        @pl.when(x_ref[0] > 0)
        def _():
            checkify.debug_check(x_ref[0] < 8, "the last block")

        o_ref[...] = x_ref[...]

    call, x = _call(kernel), np.arange(12, dtype=np.float32)
    with prism.pallas.interpret():
        np.testing.assert_array_equal(wrap(call)(x), x)
        error, good = checkify.checkify(wrap(call))(x[::-1] / 4)
        assert error.get() is None
        np.testing.assert_array_equal(good, x[::-1] / 4)
        with pytest.raises(CheckError, match="the last block"):
            checkify.checkify(wrap(call))(x)
        np.testing.assert_array_equal(checkify.checkify(wrap(call), errors=checkify.nan_checks)(x)[1], x)
