"""Elementary functions of generated loops, against float64 over all of float32."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import mpmath
import numba
import numpy as np
import pytest
from scipy import special

from prism.codegen.prelude import prelude

pytestmark = pytest.mark.m6

EVERY_1021TH = np.arange(0, 2**32, 1021, dtype=np.uint64).astype(np.uint32).view(np.float32)
BOUNDS_ULP = {"_exp": 1.0, "_exp2": 1.2, "_log": 1.0, "_tanh": 1.5, "_sin": 0.501, "_cos": 0.501}


@pytest.fixture(scope="module")
def functions() -> dict[str, Any]:
    """Each function over an array."""
    loops = "\n".join(
        f"@numba.njit\ndef over{name}(x, out):\n    for k in range(len(x)):\n        out[k] = {name}(x[k])\n"
        for name in (*BOUNDS_ULP, "_logistic")
    )
    scope: dict[str, Any] = {"np": np, "numba": numba}
    exec(prelude(loops) + "\n\n\n" + loops, scope)
    return scope


def applied(functions: dict[str, Any], name: str, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return a function's values."""
    out = np.empty_like(x)
    functions[f"over{name}"](x, out)
    return out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "exact"),
    [("_exp", np.exp), ("_exp2", np.exp2), ("_log", np.log), ("_tanh", np.tanh), ("_sin", np.sin), ("_cos", np.cos)],
)
def test_errors_are_bounded(functions, name, exact) -> None:
    """Finite results lie within the bound in units of the last place; NaN and the infinities are where they must be."""
    with np.errstate(all="ignore"):
        wide = exact(EVERY_1021TH.astype(np.float64))
        narrow = wide.astype(np.float32)
    ours = applied(functions, name, EVERY_1021TH)
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(narrow))
    np.testing.assert_array_equal(np.isinf(ours), np.isinf(narrow))
    finite = np.isfinite(narrow)
    errors = np.abs(ours[finite] - wide[finite]) / np.spacing(np.abs(narrow[finite]))
    assert errors.max() <= BOUNDS_ULP[name]


def test_ends_and_zeros(functions) -> None:
    """Infinities, zeros, the largest and the least arguments give exactly what IEEE arithmetic gives."""
    inf = np.inf
    x = np.array([-inf, -150, -0.0, 0.0, 128, inf], np.float32)
    np.testing.assert_array_equal(
        applied(functions, "_exp2", x), np.array([0, 2.0**-149 / 2, 1, 1, inf, inf], np.float32)
    )
    np.testing.assert_array_equal(applied(functions, "_exp", x), np.array([0, 0, 1, 1, inf, inf], np.float32))
    x = np.array([-1, -0.0, 0.0, 1, inf], np.float32)
    np.testing.assert_array_equal(applied(functions, "_log", x), np.array([np.nan, -inf, -inf, 0, inf], np.float32))


def test_logistic_is_its_formula(functions) -> None:
    """Everywhere, below the least normal number too, logistic lies within 3 units of the last place."""
    x = np.linspace(-104, 100, 99_991, dtype=np.float32)
    wide = special.expit(x.astype(np.float64))
    errors = np.abs(applied(functions, "_logistic", x) - wide) / np.spacing(wide.astype(np.float32))
    assert errors.max() <= 3


def nearest_multiples(exponent: int) -> Iterator[float]:
    """Yield float32 numbers m * 2**exponent that lie nearer to a multiple of pi / 2 than those of smaller m."""
    ratio = mpmath.mpf(2) ** (exponent + 1) / mpmath.pi
    last, m, rest = 0, 1, ratio
    while m < 2**24:
        yield float(mpmath.ldexp(m * (2**23 // m + 1), exponent)) if m < 2**23 else float(mpmath.ldexp(m, exponent))
        rest = 1 / (rest - mpmath.floor(rest))
        last, m = m, int(mpmath.floor(rest)) * m + last


@pytest.mark.parametrize(("name", "exact"), [("_sin", mpmath.sin), ("_cos", mpmath.cos)])
def test_sines_are_exact_where_the_range_is_hard(functions, name, exact) -> None:
    """At the numbers of every exponent that lie nearest to multiples of pi / 2, up to 2**128, the bound holds too."""
    with mpmath.workprec(400):
        x = np.array([v for e in range(-24, 104) for v in nearest_multiples(e)], np.float32)
        wide = [exact(mpmath.mpf(float(v))) for v in x]
        assert min(abs(v) for v in wide) < 2.0**-28
        ours = applied(functions, name, x)
        units = np.spacing(np.abs(np.array(wide, np.float64).astype(np.float32)))
        errors = [abs(float(y) - v) / float(u) for y, v, u in zip(ours, wide, units, strict=True)]
    assert max(errors) <= BOUNDS_ULP[name]


def test_sines_keep_the_sign_of_zero(functions) -> None:
    """A zero and the numbers next to it are their own sine; infinities have none."""
    x = np.array([0.0, -0.0, 1e-45, -1e-45, 1.5e-38, -1.5e-38], np.float32)
    np.testing.assert_array_equal(applied(functions, "_sin", x).view(np.int32), x.view(np.int32))
    np.testing.assert_array_equal(applied(functions, "_cos", x), np.ones(6, np.float32))
    ends = np.array([np.inf, -np.inf, np.nan], np.float32)
    assert all(np.isnan(applied(functions, name, ends)).all() for name in ("_sin", "_cos"))
