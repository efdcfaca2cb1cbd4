"""Gather, scatter and dynamic slices, with the index semantics of XLA."""

from __future__ import annotations

from typing import Any

import numpy as np

from prism.pallas import dtypes
from prism.pallas.dtypes import DType, Numeric
from prism.pallas.primitives.site import Emit, Site

Shape = tuple[int, ...]


def clamp_starts(starts: tuple[Numeric, ...], shape: Shape, sizes: Shape) -> tuple[int, ...]:
    """Return start indices moved so that the slice fits, as dynamic slices do."""
    return tuple(
        min(max(int(start), 0), extent - size) for start, extent, size in zip(starts, shape, sizes, strict=True)
    )


def dynamic_slice(x: Numeric, starts: tuple[Numeric, ...], sizes: Shape, lead: int = 0) -> Numeric:
    """Return a slice of static size at a dynamic, clamped start, behind `lead` grid axes; a view."""
    first = clamp_starts(starts, x.shape[lead:], sizes)
    return x[(slice(None),) * lead + tuple(slice(a, a + n) for a, n in zip(first, sizes, strict=True))]


def dynamic_slice_many(x: Numeric, starts: tuple[Numeric, ...], sizes: Shape, lead: int, batched: bool) -> Numeric:
    """Dynamic slices whose starts differ along `lead` grid axes."""
    x = np.asarray(x)
    trailing = x.shape[lead:] if batched else x.shape
    picks = []
    for axis, (start, size, extent) in enumerate(zip(starts, sizes, trailing, strict=True)):
        start = np.clip(np.asarray(start), 0, extent - size)
        grid = start.reshape(start.shape + (1,) * len(sizes)) if start.ndim else start
        picks.append(grid + np.arange(size).reshape([-1 if k == axis else 1 for k in range(len(sizes))]))
    if batched:
        heads = [
            np.arange(n).reshape([-1 if j == k else 1 for j in range(lead)] + [1] * len(sizes))
            for k, n in enumerate(x.shape[:lead])
        ]
        # A grid axis of extent 1 in the operand serves every step along it.
        picks = [*(np.zeros((), np.intp) if x.shape[k] == 1 else h for k, h in enumerate(heads)), *picks]
    return x[tuple(np.broadcast_arrays(*picks))]


def dynamic_update_slice(x: Numeric, update: Numeric, starts: tuple[Numeric, ...]) -> Numeric:
    """Return a copy of `x` with `update` at a dynamic, clamped start."""
    update = np.asarray(update)
    first = clamp_starts(starts, x.shape, update.shape)
    out = np.array(x)
    out[tuple(slice(a, a + n) for a, n in zip(first, update.shape, strict=True))] = update
    return out


def _window_indices(
    indices: Numeric, index_map: Shape, index_batch: Shape, operand_batch: Shape, sizes: Shape
) -> tuple[Numeric, Shape]:
    """Return start indices of shape (..., operand rank) and the batch shape of a gather or a scatter."""
    indices = np.asarray(indices)
    batch_shape = indices.shape[:-1]
    starts = np.zeros((*batch_shape, len(sizes)), np.int64)
    for k, dim in enumerate(index_map):
        starts[..., dim] = indices[..., k]
    for axis, dim in zip(index_batch, operand_batch, strict=True):
        starts[..., dim] = np.arange(batch_shape[axis]).reshape(
            [-1 if k == axis else 1 for k in range(len(batch_shape))]
        )
    return starts, batch_shape


def gather(x: Numeric, indices: Numeric, numbers: Any, sizes: Shape, mode: str, fill: Numeric) -> Numeric:
    """XLA's gather; `mode` says what an index outside of the operand means: clip, fill, or a promise that none is."""
    x = np.asarray(x)
    starts, batch_shape = _window_indices(
        indices, numbers.start_index_map, numbers.start_indices_batching_dims, numbers.operand_batching_dims, sizes
    )
    limit = np.asarray(x.shape) - np.asarray(sizes)
    inside = np.all((starts >= 0) & (starts <= limit), axis=-1)
    starts = np.clip(starts, 0, limit)
    dropped = {*numbers.collapsed_slice_dims, *numbers.operand_batching_dims}
    window_dims = [d for d in range(x.ndim) if d not in dropped]
    picks = []
    for dim in range(x.ndim):
        base = starts[..., dim].reshape(batch_shape + (1,) * len(window_dims))
        if dim in window_dims:
            shape = [1] * len(batch_shape) + [sizes[dim] if d == dim else 1 for d in window_dims]
            base = base + np.arange(sizes[dim]).reshape(shape)
        picks.append(base)
    result = x[tuple(picks)] if picks else np.broadcast_to(x, batch_shape)
    if mode == "fill":
        keep = inside.reshape(batch_shape + (1,) * len(window_dims))
        result = np.where(keep, result, _fill_value(x.dtype) if fill is None else np.asarray(fill).astype(x.dtype))
    rank = len(batch_shape) + len(window_dims)
    batch_axes = [d for d in range(rank) if d not in numbers.offset_dims]
    order = np.argsort([*batch_axes, *numbers.offset_dims])
    return result.transpose(order)


