"""The primitives that have a scalar form: the expression of one element, in terms of elements of the operands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from prism.pallas.primitives.elementwise import TEMPLATES
from prism.pallas.primitives.site import Aval

Texts = tuple[str, ...]


class NoLoopFormError(Exception):
    """A kernel, or a use of a primitive in it, has no form as scalar loops."""


@dataclass(frozen=True, slots=True)
class Lazy:
    """A value by the expression of its elements.

    `settled`: it is held in a variable or an array, called `name`. `cheap`: evaluating it twice costs next to nothing
    and no store can change it. `known` is a constant integer, `bounds` the range of a bounded one.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    at: Callable[[Texts], str]
    settled: bool = False
    name: str | None = None
    known: int | None = None
    bounds: tuple[int, int] | None = None
    cheap: bool = False

    def __post_init__(self) -> None:
        if not has_loop_form(self.dtype):
            raise NoLoopFormError
        if self.settled and not self.cheap:
            object.__setattr__(self, "cheap", True)


_TYPES = frozenset(
    ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")
)


def has_loop_form(dtype: np.dtype[Any]) -> bool:
    """Whether Numba computes in an element type as XLA does."""
    return dtype.name in _TYPES


def typed(dtype: np.dtype[Any]) -> str:
    """Return the NumPy name of an element type."""
    return "np.bool_" if dtype == np.bool_ else f"np.{dtype.name}"


def cast(dtype: np.dtype[Any], text: str) -> str:
    """Return an expression in an element type: Numba widens integers and constants, XLA does not."""
    return text if dtype == np.bool_ else f"{typed(dtype)}({text})"


Rule = Callable[[Any, list[Lazy], tuple[Aval, ...], Any], list[Lazy]]


def _spread(value: Lazy, index: Texts) -> str:
    """Return an operand's element; scalars and dimensions of extent 1 serve every element."""
    return value.at(tuple("0" if n == 1 else k for n, k in zip(value.shape, index, strict=False)))


