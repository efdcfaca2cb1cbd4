"""The primitive table agrees with XLA, corner cases included."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import prism.pallas
from prism.pallas.primitives.elementwise import divide, erf_inv, in_total_order, remainder
from prism.pallas.primitives.table import TABLE

pytestmark = pytest.mark.m6

F = np.array([[-2.5, -1.0, -0.0], [0.3, 0.5, 7.25]], np.float32)
UNIT = np.array([-0.9, -0.5, 0.0, 0.25, 0.75], np.float32)
ABOVE = np.array([1.0, 1.5, 2.0, 9.0], np.float32)
INTS = np.array([[-7, -1, 0], [1, 5, 2**31 - 1]], np.int32)
J = np.array([[2, -3, 0], [0, -2, 2]], np.int32)
U = np.array([0, 1, 5, 2**32 - 1], np.uint32)
B = np.array([[True, False, True], [False, False, True]])
SUBNORMAL = np.array([0, 1e-40, -1e-40, 2e-38], np.float32)
ODD = np.array([np.nan, np.inf, -np.inf, 3e9, -3e9, 1.9, -1.9], np.float32)


def _agree(function, *args, exact=False):
    got = jax.tree.leaves(prism.pallas.run(function, mode="debug")(*args))
    want = jax.tree.leaves(jax.jit(function)(*args))
    assert len(got) == len(want)
    for mine, theirs in zip(got, want, strict=True):
        theirs = np.asarray(theirs)
        assert (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype)
        if mine.dtype.kind == "V":
            mine, theirs = mine.astype(np.float32), theirs.astype(np.float32)
        if exact or mine.dtype.kind in "biu":
            np.testing.assert_array_equal(mine, theirs)
        else:
            np.testing.assert_allclose(mine, theirs, rtol=2e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.clause("PALLAS-4")
def test_float_functions() -> None:
    """Elementwise functions of floats agree with XLA."""

    def function(x, unit, above):
        whole = [
            lax.neg,
            lax.sign,
            lax.abs,
            lax.floor,
            lax.ceil,
            lax.exp,
            lax.exp2,
            lax.expm1,
            lax.sin,
            lax.cos,
            lax.tan,
        ]
        whole += [lax.sinh, lax.cosh, lax.tanh, lax.asinh, lax.atan, lax.cbrt, lax.square, lax.logistic, lax.is_finite]
        whole += [lax.erf, lax.erfc, lambda v: lax.integer_pow(v, 3), lambda v: lax.integer_pow(v, -2)]
        whole += [lambda v: lax.round(v, lax.RoundingMethod.TO_NEAREST_EVEN), lax.round]
        whole += [lambda v: lax.reduce_precision(v, 5, 10), lambda v: lax.clamp(-1.0, v, 1.0)]
        inside = [lax.asin, lax.acos, lax.atanh, lax.erf_inv, lax.log1p]
        positive = [lax.log, jnp.log2, lax.sqrt, lax.rsqrt, lax.acosh, lax.lgamma, lax.digamma]
        binary = [lax.add, lax.sub, lax.mul, lax.div, lax.max, lax.min, lax.atan2, lax.rem, lax.nextafter]
        return (
            [f(x) for f in whole],
            [f(unit) for f in inside],
            [f(above) for f in positive],
            [f(x, x[::-1]) for f in binary],
            lax.pow(above, above),
            lax.select(x > 0, x, -x),
        )

    _agree(function, F, UNIT, ABOVE)


@pytest.mark.clause("PALLAS-4")
def test_integer_corner_cases() -> None:
    """Division truncates, by zero gives -1; shifts by the width give 0 or the sign; everything wraps."""

    def function(x, y, u):
        shifts = [lax.shift_left, lax.shift_right_arithmetic, lax.shift_right_logical]
        amounts = [jnp.full_like(x, n) for n in (0, 3, 31, 32, 40)]
        return (
            [f(x, y) for f in (lax.div, lax.rem, lax.add, lax.mul, lax.bitwise_and, lax.bitwise_or, lax.bitwise_xor)],
            [f(x, n) for f in shifts for n in amounts],
            [f(x) for f in (lax.clz, lax.population_count, lax.bitwise_not, lax.neg, lax.sign, lax.abs)],
            [f(u, jnp.full_like(u, 3)) for f in (lax.div, lax.rem, *shifts)],
            lax.clz(u),
            lax.integer_pow(x, 2),
        )

    _agree(function, INTS, J, U)


@pytest.mark.clause("PALLAS-4")
@pytest.mark.parametrize("function", [divide, remainder])
def test_a_scalar_divides_as_an_element_of_an_array_does(function) -> None:
    """Every pair of int8, a Python integer as the divisor included: the same value and type."""
    numbers = np.arange(-128, 128).astype(np.int8)
    with np.errstate(all="ignore"):
        table = function(numbers[:, None], numbers[None, :])
        for j, divisor in enumerate(numbers):
            np.testing.assert_array_equal(function(numbers, divisor), table[:, j], strict=True)
            np.testing.assert_array_equal(function(numbers, int(divisor)), table[:, j], strict=True)
        for k, j in np.ndindex(256, 256):
            for divisor in (numbers[j], int(numbers[j])) if k % 16 == 0 else (numbers[j],):
                got = function(numbers[k], divisor)
                assert (got, got.dtype) == (table[k, j], np.int8)


def test_total_order() -> None:
    """It puts -NaN before everything, NaN behind it, and -0 before 0; a search by it is XLA's."""
    ordered = np.array([np.copysign(np.nan, -1), -np.inf, -1.5, -0.0, 0.0, 1e-30, 2.0, np.inf, np.nan], np.float32)
    for values in (ordered, ordered.astype("bfloat16"), INTS.reshape(-1)):
        keys = in_total_order(values)
        np.testing.assert_array_equal(keys[:, None] < keys, np.arange(len(keys))[:, None] < np.arange(len(keys)))
    _agree(lambda x, i: (jnp.searchsorted(x[1:], x), jnp.searchsorted(i, i, side="right")), ordered, np.sort(J[0]))


