"""Conversions at the edges of the element types."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from prism.pallas import dtypes

pytestmark = pytest.mark.m6

INT4, BF16 = np.dtype(ml_dtypes.int4), np.dtype(ml_dtypes.bfloat16)


@pytest.mark.clause("PALLAS-4")
def test_a_float_saturates_at_both_ends_of_every_integer_type() -> None:
    """Values beyond the range become its ends, NaN becomes 0."""
    x = np.array([np.nan, -1e30, 1e30, 2.9, -2.9], np.float32)
    for name in ("int8", "uint8", "int32", "uint32", "int64", "uint64"):
        low, high = dtypes.integer_range(np.dtype(name))
        assert dtypes.convert(x, np.dtype(name)).tolist() == [0, low, high, 2, max(-2, low)]
    assert dtypes.convert(x, INT4).astype(int).tolist() == [0, -8, 7, 2, -2]


@pytest.mark.clause("PALLAS-4")
def test_a_subnormal_number_is_false() -> None:
    """Of float32 and float64, where XLA flushes; the narrow types are computed in float32, which holds theirs."""
    for dtype in (np.float32, np.float64):
        tiny = np.finfo(dtype).tiny
        x = np.array([0, -0.0, tiny / 2, -tiny / 2, tiny, -tiny, np.nan, np.inf], dtype)
        assert dtypes.convert(x, np.dtype(np.bool_)).tolist() == [False] * 4 + [True] * 4
    assert dtypes.convert(np.array([0, 1e-40], BF16), np.dtype(np.bool_)).tolist() == [False, True]
    assert dtypes.convert(np.array([0, 6e-8], np.float16), np.dtype(np.bool_)).tolist() == [False, True]


@pytest.mark.clause("PALLAS-11")
def test_poison_is_what_stock_fills_with() -> None:
    """NaN, the least integer, False; semaphore-sized int16 is 0."""
    assert np.isnan(dtypes.poison(np.dtype(np.float32)))
    assert np.isnan(dtypes.poison(BF16).astype(np.float32))
    assert dtypes.poison(np.dtype(np.int32)) == -(2**31)
    assert dtypes.poison(np.dtype(np.bool_)) == np.False_
    assert int(dtypes.poison(INT4)) == -8


@pytest.mark.parametrize(
    "dtype", [np.dtype(t) for t in ("float32", "float16", "int32", "int16", "uint8")] + [INT4, BF16]
)
def test_fillers_bracket_their_type(dtype) -> None:
    """Unknown values are read as zero, as something small or NaN, and as something near each end of the type."""
    first, *others = dtypes.fillers(dtype)
    values = np.array([float(v) for v in others])
    assert len(others) == dtypes.FILLERS - 1
    assert np.isnan(float(first)) or float(first) <= 0
    assert values.max() >= 7
    assert 0 in (*values, float(first))


def test_a_bitcast_to_narrow_elements_and_back_is_the_identity() -> None:
    """The last axis splits into the low bits first, and joins again."""
    x = np.array([[0x1234, -1]], np.int16)
    halves = dtypes.bitcast(x, np.dtype(np.int8))
    assert halves.tolist() == [[[0x34, 0x12], [-1, -1]]]
    np.testing.assert_array_equal(dtypes.bitcast(halves, np.dtype(np.int16)), x)
    nibbles = dtypes.bitcast(x, INT4)
    assert nibbles.shape == (1, 2, 4)
    assert nibbles[0, 0].astype(int).tolist() == [4, 3, 2, 1]
