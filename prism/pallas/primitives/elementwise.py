"""Elementwise primitives: arithmetic, comparison, bits and conversion, where XLA's corner cases differ from NumPy's."""

from __future__ import annotations

import numpy as np

from prism.codegen import elementary as functions
from prism.pallas import dtypes
from prism.pallas.dtypes import Numeric
from prism.pallas.primitives.site import Emit, Site


def divide(x: Numeric, y: Numeric) -> Numeric:
    """Divide integers towards zero, and by zero to -1; floats as IEEE."""
    if isinstance(x, np.signedinteger) and isinstance(y, int | np.signedinteger) and int(y) not in (0, -1):
        # Loops compute indices one at a time: Python's integers are faster than arrays of rank 0.
        a, b = int(x), int(y)
        return x.dtype.type(abs(a) // abs(b) * (-1 if (a < 0) != (b < 0) else 1))
    x = np.asarray(x)
    y = np.asarray(y, x.dtype)
    if not dtypes.is_integer(x.dtype):
        return x / y
    if x.dtype.kind in "iu" and y.ndim == 0 and int(y):
        return np.floor_divide(x - np.fmod(x, y), y)[()]
    safe = np.where(y == 0, np.ones((), y.dtype), y)
    quotient = x // safe
    if x.dtype.kind == "i":
        quotient = quotient + ((x % safe != 0) & ((x < 0) != (safe < 0))).astype(x.dtype)
    return np.where(y == 0, np.asarray(-1).astype(x.dtype), quotient.astype(x.dtype))[()]


def remainder(x: Numeric, y: Numeric) -> Numeric:
    """Return the remainder with the sign of the dividend; x rem 0 is x for integers."""
    if isinstance(x, np.signedinteger) and isinstance(y, int | np.signedinteger):
        a, b = int(x), int(y)
        return x if b == 0 else x.dtype.type(abs(a) % abs(b) * (-1 if a < 0 else 1))
    x = np.asarray(x)
    y = np.asarray(y, x.dtype)
    if not dtypes.is_integer(x.dtype):
        return np.fmod(x, y)
    if x.dtype.kind in "iu" and y.ndim == 0 and int(y):
        return np.fmod(x, y)[()]
    return np.where(y == 0, x, np.fmod(x, np.where(y == 0, np.ones((), y.dtype), y)))[()]


def integer_power(x: Numeric, exponent: int) -> Numeric:
    """Multiply by repeated squaring in the operand's type, as XLA expands it."""
    x = np.asarray(x)
    result, square, left = None, x, abs(exponent)
    while left:
        if left & 1:
            result = square if result is None else result * square
        left >>= 1
        square = square * square if left else square
    power = np.ones_like(x) if result is None else result
    return power if exponent >= 0 else (np.ones((), x.dtype) / power).astype(x.dtype)


def power(x: Numeric, y: Numeric) -> Numeric:
    """`x ** y` in the type of `x`; an integer exponent does not widen."""
    return np.power(x, np.asarray(y).astype(np.asarray(x).dtype))


def _in_range(y: Numeric, bits: int) -> Numeric:
    return (y >= 0) & (y < bits)


def shift_left(x: Numeric, y: Numeric) -> Numeric:
    """Shift left; by at least the width gives 0."""
    ok = _in_range(np.asarray(y), dtypes.bit_width(np.asarray(x).dtype))
    return np.where(ok, np.left_shift(x, np.where(ok, y, np.zeros_like(y))), np.zeros_like(x))


def shift_right_logical(x: Numeric, y: Numeric) -> Numeric:
    """Shift right with zeros from the left; by at least the width gives 0."""
    x, y = np.asarray(x), np.asarray(y)
    unsigned = np.dtype(f"u{x.dtype.itemsize}")
    ok = _in_range(y, 8 * x.dtype.itemsize)
    shifted = np.right_shift(x.astype(unsigned), np.where(ok, y, np.zeros_like(y)).astype(unsigned))
    return np.where(ok, shifted.astype(x.dtype), np.zeros_like(x))


def shift_right_arithmetic(x: Numeric, y: Numeric) -> Numeric:
    """Shift right with copies of the first bit, of unsigned types too; by at least the width gives them alone."""
    x, y = np.asarray(x), np.asarray(y)
    bits, signed = 8 * x.dtype.itemsize, np.dtype(f"i{x.dtype.itemsize}")
    amount = np.where(_in_range(y, bits), y, np.full_like(y, bits - 1)).astype(signed)
    return np.right_shift(x.astype(signed), amount).astype(x.dtype)


def count_leading_zeros(x: Numeric) -> Numeric:
    """Return the number of zero bits above the highest set bit."""
    x = np.asarray(x)
    bits = 8 * x.dtype.itemsize
    left = x.astype(np.dtype(f"u{x.dtype.itemsize}"))
    for shift in (1, 2, 4, 8, 16, 32):
        if shift < bits:
            left = left | (left >> np.asarray(shift, left.dtype))
    return (bits - np.bitwise_count(left).astype(np.int64)).astype(x.dtype)


def population_count(x: Numeric) -> Numeric:
    """Return the number of set bits of the two's complement."""
    x = np.asarray(x)
    return np.bitwise_count(x.astype(np.dtype(f"u{x.dtype.itemsize}"))).astype(x.dtype)


def logistic(x: Numeric) -> Numeric:
    """1 / (1 + exp(-x)) of complex numbers."""
    one = np.ones((), np.asarray(x).dtype)
    return one / (one + np.exp(-x))


def round_half(x: Numeric, to_even: bool) -> Numeric:
    """Round to the nearest integer; ties go to even or away from zero."""
    if to_even:
        return np.rint(x)
    return np.copysign(np.floor(np.abs(x) + np.asarray(0.5, np.asarray(x).dtype)), x)


def _special(name: str, x: Numeric) -> Numeric:
    # SciPy's special functions take a third of a second to import and few kernels use them.
    from scipy import special

    x = np.asarray(x)
    wide = x.astype(np.float32) if dtypes.is_narrow_float(x.dtype) else x
    return getattr(special, name)(wide).astype(x.dtype)[()]


def erf(x: Numeric) -> Numeric:
    """Return the error function."""
    return _special("erf", x)


def erfc(x: Numeric) -> Numeric:
    """Return the complementary error function."""
    return _special("erfc", x)


def erf_inv(x: Numeric) -> Numeric:
    """Return the inverse error function; in float32 by the polynomials of Giles (2010), each step fused as in XLA.

    What differs from XLA's result does so by the logarithm that they begin with: 1 % of the values, by 2 units at most.
    """
    x = np.asarray(x)
    if x.dtype == np.float64:
        return _special("erfinv", x)
    wide = x.astype(np.float32)
    w = -np.log1p(-(wide * wide), dtype=np.float64).astype(np.float32)
    inner = w < 5
    place = np.where(inner, w - np.float32(2.5), np.sqrt(w) - np.float32(3)).astype(np.float64)
    total = np.where(inner, *_ERF_INV[0])
    for coefficients in _ERF_INV[1:]:
        total = (total * place + np.where(inner, *coefficients)).astype(np.float32)
    return np.where(np.abs(wide) == 1, wide * np.float32(np.inf), total * wide).astype(x.dtype)[()]


# Coefficients from the highest power down: where w < 5, and beyond.
_ERF_INV = np.array(
    [
        (2.81022636e-08, -0.000200214257),
        (3.43273939e-07, 0.000100950558),
        (-3.5233877e-06, 0.00134934322),
        (-4.39150654e-06, -0.00367342844),
        (0.00021858087, 0.00573950773),
        (-0.00125372503, -0.0076224613),
        (-0.00417768164, 0.00943887047),
        (0.246640727, 1.00167406),
        (1.50140941, 2.83297682),
    ],
    np.float32,
)


def lgamma(x: Numeric) -> Numeric:
    """Return the logarithm of the absolute value of the gamma function."""
    return _special("gammaln", x)


def digamma(x: Numeric) -> Numeric:
    """Return the logarithmic derivative of the gamma function."""
    return _special("digamma", x)


def reduce_precision(x: Numeric, exponent_bits: int, mantissa_bits: int) -> Numeric:
    """Round to a narrower float format and come back."""
    x = np.asarray(x)
    fraction, exponent = np.frexp(x.astype(np.float64))
    scale = 2.0 ** (mantissa_bits + 1)
    rounded = np.ldexp(np.rint(fraction * scale) / scale, exponent)
    limit = 2.0 ** (2 ** (exponent_bits - 1) - 1) * (2 - 2.0**-mantissa_bits)
    smallest = 2.0 ** (2 - 2 ** (exponent_bits - 1))
    rounded = np.where(np.abs(rounded) > limit, np.copysign(np.inf, rounded), rounded)
    return np.where(np.abs(rounded) < smallest, np.copysign(0.0, rounded), rounded).astype(x.dtype)


def choose(which: Numeric, *cases: Numeric) -> Numeric:
    """Select elementwise among several cases."""
    return np.select([np.asarray(which) == k for k in range(len(cases))], cases)


def in_total_order(x: Numeric) -> Numeric:
    """Return integers in the order -NaN, -inf, ..., -0, 0, ..., inf, NaN of floats; other numbers as they are."""
    x = np.asarray(x)
    if not dtypes.is_float(x.dtype):
        return x
    bits = x.view(f"i{x.dtype.itemsize}")
    return np.where(bits < 0, bits ^ np.iinfo(bits.dtype).max, bits)


def total_order(operator: str) -> Emit:
    """Return the form of a comparison in the total order of floats."""

    def emit(site: Site) -> str:
        rank = len(site.outs[0].shape)
        x, y = (site.call(in_total_order, site.broadcastable(k, rank)) for k in range(2))
        return f"{x} {operator} {y}"

    return emit


def emit_select(site: Site) -> str:
    """Choose between two cases by a truth value, or among several by a number."""
    rank = len(site.outs[0].shape)
    which, *cases = (site.broadcastable(k, rank) for k in range(len(site.args)))
    if site.scalars and site.ins[0].dtype == np.bool_ and len(cases) == 2 and not rank and not site.lead:
        return f"{cases[1]} if {which} else {cases[0]}"
    if site.ins[0].dtype == np.bool_:
        return f"np.where({which}, {cases[1]}, {cases[0]})" if len(cases) == 2 else cases[0]
    return site.call(choose, which, *cases)


def emit_convert(site: Site) -> str:
    """Convert; by `astype` where that is what XLA does."""
    source, target = site.ins[0].dtype, site.outs[0].dtype
    if source == target:
        return site.args[0]
    exact = (source.kind in "biuf" and target.kind == "f") or (source.kind in "biu" and target.kind in "iu")
    if exact:
        return f"{site.args[0]}.astype({site.dtype(target)})"
    return site.call(dtypes.convert, site.args[0], site.dtype(target))


def emit_bitcast(site: Site) -> str:
    """Reinterpret bits."""
    return site.call(dtypes.bitcast, site.arg(0), site.dtype(site.outs[0].dtype))


def emit_integer_pow(site: Site) -> str:
    """Multiply repeatedly, in the order of repeated squaring."""
    x, y = site.args[0], site.params["y"]
    return f"{x} * {x}" if y == 2 else site.call(integer_power, x, str(y))


def emit_round(site: Site) -> str:
    """Round halves to even or away from zero."""
    return site.call(round_half, site.args[0], str(int(site.params["rounding_method"]) == 1))


def emit_reduce_precision(site: Site) -> str:
    """Round to a narrower format."""
    bits = (str(site.params[k]) for k in ("exponent_bits", "mantissa_bits"))
    return site.call(reduce_precision, site.args[0], *bits)


def emit_div(site: Site) -> str:
    """Divide; integers as XLA does."""
    rank = len(site.outs[0].shape)
    x, y = site.broadcastable(0, rank), site.broadcastable(1, rank)
    return site.call(divide, x, y) if dtypes.is_integer(site.outs[0].dtype) else f"{x} / {y}"


def emit_rem(site: Site) -> str:
    """Return the remainder; of integers as XLA does."""
    rank = len(site.outs[0].shape)
    return site.call(remainder, site.broadcastable(0, rank), site.broadcastable(1, rank))


def emit_rsqrt(site: Site) -> str:
    """Divide 1, in the element type, by the root."""
    return f"{site.bind(site.outs[0].dtype.type(1), 'one')} / np.sqrt({site.args[0]})"


def emit_iota(site: Site) -> str:
    """Name the counted array, which is a constant."""
    # One axis is counted, the others are broadcast: the constant is shared by every step.
    out, dimension = site.outs[0], site.params["dimension"]
    counted = np.arange(out.shape[dimension]).astype(out.dtype)
    counted = counted.reshape([-1 if k == dimension else 1 for k in range(len(out.shape))])
    return site.bind(np.ascontiguousarray(np.broadcast_to(counted, out.shape)), "iota")


def emit_clamp(site: Site) -> str:
    """Raise to the lower bound, then lower to the upper one."""
    rank = len(site.outs[0].shape)
    low, x, high = (site.broadcastable(k, rank) for k in range(3))
    return f"np.minimum(np.maximum({x}, {low}), {high})"


def emit_complex(site: Site) -> str:
    """Join a real and an imaginary part."""
    site.serial_only()
    return f"({site.arg(0)} + 1j * {site.arg(1)}).astype({site.dtype(site.outs[0].dtype)})"


def elementary(name: str, plain: Emit) -> Emit:
    """Return the form of a function that loops compute with the same text [PALLAS-1]; `plain` is for other types."""

    def emit(site: Site) -> str:
        out = site.outs[0]
        if not dtypes.is_float(out.dtype):
            return plain(site)
        compute = functions.narrow(name) if dtypes.is_narrow_float(out.dtype) else functions.ufunc(name, out.dtype)
        operands = (site.broadcastable(k, len(out.shape)) for k in range(len(site.args)))
        return f"{site.bind(compute, name)}({', '.join(operands)})"

    return emit