@pytest.mark.clause("PALLAS-4")
def test_conversions() -> None:
    """Float to integer saturates and takes NaN to 0; integers wrap; sub-byte and narrow types included."""

    def function(odd, i, b, subnormal):
        targets = [jnp.int8, jnp.uint8, jnp.int16, jnp.int32, jnp.uint32, jnp.bfloat16, jnp.float16, jnp.bool_]
        return (
            [lax.convert_element_type(odd, t) for t in targets],
            [lax.convert_element_type(i, t) for t in (jnp.int8, jnp.uint16, jnp.float32, jnp.bool_)],
            lax.convert_element_type(b, jnp.float32),
            lax.convert_element_type(lax.convert_element_type(i, jnp.int4), jnp.int32),
            lax.convert_element_type(lax.convert_element_type(odd, jnp.int4), jnp.int32),
            lax.convert_element_type(lax.convert_element_type(odd[3:], jnp.float8_e4m3fn), jnp.float32),
            lax.convert_element_type(subnormal, jnp.bool_),
            lax.bitcast_convert_type(odd, jnp.int32),
            lax.bitcast_convert_type(odd, jnp.uint8),
            lax.bitcast_convert_type(lax.bitcast_convert_type(i, jnp.int16), jnp.int32),
        )

    _agree(function, ODD, INTS, B, SUBNORMAL, exact=True)


@pytest.mark.clause("PALLAS-4")
def test_the_inverse_error_function() -> None:
    """Narrow results are XLA's; in float32 at most one in fifty differs, and then by two units."""
    x = np.linspace(-1.0, 1.0, 2001, dtype=np.float32)
    half = x.astype(np.float16)
    with np.errstate(all="ignore"):
        mine, mine_half, outside = erf_inv(x), erf_inv(half), erf_inv(np.float32(1.5))
    theirs = np.asarray(lax.erf_inv(x))
    units = np.abs(mine.view(np.int32) - theirs.view(np.int32))
    assert units.max() <= 2
    assert np.mean(units > 0) < 0.02
    np.testing.assert_array_equal(mine[[0, -1]], [-np.inf, np.inf])
    assert np.isnan(outside)
    np.testing.assert_array_equal(mine_half, np.asarray(lax.erf_inv(half)))


@pytest.mark.slow
@pytest.mark.clause("PALLAS-4")
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_cumulative_sums_and_products(dtype) -> None:
    """Scans of floats round as XLA's do: tiles of 16 one element after the other, and the tiles the same way."""
    x = np.random.default_rng(0).uniform(0.5, 1.5, (3, 300)).astype(dtype)

    def function(x):
        return [
            f(v, axis=1, reverse=r) for f in (lax.cumsum, lax.cumprod) for v in (x, x[:, :16]) for r in (False, True)
        ]

    _agree(function, x, exact=True)


def test_shapes() -> None:
    """Primitives that move elements agree with XLA."""

    def function(x, i):
        return (
            lax.broadcast_in_dim(x, (4, 2, 3), (1, 2)),
            lax.transpose(x, (1, 0)),
            lax.reshape(x, (3, 2), dimensions=(1, 0)),
            lax.expand_dims(x, (1,)),
            lax.squeeze(x[:1], (0,)),
            lax.concatenate([x, x[:1]], 0),
            lax.pad(x, np.float32(9), ((1, 2, 1), (-1, 3, 2))),
            lax.slice(x, (0, 0), (2, 3), (1, 2)),
            lax.rev(x, (1,)),
            lax.split(x, (1, 2), axis=1),
            lax.iota(np.int32, 5),
            lax.broadcasted_iota(np.int32, (2, 3), 1),
            jnp.stack([x, x]),
            jnp.roll(i, 1, axis=1),
            jnp.tile(x, (2, 1)),
        )

    _agree(function, F, INTS)


