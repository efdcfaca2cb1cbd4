"""Functions that generated loops call, one element at a time: XLA's corner cases; sums and extremes that vectorise."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from prism.codegen.polynomials import MATH
from prism.codegen.sums import SUMS

_PRELUDE = """
@numba.njit(error_model="numpy")
def _min(a, b):
    return a if (a < b) | (a != a) else b


@numba.njit(error_model="numpy")
def _max(a, b):
    return a if (a > b) | (a != a) else b


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


@numba.njit(error_model="numpy")
def _from_end(i, n):
    return i + n if i < 0 else i


def _extreme(name, a, b):
    # NaN wins, and LLVM may take the elements in any order.
    def generate(_, builder, signature, args):
        kind = args[0].type
        function = builder.module.declare_intrinsic(name, [kind], ir.FunctionType(kind, [kind, kind]))
        return builder.call(function, args)

    return (a(a, b), generate) if a == b else None


@numba.extending.intrinsic
def _maximum(_, a, b):
    return _extreme("llvm.maximum", a, b)


@numba.extending.intrinsic
def _minimum(_, a, b):
    return _extreme("llvm.minimum", a, b)


@numba.extending.intrinsic
def _fma(_, a, b, c):
    return a(a, b, c), lambda _, builder, signature, args: builder.fma(*args)
"""

Library = Mapping[str, str]
"""Functions by name, each as source that defines it."""


def library(*texts: str) -> Library:
    """Return the functions that texts define, each apart from the next by two blank lines, in their order."""
    return {
        name: block.strip("\n")
        for text in texts
        for block in text.split("\n\n\n")
        for name in re.findall(r"^(?:def )?(\w+)(?= = |\()", block, re.MULTILINE)
    }


SHARED: Final = library(_PRELUDE, MATH, SUMS)
"""What every generator may call."""


def prelude(body: str, functions: Library = SHARED) -> str:
    """Return the functions that a program's text needs, in an order in which they can be defined."""
    wanted: set[str] = set()
    texts = [body]
    while texts:
        found = set(re.findall(r"\b_[A-Za-z]\w*", texts.pop())) & functions.keys() - wanted
        wanted |= found
        texts += [functions[name] for name in found]
    return "\n\n\n".join(text for name, text in functions.items() if name in wanted)
