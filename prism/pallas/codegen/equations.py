"""A kernel's jaxpr as NumPy statements: one line an equation, real Python loops and branches.

Grid axes may be batched: values that differ along them carry one leading axis each, in grid order. A construct that
cannot be batched along some axes says so by `DependsOnError`, and the caller runs those axes serially.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from prism.pallas import compat, debug
from prism.pallas.codegen.writer import Writer, literal
from prism.pallas.decode import STATE_PRIMITIVES
from prism.pallas.errors import UnsupportedError
from prism.pallas.primitives import TABLE, NotBatchableError, Rule, Site
from prism.pallas.structure import Use, dropped, lasting_loads, spent_operands, tested_conditions, used_variables

Axes = frozenset[int]
NONE: Axes = frozenset()


class DependsOnError(Exception):
    """A construct that must run serially depends on these batched grid axes."""

    def __init__(self, axes: Axes) -> None:
        self.axes = axes
        super().__init__(sorted(axes))


class NoFastFormError(Exception):
    """Generated source cannot express this kernel; debug mode runs it."""


@dataclass(frozen=True, slots=True)
class Ramp:
    """An integer that is `base + sum(slope * grid index)` over batched axes; `slopes` pairs axes with slopes."""

    base: int
    slopes: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Counter:
    """A Python integer equal to a value, and the range that it stays in."""

    text: str
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Value:
    """A value in the source: its expression, and along which batched axes it differs.

    A `loose` value's array only broadcasts to its shape; a `thin` one's may have extent 1 along its batched axes.
    `ramp` and `counter` are what is known of an integer.
    """

    text: str
    axes: Axes = NONE
    loose: bool = False
    thin: bool = False
    ramp: Ramp | None = None
    counter: Counter | None = None


@dataclass(frozen=True, slots=True)
class RefVar:
    """A reference in the source.

    `text` names the window, `text_set` the flag that all of it was written, `text_done` the mask of what was, if it is
    tracked; `text_lane` the shadow of writers if it is contested. `axes` are the batched axes along which the window
    differs. `shared`: another reference is the same memory.
    """

    text: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    use: Use
    axes: Axes = NONE
    tracked: bool = False
    masked: bool = False
    contested: bool = False
    shared: bool = False


Bound = Value | RefVar


@dataclass(slots=True)
class Context:
    """What the generated statements stand in.

    `batched` are the batched grid axes in order; `program` gives each
    visible axis's index as a value and its extent. `origins` and `extents` say of each batched axis where the current
    chunk begins and how long it is, as expressions; `lengths` are the whole axes' lengths. `copy_load`, `dropped` and
    `spent` are of the current equation: whether a load may outlive the memory, which results nobody reads, and which
    operands nobody reads again. `checked` has the integers that are within bounds, `written` the subscripts of what was
    written, or missed already, in this block.
    """

    writer: Writer
    batched: tuple[int, ...] = ()
    program: list[tuple[Value, int | str]] = field(default_factory=list)
    named_axes: dict[Any, int] = field(default_factory=dict)
    clamp: bool = False
    origins: tuple[str, ...] = ()
    extents: tuple[str, ...] = ()
    lengths: tuple[int, ...] = ()
    copy_load: bool = True
    dropped: list[bool] = field(default_factory=list)
    spent: set[Any] = field(default_factory=set)
    checked: dict[str, tuple[str, int]] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)
    constants: dict[str, Any] = field(default_factory=dict)

    @property
    def lead(self) -> int:
        """How many leading axes batched values carry."""
        return len(self.batched)


def emit(jaxpr: Any, consts: Sequence[Any], args: Sequence[Bound], context: Context) -> list[Value]:
    """Write the statements of a jaxpr and return its results."""
    env: dict[Any, Bound] = dict(zip(jaxpr.invars, args, strict=True))
    for var, const in zip(jaxpr.constvars, consts, strict=True):
        env[var] = (
            const if isinstance(const, Value | RefVar) else Value(context.writer.bind(np.asarray(const), "const"))
        )
    lasting, used, spent = lasting_loads(jaxpr), used_variables(jaxpr), spent_operands(jaxpr)
    tested = tested_conditions(jaxpr)
    for position, equation in enumerate(jaxpr.eqns):
        context.writer.site = compat.site_of(equation)
        context.copy_load, context.dropped = position in lasting, dropped(equation, used)
        context.spent = spent[position]
        operands = [None if isinstance(v, compat.Literal) else env[v] for v in equation.invars]
        if position in tested:
            # A branch is as well chosen by the condition itself as by its number.
            env[equation.outvars[0]] = env[equation.invars[0]]
            continue
        results = _emit_equation(equation, operands, context)
        env.update(zip(equation.outvars, results, strict=True))
    return [_value_of(v, env, context) for v in jaxpr.outvars]


def _value_of(atom: Any, env: dict[Any, Bound], context: Context) -> Value:
    if isinstance(atom, compat.Literal):
        return constant(atom, context)
    value = env[atom]
    if isinstance(value, RefVar):
        raise NoFastFormError
    return value


def constant(atom: Any, context: Context) -> Value:
    """Return a literal as a typed constant."""
    return constant_of(np.asarray(atom.val).astype(compat.element_type(atom.aval.dtype))[()], context)


def constant_of(value: Any, context: Context) -> Value:
    """Return a NumPy value as a constant of the source; equal ones share a name."""
    dtype = value.dtype
    name = context.writer.bind(_interned(context, value), _constant_hint(value))
    context.constants[name] = value
    ramp = Ramp(int(value), ()) if np.ndim(value) == 0 and dtype.kind in "iu" else None
    return Value(name, ramp=ramp)


def _interned(context: Context, value: Any) -> Any:
    if np.ndim(value):
        return value
    for other in context.writer.scope.values():
        if isinstance(other, np.generic) and other.dtype == value.dtype and other.tobytes() == value.tobytes():
            return other
    return value


def _constant_hint(value: Any) -> str:
    text = f"{value.dtype.name}_{value}" if np.ndim(value) == 0 else "const"
    return "".join(c if c.isalnum() else "_" for c in text)


def values_of(equation: Any, operands: Sequence[Bound | None], context: Context) -> list[Value]:
    """Return an equation's operands as values; literals become typed constants."""
    values = []
    for atom, operand in zip(equation.invars, operands, strict=True):
        if isinstance(operand, RefVar):
            raise NoFastFormError
        values.append(constant(atom, context) if operand is None else operand)
    return values


