"""The elementwise primitives of generated loops: one element, in terms of elements of the operands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from prism.codegen.elementary import TEXTS
from prism.pallas.kernel import Equation
from prism.pallas.numba_source.reductions import REDUCTIONS
from prism.pallas.numba_source.shapes import SHAPES
from prism.pallas.numba_source.values import Lazy, NoLoopFormError, Rule, Texts, cast, constant, spread, typed
from prism.pallas.primitives.elementwise import TEMPLATES
from prism.pallas.primitives.site import Aval

_KEEPING = ("_sel(", "_min(", "_max(", "_maximum(", "_minimum(")
_ARITHMETIC = frozenset(("{0} + {1}", "{0} - {1}", "{0} * {1}", "{0} / {1}", "-{0}"))


def _keeps_type(text: str, values: Sequence[Lazy], out: Aval) -> bool:
    """Whether Numba gives an expression the element type that it has in XLA."""
    if out.dtype == np.bool_:
        return True
    alike = all(v.dtype in (out.dtype, np.bool_) for v in values)
    return alike and (text.startswith(_KEEPING) or (out.dtype.kind == "f" and text in _ARITHMETIC))


def _elementwise(text: str, weight: int = 1) -> Rule:
    def rule(equation: Equation, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
        del equation
        out = outs[0]
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


_COMPARED = frozenset(TEMPLATES[name] for name in ("eq", "ne", "lt", "le", "gt", "ge"))
_BARE = _ARITHMETIC | {"{0} & {1}", "{0} | {1}", "{0} ^ {1}"}


def _arithmetic(text: str, neutral: int) -> Rule:
    """Return the rule of an operation whose second operand may change nothing."""
    plain = _elementwise(text)

    def rule(equation: Equation, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
        x, y = values
        for one, other in ((x, y), (y, x))[: 1 if text == "{0} - {1}" else 2]:
            if other.known == neutral and other.dtype.kind in "iu" and one.shape == outs[0].shape:
                return [one]
        return plain(equation, values, outs, writer)

    return rule


def _bounds(text: str, values: Sequence[Lazy], dtype: np.dtype[Any]) -> tuple[int, int] | None:
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


def _comparison(name: str) -> Rule:
    plain = _elementwise(TEMPLATES[name])

    def rule(equation: Equation, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
        ranges = [v.range for v in values]
        if ranges[0] is not None and ranges[1] is not None:
            (a, b), (c, d) = ranges[0], ranges[1]
            always = {"lt": b < c, "le": b <= c, "gt": a > d, "ge": a >= d, "eq": a == b == c == d}
            never = {"lt": a >= d, "le": a > d, "gt": b <= c, "ge": b < c, "eq": b < c or d < a}
            if always.get(name) or never.get(name):
                return [replace(constant(bool(always[name]), outs[0].dtype), shape=outs[0].shape)]
        return plain(equation, values, outs, writer)

    return rule


def _typed_choice(integer: str, floating: str) -> Rule:
    def rule(equation: Equation, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
        chosen = floating if outs[0].dtype.kind == "f" else integer
        return _elementwise(chosen)(equation, values, outs, writer)

    return rule


def _elementary(name: str) -> Rule:
    def rule(equation: Equation, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
        return _elementwise(TEXTS[name].of(outs[0].dtype), 20)(equation, values, outs, writer)

    return rule


def _rsqrt(equation: Equation, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    return _elementwise(f"{typed(outs[0].dtype)}(1) / np.sqrt({{0}})", 2)(equation, values, outs, writer)


def _shift(helper: str, *, kind: str) -> Rule:
    def rule(equation: Equation, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
        bits = 8 * outs[0].dtype.itemsize
        text = f"{helper}(np.{kind}{bits}({{0}}), np.int64({{1}}), {bits})"
        return _elementwise(text)(equation, values, outs, writer)

    return rule


def _logical(text: str) -> Rule:
    def rule(equation: Equation, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
        for one, other in (values, values[::-1]):
            if text == "{0} & {1}" and one.dtype == np.bool_ and one.known == 1 and other.shape == outs[0].shape:
                return [other]
        return _elementwise(text)(equation, values, outs, writer)

    return rule


def _not(equation: Equation, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    return _elementwise("not {0}" if outs[0].dtype == np.bool_ else "~{0}")(equation, values, outs, writer)


def _convert(equation: Equation, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    value, target = values[0], outs[0].dtype
    if value.dtype == target:
        return [value]
    if target == np.bool_:
        zero = f"abs({{0}}) < {np.finfo(value.dtype).tiny}" if value.dtype.kind == "f" else "{0} == 0"
        return _elementwise(f"not {zero}")(equation, values, outs, writer)
    if value.dtype.kind == "f" and target.kind in "iu":
        info = np.iinfo(target)
        return _elementwise(f"_to_int({{0}}, {info.min}, {info.max})")(equation, values, outs, writer)
    (result,) = _elementwise("{0}")(equation, values, outs, writer)
    if target.kind not in "iu" or value.range is None:
        return [result]
    limits = np.iinfo(target)
    fits = limits.min <= value.range[0] and value.range[1] <= limits.max
    return [replace(result, known=value.known, bounds=value.bounds) if fits else result]


def _integer_pow(equation: Equation, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    power = equation.params["y"]
    if not 1 <= power <= 8:
        raise NoLoopFormError
    return _elementwise(_power(power))(equation, values, outs, writer)


def _power(exponent: int) -> str:
    """Return the text of a power by repeated squaring, the order in which the NumPy form multiplies."""
    result, square, left = "", "{0}", exponent
    while left:
        if left & 1:
            result = f"({result} * {square})" if result else square
        left >>= 1
        square = f"({square} * {square})"
    return result


def _select(equation: Equation, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    if len(values) != 3 or values[0].dtype != np.bool_:
        raise NoLoopFormError
    if values[0].known is not None and values[1 + values[0].known].shape == outs[0].shape:
        return [values[1 + values[0].known]]
    return _elementwise("_sel({0}, {2}, {1})")(equation, values, outs, writer)


def _same(equation: Equation, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    del equation, outs, writer
    return [values[0]]


_LIGHT = ("neg", "sqrt", "square", "floor", "ceil", "is_finite", "abs")

LOOP_RULES: dict[str, Rule] = {
    **{name: _elementwise(TEMPLATES[name]) for name in _LIGHT},
    **{name: _elementary(name) for name in TEXTS},
    **{name: _arithmetic(TEMPLATES[name], 0) for name in ("add", "add_any", "sub")},
    "mul": _arithmetic("{0} * {1}", 1),
    **{name: _comparison(name) for name in ("eq", "ne", "lt", "le", "gt", "ge")},
    **dict.fromkeys(("copy", "copy_p", "stop_gradient", "optimization_barrier"), _same),
    "max": _elementwise("_max({0}, {1})"),
    "min": _elementwise("_min({0}, {1})"),
    "div": _typed_choice("_div({0}, {1})", "{0} / {1}"),
    "rem": _typed_choice("_rem({0}, {1})", "np.fmod({0}, {1})"),
    "and": _logical("{0} & {1}"),
    "or": _logical("{0} | {1}"),
    "xor": _logical("{0} ^ {1}"),
    "not": _not,
    "rsqrt": _rsqrt,
    "sign": _typed_choice("np.sign({0})", "np.sign({0}) + 0.0"),  # Numba keeps the sign of zero, NumPy does not.
    "clamp": _elementwise("_min(_max({1}, {0}), {2})", 2),
    "integer_pow": _integer_pow,
    "shift_left": _shift("_shl", kind="uint"),
    "shift_right_arithmetic": _shift("_shr", kind="int"),
    "shift_right_logical": _shift("_shrl", kind="uint"),
    "convert_element_type": _convert,
    "select_n": _select,
    **SHAPES,
    **REDUCTIONS,
}