def test_reductions_scans_and_sorts() -> None:
    """Reductions keep the operand's type, scans run both ways, sorting is stable with NaN last."""

    def function(x, i, b, odd):
        scans = [lax.cumsum, lax.cumprod, lax.cummax, lax.cummin, lax.cumlogsumexp]
        return (
            [f(x, (0,)) for f in (lax.reduce_sum, lax.reduce_max, lax.reduce_min, lax.reduce_prod)],
            [f(i, (0, 1)) for f in (lax.reduce_sum, lax.reduce_and, lax.reduce_or, lax.reduce_xor)],
            lax.reduce_and(b, (1,)),
            [f(x, axis=1, reverse=r) for f in scans for r in (False, True)],
            lax.argmax(odd, 0, np.int32),
            lax.argmin(x, 1, np.int32),
            lax.sort(odd),
            lax.sort((i, x), dimension=1, num_keys=1),
            lax.top_k(x, 2),
            lax.reduce_sum(lax.convert_element_type(x, jnp.bfloat16), (0, 1)),
        )

    _agree(function, F, INTS, B, ODD)


@pytest.mark.clause("PALLAS-4")
def test_dots() -> None:
    """Batched, transposed and mixed dots agree; int8 accumulates in int32, narrow floats in float32."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 4), dtype=np.float32)
    y = rng.standard_normal((2, 4, 5), dtype=np.float32)
    a, b = rng.integers(-128, 127, (2, 3, 64), dtype=np.int8), rng.integers(-128, 127, (64, 5), dtype=np.int8)

    def function(x, y, a, b):
        dot = lax.dot_general
        narrow = lax.convert_element_type(x[0], jnp.bfloat16)
        return (
            dot(x, y, (((2,), (1,)), ((0,), (0,)))),
            dot(x, y, (((0, 2), (0, 1)), ((), ()))),
            dot(x[0], x[1], (((1,), (1,)), ((), ()))),
            dot(x[0], x[1], (((0,), (0,)), ((), ()))),
            dot(a[0], b, (((1,), (0,)), ((), ())), preferred_element_type=np.dtype(np.int32)),
            dot(narrow, narrow, (((1,), (1,)), ((), ())), preferred_element_type=np.dtype(np.float32)),
            x[0] @ y[0],
        )

    _agree(function, x, y, a, b)


def test_gather_scatter_and_dynamic_slices() -> None:
    """Windows outside of the operand are clamped, filled or dropped as the mode says."""
    where = np.array([[0], [4], [-1], [2]], np.int32)

    def function(x, i, k, update):
        out = x.reshape(-1)
        return (
            x[:, k[:, 0]],
            jnp.take(out, k[:, 0], mode="fill"),
            jnp.take(out, k[:, 0], mode="clip"),
            [jnp.take(v, 9 * k, axis=0, mode=m) for v in (x, x[0], x.astype(int)) for m in ("fill", "clip", "wrap")],
            jnp.take_along_axis(x, jnp.argsort(x, axis=1), axis=1),
            lax.dynamic_slice(x, (i[0, 0], i[1, 1]), (1, 2)),
            lax.dynamic_update_slice(x, update, (i[1, 0], i[1, 1])),
            out.at[k[:, 0]].add(update[0, 0], mode="drop"),
            out.at[jnp.array([1, 1, 3])].set(jnp.array([1.0, 2.0, 3.0])),
            out.at[jnp.array([1, 1, 3])].max(9.0),
            out.at[jnp.array([1, 1, 9, 3])].add(jnp.array([1.0, 2.0, 7.0, 3.0])),
            out.at[jnp.array([1, 1, 3])].mul(2.0),
        )

    _agree(function, F, INTS, where, np.ones((1, 2), np.float32))


def test_every_primitive_of_the_yardstick_has_a_rule() -> None:
    """The computing primitives that the reference suites lower are all in the table."""
    named = (
        "reshape convert_element_type dot_general broadcast_in_dim add roll mul eq lt ne select_n nextafter ge le "
        "gt transpose iota pad slice concatenate add_any integer_pow neg reduce_sum sub exp reduce_max reduce_min "
        "and sign squeeze abs argmax argmin sin cos bitcast_convert_type erf_inv rem cumsum broadcast_to div tanh "
        "exp2 not log sqrt is_finite or clamp split shift_left xor stack acos acosh asin asinh atan atanh cbrt ceil "
        "cosh expm1 floor log1p rsqrt sinh tan reduce_and reduce_or square dynamic_slice shift_right_arithmetic "
        "shift_right_logical clz population_count gather pow unstack min scatter bitcast max multiple_of log2"
    )
    assert sorted(set(named.split()) - set(TABLE)) == []
