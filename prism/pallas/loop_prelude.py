"""Functions that every generated loop program begins with: XLA's corner cases, one element at a time."""

PRELUDE = """
@numba.njit(error_model="numpy")
def _min(a, b):
    return a if a < b or a != a else b


@numba.njit(error_model="numpy")
def _max(a, b):
    return a if a > b or a != a else b


@numba.njit(error_model="numpy")
def _sel(p, a, b):
    return a if p else b


@numba.njit(error_model="numpy")
def _div(a, b):
    if b == 0:
        return a * 0 - 1
    q = abs(a) // abs(b)
    return q if (a < 0) == (b < 0) else -q


@numba.njit(error_model="numpy")
def _rem(a, b):
    if b == 0:
        return a
    r = abs(a) % abs(b)
    return -r if a < 0 else r


@numba.njit(error_model="numpy")
def _shl(a, n, bits):
    return a << n if 0 <= n < bits else a * 0


@numba.njit(error_model="numpy")
def _shr(a, n, bits):
    return a >> (n if 0 <= n < bits else bits - 1)


@numba.njit(error_model="numpy")
def _shrl(a, n, bits):
    return a >> n if 0 <= n < bits else a * 0


@numba.njit(error_model="numpy")
def _to_int(x, low, high):
    if x != x:
        return 0
    return low if x <= low else high if x >= high else int(x)


@numba.njit(error_model="numpy")
def _clip(i, n):
    return min(max(i, 0), n)
"""
