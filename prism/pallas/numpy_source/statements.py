"""A kernel's equations as Python statements: calls are inlined, loops and branches stay loops and branches."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from prism.codegen.texts import indented
from prism.pallas import control
from prism.pallas.analysis import dropped, lasting_loads, spent_operands, tested_conditions, use_of, used_variables
from prism.pallas.errors import SuspectError, UnsupportedError
from prism.pallas.kernel import Constant, Equation, Kernel, Var
from prism.pallas.numpy_source import memory
from prism.pallas.numpy_source.constant_folding import known_value
from prism.pallas.numpy_source.rules import emit_rule
from prism.pallas.numpy_source.values import (
    NONE,
    REFUSED,
    Bound,
    Context,
    Counter,
    Given,
    RefVar,
    Value,
    lifted,
    named,
    solid,
    value_of,
)
from prism.pallas.numpy_source.writer import Writer
from prism.pallas.primitives import keys
from prism.pallas.primitives.table import TABLE

Handler = Callable[[Equation, control.Record, Sequence[Given], Context], list[Value]]


def emit(kernel: Kernel, args: Sequence[Bound], context: Context) -> list[Value]:
    """Write the statements of a kernel and return its results."""
    env: dict[Var, Bound] = dict(zip(kernel.ins, args, strict=True))
    env.update((var, Value(context.writer.bind(const, "const"))) for var, const in kernel.consts)
    lasting, used, spent = lasting_loads(kernel), used_variables(kernel), spent_operands(kernel)
    tested = tested_conditions(kernel)
    for position, equation in enumerate(kernel.equations):
        context.writer.site = equation.site
        context.copy_load, context.dropped = position in lasting, dropped(equation, used)
        context.spent = spent[position]
        operands = [v if isinstance(v, Constant) else env[v] for v in equation.ins]
        if position in tested:
            # A branch is as well chosen by the condition itself as by its number.
            (condition,) = equation.variables
            env[equation.outs[0]] = env[condition]
            continue
        results = _emit_equation(equation, operands, context)
        if context.refusals:
            first = context.refusals[0]
            context.refusals[0] = first if first.equation is not None else replace(first, equation=equation)
            return [REFUSED for _ in kernel.outs]
        env.update(zip(equation.outs, results, strict=True))
    return [value_of(v if isinstance(v, Constant) else env[v], context) for v in kernel.outs]


def _emit_equation(equation: Equation, operands: Sequence[Given], context: Context) -> list[Value]:
    asked = equation.control
    if equation.access is not None:
        return memory.emit_access(equation, equation.access, operands, context)
    if asked is not None:
        handler = _CONTROL.get(type(asked))
        if handler is None:
            return context.refuse(None, equation)
        return handler(equation, asked, operands, context)
    rule = TABLE.get(equation.name)
    if rule is None:
        raise UnsupportedError(f"the primitive {equation.name}", equation.site)
    return emit_rule(equation, rule, operands, context)


def _bound(operands: Sequence[Given], context: Context) -> list[Bound]:
    return [named(operand, context) for operand in operands]


def _inline(equation: Equation, _: control.Inline, operands: Sequence[Given], context: Context) -> list[Value]:
    """Write what a call runs in its place."""
    return emit(equation.body, _bound(operands, context), context)


@contextlib.contextmanager
def _own_checks(context: Context) -> Iterator[None]:
    """Forget after a block what was checked inside of it."""
    checked, written = context.checked, context.written
    context.checked, context.written = dict(checked), set(written)
    yield
    context.checked, context.written = checked, written


def _dry(context: Context) -> Context:
    """Return a context whose statements are thrown away, to learn how results depend on batched axes."""
    writer = Writer(scope=context.writer.scope, depth=context.writer.depth)
    writer._names = context.writer._names
    writer._bound = context.writer._bound
    return replace(context, writer=writer, checked=dict(context.checked), written=set(context.written))


def _assign(names: Sequence[str], values: Sequence[Value], context: Context) -> None:
    pairs = [(name, value.text) for name, value in zip(names, values, strict=True) if name != value.text]
    if pairs:
        left, right = zip(*pairs, strict=True)
        context.writer.line(f"{', '.join(left)} = {', '.join(right)}")


def _shapes(variables: Sequence[Var]) -> list[tuple[int, ...]]:
    return [v.shape for v in variables]


def _branch(equation: Equation, _: control.Branch, operands: Sequence[Given], context: Context) -> list[Value]:
    which, *args = _bound(operands, context)
    if isinstance(which, RefVar):
        return context.refuse(None, equation)
    if which.axes:
        return context.refuse(which.axes, equation)
    branches = [inner.kernel for inner in equation.inner]
    known = known_value(which, context)
    if known is not None:
        return emit(equation.chosen(int(known)), args, context)
    names = [context.writer.name() for _ in equation.outs]
    batched = (
        [any(column) for column in _branch_axes(branches, args, context)] if context.lead else [False] * len(names)
    )
    shapes = _shapes(equation.outs)
    boolean = len(branches) == 2
    for k, branch in enumerate(branches):
        if boolean:
            header = f"if {which.text}:" if k == 0 else "else:"
            branch = branches[1 - k]
        else:
            # Indices outside of the branches choose the first or the last one.
            test = f"{which.text} <= 0" if k == 0 else f"{which.text} == {k}"
            header = f"if {test}:" if k == 0 else "else:" if k == len(branches) - 1 else f"elif {test}:"
        if not names and not branch.equations and header == "else:":
            continue
        with indented(context.writer, header), _own_checks(context):
            results = emit(branch, args, context)
            results = [solid(v, shape, context) for v, shape in zip(results, shapes, strict=True)]
            results = [lifted(v, context) if lift else v for v, lift in zip(results, batched, strict=True)]
            _assign(names, results, context)
    axes = context.every
    return [Value(name, axes if lift else NONE, thin=lift) for name, lift in zip(names, batched, strict=True)]


def _branch_axes(branches: Sequence[Kernel], args: Sequence[Bound], context: Context) -> list[tuple[bool, ...]]:
    rows = [[bool(v.axes) for v in emit(branch, args, _dry(context))] for branch in branches]
    return list(zip(*rows, strict=True))


def _settle(body: Callable[[list[Value], Context], list[Value]], carry: list[Value], context: Context) -> list[Value]:
    """Return the carried values lifted so that a loop's body keeps which of them are batched."""
    while context.lead:
        after = body(carry, _dry(context))
        grown = [bool(new.axes) and not old.axes for old, new in zip(carry, after, strict=True)]
        if not any(grown):
            break
        carry = [lifted(v, context) if grow else v for v, grow in zip(carry, grown, strict=True)]
    return carry


