"""prism.codegen.elementary: a function has the same bits over NumPy arrays and in compiled loops."""

from __future__ import annotations

import jax
import ml_dtypes
import numpy as np
import pytest
from jax import lax
from jax.experimental import pallas as pl

import prism.pallas
from prism.codegen.elementary import TEXTS, narrow, source, ufunc

pytestmark = pytest.mark.m6

RANGE = {
    "sin": (-3e4, 3e4),
    "cos": (-3e4, 3e4),
    "log": (1e-3, 40),
    "acosh": (1, 40),
    "asin": (-1, 1),
    "acos": (-1, 1),
    "atanh": (-0.99, 0.99),
    "log1p": (0, 9),
    "log2": (1e-3, 40),
}
NAMES = [name for name in TEXTS if hasattr(lax, f"{name}_p")]
"""The functions that the installed JAX has; log2 is a primitive since 0.11."""


def _operands(name: str, dtype: type) -> list[np.ndarray]:
    low, high = RANGE.get(name, (-9, 9))
    rng = np.random.default_rng(0)
    return [rng.uniform(low, high, 300).astype(dtype) for _ in range(TEXTS[name].arity)]


@pytest.mark.slow
@pytest.mark.clause("PALLAS-1")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_loops_and_arrays_have_the_same_bits(dtype: type) -> None:
    """One kernel of all functions gives, compiled, what it gives equation by equation."""

    def kernel(*refs) -> None:
        given, out = refs[:-1], refs[-1]
        for k, name in enumerate(NAMES):
            operands = [ref[k] for ref in given[: TEXTS[name].arity]]
            out[k] = getattr(lax, f"{name}_p").bind(*operands, **({"accuracy": None} if TEXTS[name].arity == 1 else {}))

    with jax.enable_x64(True):
        rows = [np.stack([(_operands(name, dtype) * 2)[k] for name in NAMES]) for k in range(2)]
        call = pl.pallas_call(kernel, out_shape=jax.ShapeDtypeStruct(rows[0].shape, dtype))
        compiled, debug = (np.asarray(prism.pallas.run(call, mode=mode)(*rows)) for mode in ("compiled", "debug"))
    assert np.isfinite(debug).all()
    np.testing.assert_array_equal(compiled, debug)


@pytest.mark.parametrize("name", TEXTS)
def test_a_function_is_the_one_that_it_is_called(name: str) -> None:
    """In float64 each is NumPy's within a few units in the last place, and may be written over its operand."""
    theirs = {"logistic": lambda x: 1 / (1 + np.exp(-x))}.get(name)
    theirs = theirs or getattr(np, name if hasattr(np, name) else name.replace("a", "arc", 1))
    operands = _operands(name, np.float64)
    expected = theirs(*operands)
    np.testing.assert_allclose(ufunc(name, np.dtype(np.float64))(*operands, out=operands[0]), expected, rtol=4e-15)
    np.testing.assert_array_equal(operands[0], ufunc(name, np.dtype(np.float64))(*_operands(name, np.float64)))


def test_a_narrow_float_is_computed_in_float32_and_rounded_once() -> None:
    """bfloat16 in, bfloat16 out, with the rounding of the float32 result."""
    x = np.linspace(-4, 4, 100).astype(ml_dtypes.bfloat16)
    wide = ufunc("exp", np.dtype(np.float32))(x.astype(np.float32))
    np.testing.assert_array_equal(narrow("exp")(x), wide.astype(ml_dtypes.bfloat16))


def test_a_module_says_its_types() -> None:
    """The source of a ufunc names one signature, and only the functions that it needs."""
    text = source("atan2", np.dtype(np.float64))
    assert '@numba.vectorize(["float64(float64, float64)"], cache=True)' in text
    assert "_exp" not in text
