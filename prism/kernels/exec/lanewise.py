"""What arithmetic means, on JAX arrays: the pure instructions for the `xla` executor, as numeric.py defines them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from prism.kernels.exec.numeric import identity
from prism.kernels.isa.types import F64, Kind, Type


def as_jax(value: Any) -> Array:
    """Return a constant or an array as JAX has it; Triton takes constants of 2^63 and more only in two halves."""
    if isinstance(value, np.generic) and value.dtype == np.uint64 and int(value) >> 63:
        high, low = (jnp.uint64(one) for one in divmod(int(value), 1 << 32))
        return lax.bitwise_or(lax.shift_left(high, jnp.uint64(32)), low)
    return jnp.asarray(value)


def _is_float(ty: Type) -> bool:
    return ty.kind is Kind.FLOAT


def _truncated(ty: Type, x: Array) -> Array:
    """Convert a double to a whole type: cut, saturated, NaN as 0."""
    info = jnp.iinfo(ty.dtype)
    low, high = float(info.min), float(info.max)
    inside = (x > low) & (x < high)
    cut = jnp.where(inside, x, 0.0).astype(ty.dtype)
    top, bottom = (as_jax(ty.dtype.type(one)) for one in (info.max, info.min))
    return jnp.where(x >= high, top, jnp.where(x <= low, bottom, cut))


def cvt(to: Type, of: Type, x: Array) -> Array:
    """Convert any type to any other; a double goes to 16 bits by way of f32 rounded to odd, so rounds once.

    XLA itself rounds it to f32 first, then to f16: 12251.9997 would become 12252, and that 12256.
    """
    if not _is_float(to):
        return _truncated(to, x.astype(jnp.float64)) if _is_float(of) else x.astype(to.dtype)
    if to.bits > 16 or (_is_float(of) and of.bits <= 32) or (to.name == "f16" and not _is_float(of)):
        return x.astype(to.dtype)
    if not _is_float(of):
        magnitude = jnp.where(x < 0, -x, x) if of.kind is Kind.SIGNED else x
        magnitude = magnitude.astype(jnp.uint64) & as_jax(np.uint64((1 << of.bits) - 1))
        low = magnitude & jnp.uint64(0x7FF)
        sticky = jnp.where(low != 0, (magnitude - low) | jnp.uint64(0x800), magnitude)
        chosen = jnp.where(magnitude < jnp.uint64(1 << 53), magnitude, sticky).astype(jnp.float64)
        x = jnp.where(x < 0, -chosen, chosen) if of.kind is Kind.SIGNED else chosen
    kept = x.astype(jnp.float32)
    bits = lax.bitcast_convert_type(kept, jnp.uint32)
    finite = jnp.isfinite(x)
    bits = bits - (finite & (jnp.abs(kept.astype(jnp.float64)) > jnp.abs(x))).astype(jnp.uint32)
    back = lax.bitcast_convert_type(bits, jnp.float32).astype(jnp.float64)
    bits = bits | (finite & (back != x)).astype(jnp.uint32)
    return lax.bitcast_convert_type(bits, jnp.float32).astype(to.dtype)


def _nan(ty: Type, x: Array) -> Array | bool:
    return jnp.isnan(x) if _is_float(ty) else False


def _quotient(ty: Type, a: Array, b: Array) -> Array:
    if _is_float(ty):
        return lax.div(a, b)
    one, zero = lax.full_like(b, 1), lax.full_like(b, 0)
    if ty.kind is not Kind.SIGNED:
        return lax.div(a, lax.select(lax.eq(b, zero), one, b))
    wraps = lax.eq(b, lax.full_like(b, -1))
    return lax.select(wraps, lax.neg(a), lax.div(a, lax.select(wraps | lax.eq(b, zero), one, b)))


_UNSIGNED: Final[Mapping[int, Any]] = {8: jnp.uint8, 16: jnp.uint16, 32: jnp.uint32, 64: jnp.uint64}
_SEVEN: Final = {2: 0x7E77, 4: 0x7FC77777, 8: 0x7FF8777777777777}
"""One NaN of each size."""


def _rounded(x: Array) -> Array:
    """Return a product as it is, kept from being fused with a sum into one rounding.

    One NaN becomes another, which no compiler may leave out and which costs an integer comparison; XLA takes its
    optimization barriers away before it fuses.
    """
    size = np.dtype(x.dtype).itemsize
    unsigned = _UNSIGNED[8 * size]
    odd = lax.bitcast_convert_type(x, unsigned) == unsigned(_SEVEN[size])
    return lax.select(odd, lax.full_like(x, np.nan), x)


def _amount(ty: Type, amount: Array) -> Array:
    return (amount & jnp.uint32(ty.bits - 1)).astype(ty.dtype)


def _shr(ty: Type, a: Array, amount: Array) -> Array:
    shift = lax.shift_right_arithmetic if ty.kind is Kind.SIGNED else lax.shift_right_logical
    return shift(a, _amount(ty, amount))


BINARY: Final[Mapping[str, Callable[[Type, Array, Array], Array]]] = {
    "add": lambda _, a, b: lax.add(a, b),
    "sub": lambda _, a, b: lax.sub(a, b),
    "mul": lambda ty, a, b: _rounded(lax.mul(a, b)) if _is_float(ty) else lax.mul(a, b),
    "div": _quotient,
    "rem": lambda ty, a, b: a - _quotient(ty, a, b) * b,
    "min": lambda ty, a, b: jnp.where(_nan(ty, a) | (b < a), b, a),
    "max": lambda ty, a, b: jnp.where(_nan(ty, a) | (b > a), b, a),
    "pow": lambda ty, a, b: _through(lambda x: lax.pow(x, b.astype(jnp.float64)))(ty, a),
    "and": lambda _, a, b: a & b,
    "or": lambda _, a, b: a | b,
    "xor": lambda _, a, b: a ^ b,
    "shl": lambda ty, a, amount: lax.shift_left(a, _amount(ty, amount)),
    "shr": _shr,
}
"""Instructions of two sources, by mnemonic."""


def _through(function: Callable[[Array], Array]) -> Callable[[Type, Array], Array]:
    return lambda ty, x: cvt(ty, F64, function(x.astype(jnp.float64)))


UNARY: Final[Mapping[str, Callable[[Type, Array], Array]]] = {
    "mov": lambda _, x: x,
    "abs": lambda _, x: lax.abs(x),
    "neg": lambda _, x: lax.neg(x),
    "not": lambda ty, x: x ^ as_jax(np.array(-1).astype(ty.dtype)[()]),
    "floor": _through(lax.floor),
    "exp": _through(lax.exp),
    "log": _through(lax.log),
    "log2": _through(jnp.log2),
    "log10": _through(jnp.log10),
    "sqrt": _through(lax.sqrt),
    "rsqrt": _through(lambda x: 1 / lax.sqrt(x)),
    "sin": _through(lax.sin),
    "cos": _through(lax.cos),
    "tan": _through(lax.tan),
    "tanh": _through(lax.tanh),
    "sigmoid": _through(lambda x: 1 / (1 + lax.exp(-x))),
    "erf": _through(lax.erf),
}
"""Instructions of one source, by mnemonic."""
COMPARE: Final = {"eq": lax.eq, "ne": lax.ne, "lt": lax.lt, "le": lax.le, "gt": lax.gt, "ge": lax.ge}
"""Conditions, by the first two letters of their names."""


def _two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    total = a + b
    back = total - a
    return total, (a - (total - back)) + (b - back)


def _odd_sum(a: Array, b: Array) -> Array:
    """Return a + b in double precision, rounded to odd."""
    total, error = _two_sum(a, b)
    bits = lax.bitcast_convert_type(total, jnp.int64)
    adjust = jnp.isfinite(total) & jnp.isfinite(error) & (error != 0) & ((bits & 1) == 0)
    outward = (error > 0) == (total > 0)
    odd = lax.bitcast_convert_type(jnp.where(outward, bits + 1, bits - 1), jnp.float64)
    return jnp.where(adjust, odd, total)


def _product(a: Array, b: Array) -> tuple[Array, Array]:
    """Return a product of doubles and its error (Dekker), exact where nothing over- or underflows."""
    product = _rounded(a * b)

    def split(x: Array) -> tuple[Array, Array]:
        big = _rounded(x * 134217729.0)
        high = big - (big - x)
        return high, x - high

    (ah, al), (bh, bl) = split(a), split(b)
    parts = [_rounded(ah * bh), _rounded(ah * bl), _rounded(al * bh), _rounded(al * bl)]
    return product, ((parts[0] - product) + parts[1] + parts[2]) + parts[3]


def fma(ty: Type, a: Array, b: Array, c: Array) -> Array:
    """Return a * b + c rounded once.

    Up to 32 bits the product is exact in double precision and the sum rounded to odd there; in 64 bits the method of
    Boldo and Melquiond (Emulation of a FMA, 2008), exact where nothing over- or underflows.
    """
    if ty is not F64:
        return cvt(ty, F64, _odd_sum(a.astype(jnp.float64) * b.astype(jnp.float64), c.astype(jnp.float64)))
    high, low = _product(a, b)
    middle, rest = _two_sum(c, low)
    total, error = _two_sum(high, middle)
    exact = total + _odd_sum(rest, error)
    return jnp.where(jnp.isfinite(exact), exact, _rounded(a * b) + c)


def mad(ty: Type, a: Array, b: Array, c: Array) -> Array:
    """Return a * b + c, each rounded."""
    return BINARY["add"](ty, BINARY["mul"](ty, a, b), c)


def fold_registers(word: str, ty: Type, rows: Sequence[Array]) -> Array:
    """Fold arrays one after the other, from the identity on."""
    found = jnp.full_like(rows[0], jnp.asarray(identity(word, ty)))
    for one in rows:
        found = BINARY[word](ty, found, one)
    return found


def fold_lanes(word: str, ty: Type, values: Array, active: Array) -> Array:
    """Fold each row of (blocks, lanes) in the order of the tree [ISA-20]."""
    start = jnp.asarray(identity(word, ty))
    half = 1 << (values.shape[1] - 1).bit_length()
    tree = jnp.pad(jnp.where(active, values, start), ((0, 0), (0, half - values.shape[1])), constant_values=start)
    while half > 1:
        half //= 2
        tree = BINARY[word](ty, tree[:, :half], tree[:, half : 2 * half])
    return tree[:, 0]