def _enter(carry: list[Value], shapes: Sequence[tuple[int, ...]], context: Context) -> list[Value]:
    """Assign carried values to fresh names, in their full shapes."""
    full = [solid(v, shape, context) for v, shape in zip(carry, shapes, strict=True)]
    names = [context.writer.name() for _ in full]
    _assign(names, full, context)
    return [Value(name, v.axes, thin=bool(v.axes)) for name, v in zip(names, full, strict=True)]


def _leave(names: list[Value], results: list[Value], shapes: Sequence[tuple[int, ...]], context: Context) -> None:
    """Assign a body's results to the carried names."""
    full = [solid(v, shape, context) for v, shape in zip(results, shapes, strict=True)]
    full = [lifted(v, context) if name.axes else v for name, v in zip(names, full, strict=True)]
    _assign([n.text for n in names], full, context)


def _plain(values: Sequence[Value]) -> list[Value]:
    """Forget what is known of a loop's carried values beyond their axes."""
    return [replace(v, ramp=None, counter=None) for v in values]


def _loop(equation: Equation, loop: control.Loop, operands: Sequence[Given], context: Context) -> list[Value]:
    for_test, for_body, carried, rows = loop.parts(_bound(operands, context))
    carry = [v for v in carried if isinstance(v, Value)]
    shapes, stacked = _shapes(equation.outs[: loop.carry]), equation.outs[loop.carry :]
    if (rows or stacked) and context.lead:
        return context.refuse(context.every, equation)
    once = loop.length == 1 and not stacked
    index = "0" if once or loop.length is None else context.writer.name()
    counter = _counter(loop, carry, index)
    atoms = equation.ins[len(equation.ins) - len(rows) :]
    scanned = [solid(value_of(v, context), a.shape, context).text for v, a in zip(rows, atoms, strict=True)]

    def body(values: list[Value], inner: Context) -> list[Value]:
        entries = []
        for text in scanned:
            entries.append(Value(inner.writer.name()))
            inner.writer.line(f"{entries[-1].text} = {text}[{index}]")
        if not once:
            values = [replace(v, counter=counter.get(k)) for k, v in enumerate(_plain(values))]
        return emit(equation.body, [*for_body, *values, *entries], inner)

    if once:
        return body(carry, context)
    carry = _enter(_settle(body, carry, context), shapes, context)
    stacks = [_stack(var, context) for var in stacked]
    with indented(context.writer, loop.header(index)), _own_checks(context):
        if equation.test is not None:
            test = emit(equation.test, [*for_test, *carry], context)[0]
            if test.axes:
                return context.refuse(test.axes, equation)
            context.writer.line(f"if not {test.text}: break")
        results = body(carry, context)
        for stack, value in zip(stacks, results[loop.carry :], strict=True):
            context.writer.line(f"{stack.text}[{index}] = {value.text}")
        _leave(carry, results[: loop.carry], shapes, context)
    return [*carry, *stacks]


