"""Concrete indices into a reference: what they select, and which of their elements to report."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from prism.pallas import dtypes
from prism.pallas.access import Index, Operand, Scalar, Span, reach
from prism.pallas.dtypes import Array, DType, Numeric

Item = int | slice | Array


def concrete(index: Index, values: tuple[Numeric, ...]) -> tuple[Item, ...]:
    """Return an index with the operands' values in place."""

    def scalar(item: Scalar) -> Numeric:
        return values[item.position] if isinstance(item, Operand) else item

    result: list[Item] = []
    for item in index.items:
        if isinstance(item, Span):
            start = int(scalar(item.start))
            result.append(slice(start, start + reach(int(scalar(item.size)), item.stride), item.stride))
        else:
            result.append(scalar(item))
    return tuple(result)


def selected_shape(index: tuple[Item, ...]) -> tuple[int, ...]:
    """Return the shape that an index selects, in bounds or not."""
    spans = [len(range(i.start, i.stop, i.step or 1)) if isinstance(i, slice) else None for i in index]
    arrays = [np.shape(i) for i in index if not isinstance(i, slice)]
    inner = np.broadcast_shapes(*arrays) if arrays else ()
    places = [k for k, n in enumerate(spans) if n is None]
    sizes = [n for n in spans if n is not None]
    adjacent = not places or places[-1] - places[0] + 1 == len(places)
    at = places[0] if places and adjacent else 0
    return (*sizes[:at], *inner, *sizes[at:])


def slots(index: tuple[Item, ...]) -> list[int]:
    """Return at which axis of the selected shape each item's own axes begin."""
    places = [k for k, item in enumerate(index) if not isinstance(item, slice)]
    arrays = [np.shape(item) for item in index if not isinstance(item, slice)]
    inner = np.broadcast_shapes(*arrays) if arrays else ()
    adjacent = not places or places[-1] - places[0] + 1 == len(places)
    result, axis, start, seen = [], 0 if adjacent else len(inner), 0, False
    for item in index:
        if isinstance(item, slice):
            result.append(axis)
            axis += 1
            continue
        if adjacent and not seen:
            start, axis, seen = axis, axis + len(inner), True
        base = start if adjacent else 0
        result.append(base + len(inner) - np.ndim(item))
    return result


def coordinates(index: tuple[Item, ...]) -> list[Numeric]:
    """Return the coordinates of the selected elements along each dimension; they broadcast to the selected shape."""
    if len(index) == 1 and isinstance(index[0], np.ndarray):
        return [index[0]]
    rank, result = len(selected_shape(index)), []
    for item, begin in zip(index, slots(index), strict=True):
        values = np.arange(item.start, item.stop, item.step or 1) if isinstance(item, slice) else np.asarray(item)
        result.append(values.reshape(values.shape + (1,) * (rank - begin - values.ndim)))
    return result


def first_element(index: tuple[Numeric, ...], bad: Array, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the coordinates of the first selected element where `bad` holds."""
    numbers = np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape)[index]
    flat = int(np.asarray(numbers)[tuple(np.argwhere(bad)[0])]) if bad.ndim else int(numbers)
    return tuple(int(k) for k in np.unravel_index(flat, shape)) if shape else ()


def show(item: Item) -> str:
    """Return one item of an index as a message shows it."""
    if isinstance(item, slice):
        return f"{item.start}:{item.stop}" + (f":{item.step}" if item.step not in (None, 1) else "")
    return f"array of {int(item.min())}..{int(item.max())}" if isinstance(item, np.ndarray) and item.ndim else str(item)


def ends(item: Item) -> object:
    """Return one item of an index as a report carries it: an int, or the least and the last of several."""
    if isinstance(item, slice):
        return (item.start, item.stop)
    return (int(item.min()), int(item.max())) if isinstance(item, np.ndarray) and item.ndim else int(item)


def repacked(flags: Array, old: int, new: int, join: Callable[..., Numeric]) -> Array:
    """Return flags of elements of `old` bits as flags of the elements of `new` bits that `bitcast_rows` makes."""
    axis = max(flags.ndim - 2, 0)
    if old >= new:
        return np.repeat(flags, old // new, axis=axis)
    packing = new // old
    shape = (*flags.shape[:axis], flags.shape[axis] // packing, packing, *flags.shape[axis + 1 :])
    return join(flags.reshape(shape), axis=axis + 1)


def bitcast_rows(x: Array, dtype: DType) -> Array:
    """Reinterpret bits so that the second axis from the end shrinks or grows (the packing of a TPU's sublanes)."""
    old, new = dtypes.bit_width(x.dtype), dtypes.bit_width(dtype)
    if old == new:
        return np.asarray(dtypes.bitcast(x, dtype))
    if x.ndim < 2:
        flat = dtypes.bitcast(x.reshape(-1, new // old) if new > old else x, dtype)
        return np.asarray(flat).reshape(-1)
    *head, rows, columns = x.shape
    if old < new:
        packing = new // old
        grouped = x.reshape(*head, rows // packing, packing, columns).swapaxes(-1, -2)
        return np.asarray(dtypes.bitcast(np.ascontiguousarray(grouped), dtype))
    parts = np.asarray(dtypes.bitcast(x, dtype))
    return parts.swapaxes(-1, -2).reshape(*head, rows * (old // new), columns)
