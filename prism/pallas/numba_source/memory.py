"""Loads and stores of generated loops: where an index leads, what must be checked, and what is remembered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from prism.codegen.texts import added, indented, times
from prism.pallas import bounds
from prism.pallas.access import Index, Load, Operand, Part, Scalar, Span, Store
from prism.pallas.analysis import Use
from prism.pallas.dtypes import DType
from prism.pallas.indexing import Item, selected_shape, slots
from prism.pallas.kernel import Equation
from prism.pallas.numba_source.values import Lazy, NoLoopFormError, Texts, element, flat, spread
from prism.pallas.numba_source.writer import LoopWriter


@dataclass(frozen=True, slots=True)
class LoopRef:
    """A reference in the loops: element `index` is at `base + index * strides` of the flat memory `array`.

    `mask` names the memory of what was written, if that is followed, and `flag` a boolean that says all of it was.
    """

    array: str
    base: str
    strides: tuple[int, ...]
    shape: tuple[int, ...]
    dtype: DType
    use: Use
    flag: str | None = None
    mask: str | None = None

    @property
    def doubt(self) -> str:
        """The variable that says if unwritten memory was read: an output's poison, or scratch, which holds anything."""
        return "unsure" if self.flag is None else "stale"

    def at(self, index: Texts, array: str | None = None) -> str:
        """Return the text of one element."""
        return element(array or self.array, added(self.base, flat(index, self.strides)))


Bound = Lazy | LoopRef


@dataclass(frozen=True, slots=True)
class _Selection:
    """What an index selects of `ref`: `at` maps an element of the selected shape to one of the reference.

    `checks` are the coordinates, with the extents, that may lie outside.
    """

    ref: LoopRef
    shape: tuple[int, ...]
    at: Callable[[Texts], Texts]
    checks: tuple[tuple[int, int], ...]
    whole: bool
    gathers: bool


def emit_access(equation: Equation, operands: list[Bound], unused: list[bool], writer: LoopWriter) -> list[Lazy]:
    """Write a load or a store and return its results."""
    access, ref = equation.access, operands[0]
    if not isinstance(ref, LoopRef) or not isinstance(access, Load | Store):
        raise NoLoopFormError
    items = access.place.items(ref.shape)
    if items is None:
        raise NoLoopFormError
    mask = _mask(access, operands, writer)
    selection = _select(items, ref, operands, writer, masked=access.mask is not None)
    if isinstance(access, Load):
        return [_load(access, selection, mask, operands, writer)]
    return _store(access, selection, mask, operands, writer, keeps=not all(unused))


def _mask(access: Load | Store, operands: list[Bound], writer: LoopWriter) -> Lazy | None:
    """Return the lanes that are on, or None if all are."""
    if access.mask is None:
        return None
    mask = operands[access.mask.position]
    if not isinstance(mask, Lazy):
        raise NoLoopFormError
    if mask.known == 1:
        return None
    return mask if mask.cheap else writer.settle(mask)


def _load(access: Load, selection: _Selection, mask: Lazy | None, operands: list[Bound], writer: LoopWriter) -> Lazy:
    ref = selection.ref
    other = None if access.other is None else operands[access.other.position]
    if isinstance(other, LoopRef):
        raise NoLoopFormError
    _check(selection, mask, writer)
    _note_read(selection, mask, writer)
    if mask is None:
        value = Lazy(selection.shape, ref.dtype, lambda index: ref.at(selection.at(index)))
        return writer.copied(value) if ref.use.written else value
    on = mask
    if other is None:
        # Without another value the lanes that are off hold nothing.
        writer.nest(selection.shape, lambda index: writer.line(f"if not {spread(on, index)}: unsure = True"))
        other = Lazy((), ref.dtype, lambda _: f"{blank(ref.dtype)}[0]")
    off = other

    def at(index: Texts) -> str:
        lane = spread(on, index)
        return f"_sel({lane}, {ref.at(_reachable(selection, index, lane))}, {spread(off, index)})"

    value = Lazy(selection.shape, ref.dtype, at, weight=1 + on.weight + off.weight)
    return writer.copied(value) if ref.use.written else value


def blank(dtype: DType) -> str:
    """Return the name of the argument that holds one element of unwritten memory."""
    return f"blank_{dtype.name}"


def _reachable(selection: _Selection, index: Texts, lane: str) -> Texts:
    """Return coordinates that exist also where a lane is off."""
    places, doubtful = selection.at(index), {axis for axis, _ in selection.checks}
    return tuple(f"_sel({lane}, {p}, 0)" if axis in doubtful else p for axis, p in enumerate(places))


def _store(
    access: Store, selection: _Selection, mask: Lazy | None, operands: list[Bound], writer: LoopWriter, *, keeps: bool
) -> list[Lazy]:
    ref = selection.ref
    value = operands[access.value.position]
    if not isinstance(value, Lazy) or access.combine not in ("set", "add"):
        raise NoLoopFormError
    reads = access.combine == "add" or keeps
    if reads and (mask is not None or (selection.gathers and access.combine == "add")):
        raise NoLoopFormError
    _check(selection, mask, writer)
    if reads:
        _note_read(selection, None, writer)
    results: list[Lazy] = []
    if access.combine == "set":
        old = Lazy(selection.shape, ref.dtype, lambda index: ref.at(selection.at(index)))
        results = [writer.copied(old) if keeps else old]
    operator = "+=" if access.combine == "add" else "="
    whole = selection.whole and mask is None and ref.flag is not None

    def put(index: Texts, text: str) -> None:
        lane = None if mask is None else spread(mask, index)
        depth = writer.depth
        if lane is not None:
            writer.line(f"if {lane}:")
            writer.depth += 1
        writer.line(f"{ref.at(selection.at(index))} {operator} {text}")
        if ref.mask and not whole:
            writer.line(f"{ref.at(selection.at(index), ref.mask)} = True")
        writer.depth = depth

    writer.each(_filling(value, selection.shape), put)
    if whole:
        writer.line(f"{ref.flag} = True")
    return results


