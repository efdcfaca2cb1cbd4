"""Control flow of a kernel as Python statements: calls are inlined, loops and branches stay loops and branches."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from prism.codegen.texts import indented
from prism.pallas import compat
from prism.pallas.codegen import memory
from prism.pallas.codegen.equations import (
    NONE,
    Bound,
    Context,
    Counter,
    DependsOnError,
    NoFastFormError,
    RefVar,
    Value,
    constant,
    emit,
    lifted,
    solid,
    values_of,
)
from prism.pallas.codegen.static import known_value
from prism.pallas.codegen.writer import Writer
from prism.pallas.errors import UnsupportedError
from prism.pallas.structure import IDLE, INLINED, primitives_in, use_of

Handler = Callable[[Any, Sequence[Bound | None], Context], list[Value]]


def _bound(equation: Any, operands: Sequence[Bound | None], context: Context) -> list[Bound]:
    return [
        constant(atom, context) if operand is None else operand
        for atom, operand in zip(equation.invars, operands, strict=True)
    ]


def _inline(jaxpr: Any, args: Sequence[Bound], context: Context) -> list[Value]:
    inner, consts = compat.open_jaxpr(jaxpr)
    return emit(inner, consts, args, context)


def _call(parameter: str) -> Handler:
    def handler(equation: Any, operands: Sequence[Bound | None], context: Context) -> list[Value]:
        return _inline(equation.params[parameter], _bound(equation, operands, context), context)

    return handler


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


def _shapes(variables: Sequence[Any]) -> list[tuple[int, ...]]:
    return [compat.shape_of(v) for v in variables]


def _cond(equation: Any, operands: Sequence[Bound | None], context: Context) -> list[Value]:
    which, *args = _bound(equation, operands, context)
    if isinstance(which, RefVar):
        raise NoFastFormError
    if which.axes:
        raise DependsOnError(which.axes)
    branches = equation.params["branches"]
    known = known_value(which, context)
    if known is not None:
        return _inline(branches[min(max(int(known), 0), len(branches) - 1)], args, context)
    names = [context.writer.name() for _ in equation.outvars]
    batched = (
        [any(column) for column in _branch_axes(branches, args, context)] if context.lead else [False] * len(names)
    )
    shapes = _shapes(equation.outvars)
    boolean = len(branches) == 2
    for k, branch in enumerate(branches):
        if boolean:
            header = f"if {which.text}:" if k == 0 else "else:"
            branch = branches[1 - k]
        else:
            # Indices outside of the branches choose the first or the last one.
            test = f"{which.text} <= 0" if k == 0 else f"{which.text} == {k}"
            header = f"if {test}:" if k == 0 else "else:" if k == len(branches) - 1 else f"elif {test}:"
        if not names and not compat.open_jaxpr(branch)[0].eqns and header == "else:":
            continue
        with indented(context.writer, header), _own_checks(context):
            results = _inline(branch, args, context)
            results = [solid(v, shape, context) for v, shape in zip(results, shapes, strict=True)]
            results = [lifted(v, context) if lift else v for v, lift in zip(results, batched, strict=True)]
            _assign(names, results, context)
    axes = frozenset(context.batched)
    return [Value(name, axes if lift else NONE, thin=lift) for name, lift in zip(names, batched, strict=True)]


def _branch_axes(branches: Sequence[Any], args: Sequence[Bound], context: Context) -> list[tuple[bool, ...]]:
    rows = [[bool(v.axes) for v in _inline(branch, args, _dry(context))] for branch in branches]
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


def _while(equation: Any, operands: Sequence[Bound | None], context: Context) -> list[Value]:
    parameters = equation.params
    for_cond, for_body = parameters["cond_nconsts"], parameters["body_nconsts"]
    args = _bound(equation, operands, context)
    cond_consts, body_consts = args[:for_cond], args[for_cond : for_cond + for_body]
    carry = [v for v in args[for_cond + for_body :] if isinstance(v, Value)]
    shapes = _shapes(equation.outvars)

    def body(values: list[Value], inner: Context) -> list[Value]:
        return _inline(parameters["body_jaxpr"], [*body_consts, *_plain(values)], inner)

    carry = _enter(_settle(body, carry, context), shapes, context)
    with indented(context.writer, "while True:"), _own_checks(context):
        test = _inline(parameters["cond_jaxpr"], [*cond_consts, *carry], context)[0]
        if test.axes:
            raise DependsOnError(test.axes)
        context.writer.line(f"if not {test.text}: break")
        _leave(carry, body(carry, context), shapes, context)
    return carry


def _plain(values: Sequence[Value]) -> list[Value]:
    """Forget what is known of a loop's carried values beyond their axes."""
    return [replace(v, ramp=None, counter=None) for v in values]