def _emit_equation(equation: Any, operands: Sequence[Bound | None], context: Context) -> list[Value]:
    # The structured and the state primitives need `emit` themselves.
    from prism.pallas.codegen import control, memory

    name = equation.primitive.name
    if name in STATE_PRIMITIVES:
        return memory.emit_access(equation, operands, context)
    handler = control.HANDLERS.get(name)
    if handler is not None:
        return handler(equation, operands, context)
    rule = TABLE.get(name)
    if rule is None:
        raise UnsupportedError(f"the primitive {name}", compat.site_of(equation))
    return _emit_rule(equation, rule, operands, context)


def _emit_rule(equation: Any, rule: Rule, operands: Sequence[Bound | None], context: Context) -> list[Value]:
    from prism.pallas.codegen import reuse, static

    outs = debug.avals(equation.outvars)
    ins = debug.avals(equation.invars)
    folded = static.folded(equation, operands, context)
    if folded is not None:
        return [folded]
    values = _rule_operands(equation, rule, ins, operands, context)
    axes = frozenset().union(*(v.axes for v in values))
    name, multiple = equation.primitive.name, equation.primitive.multiple_results
    loose_result = _result_is_loose(rule, name, values, ins, outs)
    site = Site(
        equation.params,
        ins,
        outs,
        tuple(v.text for v in values),
        context.writer.bind,
        lead=context.lead if axes else 0,
        batched=tuple(bool(v.axes) for v in values),
        loose=tuple(v.loose for v in values),
        loose_result=loose_result,
        scalars=True,
    )
    try:
        text = rule.emit(site)
    except NotBatchableError:
        raise DependsOnError(axes) from None
    thin = any(v.thin for v in values)
    if not multiple:
        known = Value(text, axes, loose_result, thin, ramp=_ramp(name, values))
        if text.isidentifier():
            if not values:
                context.constants[text] = context.writer.scope[text]
            return [known]
        result = reuse.written_over(equation, values, text, ins, outs[0], context)
        if result is None:
            result = context.writer.name()
            context.writer.line(f"{result} = {text}")
        return [replace(known, text=result, counter=_counter(name, values, outs))]
    names = [context.writer.name() for _ in outs]
    if names:
        context.writer.line(f"{', '.join(names)}{',' if len(names) == 1 else ''} = {text}")
    return [Value(n, axes, thin=thin) for n in names]


