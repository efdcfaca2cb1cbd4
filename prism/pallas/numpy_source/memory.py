"""Memory accesses of a kernel as NumPy indexing, with a check in front of whatever is not known to be in order.

A failed check raises `Suspect`: debug mode then runs the kernel again and says what is wrong, or that nothing is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prism.pallas import bounds, state
from prism.pallas.access import Access, Index, Load, Operand, Part, Scalar, Span, Store
from prism.pallas.dtypes import Array
from prism.pallas.errors import SuspectError
from prism.pallas.kernel import Constant, Equation
from prism.pallas.memory import Ref
from prism.pallas.numpy_source.constant_folding import plain
from prism.pallas.numpy_source.masked import emit_masked
from prism.pallas.numpy_source.values import (
    NONE,
    Axes,
    Context,
    Given,
    Ramp,
    RefVar,
    Value,
    solid,
    value_of,
)


def strided(
    x: Array, starts: Sequence[int], sizes: Sequence[int], lead: Sequence[int], slopes: Sequence[Sequence[int]]
) -> Array:
    """Return windows of `x` as a view: one leading axis a batched grid axis, moving `slopes[axis]` elements a step."""
    corner = x[tuple(slice(start, None) for start in starts)]
    steps = tuple(sum(slope * stride for slope, stride in zip(row, x.strides, strict=True)) for row in slopes)
    return np.lib.stride_tricks.as_strided(corner, (*lead, *sizes), (*steps, *x.strides))


def clashes(writers: Array, lane: int) -> bool:
    """Whether another lane wrote any of these elements."""
    return bool(((writers >= 0) & (writers != lane)).any())


def emit_allocation(ref: RefVar, context: Context, *, zero: bool) -> None:
    """Write the allocation of a scratch reference; batched steps have one each."""
    writer = context.writer
    lead = "".join(f"{extent}, " for extent in context.extents)
    shape = f"({lead}{''.join(f'{n}, ' for n in ref.shape)})"
    dtype = writer.bind(ref.dtype, ref.dtype.name)
    if zero:
        writer.line(f"{ref.text} = np.zeros({shape}, {dtype})")
        return
    writer.line(f"{ref.text} = np.full({shape}, m.poison({dtype}), {dtype})")
    if ref.tracked:
        writer.line(f"{ref.text}_set = False")
    if ref.masked:
        writer.line(f"{ref.text}_done = np.zeros({shape}, np.bool_)")


def emit_access(equation: Equation, access: Access, operands: Sequence[Given], context: Context) -> list[Value]:
    """Write one memory access and return its results."""
    ref = operands[0]
    if isinstance(ref, RefVar) and isinstance(access, Load | Store) and not ref.use.involved:
        items = access.place.items(ref.shape)
        assert items is not None  # A reference that is seen through more is involved.
        access, items = plain(access, items, equation, operands, context)
        if access.mask is not None:
            return emit_masked(access, ref, items, equation, operands, context)
        if not _scattered(access, items, equation):
            subscript = _Subscript(equation, operands, ref, items, context)
            if isinstance(access, Load):
                return [_emit_load(ref, subscript, context)]
            return _emit_store(access, ref, subscript, equation, operands, context)
    return _emit_performed(access, equation, operands, context)


def _scattered(access: Load | Store, items: Sequence[Part], equation: Equation) -> bool:
    """Whether an accumulation may name one element twice, which plain indexing would do once."""
    arrays = any(isinstance(i, Operand) and equation.ins[i.position].shape for i in items)
    return arrays and isinstance(access, Store) and access.combine != "set"


class _Subscript:
    """An index as source text, with its checks already written.

    `text` goes between brackets; `base` is the array expression it indexes; `axes` the batched axes of the result;
    `scalar` says that no dimension is left, `basic` that the result is a view.
    """

    def __init__(
        self, equation: Equation, operands: Sequence[Given], ref: RefVar, items: Sequence[Part], context: Context
    ) -> None:
        self.equation, self.operands, self.ref, self.context = equation, operands, ref, context
        self.items = items
        values = [self._value(i.start if isinstance(i, Span) else i) for i in items]
        self.index_axes: Axes = frozenset().union(*(v.axes for v in values if isinstance(v, Value)))
        self.arrays = [isinstance(i, Operand) and bool(equation.ins[i.position].shape) for i in items]
        self.basic = not any(self.arrays)
        self.view: str | None = None
        self.covered: Axes = ref.axes
        if self.index_axes:
            self._batched(values)
        else:
            parts = [":"] * (context.lead if ref.axes else 0)
            if ref.axes and not self.basic:
                self._adjacent()
            parts += [self._item(item, value, n) for item, value, n in zip(items, values, ref.shape, strict=True)]
            self.text = ", ".join(parts) or "()"
        self.axes = ref.axes | self.index_axes
        self.scalar = not self.axes and all(not isinstance(i, Span) for i in items) and self.basic
        self.whole = Index(tuple(items), ref.shape).whole

    def _value(self, item: Scalar) -> Value | int:
        if not isinstance(item, Operand):
            return int(item)
        operand = self.operands[item.position]
        if isinstance(operand, Constant) and not operand.shape:
            return int(operand.value)
        return value_of(operand, self.context)

    def _adjacent(self) -> None:
        places = [k for k, item in enumerate(self.items) if not isinstance(item, Span)]
        if places and places[-1] - places[0] + 1 != len(places):
            self.context.refuse(self.ref.axes)

    def _suspect_if(self, test: str) -> None:
        self.context.writer.line(f"if {test}: raise {self.context.writer.bind(SuspectError, 'Suspect')}")

    def _item(self, item: Part, value: Value | int, extent: int) -> str:
        if isinstance(item, Span):
            return self._span(item, value, extent)
        if isinstance(value, int):
            return str(self._fixed(value, 1, extent))
        writer = self.context.writer
        if isinstance(item, Operand) and self.equation.ins[item.position].shape:
            value = solid(value, self.equation.ins[item.position].shape, self.context)
            self._suspect_if(f"{writer.bind(bounds.strays, 'strays')}({value.text}, {extent})")
            return value.text
        return self._whole_number(value, 1, extent)

    def _fixed(self, start: int, reach: int, extent: int) -> int:
        """Return a start that is known, moved within bounds after a check that fails if it is not."""
        if not bounds.fits(start, reach, extent):
            self._suspect_if("True")
        return bounds.clamped(start, reach, extent)

    def _whole_number(self, value: Value, reach: int, extent: int) -> str:
        """Return a Python integer within bounds; what is known of the value saves the check, or repeating it."""
        ramp, counter, greatest = value.ramp, value.counter, extent - reach
        if ramp is not None and not ramp.slopes and bounds.fits(ramp.base, reach, extent):
            return str(ramp.base)
        if counter is not None and bounds.settled(counter.low, counter.high, reach, extent):
            return counter.text
        checked = self.context.checked
        known = checked.get(value.text)
        if known is None:
            name = self.context.writer.name()
            self.context.writer.line(f"{name} = int({value.text})")
        elif known[1] <= greatest:
            return known[0]
        else:
            name = known[0]
        self._suspect_if(f"not {bounds.fits_text(name, reach, extent)}")
        checked[value.text] = (name, greatest)
        return name

    def _span(self, span: Span, start: Value | int, extent: int) -> str:
        length = span.reach
        if length is None:
            self.context.refuse()
            return ":"
        step = f":{span.stride}" if span.stride != 1 else ""
        if isinstance(start, int):
            start = self._fixed(start, length, extent)
            if start == 0 and length == extent and not step:
                return ":"
            return f"{start}:{start + length}{step}"
        first = self._whole_number(start, length, extent)
        last = str(int(first) + length) if first.isdigit() else f"{first} + {length}"
        return f"{first}:{last}{step}"

    def _batched(self, values: Sequence[Value | int]) -> None:
        """Index by values that differ along batched axes: affine ones make a strided view, others a gather."""
        context, ref = self.context, self.ref
        ramps = [Ramp(v, ()) if isinstance(v, int) else v.ramp for v in values]
        simple = all(not isinstance(i, Span) or (isinstance(i.size, int) and i.stride == 1) for i in self.items)
        if all(r is not None for r in ramps) and self.basic and simple and not ref.axes:
            self._ramps([r for r in ramps if r is not None])
            return
        if ref.axes or any(isinstance(i, Span) for i in self.items):
            context.refuse(self.index_axes)
        rank = max(
            (len(self.equation.ins[i.position].shape) for i in self.items if isinstance(i, Operand)),
            default=0,
        )
        parts = []
        for item, value, extent in zip(self.items, values, ref.shape, strict=True):
            if isinstance(value, int):
                self._item(item, value, extent)
                parts.append(str(value))
                continue
            own = self.equation.ins[item.position].shape if isinstance(item, Operand) else ()
            value = solid(value, own, context)
            self._suspect_if(f"{context.writer.bind(bounds.strays, 'strays')}(np.asarray({value.text}), {extent})")
            tail = ", None" * (rank - len(own)) if value.axes else ""
            parts.append(f"{value.text}[...{tail}]" if tail else value.text)
        self.text, self.basic = ", ".join(parts), False

    def _ramps(self, ramps: Sequence[Ramp]) -> None:
        context, ref = self.context, self.ref
        sizes = [i.size if isinstance(i, Span) and isinstance(i.size, int) else 1 for i in self.items]
        table = [dict(r.slopes) for r in ramps]
        for ramp, size, extent in zip(ramps, sizes, ref.shape, strict=True):
            ends = [slope * (context.lengths[context.batched.index(axis)] - 1) for axis, slope in ramp.slopes]
            low, high = ramp.base + sum(min(e, 0) for e in ends), ramp.base + sum(max(e, 0) for e in ends)
            if not bounds.settled(low, high, size, extent):
                self._suspect_if("True")
        starts = []
        for ramp, row in zip(ramps, table, strict=True):
            terms = [str(ramp.base)] + [
                f"{row[axis]} * {origin}"
                for axis, origin in zip(context.batched, context.origins, strict=True)
                if row.get(axis) and origin != "0"
            ]
            starts.append(" + ".join(terms))
        slopes = tuple(tuple(row.get(axis, 0) for row in table) for axis in context.batched)
        moving = [any(row) for row in slopes]
        lead = ", ".join(n if moves else "1" for n, moves in zip(context.extents, moving, strict=True))
        self.covered = frozenset(a for a in context.batched if self._disjoint(a, table, sizes))
        view = context.writer.bind(strided, "strided")
        self.view = f"{view}({{0}}, ({', '.join(starts)},), {tuple(sizes)}, ({lead},), {slopes})"
        gone = ["0" if not isinstance(i, Span) else ":" for i in self.items]
        self.text = ", ".join([":"] * context.lead + gone)

    def _disjoint(self, axis: int, table: Sequence[dict[int, int]], sizes: Sequence[int]) -> bool:
        """Whether windows at different indices of `axis` never meet."""
        return any(
            abs(row.get(axis, 0)) >= size and not any(s for other, s in row.items() if other != axis)
            for row, size in zip(table, sizes, strict=True)
        )

    def of(self, suffix: str = "") -> str:
        """Return the subscripted expression of the window or of one of its shadows."""
        base = self.ref.text + suffix
        return f"{self.view.format(base) if self.view else base}[{self.text}]"


def _emit_load(ref: RefVar, subscript: _Subscript, context: Context) -> Value:
    writer = context.writer
    _check_written(ref, subscript, context)
    name = writer.name()
    text = subscript.of()
    changes = ref.shared or (ref.use.written and context.copy_load)
    if changes and not subscript.scalar and subscript.basic:
        text += ".copy()"
    writer.line(f"{name} = {text}")
    return Value(name, subscript.axes)


def _check_written(ref: RefVar, subscript: _Subscript, context: Context) -> None:
    if not ref.tracked or not context.written.isdisjoint((ref.text, subscript.of())):
        return
    _note_written(ref, subscript, context)  # If it was not, that is known from here on.
    unmarked = f" and not {subscript.of('_done')}.all()" if ref.masked else ""
    # A batched step may miss what another step left in memory; a serial one sees what there is.
    doubt = f"raise {context.writer.bind(SuspectError, 'Suspect')}" if context.lead else "m.unsure = True"
    context.writer.line(f"if not {ref.text}_set{unmarked}: {doubt}")


def _note_written(ref: RefVar, subscript: _Subscript, context: Context) -> None:
    """Remember for the rest of the block that nothing there need be checked again; an index array may change."""
    if subscript.basic:
        context.written.add(ref.text if subscript.whole else subscript.of())


def _emit_store(
    access: Store,
    ref: RefVar,
    subscript: _Subscript,
    equation: Equation,
    operands: Sequence[Given],
    context: Context,
) -> list[Value]:
    writer = context.writer
    missing = context.every - subscript.covered
    if missing or (subscript.index_axes and ref.use.read):
        return context.refuse(missing or subscript.index_axes, equation)
    value = value_of(operands[access.value.position], context)
    old: list[Value] = []
    read = access.combine != "set" or not all(context.dropped)
    if read:
        _check_written(ref, subscript, context)
    if access.combine == "set" and equation.outs:
        name = "_" if not read else writer.name()
        if read:
            copied = "" if subscript.scalar or not subscript.basic else ".copy()"
            writer.line(f"{name} = {subscript.of()}{copied}")
        old = [Value(name, subscript.axes)]
    if ref.contested:
        if context.lead:
            return context.refuse(context.every, equation)
        writer.line(
            f"if {writer.bind(clashes, 'clashes')}(np.asarray({subscript.of('_lane')}), lane): "
            f"raise {writer.bind(SuspectError, 'Suspect')}"
        )
        writer.line(f"{subscript.of('_lane')} = lane")
    text = _aligned(value, subscript, access, equation, context)
    operator = "+=" if access.combine == "add" else "="
    writer.line(f"{subscript.of()} {operator} {text}")
    if ref.tracked and subscript.whole:
        writer.line(f"{ref.text}_set = True")
    elif ref.masked:
        writer.line(f"{subscript.of('_done')} = True")
    _note_written(ref, subscript, context)
    return old


def _aligned(value: Value, subscript: _Subscript, access: Store, equation: Equation, context: Context) -> str:
    """Return a stored value so that it broadcasts to the window; a loose one has its trailing axes already."""
    shape = equation.ins[access.value.position].shape
    if (value.loose and value.axes) or (value.loose and len(shape) != 0 and not subscript.basic):
        value = solid(value, shape, context)
    return value.text


def _emit_performed(access: Access, equation: Equation, operands: Sequence[Given], context: Context) -> list[Value]:
    """Write a call that performs an involved access on reference objects."""
    if context.lead:
        return context.refuse(context.every, equation)
    writer = context.writer
    texts = []
    for atom, operand in zip(equation.ins, operands, strict=True):
        if isinstance(operand, RefVar):
            texts.append(_reference(operand, context))
        else:
            texts.append(solid(value_of(operand, context), atom.shape, context).text)
    perform = writer.bind(state.perform, "perform")
    dropped = context.dropped
    call = f"{perform}({writer.bind(access, type(access).__name__.lower())}, [{', '.join(texts)}], {dropped})"
    if not dropped or all(dropped):
        writer.line(call)
        return [Value("_", NONE) for _ in dropped]
    name = writer.name()
    writer.line(f"{name} = {call}[0]")
    return [Value(name)]


def _reference(ref: RefVar, context: Context) -> str:
    written = "None"
    if ref.tracked:
        written = f"None if {ref.text}_set else {ref.text}_done" if ref.masked else "None"
    lane = f"{ref.text}_lane" if ref.contested else "None"
    return f"{context.writer.bind(Ref, 'Ref')}({ref.text!r}, {ref.text}, m, written={written}, watch={lane})"