def _scan(equation: Any, operands: Sequence[Bound | None], context: Context) -> list[Value]:
    parameters, length = equation.params, equation.params["length"]
    for_consts, for_carry = compat.scan_parts(parameters)
    args = _bound(equation, operands, context)
    consts, rows = args[:for_consts], [v for v in args[for_consts + for_carry :] if isinstance(v, Value)]
    carry = [v for v in args[for_consts : for_consts + for_carry] if isinstance(v, Value)]
    shapes = _shapes(equation.outvars[:for_carry])
    stacked = equation.outvars[for_carry:]
    if (rows or stacked) and context.lead:
        raise DependsOnError(frozenset(context.batched))
    once = length == 1 and not stacked
    index = "0" if once else context.writer.name()
    counter = None if parameters["reverse"] else _loop_counter(parameters["jaxpr"], for_consts, carry)
    scanned = [
        solid(v, compat.shape_of(a), context).text
        for v, a in zip(rows, equation.invars[for_consts + for_carry :], strict=True)
    ]

    def body(values: list[Value], inner: Context) -> list[Value]:
        row = [Value(f"{text}[{index}]") for text in scanned]
        named = []
        for value in row:
            name = inner.writer.name()
            inner.writer.line(f"{name} = {value.text}")
            named.append(Value(name))
        if once:
            return _inline(parameters["jaxpr"], [*consts, *values, *named], inner)
        entered = _plain(values)
        if counter is not None and entered:
            low, high = counter[1], counter[1] + max(length - 1, 0)
            text = f"{index} + {low}" if low else index
            entered[counter[0]] = replace(entered[counter[0]], counter=Counter(text, low, high))
        return _inline(parameters["jaxpr"], [*consts, *entered, *named], inner)

    if once:
        return body(carry, context)
    carry = _enter(_settle(body, carry, context), shapes, context)
    stacks = []
    for var in stacked:
        name = context.writer.name()
        dtype = context.writer.bind(compat.element_type(var.aval.dtype), compat.element_type(var.aval.dtype).name)
        context.writer.line(f"{name} = np.empty({compat.shape_of(var)}, {dtype})")
        stacks.append(name)
    order = f"reversed(range({length}))" if parameters["reverse"] else f"range({length})"
    with indented(context.writer, f"for {index} in {order}:"), _own_checks(context):
        results = body(carry, context)
        for name, value in zip(stacks, results[for_carry:], strict=True):
            context.writer.line(f"{name}[{index}] = {value.text}")
        _leave(carry, results[:for_carry], shapes, context)
    return [*carry, *(Value(name) for name in stacks)]


def _loop_counter(jaxpr: Any, consts: int, carry: Sequence[Value]) -> tuple[int, int] | None:
    """Return which carried value counts the iterations by one, and from where; `fori_loop` has one."""
    inner, _ = compat.open_jaxpr(jaxpr)
    for k, value in enumerate(carry):
        var, result = inner.invars[consts + k], inner.outvars[k]
        if value.ramp is None or value.ramp.slopes:
            continue
        for equation in inner.eqns:
            if equation.outvars[0] is result and equation.primitive.name == "add":
                step = equation.invars[1]
                if equation.invars[0] is var and isinstance(step, compat.Literal) and np.ndim(step.val) == 0:
                    return (k, value.ramp.base) if step.val == 1 else None
            if equation.outvars and equation.outvars[0] is result:
                break
    return None


