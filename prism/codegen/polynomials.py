"""Elementary functions of float32 in plain arithmetic, so that LLVM vectorises the loops around them.

Range reductions and polynomials are those of Cephes' single precision functions (S. L. Moshier, netlib.org/cephes);
the libm functions that Numba would call are scalar. Errors, measured over all of float32: exp and exp2 2 ulp, log and
tanh 2 ulp, logistic 3 ulp.

sin and cos are computed in float64 and rounded once: 0.501 ulp over all of float32, NaN of an infinity. Their range is
reduced exactly, of any argument alike and without a branch, by the bits of 1/pi that its exponent leaves (M. H. Payne
and R. N. Hanek, Radian reduction for trigonometric functions, 1983); the polynomial is the minimax of
sin(pi r) / r in r * r, relative, for |r| up to a half: 2**-35.4 by Remez' exchange.
"""

from __future__ import annotations

MATH = """
@numba.njit(error_model="numpy")
def _scaled(y, n):
    # y * 2**n in two steps, each of which is a normal number.
    i = np.int32(n)
    h = np.int32(i >> 1)
    first = np.int32(np.int32(h + 127) << 23).view(np.float32)
    return y * first * np.int32(np.int32(i - h + 127) << 23).view(np.float32)


@numba.njit(error_model="numpy")
def _nearest(x):
    # Adding 1.5 * 2**23 leaves no bits for a fraction.
    return (x + np.float32(12582912.0)) - np.float32(12582912.0)


@numba.njit(error_model="numpy")
def _exp(x):
    # Arguments far below give 0 without a detour through denormal numbers, which are slow.
    z = np.float32(89.0) if x > np.float32(89.0) else x
    z = z if z >= np.float32(-104.0) else np.float32(0.0)
    n = _nearest(z * np.float32(1.44269504088896341))
    r = (z - n * np.float32(0.693359375)) - n * np.float32(-2.12194440e-4)
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    y = _scaled((p * (r * r) + r) + np.float32(1.0), n)
    return y if x >= np.float32(-104.0) else x if x != x else np.float32(0.0)


@numba.njit(error_model="numpy")
def _exp2(x):
    z = np.float32(129.0) if x > np.float32(129.0) else x
    z = z if z >= np.float32(-151.0) else np.float32(0.0)
    n = _nearest(z)
    r = z - n
    p = np.float32(1.535336188319500e-4)
    p = p * r + np.float32(1.339887440266574e-3)
    p = p * r + np.float32(9.618437357674640e-3)
    p = p * r + np.float32(5.550332471162809e-2)
    p = p * r + np.float32(2.402264791363012e-1)
    p = p * r + np.float32(6.931472028550421e-1)
    y = _scaled(p * r + np.float32(1.0), n)
    return y if x >= np.float32(-151.0) else x if x != x else np.float32(0.0)


@numba.njit(error_model="numpy")
def _log(x):
    tiny = x < np.float32(1.17549435e-38)
    b = np.float32(x * np.float32(8388608.0) if tiny else x).view(np.int32)
    # The mantissa in [sqrt(1/2), sqrt(2)), the exponent to it.
    e = np.int32(np.int32(b - 0x3F3504F3) >> 23)
    m = np.int32(b - np.int32(e << 23)).view(np.float32) - np.float32(1.0)
    n = np.float32(e) - (np.float32(23.0) if tiny else np.float32(0.0))
    z = m * m
    p = np.float32(7.0376836292e-2)
    p = p * m + np.float32(-1.1514610310e-1)
    p = p * m + np.float32(1.1676998740e-1)
    p = p * m + np.float32(-1.2420140846e-1)
    p = p * m + np.float32(1.4249322787e-1)
    p = p * m + np.float32(-1.6668057665e-1)
    p = p * m + np.float32(2.0000714765e-1)
    p = p * m + np.float32(-2.4999993993e-1)
    p = p * m + np.float32(3.3333331174e-1)
    y = p * m * z + n * np.float32(-2.12194440e-4) - z * np.float32(0.5)
    y = m + y + n * np.float32(0.693359375)
    y = x if x == np.float32(np.inf) else y
    y = np.float32(-np.inf) if x == 0 else y
    return np.float32(np.nan) if (x < 0) | (x != x) else y


@numba.njit(error_model="numpy")
def _tanh(x):
    a = abs(x)
    z = x * x
    p = np.float32(-5.70498872745e-3)
    p = p * z + np.float32(2.06390887954e-2)
    p = p * z + np.float32(-5.37397155531e-2)
    p = p * z + np.float32(1.33314422036e-1)
    p = p * z + np.float32(-3.33332819422e-1)
    small = p * z * x + x
    large = np.float32(1.0) - np.float32(2.0) / (_exp(a + a) + np.float32(1.0))
    return small if a < np.float32(0.625) else -large if x < 0 else large


@numba.njit(error_model="numpy")
def _logistic(x):
    # exp(-|x|) does not overflow, so results below the normal numbers keep their bits.
    a = _exp(-abs(x))
    return (np.float32(1.0) if x >= 0 else a) / (np.float32(1.0) + a)


_OVER_PI = 0x517CC1B727220A94FE13ABE8FA9A6EE06DB14ACC9E21C820FF28B1D5EF5DE2B0


def _remainder(exponent):
    # 1 / pi less what makes multiples of 2 of any float32 with these bits of exponent, as two floats of 53 bits.
    # A float32 of exponent 200 is m * 2**50: the bits of 1 / pi down to 2**-49 times it are even and drop out.
    if exponent == 255:
        return np.nan, np.nan
    left = _OVER_PI % (1 << (257 - max(exponent - 150, 1)))
    low = left % (1 << (left.bit_length() - 53))
    return float(left - low) / 2.0**256, float(low) / 2.0**256


_REMAINDERS = np.array([_remainder(k) for k in range(256)]).T.copy()


@numba.njit(error_model="numpy")
def _sin_of_turned(x, turned):
    # sin(x + pi * turned). The float32 has 24 bits: its products with 29 bits and with 24 bits are exact.
    k = np.uint64(np.uint32(np.float32(x).view(np.uint32) >> np.uint32(23)) & np.uint32(255))
    bits = _REMAINDERS[0, k]
    high = np.int64(np.float64(bits).view(np.int64) & np.int64(-16777216)).view(np.float64)
    y = np.float64(x)
    a = y * high
    b = y * (bits - high)
    # Adding 1.5 * 2**52 leaves no bits for a fraction; the last bit says odd or even.
    shifted = ((a + b) + turned) + 6755399441055744.0
    n = (shifted - 6755399441055744.0) - turned
    r = ((a - n) + b) + y * _REMAINDERS[1, k]
    z = r * r
    p = -0.007022164206319766
    p = p * z + 0.08204647936824798
    p = p * z + -0.5992513302586276
    p = p * z + 2.5501632403358383
    p = p * z + -5.16771276211659
    p = p * z + 3.1415926535233503
    odd = np.int32(np.float64(shifted).view(np.int64) & np.int64(1))
    return np.int32(np.float32(r * p).view(np.int32) ^ np.int32(odd << 31)).view(np.float32)


@numba.njit(error_model="numpy")
def _sin(x):
    return _sin_of_turned(x, 0.0)


@numba.njit(error_model="numpy")
def _cos(x):
    return _sin_of_turned(x, 0.5)
"""