def _counter(loop: control.Loop, carry: Sequence[Value], index: str) -> dict[int, Counter]:
    """Return the first carried value that counts the iterations, by what the loop's own index says of it."""
    if loop.length is not None and not loop.reverse:
        for k in sorted(loop.counters):
            ramp = carry[k].ramp
            if ramp is not None and not ramp.slopes:
                text = f"{index} + {ramp.base}" if ramp.base else index
                return {k: Counter(text, ramp.base, ramp.base + max(loop.length - 1, 0))}
    return {}


def _stack(var: Var, context: Context) -> Value:
    """Write the allocation of an array that gets one row an iteration."""
    name, dtype = context.writer.name(), context.writer.bind(var.dtype, var.dtype.name)
    context.writer.line(f"{name} = np.empty({var.shape}, {dtype})")
    return Value(name)


def _scope(equation: Equation, _: control.Scope, operands: Sequence[Given], context: Context) -> list[Value]:
    kernel, outer = equation.body, _bound(operands, context)
    refs = []
    for k, var in enumerate(kernel.ins[len(outer) :]):
        text = context.writer.bind(object(), f"scratch{k}")
        ref = RefVar(
            text,
            var.shape,
            var.dtype,
            use_of(kernel, var),
            axes=context.every,
            tracked=not var.semaphore,
            masked=not var.semaphore,
        )
        memory.emit_allocation(ref, context, zero=not ref.tracked)
        refs.append(ref)
    return emit(kernel, [*outer, *refs], context)


def _grid_extent(_: Equation, extent: control.GridExtent, __: object, context: Context) -> list[Value]:
    count = context.program[extent.axis][1]
    return [Value(context.writer.bind(np.int32(count), f"int32_{count}"))]


def _mesh_index(equation: Equation, index: control.MeshIndex, __: object, context: Context) -> list[Value]:
    axis = context.named_axes.get(index.names[0]) if len(index.names) == 1 else None
    if axis is None:
        return context.refuse(None, equation)  # Debug mode knows of several, and reports names that no axis has.
    return [context.program[axis][0]]


def _in_order(handler: Handler) -> Handler:
    """Return a handler of what must happen step by step."""

    def emit_in_order(
        equation: Equation, asked: control.Record, operands: Sequence[Given], context: Context
    ) -> list[Value]:
        if context.lead:
            return context.refuse(context.every, equation)
        return handler(equation, asked, operands, context)

    return emit_in_order


def _check(_: Equation, check: control.Check, operands: Sequence[Given], context: Context) -> list[Value]:
    failure, suspect = context.writer.bind(check.failure, "failure"), context.writer.bind(SuspectError, "Suspect")
    context.writer.line(f"if {failure}([{_texts(operands, context)}]): raise {suspect}")
    return []


def _seed(_: Equation, __: control.Seed, operands: Sequence[Given], context: Context) -> list[Value]:
    context.writer.line(f"{context.writer.bind(keys.seed_generator, 'seed_generator')}(m, {_texts(operands, context)})")
    return []


def _draw(equation: Equation, _: control.Draw, __: object, context: Context) -> list[Value]:
    (out,), drawn, writer = equation.outs, context.writer.name(), context.writer
    dtype = writer.bind(out.dtype, out.dtype.name)
    writer.line(f"{drawn} = {writer.bind(keys.draw, 'draw')}(m, {out.shape!r}, {dtype})")
    return [Value(drawn)]


def _texts(operands: Sequence[Given], context: Context) -> str:
    return ", ".join(value_of(v, context).text for v in operands)


_CONTROL: dict[type[control.Control], Handler] = {
    control.Inline: _inline,
    control.Branch: _branch,
    control.Loop: _loop,
    control.Scope: _scope,
    control.GridIndex: lambda _, index, __, context: [context.program[index.axis][0]],
    control.GridExtent: _grid_extent,
    control.MeshIndex: _mesh_index,
    control.Check: _in_order(_check),
    control.Seed: _in_order(_seed),
    control.Draw: _in_order(_draw),
    control.Idle: lambda *_: [],
}
"""What has a form in source; a kernel that prints or calls back is left to debug mode."""
