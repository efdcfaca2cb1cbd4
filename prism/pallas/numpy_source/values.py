"""What statements of NumPy source stand for: values, references, and the context that they are written in.

Grid axes may be batched: values that differ along them carry one leading axis each, in grid order. A construct that
cannot be batched along some axes refuses them; what is written from there on is thrown away, and the next attempt runs
those axes serially.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace

import numpy as np

from prism.pallas import debug
from prism.pallas.analysis import Use
from prism.pallas.dtypes import DType, Numeric
from prism.pallas.kernel import Constant, Equation, Var
from prism.pallas.numpy_source.writer import Writer
from prism.pallas.primitives.site import Site

Axes = frozenset[int]
NONE: Axes = frozenset()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why source cannot be written in a layout: the innermost equation that it cannot express, None for its blocks.

    `axes` are the batched grid axes that must run serially for it; None if no layout helps, and debug mode runs the
    kernel.
    """

    axes: Axes | None
    equation: Equation | None

    def __str__(self) -> str:
        equation = self.equation
        what = "a window of its blocks" if equation is None else f"{equation.name} at {equation.site}"
        if self.axes is None:
            return f"{what} has no form in NumPy source"
        return f"{what} differs along it and cannot be batched"


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
    dtype: DType
    use: Use
    axes: Axes = NONE
    tracked: bool = False
    masked: bool = False
    contested: bool = False
    shared: bool = False


REFUSED = Value("None")
"""What stands for a value that cannot be written."""

Bound = Value | RefVar
Given = Bound | Constant
"""An operand: what the source has a name for, or a constant that may become part of an expression."""


@dataclass(slots=True)
class Context:
    """What the generated statements stand in.

    `batched` are the batched grid axes in order; `program` gives each
    visible axis's index as a value and its extent. `origins` and `extents` say of each batched axis where the current
    chunk begins and how long it is, as expressions; `lengths` are the whole axes' lengths. `copy_load`, `dropped` and
    `spent` are of the current equation: whether a load may outlive the memory, which results nobody reads, and which
    operands nobody reads again. `checked` has the integers that are within bounds, `written` the subscripts of what was
    written, or missed already, in this block. `refusals` is empty or holds the first refusal.
    """

    writer: Writer
    batched: tuple[int, ...] = ()
    program: list[tuple[Value, int | str]] = field(default_factory=list)
    named_axes: dict[Hashable, int] = field(default_factory=dict)
    origins: tuple[str, ...] = ()
    extents: tuple[str, ...] = ()
    lengths: tuple[int, ...] = ()
    copy_load: bool = True
    dropped: list[bool] = field(default_factory=list)
    spent: set[Var] = field(default_factory=set)
    checked: dict[str, tuple[str, int]] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)
    constants: dict[str, Numeric] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)

    def refuse(self, axes: Axes | None = None, equation: Equation | None = None) -> list[Value]:
        """Refuse the layout, or with no axes the kernel; return what stands for an equation's results."""
        if not self.refusals:
            self.refusals.append(Refusal(axes, equation))
        return [] if equation is None else [REFUSED for _ in equation.outs]

    @property
    def every(self) -> Axes:
        """The batched axes as a set."""
        return frozenset(self.batched)

    @property
    def lead(self) -> int:
        """How many leading axes batched values carry."""
        return len(self.batched)


def constant(atom: Constant, context: Context) -> Value:
    """Return a literal as a typed constant."""
    return constant_of(atom.value, context)


def constant_of(value: Numeric, context: Context) -> Value:
    """Return a NumPy value as a constant of the source; equal ones share a name."""
    dtype = value.dtype
    name = context.writer.bind(_interned(context, value), _constant_hint(value))
    context.constants[name] = value
    ramp = Ramp(int(value), ()) if np.ndim(value) == 0 and dtype.kind in "iu" else None
    return Value(name, ramp=ramp)


def _interned(context: Context, value: Numeric) -> Numeric:
    if np.ndim(value):
        return value
    for other in context.writer.scope.values():
        if isinstance(other, np.generic) and other.dtype == value.dtype and other.tobytes() == value.tobytes():
            return other
    return value


def _constant_hint(value: Numeric) -> str:
    text = f"{value.dtype.name}_{value}" if np.ndim(value) == 0 else "const"
    return "".join(c if c.isalnum() else "_" for c in text)


def named(operand: Given, context: Context) -> Bound:
    """Return an operand under a name; a constant becomes one of the source's."""
    return constant(operand, context) if isinstance(operand, Constant) else operand


def value_of(operand: Given, context: Context) -> Value:
    """Return an operand that is no reference as a value."""
    value = named(operand, context)
    if isinstance(value, RefVar):
        context.refuse()
        return REFUSED
    return value


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
