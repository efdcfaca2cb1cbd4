"""Conversions between element types as XLA defines them, where NumPy defines something else or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ml_dtypes
import numpy as np

DType = np.dtype[Any]
Array = np.ndarray[Any, DType]
Numeric = Any
"""A NumPy array or scalar: arithmetic takes both, and NumPy has no type for what they share."""
Parameters = Mapping[str, Any]
"""What an equation says besides its operands, by name, as its primitive defines it."""


# Integer types narrower than a byte: bits, signed.
_SUB_BYTE = {
    np.dtype(ml_dtypes.int2): (2, True),
    np.dtype(ml_dtypes.uint2): (2, False),
    np.dtype(ml_dtypes.int4): (4, True),
    np.dtype(ml_dtypes.uint4): (4, False),
}
# Types of which NumPy's own loops are exact but slow, or absent: arithmetic goes through float32.
_NARROW_FLOATS = frozenset(
    np.dtype(t)
    for t in (
        np.float16,
        ml_dtypes.bfloat16,
        ml_dtypes.float8_e3m4,
        ml_dtypes.float8_e4m3,
        ml_dtypes.float8_e4m3b11fnuz,
        ml_dtypes.float8_e4m3fn,
        ml_dtypes.float8_e4m3fnuz,
        ml_dtypes.float8_e5m2,
        ml_dtypes.float8_e5m2fnuz,
        ml_dtypes.float8_e8m0fnu,
        ml_dtypes.float4_e2m1fn,
    )
)


def is_float(dtype: DType) -> bool:
    """Whether `dtype` is a real floating type, narrow ones included."""
    return dtype.kind == "f" or dtype in _NARROW_FLOATS


def is_narrow_float(dtype: DType) -> bool:
    """Whether `dtype` is a floating type of at most 16 bits."""
    return dtype in _NARROW_FLOATS


def is_integer(dtype: DType) -> bool:
    """Whether `dtype` is an integer type, sub-byte ones included; bool is none."""
    return dtype.kind in "iu" or dtype in _SUB_BYTE


def integer_range(dtype: DType) -> tuple[int, int]:
    """Return the least and the greatest value of an integer type."""
    if dtype in _SUB_BYTE:
        bits, signed = _SUB_BYTE[dtype]
        return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def poison(dtype: DType) -> Numeric:
    """Return what fills memory that nobody wrote: NaN, the least integer, or False, as stock interpret mode does."""
    if dtype.kind == "c" or is_float(dtype):
        return np.asarray(np.nan).astype(dtype)[()]
    if is_integer(dtype):
        return np.asarray(integer_range(dtype)[0] if dtype != np.int16 else 0).astype(dtype)[()]
    return np.zeros((), dtype)[()]


FILLERS = 4
"""How many values stand for an unknown one."""


def fillers(dtype: DType) -> tuple[Numeric, ...]:
    """Return what may stand for unknown values, `poison` first.

    A function of the elements that is a sum, an order or a test for a small number differs for some two of them. One
    comes before the greatest integer, so that a loop over an unknown count is told by a short run.
    """
    if dtype.kind == "c" or is_float(dtype):
        limits = (np if dtype.kind == "c" else ml_dtypes).finfo(dtype)
        others: list[Numeric] = [float(limits.max) / 4, float(limits.min) / 4, 0.0]
    elif is_integer(dtype):
        low, high = integer_range(dtype)
        others = [1, high, 0 if dtype != np.int16 else low]
    else:
        others = [True, False, True]
    return (poison(dtype), *(np.asarray(value).astype(dtype)[()] for value in others))


def convert(x: Numeric, dtype: DType) -> Numeric:
    """Return `x` converted to `dtype` as XLA converts.

    Float to integer saturates and maps NaN to 0, integer to integer wraps, anything to bool compares with 0, of which
    a subnormal float32 or float64 is one.
    """
    source = x.dtype
    if source == dtype:
        return x
    if dtype == np.bool_:
        wide = source.kind == "f" and source.itemsize > 2
        return ~(np.abs(x) < np.finfo(source).tiny) if wide else x != np.zeros((), source)
    if is_integer(dtype) and is_float(source):
        return _saturate(x, dtype)
    if source.kind == "c" and dtype.kind != "c":
        return convert(x.real, dtype)
    if dtype in _SUB_BYTE:
        return _wrap_sub_byte(x, dtype)
    if source in _SUB_BYTE or (is_narrow_float(source) and source != np.float16 and is_narrow_float(dtype)):
        return _through(x, np.dtype(np.int32) if source in _SUB_BYTE else np.dtype(np.float32), dtype)
    return x.astype(dtype)


def _through(x: Numeric, middle: DType, dtype: DType) -> Numeric:
    return x.astype(middle).astype(dtype)


def _saturate(x: Numeric, dtype: DType) -> Numeric:
    low, high = integer_range(dtype)
    wide = np.asarray(x, np.float32 if is_narrow_float(x.dtype) else x.dtype)
    # The bounds of a wide integer type are not floats: values at or above 2**k saturate by comparison, not by cast.
    over, under = wide >= float(high), wide <= float(low)
    inside = np.where(over | under | np.isnan(wide), np.zeros((), wide.dtype), wide)
    ints = inside.astype(np.int64 if low < 0 else np.uint64)
    ints = np.where(over, np.asarray(high, ints.dtype), np.where(under, np.asarray(low, ints.dtype), ints))
    return ints.astype(np.int8 if dtype in _SUB_BYTE else dtype).astype(dtype)[()]


def _wrap_sub_byte(x: Numeric, dtype: DType) -> Numeric:
    bits, signed = _SUB_BYTE[dtype]
    low = np.asarray(x).astype(np.int64) & ((1 << bits) - 1)
    if signed:
        half = 1 << (bits - 1)
        low = (low ^ half) - half
    return low.astype(np.int8).astype(dtype)[()]


def bit_width(dtype: DType) -> int:
    """Return the number of bits of one element; sub-byte types count their own bits."""
    if dtype in _SUB_BYTE:
        return _SUB_BYTE[dtype][0]
    return 4 if dtype == np.dtype(ml_dtypes.float4_e2m1fn) else 8 * dtype.itemsize


def bitcast(x: Numeric, dtype: DType) -> Numeric:
    """Reinterpret the bits of `x`; the last axis splits or joins when the widths differ, as in XLA."""
    x = np.asarray(x)
    old, new = bit_width(x.dtype), bit_width(dtype)
    if old == new and old >= 8:
        return np.ascontiguousarray(x).view(dtype).reshape(x.shape)[()]
    if old < 8 or new < 8:
        return _bitcast_narrow(x, dtype, old, new)
    if old > new:
        return np.ascontiguousarray(x)[..., None].view(dtype)
    return np.ascontiguousarray(x).view(dtype)[..., 0]


def _bitcast_narrow(x: Array, dtype: DType, old: int, new: int) -> Numeric:
    raw = x.view(np.uint8) if x.dtype.itemsize == 1 else np.ascontiguousarray(x)[..., None].view(np.uint8)
    if old == new:
        return raw.view(dtype)
    if old < new:
        per = 8 // old
        parts = (raw & ((1 << old) - 1)).reshape(*x.shape[:-1], -1, per)
        shifts = np.arange(per, dtype=np.uint8) * np.uint8(old)
        byte = np.bitwise_or.reduce(parts << shifts, axis=-1, dtype=np.uint8)
        return byte.view(dtype) if new == 8 else byte.view(dtype)[..., 0]
    per = 8 // new
    parts = np.stack([(raw >> np.uint8(k * new)) & np.uint8((1 << new) - 1) for k in range(per)], axis=-1)
    flat = parts.reshape(*x.shape, -1)
    return _wrap_sub_byte(flat, dtype) if dtype in _SUB_BYTE else flat.view(dtype)