def _run_scoped(equation: Any, operands: Sequence[Bound | None], context: Context) -> list[Value]:
    inner, _ = compat.open_jaxpr(equation.params["jaxpr"])
    refs = []
    for k, var in enumerate(inner.invars):
        text = context.writer.bind(object(), f"scratch{k}")
        ref = RefVar(
            text,
            compat.shape_of(var),
            compat.element_type(var.aval.dtype),
            use_of(inner, var),
            axes=frozenset(context.batched),
            tracked=not compat.is_semaphore(var.aval.dtype),
            masked=not compat.is_semaphore(var.aval.dtype),
        )
        memory.emit_allocation(ref, context, zero=not ref.tracked)
        refs.append(ref)
    return emit(inner, _bound(equation, operands, context), refs, context)


def _program_id(equation: Any, operands: Sequence[Bound | None], context: Context) -> list[Value]:
    del operands
    return [context.program[equation.params["axis"]][0]]


def _num_programs(equation: Any, operands: Sequence[Bound | None], context: Context) -> list[Value]:
    del operands
    extent = context.program[equation.params["axis"]][1]
    return [Value(context.writer.bind(np.int32(extent), f"int32_{extent}") if isinstance(extent, int) else extent)]


def _axis_index(equation: Any, operands: Sequence[Bound | None], context: Context) -> list[Value]:
    del operands
    name = equation.params["axis_name"]
    if name not in context.named_axes:
        if isinstance(name, tuple):
            raise NoFastFormError
        raise UnsupportedError(f"axis_index of the mesh axis {name!r}", compat.site_of(equation))
    return [context.program[context.named_axes[name]][0]]


def _platform_index(equation: Any, operands: Sequence[Bound | None], context: Context) -> list[Value]:
    del operands
    return [Value(context.writer.bind(np.int32(compat.cpu_position(equation.params["platforms"])), "platform"))]


def _debug_print(equation: Any, operands: Sequence[Bound | None], context: Context) -> list[Value]:
    if context.lead:
        raise DependsOnError(frozenset(context.batched))
    values = values_of(equation, operands, context)
    values = [solid(v, compat.shape_of(a), context) for v, a in zip(values, equation.invars, strict=True)]
    parameters = context.writer.bind(equation.params, "print_options")
    shown = ", ".join(v.text for v in values)
    context.writer.line(f"print({context.writer.bind(compat.format_debug, 'format_debug')}({parameters}, [{shown}]))")
    return []


def _debug_callback(equation: Any, operands: Sequence[Bound | None], context: Context) -> list[Value]:
    if context.lead:
        raise DependsOnError(frozenset(context.batched))
    callback = context.writer.bind(equation.params["callback"], "callback")
    context.writer.line(f"{callback}({', '.join(v.text for v in values_of(equation, operands, context))})")
    return []


def _nothing(equation: Any, operands: Sequence[Bound | None], context: Context) -> list[Value]:
    del equation, operands, context
    return []


HANDLERS: dict[str, Handler] = {
    **{name: _call(parameter) for name, parameter in INLINED.items()},
    "cond": _cond,
    "while": _while,
    "scan": _scan,
    "run_scoped": _run_scoped,
    "program_id": _program_id,
    "num_programs": _num_programs,
    "axis_index": _axis_index,
    "platform_index": _platform_index,
    "debug_print": _debug_print,
    "debug_callback": _debug_callback,
    **dict.fromkeys(IDLE, _nothing),
}


def has_effects(jaxpr: Any) -> bool:
    """Whether a kernel prints or calls back, so that its steps must keep their order."""
    return any(name in ("debug_print", "debug_callback") for name in primitives_in(jaxpr))
