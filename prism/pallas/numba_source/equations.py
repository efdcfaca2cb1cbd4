"""A kernel as scalar loops for Numba: array expressions are fused into the loops that need them.

A value is lazy: it knows the text of one element. It is stored where it is needed more than once and costs more than
a store, or where memory may change before it is needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from prism.codegen.texts import indented
from prism.pallas.access import Load, Store
from prism.pallas.analysis import dropped, used_variables
from prism.pallas.control import Branch, Control, GridExtent, GridIndex, Inline, Loop, Record
from prism.pallas.debug import avals
from prism.pallas.kernel import Atom, Constant, Equation, Kernel, Var, equations_in
from prism.pallas.numba_source.memory import Bound, emit_access
from prism.pallas.numba_source.values import Lazy, NoLoopFormError, cast, constant, held
from prism.pallas.numba_source.writer import LoopSite, LoopWriter
from prism.pallas.primitives.table import TABLE


def emit(kernel: Kernel, args: Sequence[Bound], writer: LoopWriter) -> list[Lazy]:
    """Write the statements of a kernel and return its results."""
    if kernel.consts:
        raise NoLoopFormError
    uses = Counter(v for equation in kernel.equations for v in equation.variables)
    uses.update(v for v in kernel.outs if isinstance(v, Var))
    used = used_variables(kernel)
    env: dict[Var, Bound] = {}

    def bind(var: Var, value: Bound) -> None:
        if isinstance(value, Lazy) and uses[var] > 1:
            value = writer.shared(value) if value.cheap and value.size > 1 else writer.settle(value)
        env[var] = value

    def read(atom: Atom) -> Bound:
        return _literal(atom) if isinstance(atom, Constant) else env[atom]

    for var, value in zip(kernel.ins, args, strict=True):
        bind(var, value)
    for equation in kernel.equations:
        operands = [read(v) for v in equation.ins]
        try:
            results = _emit_equation(equation, operands, dropped(equation, used), writer)
        except NoLoopFormError as error:
            error.equation = error.equation or equation
            raise
        for var, value in zip(equation.outs, results, strict=True):
            bind(var, value)
    results = [read(v) for v in kernel.outs]
    return [r for r in results if isinstance(r, Lazy)]


def _literal(atom: Constant) -> Lazy:
    if atom.shape:
        raise NoLoopFormError
    return constant(atom.value, atom.dtype)


_PIECEWISE = frozenset(("reshape", "squeeze", "expand_dims", "dynamic_slice", "slice", "copy"))
"""Primitives that make use of the pieces of their operand."""


def _emit_equation(equation: Equation, operands: list[Bound], unused: list[bool], writer: LoopWriter) -> list[Lazy]:
    control = equation.control
    if equation.access is not None:
        return emit_access(equation, operands, unused, writer)
    if control is not None:
        handler = _CONTROL.get(type(control))
        if handler is None:
            raise NoLoopFormError
        return handler(equation, control, operands, writer)
    row = TABLE.get(equation.name)
    if row is None or row.loop is None:
        raise NoLoopFormError
    values = _lazies(operands)
    if equation.name not in _PIECEWISE:
        values = [writer.settle(v) if v.pieces else v for v in values]
    return row.loop(LoopSite(equation.params, values, avals(equation.outs), writer))


# Control flow


def _enter(values: Sequence[Lazy], writer: LoopWriter) -> list[Lazy]:
    """Give carried values variables and buffers of their own."""
    entered = []
    for value in values:
        name = writer.name("c")
        writer.fill(name, value)
        entered.append(held(name, value.shape, value.dtype))
    return entered


def _leave(carry: Sequence[Lazy], results: Sequence[Lazy], mine: set[str], writer: LoopWriter) -> None:
    """Carry results into the next iteration; buffers change hands rather than contents.

    `mine` are the buffers of the loop's body. A result in another one, or in one that is already taken, is copied. For
    example, a loop carries `c1` and its body computes the next value from it in a buffer of its own, `v2`:

        c1, v2 = v2, c1

    What was `c1` is where the next iteration writes: a buffer that is carried no longer goes to the body's variable
    whose buffer is taken, so that no two names are one buffer, and none is lost.
    """
    taken: list[str] = []
    pairs = []
    for variable, result in zip(carry, results, strict=True):
        if result.size == 1:
            pairs.append((variable.name, result.at(("0",) * len(result.shape))))
            continue
        if result.name is None or result.name not in mine or result.name in taken:
            result = writer.copied(result)
        assert result.name is not None
        taken.append(result.name)
    arrays = [variable.name for variable in carry if variable.size > 1]
    pairs += zip(arrays, taken, strict=True)
    pairs += zip([n for n in taken if n not in arrays], [n for n in arrays if n not in taken], strict=True)
    pairs = [(a, b) for a, b in pairs if a != b]
    if pairs:
        writer.line(f"{', '.join(str(a) for a, _ in pairs)} = {', '.join(str(b) for _, b in pairs)}")


def _lazies(values: Sequence[Bound]) -> list[Lazy]:
    lazies = [v for v in values if isinstance(v, Lazy)]
    if len(lazies) != len(values):
        raise NoLoopFormError
    return lazies


def _fixed(values: Sequence[Bound], writer: LoopWriter) -> list[Bound]:
    """Return what a loop or a branch reads from outside, computed outside."""
    return [writer.settle(v) if isinstance(v, Lazy) and (v.weight or v.pieces) else v for v in values]


def _body_buffers(carry: Sequence[Lazy], before: set[str], writer: LoopWriter) -> set[str]:
    return {*writer.buffers} - before | {v.name for v in carry if v.name}


def _loop(equation: Equation, loop: Loop, operands: list[Bound], writer: LoopWriter) -> list[Lazy]:
    for_test, for_body, carried, rows = loop.parts(operands)
    if rows or len(equation.outs) != loop.carry:
        raise NoLoopFormError
    fixed_test, fixed_body, initial = _fixed(for_test, writer), _fixed(for_body, writer), _lazies(carried)
    carry = _enter(initial, writer)
    before = {*writer.buffers}
    inside = [
        replace(variable, bounds=(first.known, first.known + loop.length - 1))
        if first.known is not None and loop.length and k in loop.counters
        else variable
        for k, (variable, first) in enumerate(zip(carry, initial, strict=True))
    ]
    with indented(writer, loop.header("_")):
        if equation.test is not None:
            test = emit(equation.test, [*fixed_test, *carry], writer)[0]
            writer.line(f"if not ({test.at(())}): break")
        results = emit(equation.body, [*fixed_body, *inside], writer)
        _leave(carry, results, _body_buffers(carry, before, writer), writer)
    return carry


def _branch(equation: Equation, _: Branch, operands: list[Bound], writer: LoopWriter) -> list[Lazy]:
    which, *args = operands
    if not isinstance(which, Lazy):
        raise NoLoopFormError
    fixed = _fixed(args, writer)
    if which.known is not None:
        return emit(equation.chosen(which.known), fixed, writer)
    number, branches = writer.name("b"), [inner.kernel for inner in equation.inner]
    writer.line(f"{number} = np.int64({which.at(())})")
    outs = avals(equation.outs)
    names = [writer.name("c") for _ in outs]
    for k, branch in enumerate(branches):
        header = f"if {number} <= 0:" if k == 0 else "else:" if k == len(branches) - 1 else f"elif {number} == {k}:"
        with indented(writer, header):
            for name, result in zip(names, emit(branch, fixed, writer), strict=True):
                writer.fill(name, result)
    return [held(name, out.shape, out.dtype) for name, out in zip(names, outs, strict=True)]


def _grid_index(_: Equation, index: GridIndex, __: list[Bound], writer: LoopWriter) -> list[Lazy]:
    text, extent = writer.program[index.axis]
    shown = cast(np.dtype(np.int32), text)
    return [Lazy((), np.dtype(np.int32), lambda _: shown, bounds=(0, max(extent - 1, 0)))]


def _grid_extent(_: Equation, extent: GridExtent, __: list[Bound], writer: LoopWriter) -> list[Lazy]:
    return [constant(writer.program[extent.axis][1], np.dtype(np.int32))]


_CONTROL: dict[type[Control], Callable[[Equation, Record, list[Bound], LoopWriter], list[Lazy]]] = {
    Inline: lambda equation, _, operands, writer: emit(equation.body, operands, writer),
    Loop: _loop,
    Branch: _branch,
    GridIndex: _grid_index,
    GridExtent: _grid_extent,
}


def inexpressible(kernel: Kernel) -> Equation | None:
    """Return the first equation that has no loop form, whatever its operands, or None."""
    return next((equation for equation in equations_in(kernel) if not _has_form(equation)), None)


def _has_form(equation: Equation) -> bool:
    if equation.control is not None:
        return type(equation.control) in _CONTROL
    if equation.access is not None:
        return isinstance(equation.access, Load | Store)
    row = TABLE.get(equation.name)
    return row is not None and row.loop is not None