def _rule_operands(
    equation: Any, rule: Rule, ins: Sequence[Any], operands: Sequence[Bound | None], context: Context
) -> list[Value]:
    """Return operands; an elementwise rule takes Python literals where another operand fixes the type."""
    typed = {ins[k].dtype for k, operand in enumerate(operands) if operand is not None}
    values = []
    for atom, aval, operand in zip(equation.invars, ins, operands, strict=True):
        if isinstance(operand, RefVar):
            raise NoFastFormError
        if operand is not None:
            values.append(operand)
            continue
        bare = rule.elementwise and aval.dtype in typed and equation.primitive.name != "select_n"
        text = literal(atom.val, aval.dtype) if bare else None
        value = constant(atom, context) if text is None else Value(text)
        values.append(replace(value, ramp=_literal_ramp(atom, aval)))
    return values


def _literal_ramp(atom: Any, aval: Any) -> Ramp | None:
    return Ramp(int(atom.val), ()) if aval.dtype.kind in "iu" and np.ndim(atom.val) == 0 else None


def _result_is_loose(rule: Rule, name: str, values: Sequence[Value], ins: Sequence[Any], outs: Sequence[Any]) -> bool:
    if name == "broadcast_in_dim":
        return bool(outs[0].shape)
    if not rule.elementwise or len(outs) != 1 or not outs[0].shape:
        return False
    return not any(aval.shape == outs[0].shape and not value.loose for value, aval in zip(values, ins, strict=True))


def _ramp(name: str, values: Sequence[Value]) -> Ramp | None:
    """Follow integers that are affine in the batched grid indices."""
    if name not in ("add", "sub", "mul", "convert_element_type", "multiple_of", "max_contiguous"):
        return None
    ramps = [v.ramp for v in values]
    if any(r is None for r in ramps):
        return None
    first = ramps[0]
    assert first is not None
    if len(ramps) == 1:
        return first
    second = ramps[1]
    assert second is not None
    if name == "mul":
        if first.slopes and second.slopes:
            return None
        one, scale = (first, second.base) if not second.slopes else (second, first.base)
        return Ramp(one.base * scale, tuple((axis, slope * scale) for axis, slope in one.slopes))
    sign = -1 if name == "sub" else 1
    slopes = dict(first.slopes)
    for axis, slope in second.slopes:
        slopes[axis] = slopes.get(axis, 0) + sign * slope
    return Ramp(first.base + sign * second.base, tuple(sorted(slopes.items())))


def _counter(name: str, values: Sequence[Value], outs: Sequence[Any]) -> Counter | None:
    """Follow a loop counter through additions and multiplications by constants."""
    if name not in ("add", "mul") or outs[0].shape or outs[0].dtype.kind not in "iu":
        return None
    counters = [(v.counter, w.ramp) for v, w in (values, values[::-1]) if v.counter is not None]
    if len(counters) != 1 or counters[0][1] is None or counters[0][1].slopes:
        return None
    counter, constant_of = counters[0][0], counters[0][1].base
    assert counter is not None
    if name == "add":
        return Counter(f"{counter.text} + {constant_of}", counter.low + constant_of, counter.high + constant_of)
    ends = sorted((counter.low * constant_of, counter.high * constant_of))
    text = counter.text if counter.text.isidentifier() else f"({counter.text})"
    return Counter(f"{text} * {constant_of}", *ends) if abs(ends[1]) < 2**31 else None


def lifted(value: Value, context: Context) -> Value:
    """Return a value with the leading axes of a batched one."""
    if value.axes or not context.lead:
        return value
    name = context.writer.name()
    context.writer.line(f"{name} = np.asarray({value.text})[{', '.join(['None'] * context.lead)}]")
    return replace(value, text=name, axes=frozenset(context.batched), thin=True)


def solid(value: Value, shape: tuple[int, ...], context: Context) -> Value:
    """Return a value whose array has its full shape."""
    if not value.loose:
        return value
    site = Site(
        {},
        (debug.Aval(shape, np.dtype(np.int8)),),
        (),
        (value.text,),
        context.writer.bind,
        lead=context.lead,
        batched=(bool(value.axes),),
        loose=(True,),
    )
    name = context.writer.name()
    context.writer.line(f"{name} = {site.arg(0)}")
    return replace(value, text=name, loose=False)
