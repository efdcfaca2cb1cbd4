"""The elementwise primitives of generated loops: one element, in terms of elements of the operands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from prism.codegen.elementary import TEXTS
from prism.pallas.dtypes import DType
from prism.pallas.numba_source.values import Lazy, NoLoopFormError, Texts, cast, constant, spread, typed
from prism.pallas.numba_source.writer import LoopRule, LoopSite
from prism.pallas.primitives.site import Aval

_KEEPING = ("_sel(", "_min(", "_max(", "_maximum(", "_minimum(")
_ARITHMETIC = frozenset(("{0} + {1}", "{0} - {1}", "{0} * {1}", "{0} / {1}", "-{0}"))


def _keeps_type(text: str, values: Sequence[Lazy], out: Aval) -> bool:
    """Whether Numba gives an expression the element type that it has in XLA."""
    if out.dtype == np.bool_:
        return True
    alike = all(v.dtype in (out.dtype, np.bool_) for v in values)
    return alike and (text.startswith(_KEEPING) or (out.dtype.kind == "f" and text in _ARITHMETIC))


def elementwise(text: str, weight: int = 1) -> LoopRule:
    """Return the rule of an expression of the operands' elements; `weight` counts its operations."""

    def rule(site: LoopSite) -> list[Lazy]:
        values, writer = site.values, site.writer
        out = site.outs[0]
        if out.shape:
            # What is the same for all elements is computed once.
            values = [writer.settle(v) if v.weight and v.size == 1 else v for v in values]
        values = [writer.shared(v) if text.count(f"{{{k}}}") > 1 else v for k, v in enumerate(values)]
        keeps = _keeps_type(text, values, out)

        def at(index: Texts) -> str:
            done = text.format(*(f"({_literal(v, text) or spread(v, index)})" for v in values))
            return done if keeps else cast(out.dtype, done)

        found = _bounds(text, values, out.dtype)
        total = weight + sum(v.weight for v in values)
        return [Lazy(out.shape, out.dtype, at, weight=total, bounds=found)]

    return rule


def _literal(value: Lazy, text: str) -> str | None:
    """Return a constant integer without its type: what is computed with it is compared, or cast at once."""
    bare = value.known is not None and value.dtype.kind in "iu" and value.dtype != np.uint64
    return str(value.known) if bare and (text in _BARE or text in _COMPARED) else None


_COMPARED = frozenset(f"{{0}} {operator} {{1}}" for operator in ("==", "!=", "<", "<=", ">", ">="))
_BARE = _ARITHMETIC | {"{0} & {1}", "{0} | {1}", "{0} ^ {1}"}


def arithmetic(text: str, neutral: int) -> LoopRule:
    """Return the rule of an operation whose second operand may change nothing."""
    plain = elementwise(text)

    def rule(site: LoopSite) -> list[Lazy]:
        x, y = site.values
        for one, other in ((x, y), (y, x))[: 1 if text == "{0} - {1}" else 2]:
            if other.known == neutral and other.dtype.kind in "iu" and one.shape == site.outs[0].shape:
                return [one]
        return plain(site)

    return rule


def _bounds(text: str, values: Sequence[Lazy], dtype: DType) -> tuple[int, int] | None:
    if dtype.kind not in "iu" or len(values) != 2:
        return None
    first, second = values[0].range, values[1].range
    if first is None or second is None:
        return None
    (a, b), (c, d) = first, second
    if text == "{0} * {1}":
        ends = [a * c, a * d, b * c, b * d]
    else:
        ends = {"{0} + {1}": [a + c, b + d], "{0} - {1}": [a - d, b - c]}.get(text, [])
    limits = np.iinfo(dtype)
    return (min(ends), max(ends)) if ends and limits.min <= min(ends) and max(ends) <= limits.max else None


def comparison(operator: str) -> LoopRule:
    """Return the rule of a comparison, which bounds of integers may decide."""
    plain = elementwise(f"{{0}} {operator} {{1}}")

    def rule(site: LoopSite) -> list[Lazy]:
        ranges = [v.range for v in site.values]
        if ranges[0] is not None and ranges[1] is not None:
            (a, b), (c, d) = ranges[0], ranges[1]
            always = {"<": b < c, "<=": b <= c, ">": a > d, ">=": a >= d, "==": a == b == c == d}
            never = {"<": a >= d, "<=": a > d, ">": b <= c, ">=": b < c, "==": b < c or d < a}
            if always.get(operator) or never.get(operator):
                return [replace(constant(bool(always[operator]), site.outs[0].dtype), shape=site.outs[0].shape)]
        return plain(site)

    return rule


