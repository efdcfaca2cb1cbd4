"""Primitives that compute a value as NumPy statements, one line an equation, and what is known of their results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from prism.pallas import debug
from prism.pallas.kernel import Constant, Equation
from prism.pallas.numpy_source.constant_folding import folded
from prism.pallas.numpy_source.in_place import written_over
from prism.pallas.numpy_source.values import Context, Counter, Given, Ramp, Value, constant, value_of
from prism.pallas.numpy_source.writer import literal
from prism.pallas.primitives.site import Aval, Site
from prism.pallas.primitives.table import Primitive


def emit_rule(equation: Equation, rule: Primitive, operands: Sequence[Given], context: Context) -> list[Value]:
    """Write an equation of the primitive table and return its results."""
    ins, outs = debug.avals(equation.ins), debug.avals(equation.outs)
    known = folded(equation, operands, context)
    if known is not None:
        return [known]
    values = _rule_operands(equation, rule, operands, context)
    axes = frozenset().union(*(v.axes for v in values))
    name, multiple = equation.name, equation.several
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
        refuse=lambda: context.refuse(axes, equation),
        place=equation.site,
    )
    text = rule.numpy(site)
    thin = any(v.thin for v in values)
    if not multiple:
        known = Value(text, axes, loose_result, thin, ramp=_ramp(name, values))
        if text.isidentifier():
            if not values:
                context.constants[text] = context.writer.scope[text]
            return [known]
        result = written_over(equation, values, text, context)
        if result is None:
            result = context.writer.name()
            context.writer.line(f"{result} = {text}")
        return [replace(known, text=result, counter=_counter(name, values, outs))]
    names = [context.writer.name() for _ in outs]
    if names:
        context.writer.line(f"{', '.join(names)}{',' if len(names) == 1 else ''} = {text}")
    return [Value(n, axes, thin=thin) for n in names]


def _rule_operands(equation: Equation, rule: Primitive, operands: Sequence[Given], context: Context) -> list[Value]:
    """Return operands; an elementwise rule takes Python literals where another operand fixes the type."""
    typed = {var.dtype for var in equation.variables}
    values = []
    for operand in operands:
        if not isinstance(operand, Constant):
            values.append(value_of(operand, context))
            continue
        bare = rule.elementwise and operand.dtype in typed and equation.name != "select_n"
        text = literal(operand.value, operand.dtype) if bare else None
        value = constant(operand, context) if text is None else Value(text)
        values.append(replace(value, ramp=_literal_ramp(operand)))
    return values


def _literal_ramp(atom: Constant) -> Ramp | None:
    return Ramp(int(atom.value), ()) if atom.dtype.kind in "iu" and not atom.shape else None


def _result_is_loose(
    rule: Primitive, name: str, values: Sequence[Value], ins: Sequence[Aval], outs: Sequence[Aval]
) -> bool:
    if name == "broadcast_in_dim":
        return bool(outs[0].shape)
    if not rule.elementwise or len(outs) != 1 or not outs[0].shape:
        return False
    return not any(aval.shape == outs[0].shape and not value.loose for value, aval in zip(values, ins, strict=True))


def _ramp(name: str, values: Sequence[Value]) -> Ramp | None:
    """Follow integers that are affine in the batched grid indices.

    For example, with axis 0 batched, `program_id(0) * 16 + 8` is Ramp(0, ((0, 1),)), then Ramp(0, ((0, 16),)), then
    Ramp(8, ((0, 16),)): a load from there is a strided view of all steps, whose bounds are known at once.
    """
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


def _counter(name: str, values: Sequence[Value], outs: Sequence[Aval]) -> Counter | None:
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