def _filling(value: Lazy, shape: tuple[int, ...]) -> Lazy:
    """Return a stored value in the shape of the place; a scalar fills it."""
    if value.shape == shape:
        return value
    return Lazy(shape, value.dtype, lambda index: spread(value, index[len(shape) - len(value.shape) :]), value.weight)


def _check(selection: _Selection, mask: Lazy | None, writer: LoopWriter) -> None:
    """Leave the function if an element that is accessed does not exist."""
    if not selection.checks:
        return

    def test(index: Texts) -> None:
        places = selection.at(index)
        inside = " and ".join(f"0 <= {places[axis]} < {extent}" for axis, extent in selection.checks)
        on = "" if mask is None else f"{spread(mask, index)} and "
        writer.line(f"if {on}not ({inside}): return 1")

    writer.nest(selection.shape, test)


def _note_read(selection: _Selection, mask: Lazy | None, writer: LoopWriter) -> None:
    ref = selection.ref
    if ref.mask is None:
        return
    done = ref.mask

    def note(index: Texts) -> None:
        lane = None if mask is None else spread(mask, index)
        places = selection.at(index) if lane is None else _reachable(selection, index, lane)
        on = "" if lane is None else f"{lane} and "
        writer.line(f"if {on}not {ref.at(places, done)}: {ref.doubt} = True")

    if ref.flag is None:
        writer.nest(selection.shape, note)
    else:
        with indented(writer, f"if not {ref.flag}:"):
            writer.nest(selection.shape, note)


def _select(
    items: Sequence[Part], ref: LoopRef, operands: list[Bound], writer: LoopWriter, *, masked: bool
) -> _Selection:
    whole = Index(tuple(items), ref.shape).whole
    stand_ins = [_stand_in(item, operands) for item in items]
    begins = slots(tuple(stand_ins))
    parts: list[Callable[[Texts], str]] = []
    checks = []
    gathers = False
    for axis, (item, begin, extent) in enumerate(zip(items, begins, ref.shape, strict=True)):
        value = operands[item.position] if isinstance(item, Operand) else None
        if isinstance(value, Lazy) and value.shape:
            gathers = True
            part, sure = _gathered(value, begin, extent, writer, masked=masked)
        else:
            part, sure = _spanned(item, begin, extent, operands, writer, masked=masked)
        parts.append(part)
        if not sure:
            checks.append((axis, extent))
    shape = selected_shape(tuple(stand_ins))
    return _Selection(ref, shape, lambda index: tuple(part(index) for part in parts), tuple(checks), whole, gathers)


def _stand_in(item: Part, operands: list[Bound]) -> Item:
    """Return an item of the same extents, for NumPy's rules of what an index selects."""
    if isinstance(item, Span):
        if item.reach is None:
            raise NoLoopFormError
        return slice(0, item.reach, item.stride)
    value = operands[item.position] if isinstance(item, Operand) else None
    return np.broadcast_to(0, value.shape) if isinstance(value, Lazy) else 0


def _gathered(
    value: Lazy, begin: int, extent: int, writer: LoopWriter, *, masked: bool
) -> tuple[Callable[[Texts], str], bool]:
    """Return the coordinate that an array of indices chooses, and whether it is sure to exist."""
    value, rank = value if value.cheap else writer.settle(value), len(value.shape)
    low, high = value.range or (-extent - 1, extent)
    sure = bounds.settled(low, high, 1, extent) is True
    wraps = low < 0 and not masked

    def at(index: Texts) -> str:
        text = f"np.int64({spread(value, index[begin : begin + rank])})"
        return f"_from_end({text}, {extent})" if wraps else text

    return at, sure


def _spanned(
    item: Part, begin: int, extent: int, operands: list[Bound], writer: LoopWriter, *, masked: bool
) -> tuple[Callable[[Texts], str], bool]:
    """Return the coordinate of a span or of one place, and whether it is sure to exist."""
    start, reach = (item.start, item.reach or 0) if isinstance(item, Span) else (item, 1)
    text, sure = _start(start, (reach, extent), operands, writer, masked=masked)
    if not isinstance(item, Span):
        return lambda _: text, sure
    stride = item.stride
    return lambda index: added(text, times(index[begin], stride)), sure


def _start(
    start: Scalar, room: tuple[int, int], operands: list[Bound], writer: LoopWriter, *, masked: bool
) -> tuple[str, bool]:
    value = operands[start.position] if isinstance(start, Operand) else None
    known = start if isinstance(start, int) else value.known if isinstance(value, Lazy) else None
    if known is not None:
        if bounds.fits(known, *room):
            return str(known), True
        if masked:
            return str(known) if known >= 0 else f"(-{-known})", False
        writer.line("if True: return 1")
        return str(bounds.clamped(known, *room)), True
    if not isinstance(value, Lazy) or value.shape:
        raise NoLoopFormError
    name = writer.name("i")
    writer.line(f"{name} = np.int64({value.at(())})")
    sure = value.range is not None and bounds.settled(*value.range, *room) is True
    if not sure and not masked:
        writer.line(f"if not {bounds.fits_text(name, *room)}: return 1")
    return name, sure or not masked
