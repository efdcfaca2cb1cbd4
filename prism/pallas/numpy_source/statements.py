"""A kernel's equations as Python statements: calls are inlined, loops and branches stay loops and branches."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from prism.codegen.texts import indented
from prism.pallas.analysis import (
    IDLE,
    dropped,
    lasting_loads,
    spent_operands,
    tested_conditions,
    use_of,
    used_variables,
)
from prism.pallas.errors import SuspectError, UnsupportedError
from prism.pallas.kernel import Constant, Equation, Kernel, Var, chosen, counts_by_one, parts_of_scan, parts_of_while
from prism.pallas.numpy_source import memory
from prism.pallas.numpy_source.constant_folding import known_value
from prism.pallas.numpy_source.rules import emit_rule
from prism.pallas.numpy_source.values import (
    NONE,
    Bound,
    Context,
    Counter,
    DependsOnError,
    Given,
    NoFastFormError,
    RefusedError,
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

Handler = Callable[[Equation, Sequence[Given], Context], list[Value]]


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
        try:
            results = _emit_equation(equation, operands, context)
        except RefusedError as error:
            error.equation = error.equation or equation
            raise
        env.update(zip(equation.outs, results, strict=True))
    return [value_of(v if isinstance(v, Constant) else env[v], context) for v in kernel.outs]


def _emit_equation(equation: Equation, operands: Sequence[Given], context: Context) -> list[Value]:
    name = equation.name
    if equation.access is not None:
        return memory.emit_access(equation, equation.access, operands, context)
    handler = _call if equation.calls else _HANDLERS.get(name)
    if handler is not None:
        return handler(equation, operands, context)
    rule = TABLE.get(name)
    if rule is None:
        raise UnsupportedError(f"the primitive {name}", equation.site)
    return emit_rule(equation, rule, operands, context)


def _bound(operands: Sequence[Given], context: Context) -> list[Bound]:
    return [named(operand, context) for operand in operands]


def _call(equation: Equation, operands: Sequence[Given], context: Context) -> list[Value]:
    """Write what a call runs in its place."""
    return emit(equation.inner[0].kernel, _bound(operands, context), context)


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


def _cond(equation: Equation, operands: Sequence[Given], context: Context) -> list[Value]:
    which, *args = _bound(operands, context)
    if isinstance(which, RefVar):
        raise NoFastFormError
    if which.axes:
        raise DependsOnError(which.axes)
    branches = [inner.kernel for inner in equation.inner]
    known = known_value(which, context)
    if known is not None:
        return emit(chosen(equation, int(known)), args, context)
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
    axes = frozenset(context.batched)
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


def _while(equation: Equation, operands: Sequence[Given], context: Context) -> list[Value]:
    test_kernel, body_kernel = (inner.kernel for inner in equation.inner)
    for_test, for_body, carried = parts_of_while(equation, _bound(operands, context))
    carry = [v for v in carried if isinstance(v, Value)]
    shapes = _shapes(equation.outs)

    def body(values: list[Value], inner: Context) -> list[Value]:
        return emit(body_kernel, [*for_body, *_plain(values)], inner)

    carry = _enter(_settle(body, carry, context), shapes, context)
    with indented(context.writer, "while True:"), _own_checks(context):
        test = emit(test_kernel, [*for_test, *carry], context)[0]
        if test.axes:
            raise DependsOnError(test.axes)
        context.writer.line(f"if not {test.text}: break")
        _leave(carry, body(carry, context), shapes, context)
    return carry


def _plain(values: Sequence[Value]) -> list[Value]:
    """Forget what is known of a loop's carried values beyond their axes."""
    return [replace(v, ramp=None, counter=None) for v in values]


def _scan(equation: Equation, operands: Sequence[Given], context: Context) -> list[Value]:
    parameters, kernel = equation.params, equation.inner[0].kernel
    length, n_carry = parameters["length"], parameters["carry"]
    consts, carried, rows = parts_of_scan(equation, _bound(operands, context))
    carry = [v for v in carried if isinstance(v, Value)]
    shapes, stacked = _shapes(equation.outs[:n_carry]), equation.outs[n_carry:]
    if (rows or stacked) and context.lead:
        raise DependsOnError(frozenset(context.batched))
    once = length == 1 and not stacked
    index = "0" if once else context.writer.name()
    counter = None if parameters["reverse"] else _loop_counter(kernel, len(consts), carry)
    atoms = equation.ins[len(consts) + n_carry :]
    scanned = [solid(value_of(v, context), a.shape, context).text for v, a in zip(rows, atoms, strict=True)]

    def body(values: list[Value], inner: Context) -> list[Value]:
        row = [Value(f"{text}[{index}]") for text in scanned]
        entries = []
        for value in row:
            name = inner.writer.name()
            inner.writer.line(f"{name} = {value.text}")
            entries.append(Value(name))
        if once:
            return emit(kernel, [*consts, *values, *entries], inner)
        entered = _plain(values)
        if counter is not None and entered:
            low, high = counter[1], counter[1] + max(length - 1, 0)
            text = f"{index} + {low}" if low else index
            entered[counter[0]] = replace(entered[counter[0]], counter=Counter(text, low, high))
        return emit(kernel, [*consts, *entered, *entries], inner)

    if once:
        return body(carry, context)
    carry = _enter(_settle(body, carry, context), shapes, context)
    stacks = []
    for var in stacked:
        name = context.writer.name()
        dtype = context.writer.bind(var.dtype, var.dtype.name)
        context.writer.line(f"{name} = np.empty({var.shape}, {dtype})")
        stacks.append(name)
    order = f"reversed(range({length}))" if parameters["reverse"] else f"range({length})"
    with indented(context.writer, f"for {index} in {order}:"), _own_checks(context):
        results = body(carry, context)
        for name, value in zip(stacks, results[n_carry:], strict=True):
            context.writer.line(f"{name}[{index}] = {value.text}")
        _leave(carry, results[:n_carry], shapes, context)
    return [*carry, *(Value(name) for name in stacks)]


