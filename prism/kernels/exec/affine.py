"""What is known of whole numbers in all lanes at once: a * lane + b, and where such numbers compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from prism.kernels.isa.types import Kind, Type

Span = tuple[int, int]
"""Lanes from the first number up to the second, which is not among them."""


@dataclass(frozen=True, slots=True)
class Affine:
    """The number a * lane + b in each lane that may read it, lane its number in the launch; nothing has wrapped."""

    a: int
    b: int

    def at(self, lane: int) -> int:
        """Return the number in a lane."""
        return self.a * lane + self.b

    def fits(self, ty: Type, span: Span) -> bool:
        """Tell whether a type holds the number in every lane of a span that is not empty."""
        if ty.kind is Kind.FLOAT:
            return False
        info = np.iinfo(ty.dtype)
        ends = (self.at(span[0]), self.at(span[1] - 1))
        return int(info.min) <= min(ends) and max(ends) <= int(info.max)


def combined(op: str, ty: Type, given: Sequence[Affine | None], span: Span) -> Affine | None:
    """Return what a step on known numbers gives in the lanes of a span; None where that is not affine or would wrap.

    op: `mov`, `cvt`, `add`, `sub`, `mul`, `mad`, `shl`, `div` or `rem`; others give None.
    """
    known = [one for one in given if one is not None]
    if len(known) != len(given) or not known or op not in _COMBINED:
        return None
    found = _COMBINED[op](*known)
    return found if found is not None and found.fits(ty, span) else None


def _times(x: Affine, y: Affine) -> Affine | None:
    return None if x.a and y.a else Affine(x.a * y.b + y.a * x.b, x.b * y.b)


def _plus(x: Affine, y: Affine) -> Affine:
    return Affine(x.a + y.a, x.b + y.b)


def _mad(x: Affine, y: Affine, z: Affine) -> Affine | None:
    product = _times(x, y)
    return None if product is None else _plus(product, z)


def _shl(x: Affine, y: Affine) -> Affine | None:
    return None if y.a or y.b >= 64 else Affine(x.a << y.b, x.b << y.b)


def _div(x: Affine, y: Affine) -> Affine | None:
    if y.a or y.b <= 0 or x.a % y.b or x.a < 0 or x.b < 0:
        return None
    return Affine(x.a // y.b, x.b // y.b)


def _rem(x: Affine, y: Affine) -> Affine | None:
    return None if _div(x, y) is None else Affine(0, x.b % y.b)


_COMBINED: Final = {
    "mov": lambda x: x,
    "cvt": lambda x: x,
    "add": _plus,
    "sub": lambda x, y: _plus(x, Affine(-y.a, -y.b)),
    "mul": _times,
    "mad": _mad,
    "shl": _shl,
    "div": _div,
    "rem": _rem,
}
"""Steps whose result is affine where its operands are, if it is not None."""


def where(condition: str, x: Affine, y: Affine, span: Span) -> tuple[Span, bool]:
    """Return a span of lanes within a span, and whether the condition holds in these or in the others of it."""
    low, high = span
    # x < y is slope * lane < rest.
    slope, rest = x.a - y.a, y.b - x.b
    if condition in ("eq", "ne"):
        holds = condition == "eq"
        if slope == 0:
            return (span if rest == 0 else (low, low)), holds
        lane, odd = divmod(rest, slope)
        return ((lane, lane + 1) if not odd and low <= lane < high else (low, low)), holds
    if condition in ("le", "gt"):
        rest += 1
    holds = condition in ("lt", "le")
    if slope == 0:
        return (span if rest > 0 else (low, low)), holds
    # The first lane on the other side of the boundary: below it slope * lane < rest for a positive slope.
    edge = -(-rest // slope) if slope > 0 else rest // slope + 1
    edge = min(max(edge, low), high)
    return ((low, edge) if slope > 0 else (edge, high)), holds


def inside(x: Affine, length: int, span: Span) -> Span:
    """Return the lanes of a span in which a number lies in [0, length)."""
    if x.a == 0:
        return span if 0 <= x.b < length else (span[0], span[0])
    if x.a > 0:
        low, high = -(x.b // x.a), (length - 1 - x.b) // x.a + 1
    else:
        low, high = -((length - 1 - x.b) // -x.a), x.b // -x.a + 1
    low, high = max(low, span[0]), min(high, span[1])
    return (low, max(high, low))
