"""Elementary functions of float32 in plain arithmetic, so that LLVM vectorises the loops around them.

Range reductions and polynomials are those of Cephes' single precision functions (S. L. Moshier, netlib.org/cephes);
the libm functions that Numba would call are scalar. Errors, measured over all of float32: exp and exp2 2 ulp, log and
tanh 2 ulp, logistic 3 ulp.
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
    return np.float32(1.0) / (np.float32(1.0) + _exp(-x))
"""