def _loop_counter(kernel: Kernel, consts: int, carry: Sequence[Value]) -> tuple[int, int] | None:
    """Return which carried value counts the iterations, and from where."""
    for k, value in enumerate(carry):
        if value.ramp is not None and not value.ramp.slopes and counts_by_one(kernel, consts + k, k):
            return k, value.ramp.base
    return None


def _run_scoped(equation: Equation, operands: Sequence[Given], context: Context) -> list[Value]:
    kernel, outer = equation.inner[0].kernel, _bound(operands, context)
    refs = []
    for k, var in enumerate(kernel.ins[len(outer) :]):
        text = context.writer.bind(object(), f"scratch{k}")
        ref = RefVar(
            text,
            var.shape,
            var.dtype,
            use_of(kernel, var),
            axes=frozenset(context.batched),
            tracked=not var.semaphore,
            masked=not var.semaphore,
        )
        memory.emit_allocation(ref, context, zero=not ref.tracked)
        refs.append(ref)
    return emit(kernel, [*outer, *refs], context)


def _program_id(equation: Equation, _: Sequence[Given], context: Context) -> list[Value]:
    return [context.program[equation.params["axis"]][0]]


def _num_programs(equation: Equation, _: Sequence[Given], context: Context) -> list[Value]:
    extent = context.program[equation.params["axis"]][1]
    return [Value(context.writer.bind(np.int32(extent), f"int32_{extent}") if isinstance(extent, int) else extent)]


def _axis_index(equation: Equation, _: Sequence[Given], context: Context) -> list[Value]:
    name = equation.params["axis_name"]
    if name not in context.named_axes:
        if isinstance(name, tuple):
            raise NoFastFormError
        raise UnsupportedError(f"axis_index of the mesh axis {name!r}", equation.site)
    return [context.program[context.named_axes[name]][0]]


def _platform_index(equation: Equation, _: Sequence[Given], context: Context) -> list[Value]:
    return [Value(context.writer.bind(np.int32(equation.params["position"]), "platform"))]


def _debug_print(equation: Equation, operands: Sequence[Given], context: Context) -> list[Value]:
    if context.lead:
        raise DependsOnError(frozenset(context.batched))
    values = [solid(value_of(v, context), a.shape, context) for v, a in zip(operands, equation.ins, strict=True)]
    shown = ", ".join(v.text for v in values)
    context.writer.line(f"print({context.writer.bind(equation.params['text'], 'debug_text')}([{shown}]))")
    return []


def _debug_callback(equation: Equation, operands: Sequence[Given], context: Context) -> list[Value]:
    if context.lead:
        raise DependsOnError(frozenset(context.batched))
    callback = context.writer.bind(equation.params["callback"], "callback")
    context.writer.line(f"{callback}({', '.join(value_of(v, context).text for v in operands)})")
    return []


def _check(equation: Equation, operands: Sequence[Given], context: Context) -> list[Value]:
    if context.lead:
        raise DependsOnError(frozenset(context.batched))
    failure, shown = context.writer.bind(equation.params["failure"], "failure"), _texts(operands, context)
    context.writer.line(f"if {failure}([{shown}]): raise {context.writer.bind(SuspectError, 'Suspect')}")
    return []


def _prng_seed(_: Equation, operands: Sequence[Given], context: Context) -> list[Value]:
    if context.lead:
        raise DependsOnError(frozenset(context.batched))
    context.writer.line(f"{context.writer.bind(keys.seed_generator, 'seed_generator')}(m, {_texts(operands, context)})")
    return []


def _prng_random_bits(equation: Equation, _: Sequence[Given], context: Context) -> list[Value]:
    if context.lead:
        raise DependsOnError(frozenset(context.batched))
    (out,), drawn, writer = equation.outs, context.writer.name(), context.writer
    dtype = writer.bind(out.dtype, out.dtype.name)
    writer.line(f"{drawn} = {writer.bind(keys.draw, 'draw')}(m, {out.shape!r}, {dtype})")
    return [Value(drawn)]


def _texts(operands: Sequence[Given], context: Context) -> str:
    return ", ".join(value_of(v, context).text for v in operands)


def _nothing(*_: object) -> list[Value]:
    return []


_HANDLERS: dict[str, Handler] = {
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
    "check": _check,
    "prng_seed": _prng_seed,
    "prng_random_bits": _prng_random_bits,
    **dict.fromkeys(IDLE, _nothing),
}
