"""The float32 product: one fused multiply-add after the other in every form, layout, batch and mode."""

from __future__ import annotations

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from jax.experimental import pallas as pl

import prism.pallas
from prism.pallas import dot
from prism.pallas.numba_source import compiled

pytestmark = pytest.mark.m6

EXTENTS = st.integers(0, 6) | st.just(13)
FLOATS = st.floats(-(2.0**40), 2.0**40, width=32) | st.floats(-(2.0**-70), 2.0**-70, width=32)
# The sum of the product 2**-24 - 2**-70 and the odd number before it lies below the half between two float32 numbers,
# and in float64 on it; the second pair is the same among subnormal numbers.
ODD = np.float32(1 + 2.0**-23)
NEAR_HALF = (np.array([[ODD, ODD]]), np.array([[1], [2.0**-24 * (1 - 2.0**-23)]], np.float32))
NEAR_SUBNORMAL_HALF = (
    np.array([[2.0**-127 + 2.0**-149, ODD * np.float32(2.0**-75)]], np.float32),
    np.array([[1], [2.0**-75 * (1 - 2.0**-23)]], np.float32),
)


def fma(a, b, c):
    """Return a * b + c in exact arithmetic, rounded to the nearest float32, of two the even one."""
    exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
    near = np.float32(float(exact))
    around = (near, np.nextafter(near, np.float32(-np.inf)), np.nextafter(near, np.float32(np.inf)))
    return min(around, key=lambda v: (abs(Fraction(float(v)) - exact), int(v.view(np.int32)) & 1))


def in_order(x, y):
    """Return x @ y of float32 [m, k] and [k, n] by `fma` in ascending k."""
    result = np.zeros((x.shape[0], y.shape[1]), np.float32)
    for i, j in np.ndindex(result.shape):
        for k in range(x.shape[1]):
            result[i, j] = fma(x[i, k], y[k, j], result[i, j])
    return result


def every_form(x, y):
    """Return the product by the loops, by NumPy, and by the function that chooses."""
    lead = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    return dot.by_loops(x, y, lead), dot.by_numpy(x, y, lead), dot.dot(x, y)


@st.composite
def operands(draw):
    """Draw matrices that can be multiplied, each row-major or transposed."""
    m, k, n = draw(EXTENTS), draw(EXTENTS), draw(EXTENTS)
    x, y = (draw(hnp.arrays(np.float32, shape, elements=FLOATS)) for shape in ((m, k), (k, n)))
    return (x, y) if draw(st.booleans()) else (np.asfortranarray(x), np.asfortranarray(y))


@pytest.mark.slow
@pytest.mark.clause("PALLAS-4")
@settings(max_examples=60, deadline=None)
@given(operands())
@example(NEAR_HALF)
@example(NEAR_SUBNORMAL_HALF)
def test_a_product_is_fused_and_in_order(pair) -> None:
    """Every element is what exact arithmetic rounded once a step gives, in the order of k, by either form."""
    expected = in_order(*pair)
    for result in every_form(*pair):
        np.testing.assert_array_equal(result, expected)


@pytest.mark.slow
@pytest.mark.clause("PALLAS-4")
@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((3, 5, 7), (7, 33)),
        ((5, 7), (3, 7, 33)),
        ((2, 1, 5, 7), (4, 7, 2)),
        ((2, 6, 3), (2, 3, 0)),
        ((0, 6, 3), (3, 2)),
    ],
)
def test_a_batch_is_its_products(left, right) -> None:
    """Leading axes broadcast, of whatever layout, and each matrix has the bits that it has alone."""
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal(shape, np.float32) for shape in (left, right))
    for a, b in ((x, y), (np.asfortranarray(x), np.asfortranarray(y))):
        for result in every_form(a, b):
            assert result.shape == np.matmul(x, y).shape
            xs, ys = (np.broadcast_to(v, (*result.shape[:-2], *v.shape[-2:])) for v in (x, y))
            for place in np.ndindex(result.shape[:-2]):
                np.testing.assert_array_equal(result[place], in_order(xs[place], ys[place]))


@pytest.mark.clause("PALLAS-4")
def test_a_wide_product_is_in_order_too() -> None:
    """The loops take a wide right operand in blocks of rows, which changes no bit of the sum over all of them."""
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((5, 11), np.float32), rng.standard_normal((11, 40000), np.float32)
    np.testing.assert_array_equal(dot.by_loops(x, y, ()), dot.by_numpy(x, y, ()))


def test_what_is_not_finite_stays_so() -> None:
    """Infinities, NaN and overflow go through both forms alike."""
    x = np.array([[np.inf, 1], [2e38, 2e38], [np.nan, 0]], np.float32)
    y = np.array([[0, 1, 2], [1, 1, -np.inf]], np.float32)
    with np.errstate(all="ignore"):
        for result in every_form(x, y):
            np.testing.assert_array_equal(
                result, [[np.nan, np.inf, np.nan], [np.float32(2e38), np.inf, np.nan], [np.nan] * 3]
            )


def test_the_loops_are_loaded_when_they_pay() -> None:
    """Small products do not load Numba; once a quarter of a second was spent without it, or would be, all do."""
    load = dot._Load()
    assert not any(load.pays(64**3, 64) for _ in range(200))
    assert load.pays(1024**3, 1024)
    assert load.pays(1, 1)


def tiles(x, y):
    """Multiply (24, 40) by (40, 64), a block of 8 rows and 32 columns a step."""

    def kernel(x_ref, y_ref, o_ref):
        o_ref[...] = jnp.dot(x_ref[...], y_ref[...], preferred_element_type=jnp.float32)

    return pl.pallas_call(
        kernel,
        grid=(3, 2),
        in_specs=[pl.BlockSpec((8, 40), lambda i, _: (i, 0)), pl.BlockSpec((40, 32), lambda _, j: (0, j))],
        out_specs=pl.BlockSpec((8, 32), lambda i, j: (i, j)),
        out_shape=jax.ShapeDtypeStruct((24, 64), jnp.float32),
    )(x, y)


@pytest.mark.parametrize("name", ["dot", "np", "range", "if", "x_ref"])
def test_a_kernel_may_be_called_as_what_its_program_calls(name) -> None:
    """The generated function hides neither the product, nor NumPy, nor a builtin, whatever the kernel's name."""

    def kernel(x_ref, o_ref):
        for k in range(2):
            o_ref[k] = jnp.dot(x_ref[...], x_ref[...]) * jnp.float32(k + 1)

    def call(x):
        return pl.pallas_call(kernel, out_shape=jax.ShapeDtypeStruct((2, 4, 4), jnp.float32), name=name)(x)

    x = np.arange(16, dtype=np.float32).reshape(4, 4)
    np.testing.assert_array_equal(prism.pallas.run(call, mode="fast")(x), [x @ x, 2 * (x @ x)])


@pytest.mark.clause("PALLAS-1")
@pytest.mark.slow
def test_every_mode_has_the_same_product(tmp_path, monkeypatch) -> None:
    """Debug mode, fast mode's batched grid and compiled mode's loops agree with the whole product, bit for bit."""
    monkeypatch.setattr(compiled, "DIRECTORY", tmp_path)
    prism.pallas.clear_caches()
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((24, 40), np.float32), rng.standard_normal((40, 64), np.float32)
    for mode in ("debug", "fast", "compiled"):
        np.testing.assert_array_equal(prism.pallas.run(tiles, mode=mode)(x, y), dot.dot(x, y), err_msg=mode)
    assert "_multiply(" in next(tmp_path.glob("k*.py")).read_text(encoding="utf-8")
    assert "dot(" in prism.pallas.source(tiles)(x, y)