def take_rows(x: Numeric, indices: Numeric, mode: str, fill: Numeric) -> Numeric:
    """Return the rows of `x` at `indices`, whose last axis has one number: the gather that `x[i]` is."""
    x, at = np.asarray(x), np.asarray(indices)[..., 0]
    result = x[np.clip(at, 0, len(x) - 1)]
    if mode != "fill":
        return result
    inside = ((at >= 0) & (at < len(x))).reshape(at.shape + (1,) * (x.ndim - 1))
    return np.where(inside, result, _fill_value(x.dtype) if fill is None else np.asarray(fill).astype(x.dtype))


def _takes_rows(numbers: Any, sizes: Shape, shape: Shape, batch: int) -> bool:
    whole = bool(sizes) and sizes == (1, *shape[1:]) and shape[0] > 0
    plain = not numbers.operand_batching_dims and tuple(numbers.offset_dims) == tuple(
        range(batch, batch + len(sizes) - 1)
    )
    return whole and plain and tuple(numbers.collapsed_slice_dims) == tuple(numbers.start_index_map) == (0,)


def _fill_value(dtype: DType) -> Numeric:
    if dtypes.is_float(dtype) or dtype.kind == "c":
        return dtypes.poison(dtype)
    if dtype.kind == "u":
        return np.asarray(np.iinfo(dtype).max, dtype)
    return np.asarray(dtypes.integer_range(dtype)[0]).astype(dtype) if dtypes.is_integer(dtype) else np.asarray(True)


def scatter(x: Numeric, indices: Numeric, updates: Numeric, numbers: Any, mode: str, combine: Numeric) -> Numeric:
    """XLA's scatter; windows outside of the operand are clipped or dropped, equal indices combine in order."""
    out, updates = np.array(x), np.asarray(updates)
    dropped = {*numbers.inserted_window_dims, *numbers.operand_batching_dims}
    window_dims = [d for d in range(out.ndim) if d not in dropped]
    extents = dict(zip(window_dims, (updates.shape[d] for d in numbers.update_window_dims), strict=True))
    sizes = tuple(extents.get(d, 1) for d in range(out.ndim))
    starts, batch_shape = _window_indices(
        indices,
        numbers.scatter_dims_to_operand_dims,
        numbers.scatter_indices_batching_dims,
        numbers.operand_batching_dims,
        sizes,
    )
    limit = np.asarray(out.shape) - np.asarray(sizes)
    scatter_axes = [d for d in range(updates.ndim) if d not in numbers.update_window_dims]
    moved = updates.transpose([*scatter_axes, *numbers.update_window_dims])
    if out.ndim and not window_dims:
        starts = np.clip(starts, 0, limit) if mode == "clip" else starts
        inside = np.all((starts >= 0) & (starts <= limit), axis=-1)
        where = tuple(starts[inside].T)
        if combine is None:
            out[where] = moved[inside]
        else:
            combine.at(out, where, moved[inside])
        return out
    for batch in np.ndindex(*batch_shape):
        start = np.clip(starts[batch], 0, limit) if mode == "clip" else starts[batch]
        if np.any(start < 0) or np.any(start > limit):
            continue
        where = tuple(
            slice(a, a + n) if d in window_dims else a for d, (a, n) in enumerate(zip(start, sizes, strict=True))
        )
        out[where] = moved[batch] if combine is None else combine(out[where], moved[batch])
    return out


def _mode(site: Site) -> str:
    mode = site.params["mode"]
    name = getattr(mode, "name", None) or str(mode)
    return {"CLIP": "clip", "FILL_OR_DROP": "fill"}.get(name.rpartition(".")[2], "promise")


def emit_gather(site: Site) -> str:
    """Gather; the gather that `x[i]` is takes rows."""
    site.serial_only()
    numbers = site.bind(site.params["dimension_numbers"], "numbers")
    sizes = tuple(int(n) for n in site.params["slice_sizes"])
    fill = site.bind(site.params.get("fill_value"), "fill")
    if _takes_rows(site.params["dimension_numbers"], sizes, site.ins[0].shape, len(site.ins[1].shape) - 1):
        return site.call(take_rows, *site.all_args(), repr(_mode(site)), fill)
    return site.call(gather, *site.all_args(), numbers, repr(sizes), repr(_mode(site)), fill)


def scatters(combine: str) -> Emit:
    """Return the form of a scatter that combines by a ufunc, or by assignment if `combine` is "None"."""

    def emit(site: Site) -> str:
        site.serial_only()
        numbers = site.bind(site.params["dimension_numbers"], "numbers")
        return site.call(scatter, *site.all_args(), numbers, repr(_mode(site)), combine)

    return emit


def _tuple(parts: tuple[str, ...]) -> str:
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


def emit_dynamic_slice(site: Site) -> str:
    """Slice at clamped starts, which may differ along batched axes."""
    sizes, starts = tuple(int(n) for n in site.params["slice_sizes"]), _tuple(site.args[1:])
    if not site.lead or not any(site.batched[1:]):
        return site.call(dynamic_slice, site.arg(0), starts, repr(sizes), *([str(site.lead)] if site.lead else []))
    return site.call(dynamic_slice_many, site.arg(0), starts, repr(sizes), str(site.lead), str(bool(site.batched[0])))


def emit_dynamic_update_slice(site: Site) -> str:
    """Write over a part of a copy."""
    site.serial_only()
    return site.call(dynamic_update_slice, site.arg(0), site.arg(1), _tuple(site.args[2:]))