def typed_choice(integer: str, floating: str) -> LoopRule:
    """Return the rule of an expression that is another one for floats."""

    def rule(site: LoopSite) -> list[Lazy]:
        chosen = floating if site.outs[0].dtype.kind == "f" else integer
        return elementwise(chosen)(site)

    return rule


def elementary(name: str) -> LoopRule:
    """Return the rule of a function of the table of elementary functions."""

    def rule(site: LoopSite) -> list[Lazy]:
        return elementwise(TEXTS[name].of(site.outs[0].dtype), 20)(site)

    return rule


def rsqrt(site: LoopSite) -> list[Lazy]:
    """Divide 1 by the root, as the NumPy form does."""
    return elementwise(f"{typed(site.outs[0].dtype)}(1) / np.sqrt({{0}})", 2)(site)


def shift(helper: str, *, kind: str) -> LoopRule:
    """Return the rule of a shift by a function of the prelude, on integers of `kind`."""

    def rule(site: LoopSite) -> list[Lazy]:
        bits = 8 * site.outs[0].dtype.itemsize
        text = f"{helper}(np.{kind}{bits}({{0}}), np.int64({{1}}), {bits})"
        return elementwise(text)(site)

    return rule


def logical(text: str) -> LoopRule:
    """Return the rule of a bitwise operation; a mask that is all true changes nothing."""

    def rule(site: LoopSite) -> list[Lazy]:
        for one, other in (site.values, site.values[::-1]):
            if text == "{0} & {1}" and one.dtype == np.bool_ and one.known == 1 and other.shape == site.outs[0].shape:
                return [other]
        return elementwise(text)(site)

    return rule


def not_of(site: LoopSite) -> list[Lazy]:
    """Negate a truth value or the bits of an integer."""
    return elementwise("not {0}" if site.outs[0].dtype == np.bool_ else "~{0}")(site)


def convert(site: LoopSite) -> list[Lazy]:
    """Convert as XLA does: to integers saturating, to bool by a test for 0."""
    value, target = site.values[0], site.outs[0].dtype
    if value.dtype == target:
        return [value]
    if target == np.bool_:
        zero = f"abs({{0}}) < {np.finfo(value.dtype).tiny}" if value.dtype.kind == "f" else "{0} == 0"
        return elementwise(f"not {zero}")(site)
    if value.dtype.kind == "f" and target.kind in "iu":
        info = np.iinfo(target)
        return elementwise(f"_to_int({{0}}, {info.min}, {info.max})")(site)
    (result,) = elementwise("{0}")(site)
    if target.kind not in "iu" or value.range is None:
        return [result]
    limits = np.iinfo(target)
    fits = limits.min <= value.range[0] and value.range[1] <= limits.max
    return [replace(result, known=value.known, bounds=value.bounds) if fits else result]


def integer_pow(site: LoopSite) -> list[Lazy]:
    """Multiply repeatedly; powers from 9 on, negative ones and 0 have no form."""
    power = site.params["y"]
    if not 1 <= power <= 8:
        raise NoLoopFormError
    return elementwise(_power(power))(site)


def _power(exponent: int) -> str:
    """Return the text of a power by repeated squaring, the order in which the NumPy form multiplies."""
    result, square, left = "", "{0}", exponent
    while left:
        if left & 1:
            result = f"({result} * {square})" if result else square
        left >>= 1
        square = f"({square} * {square})"
    return result


def select(site: LoopSite) -> list[Lazy]:
    """Choose between two values; a choice that is known takes one of them."""
    values = site.values
    if len(values) != 3 or values[0].dtype != np.bool_:
        raise NoLoopFormError
    if values[0].known is not None and values[1 + values[0].known].shape == site.outs[0].shape:
        return [values[1 + values[0].known]]
    return elementwise("_sel({0}, {2}, {1})")(site)


def same(site: LoopSite) -> list[Lazy]:
    """Return the operands."""
    return site.values
