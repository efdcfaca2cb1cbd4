"""What arithmetic means, on NumPy arrays: the definition of every pure instruction [ISA-13] to [ISA-15].

Each function takes arrays of one length, one element a lane, and returns a new one. Floats of 16 and 32 bits go
through double precision and are rounded once, so results are those of exact arithmetic (transcendental ones: of a
function exact to about one unit of double precision). Cost: several passes over the arrays; this is the definition.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import reduce as fold
from typing import Any, Final

import numpy as np
from scipy.special import erf

from prism.kernels.isa.types import BF16, F16, F32, F64, Kind, Type

Array = np.ndarray
Binary = Callable[[Type, Array, Array], Array]


def widened(x: Array) -> Array:
    """Return floats as double precision, exactly."""
    return x.astype(np.float64)


def _odd(exact: Array, kept: Array) -> Array:
    """Return `kept`, the nearest f32 of f64 `exact`, rounded to odd instead, so that rounding it again is exact."""
    bits = kept.view(np.uint32).copy()
    finite = np.isfinite(exact)
    bits -= (finite & (np.abs(kept.astype(np.float64)) > np.abs(exact))).astype(np.uint32)
    bits |= (finite & (bits.view(np.float32).astype(np.float64) != exact)).astype(np.uint32)
    return bits.view(np.float32)


def narrowed(x: Array, ty: Type) -> Array:
    """Return doubles as a float type, rounded once to nearest, ties to even."""
    if ty is BF16:
        return _odd(x, x.astype(np.float32)).astype(ty.dtype)
    return x.astype(ty.dtype)


def _float_of_whole(x: Array, ty: Type) -> Array:
    if ty is not BF16:
        return x.astype(np.float64).astype(ty.dtype) if ty is F16 else x.astype(ty.dtype)
    # Above 2^53 a sticky bit far below the 8 that are kept stands for the bits that double precision has no room for.
    low = x & np.asarray(0x7FF, x.dtype) if x.dtype.itemsize == 8 else np.zeros_like(x)
    sticky = np.where(low != 0, (x - low) | np.asarray(0x800, x.dtype), x) if x.dtype.itemsize == 8 else x
    small = np.abs(x.astype(np.float64)) < 2.0**53
    return narrowed(np.where(small, x.astype(np.float64), sticky.astype(np.float64)), ty)


def _whole_of_float(x: Array, ty: Type) -> Array:
    wide, info = widened(x), np.iinfo(ty.dtype)
    low, high = float(info.min), float(info.max) + (0 if ty.bits < 64 else 1)
    inside = (wide > low) & (wide < high)
    cut = np.where(inside, wide, 0).astype(np.int64 if ty.kind is Kind.SIGNED else np.uint64).astype(ty.dtype)
    return np.where(wide >= high, ty.dtype.type(info.max), np.where(wide <= low, ty.dtype.type(info.min), cut))


def cvt(to: Type, of: Type, x: Array) -> Array:
    """Convert any type to any other [ISA-14]."""
    if of.kind is not Kind.FLOAT:
        return x.astype(to.dtype) if to.kind is not Kind.FLOAT else _float_of_whole(x, to)
    return narrowed(widened(x), to) if to.kind is Kind.FLOAT else _whole_of_float(x, to)


def quotient(ty: Type, a: Array, b: Array) -> Array:
    """Divide; whole numbers cut towards zero, and their b must not be zero."""
    if ty.kind is Kind.FLOAT:
        return a / b
    floor = a // b
    rest = a - floor * b
    return floor + ((rest != 0) & ((a < 0) != (b < 0))).astype(ty.dtype)


def remainder(ty: Type, a: Array, b: Array) -> Array:
    """Return what the quotient leaves."""
    return a - quotient(ty, a, b) * b


def _nan(ty: Type, x: Array) -> Array:
    return np.isnan(widened(x)) if ty.kind is Kind.FLOAT else np.zeros(x.shape, bool)


def minimum(ty: Type, a: Array, b: Array) -> Array:
    """Return b where a is NaN or b < a, else a."""
    return np.where(_nan(ty, a) | (b < a), b, a)


def maximum(ty: Type, a: Array, b: Array) -> Array:
    """Return b where a is NaN or b > a, else a."""
    return np.where(_nan(ty, a) | (b > a), b, a)


def _exact_fma(a: float, b: float, c: float) -> float:
    """Return a * b + c of doubles rounded once; the division of whole numbers that Fraction ends in rounds exactly."""
    if math.isfinite(a) and math.isfinite(b) and math.isinf(c):
        return c  # however far beyond a double the product of the other two is
    plain = a * b + c
    if not (math.isfinite(a) and math.isfinite(b) and math.isfinite(c)):
        return plain
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    if exact == 0:
        zero = a * b if a == 0 or b == 0 else -c
        return zero + c
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


def fma(ty: Type, a: Array, b: Array, c: Array) -> Array:
    """Return a * b + c rounded once: products of 24 bits are exact in double precision, sums rounded to odd there."""
    if ty is F64:
        return np.array([_exact_fma(*row) for row in zip(a.tolist(), b.tolist(), c.tolist(), strict=True)], np.float64)
    product, wide = widened(a) * widened(b), widened(c)
    total = product + wide
    back = total - product
    error = (product - (total - back)) + (wide - back)
    even = (total.view(np.uint64) & np.uint64(1)) == 0
    adjust = np.isfinite(total) & np.isfinite(error) & (error != 0) & even
    return narrowed(np.where(adjust, np.nextafter(total, np.copysign(np.inf, error)), total), ty)


def _through(function: Callable[[Array], Array]) -> Callable[[Type, Array], Array]:
    return lambda ty, x: narrowed(function(widened(x)), ty)


def _plain(function: Callable[[Any, Any], Any]) -> Binary:
    return lambda ty, a, b: function(a, b).astype(ty.dtype, copy=False)


def _amount(ty: Type, amount: Array) -> Array:
    return (amount & np.uint32(ty.bits - 1)).astype(ty.dtype)


BINARY: Final[Mapping[str, Binary]] = {
    "add": _plain(operator.add),
    "sub": _plain(operator.sub),
    "mul": _plain(operator.mul),
    "div": quotient,
    "rem": remainder,
    "min": minimum,
    "max": maximum,
    "pow": lambda ty, a, b: narrowed(np.power(widened(a), widened(b)), ty),
    "and": _plain(operator.and_),
    "or": _plain(operator.or_),
    "xor": _plain(operator.xor),
    "shl": lambda ty, a, amount: a << _amount(ty, amount),
    "shr": lambda ty, a, amount: a >> _amount(ty, amount),
}
"""Instructions of two sources, by mnemonic."""
UNARY: Final[Mapping[str, Callable[[Type, Array], Array]]] = {
    "mov": lambda _, x: x,
    "abs": lambda _, x: np.abs(x),
    "neg": lambda _, x: np.negative(x),
    "not": lambda _, x: np.invert(x),
    "floor": _through(np.floor),
    "exp": _through(np.exp),
    "log": _through(np.log),
    "log2": _through(np.log2),
    "log10": _through(np.log10),
    "sqrt": _through(np.sqrt),
    "rsqrt": _through(lambda x: 1 / np.sqrt(x)),
    "sin": _through(np.sin),
    "cos": _through(np.cos),
    "tan": _through(np.tan),
    "tanh": _through(np.tanh),
    "sigmoid": _through(lambda x: 1 / (1 + np.exp(-x))),
    "erf": _through(erf),
}
"""Instructions of one source, by mnemonic."""
COMPARE: Final[Mapping[str, Callable[[Array, Array], Array]]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}
"""Conditions, by name; those for unsigned types are the same on arrays of these types."""


def compare(condition: str, ty: Type, a: Array, b: Array) -> Array:
    """Return where a condition holds."""
    if ty.kind is Kind.FLOAT:
        a, b = widened(a), widened(b)
    return COMPARE[condition[:2]](a, b)


def mad(ty: Type, a: Array, b: Array, c: Array) -> Array:
    """Return a * b + c, each rounded."""
    return BINARY["add"](ty, BINARY["mul"](ty, a, b), c)


def identity(word: str, ty: Type) -> np.generic:
    """Return what a reduction by add, min, max or mul starts with."""
    if word in ("add", "mul"):
        return ty.dtype.type(word == "mul")
    if ty.kind is Kind.FLOAT:
        return ty.dtype.type(np.inf if word == "min" else -np.inf)
    info = np.iinfo(ty.dtype)
    return ty.dtype.type(info.max if word == "min" else info.min)


def fold_registers(word: str, ty: Type, rows: list[Array]) -> Array:
    """Fold arrays one after the other, from the identity on."""
    return fold(lambda a, b: BINARY[word](ty, a, b), rows, np.full(rows[0].shape, identity(word, ty)))


def fold_lanes(word: str, ty: Type, values: Array, active: Array) -> Array:
    """Fold each row of (blocks, lanes) in the order of the tree [ISA-20]; inactive lanes count as the identity."""
    blocks, lanes = values.shape
    half = 1 << (lanes - 1).bit_length()
    tree = np.full((blocks, half), identity(word, ty))
    tree[:, :lanes] = np.where(active, values, identity(word, ty))
    while half > 1:
        half //= 2
        folded = BINARY[word](ty, tree[:, :half].reshape(-1), tree[:, half : 2 * half].reshape(-1))
        tree[:, :half] = folded.reshape(blocks, half)
    return tree[:, 0]


def from_bits(ty: Type, bits: int) -> np.generic:
    """Return the element whose bits are the low ones of a number."""
    raw = np.array([bits & ((1 << ty.bits) - 1)], np.uint64).astype(f"u{ty.size}")
    return raw.view(ty.dtype)[0]


assert F32.bits == 32