def _elementwise(text: str) -> Rule:
    def rule(equation: Any, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
        del equation, writer
        out = outs[0]

        def at(index: Texts) -> str:
            return cast(out.dtype, text.format(*(f"({_spread(v, index)})" for v in values)))

        return [Lazy(out.shape, out.dtype, at, bounds=_bounds(text, values))]

    return rule


def _bounds(text: str, values: Sequence[Lazy]) -> tuple[int, int] | None:
    ranges = [v.bounds or ((v.known, v.known) if v.known is not None else None) for v in values]
    if len(ranges) != 2 or ranges[0] is None or ranges[1] is None:
        return None
    first, second = ranges[0], ranges[1]
    (a, b), (c, d) = first, second
    if text == "{0} + {1}":
        return (a + c, b + d)
    ends = (a * c, a * d, b * c, b * d)
    return (min(ends), max(ends)) if text == "{0} * {1}" and max(map(abs, ends)) < 2**31 else None


def _typed_choice(integer: str, floating: str) -> Rule:
    def rule(equation: Any, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
        chosen = floating if outs[0].dtype.kind == "f" else integer
        return _elementwise(chosen)(equation, values, outs, writer)

    return rule


def _shift(helper: str, *, kind: str) -> Rule:
    def rule(equation: Any, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
        bits = 8 * outs[0].dtype.itemsize
        text = f"{helper}(np.{kind}{bits}({{0}}), np.int64({{1}}), {bits})"
        return _elementwise(text)(equation, values, outs, writer)

    return rule


def _logical(boolean: str, integer: str) -> Rule:
    def rule(equation: Any, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
        text = boolean if outs[0].dtype == np.bool_ else integer
        return _elementwise(text)(equation, values, outs, writer)

    return rule


def _convert(equation: Any, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    source, target = values[0].dtype, outs[0].dtype
    if source == target:
        return [values[0]]
    if target == np.bool_:
        return _elementwise("{0} != 0")(equation, values, outs, writer)
    if source.kind == "f" and target.kind in "iu":
        info = np.iinfo(target)
        return _elementwise(f"_to_int({{0}}, {info.min}, {info.max})")(equation, values, outs, writer)
    (result,) = _elementwise("{0}")(equation, values, outs, writer)
    value = values[0]
    return [Lazy(result.shape, result.dtype, result.at, known=value.known, bounds=value.bounds)]


def _integer_pow(equation: Any, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    power = equation.params["y"]
    if not 1 <= power <= 8:
        raise NoLoopFormError
    held = writer.settle(values[0])
    return _elementwise(" * ".join(["{0}"] * power))(equation, [held], outs, writer)


def _select(equation: Any, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    if len(values) != 3 or values[0].dtype != np.bool_:
        raise NoLoopFormError
    return _elementwise("_sel({0}, {2}, {1})")(equation, values, outs, writer)


def _broadcast(equation: Any, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    del writer
    value, dims = values[0], tuple(equation.params["broadcast_dimensions"])
    out = outs[0]

    def at(index: Texts) -> str:
        return value.at(tuple("0" if n == 1 else index[d] for n, d in zip(value.shape, dims, strict=True)))

    return [Lazy(out.shape, out.dtype, at, cheap=value.cheap)]


def _reshape(equation: Any, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    del equation
    value, out = values[0], outs[0]
    mine = [k for k, n in enumerate(value.shape) if n != 1]
    theirs = [k for k, n in enumerate(out.shape) if n != 1]
    if [value.shape[k] for k in mine] == [out.shape[k] for k in theirs]:
        # Only axes of extent 1 come or go.
        def at(index: Texts) -> str:
            places = dict(zip(mine, (index[k] for k in theirs), strict=True))
            return value.at(tuple(places.get(k, "0") for k in range(len(value.shape))))

        return [Lazy(out.shape, out.dtype, at, cheap=value.cheap)]
    held, name = writer.settle(value), writer.name()
    writer.line(f"{name} = np.ascontiguousarray({held.name}).reshape({out.shape})")
    return [Lazy(out.shape, out.dtype, lambda index: f"{name}[{', '.join(index)}]", settled=True, name=name)]


def _transpose(equation: Any, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    del writer
    value, order = values[0], tuple(equation.params["permutation"])

    def at(index: Texts) -> str:
        return value.at(tuple(index[order.index(k)] for k in range(len(order))))

    return [Lazy(outs[0].shape, outs[0].dtype, at, cheap=value.cheap)]


def _slice(equation: Any, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    del writer
    value, starts = values[0], equation.params["start_indices"]
    strides = equation.params["strides"] or (1,) * len(starts)

    def at(index: Texts) -> str:
        return value.at(tuple(f"({s} + {k} * {t})" for s, k, t in zip(starts, index, strides, strict=True)))

    return [Lazy(outs[0].shape, outs[0].dtype, at, cheap=value.cheap)]


def _dynamic_slice(equation: Any, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    del equation
    value, out = writer.settle(values[0]), outs[0]
    names = []
    for start, extent, size in zip(values[1:], value.shape, out.shape, strict=True):
        names.append(writer.name("i"))
        writer.line(f"{names[-1]} = _clip(np.int64({start.at(())}), {extent - size})")

    def at(index: Texts) -> str:
        return value.at(tuple(f"{s} + {k}" for s, k in zip(names, index, strict=True)))

    return [Lazy(out.shape, out.dtype, at, cheap=True)]


def _concatenate(equation: Any, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    del writer
    axis = equation.params["dimension"]
    ends = np.cumsum([v.shape[axis] for v in values]).tolist()

    def at(index: Texts) -> str:
        text = ""
        for value, end in zip(values, ends, strict=True):
            start = end - value.shape[axis]
            moved = tuple(f"({k} - {start})" if j == axis and start else k for j, k in enumerate(index))
            last = end == ends[-1]
            text += f"({value.at(moved)})" if last else f"({value.at(moved)}) if {index[axis]} < {end} else "
        return f"({text})"

    return [Lazy(outs[0].shape, outs[0].dtype, at)]


def _unstack(equation: Any, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    axis, value = int(equation.params.get("axis", 0)), writer.settle(values[0])

    def part(k: int) -> Callable[[Texts], str]:
        return lambda index: value.at((*index[:axis], str(k), *index[axis:]))

    return [Lazy(out.shape, out.dtype, part(k), cheap=True) for k, out in enumerate(outs)]


def _split(equation: Any, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    axis, value = int(equation.params["axis"]), writer.settle(values[0])
    starts = np.cumsum([0, *(out.shape[axis] for out in outs)]).tolist()

    def part(start: int) -> Callable[[Texts], str]:
        return lambda index: value.at((*index[:axis], f"({start} + {index[axis]})", *index[axis + 1 :]))

    return [Lazy(out.shape, out.dtype, part(start), cheap=True) for out, start in zip(outs, starts, strict=False)]


def _iota(equation: Any, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    del values, writer
    out, axis = outs[0], equation.params["dimension"]
    return [Lazy(out.shape, out.dtype, lambda index: cast(out.dtype, index[axis]), cheap=True)]


def _reduction(start: Callable[[np.dtype[Any]], str], step: str, *, wide: bool = False) -> Rule:
    def rule(equation: Any, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
        value, out = values[0], outs[0]
        axes = tuple(equation.params["axes"])
        # Sums of float32 keep a float64 accumulator: the loop adds one element after the other.
        carried = np.dtype(np.float64) if wide and out.dtype == np.float32 else out.dtype
        name, total = writer.name(), writer.name()
        if out.shape:
            writer.line(f"{name} = np.empty({out.shape}, {typed(out.dtype)})")

        def outer(index: Texts) -> None:
            writer.line(f"{total} = {cast(carried, start(carried))}")
            places = iter(index)
            kept = [None if k in axes else next(places) for k in range(len(value.shape))]

            def inner(reduced: Texts) -> None:
                own = iter(reduced)
                at = tuple(next(own) if k is None else k for k in kept)
                writer.line(f"{total} = {cast(carried, step.format(total, value.at(at)))}")

            writer.nest([value.shape[a] for a in sorted(axes)], inner)
            target = f"{name}[{', '.join(index)}]" if out.shape else name
            writer.line(f"{target} = {cast(out.dtype, total)}")

        writer.nest(out.shape, outer)
        if not out.shape:
            return [Lazy((), out.dtype, lambda _: name, settled=True, name=name)]
        return [Lazy(out.shape, out.dtype, lambda index: f"{name}[{', '.join(index)}]", settled=True, name=name)]

    return rule


def _least(dtype: np.dtype[Any]) -> str:
    return "-np.inf" if dtype.kind == "f" else str(np.iinfo(dtype).min)


def _greatest(dtype: np.dtype[Any]) -> str:
    return "np.inf" if dtype.kind == "f" else str(np.iinfo(dtype).max)


def _dot(equation: Any, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    (contract, batch), out = equation.params["dimension_numbers"], outs[0]
    plain = all(v.dtype == out.dtype == np.float32 and len(v.shape) == 2 for v in values)
    if not plain or batch[0] or len(contract[0]) != 1:
        raise NoLoopFormError
    x, y = (writer.settle(v) for v in values)
    left = x.name if contract[0][0] == 1 else f"{x.name}.T"
    right = y.name if contract[1][0] == 0 else f"{y.name}.T"
    name = writer.name()
    writer.line(f"{name} = np.empty({out.shape}, np.float32)")
    writer.line(f"_multiply({left}, np.ascontiguousarray({right}), {name})")
    return [Lazy(out.shape, out.dtype, lambda index: f"{name}[{', '.join(index)}]", settled=True, name=name)]


_SAME_TEXT = [
    "add",
    "add_any",
    "sub",
    "mul",
    "neg",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log1p",
    "sqrt",
    "square",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
    "floor",
    "ceil",
    "is_finite",
    "abs",
    "sign",
    "atan2",
    "copy",
    "stop_gradient",
]

LOOP_RULES: dict[str, Rule] = {
    **{name: _elementwise(TEMPLATES[name]) for name in _SAME_TEXT},
    "max": _elementwise("_max({0}, {1})"),
    "min": _elementwise("_min({0}, {1})"),
    "div": _typed_choice("_div({0}, {1})", "{0} / {1}"),
    "rem": _typed_choice("_rem({0}, {1})", "np.fmod({0}, {1})"),
    "and": _logical("{0} and {1}", "{0} & {1}"),
    "or": _logical("{0} or {1}", "{0} | {1}"),
    "xor": _logical("{0} != {1}", "{0} ^ {1}"),
    "not": _logical("not {0}", "~{0}"),
    "rsqrt": _elementwise("1.0 / np.sqrt({0})"),
    "logistic": _elementwise("1.0 / (1.0 + np.exp(-{0}))"),
    "clamp": _elementwise("_min(_max({1}, {0}), {2})"),
    "integer_pow": _integer_pow,
    "shift_left": _shift("_shl", kind="uint"),
    "shift_right_arithmetic": _shift("_shr", kind="int"),
    "shift_right_logical": _shift("_shrl", kind="uint"),
    "convert_element_type": _convert,
    "select_n": _select,
    "broadcast_in_dim": _broadcast,
    "reshape": _reshape,
    "squeeze": _reshape,
    "expand_dims": _reshape,
    "transpose": _transpose,
    "slice": _slice,
    "dynamic_slice": _dynamic_slice,
    "concatenate": _concatenate,
    "iota": _iota,
    "unstack": _unstack,
    "split": _split,
    "reduce_sum": _reduction(lambda _: "0", "{0} + {1}", wide=True),
    "reduce_max": _reduction(_least, "_max({0}, {1})"),
    "reduce_min": _reduction(_greatest, "_min({0}, {1})"),
    "dot_general": _dot,
}
