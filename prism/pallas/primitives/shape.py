"""Primitives that move elements without computing: reshape, broadcast, transpose, concatenate, pad, slice."""

from __future__ import annotations

import numpy as np

from prism.pallas.dtypes import Numeric
from prism.pallas.primitives.site import Site

Shape = tuple[int, ...]


def reshape(x: Numeric, shape: Shape, lead: int) -> Numeric:
    """Reshape the trailing axes behind `lead` grid axes."""
    x = np.asarray(x)
    return x.reshape(x.shape[:lead] + shape)


def broadcast_in_dim(x: Numeric, shape: Shape, dims: Shape, lead: int) -> Numeric:
    """Put the operand's axes at `dims` of `shape` and repeat along the others; a view."""
    x = np.asarray(x)
    head = x.shape[:lead]
    inner = [1] * len(shape)
    for axis, extent in zip(dims, x.shape[lead:], strict=True):
        inner[axis] = extent
    return np.broadcast_to(x.reshape(head + tuple(inner)), head + shape)


def broadcast_to(x: Numeric, shape: Shape, lead: int) -> Numeric:
    """Repeat along new leading axes, behind `lead` grid axes."""
    x = np.asarray(x)
    rank = x.ndim - lead
    return broadcast_in_dim(x, shape, tuple(range(len(shape) - rank, len(shape))), lead)


def concatenate(operands: tuple[Numeric, ...], axis: int, lead: int) -> Numeric:
    """Join along an axis counted from the end; grid axes of extent 1 are repeated."""
    if lead:
        head = np.broadcast_shapes(*(np.shape(x)[:lead] for x in operands))
        operands = tuple(np.broadcast_to(x, head + np.shape(x)[lead:]) for x in operands)
    return np.concatenate(operands, axis=axis)


def pad(x: Numeric, value: Numeric, config: tuple[tuple[int, int, int], ...], lead: int) -> Numeric:
    """Pad with low, high and interior amounts; negative amounts crop."""
    x = np.asarray(x)
    skip = (slice(None),) * lead
    shape = tuple(
        max(0, low + high + n + max(0, n - 1) * inner)
        for n, (low, high, inner) in zip(x.shape[lead:], config, strict=True)
    )
    value = np.asarray(value)
    out = np.empty(x.shape[:lead] + shape, x.dtype)
    out[...] = value.reshape(value.shape + (1,) * len(shape)) if value.ndim else value
    into, taken = [], []
    for n, size, (low, _, inner) in zip(x.shape[lead:], shape, config, strict=True):
        step = inner + 1
        first = max(0, -(low // step)) if low < 0 else 0
        count = max(0, min(n, -(-(size - low) // step)) - first)
        start = low + first * step
        into.append(slice(start, start + count * step if count else start, step))
        taken.append(slice(first, first + count))
    out[skip + tuple(into)] = x[skip + tuple(taken)]
    return out


def split(x: Numeric, sizes: Shape, axis: int) -> tuple[Numeric, ...]:
    """Cut along an axis counted from the end."""
    return tuple(np.split(x, np.cumsum(sizes)[:-1], axis=axis))


def unstack(x: Numeric, axis: int) -> tuple[Numeric, ...]:
    """Return the slices along an axis counted from the end."""
    return tuple(np.moveaxis(np.asarray(x), axis, 0))


def roll(x: Numeric, shift: Numeric, axis: int, stride: int | None, stride_axis: int | None) -> Numeric:
    """Rotate along an axis; with a stride, row k of `stride_axis` rotates by `stride * k` more."""
    x = np.asarray(x)
    if stride is None or stride_axis is None:
        return np.roll(x, int(shift), axis)
    return np.concatenate(
        [np.roll(np.take(x, [k], stride_axis), int(shift) + stride * k, axis) for k in range(x.shape[stride_axis])],
        axis=stride_axis,
    )


def emit_reshape(site: Site) -> str:
    """Reshape behind the grid axes."""
    shape = tuple(int(n) for n in site.params["new_sizes"])
    x = site.arg(0)
    if site.params.get("dimensions") is not None:
        x = site.call(np.transpose, x, repr(tuple(site.params["dimensions"])))
    return f"{x}.reshape({shape})" if not site.lead else site.call(reshape, x, repr(shape), str(site.lead))


def emit_broadcast(site: Site) -> str:
    """Repeat along new axes; a loose result only names them."""
    shape, dims = tuple(site.params["shape"]), tuple(site.params["broadcast_dimensions"])
    rank = len(site.ins[0].shape)
    if site.loose_result:
        # A loose result needs its rank right from the right: new trailing axes are named, leading ones are not.
        kept = set(dims)
        first = 0 if site.lead else (dims[0] if dims else len(shape))
        picks = [":" if k in kept else "None" for k in range(first, len(shape))]
        if site.lead:
            return f"{site.args[0]}[{', '.join([':'] * site.lead + picks)}]"
        return site.args[0] if "None" not in picks else f"{site.args[0]}[{', '.join(picks)}]"
    if not site.lead and rank == 0:
        return f"np.full({shape}, {site.args[0]}, {site.dtype(site.outs[0].dtype)})"
    return site.call(broadcast_in_dim, site.arg(0), repr(shape), repr(dims), str(site.lead))


def emit_broadcast_to(site: Site) -> str:
    """Repeat along new leading axes."""
    return site.call(broadcast_to, site.arg(0), repr(tuple(site.params["shape"])), str(site.lead))


def emit_squeeze(site: Site) -> str:
    """Drop axes of extent 1."""
    gone = {int(d) for d in site.params["dimensions"]}
    if not gone:
        return site.arg(0)
    picks = ["0" if k in gone else ":" for k in range(len(site.ins[0].shape))]
    return f"{site.arg(0)}[{', '.join(([':'] * site.lead) + picks)}]"


def emit_expand_dims(site: Site) -> str:
    """Add axes of extent 1."""
    new = {int(d) for d in site.params["dimensions"]}
    picks = ["None" if k in new else ":" for k in range(len(site.outs[0].shape))]
    return f"{site.arg(0)}[{', '.join(([':'] * site.lead) + picks)}]"


def emit_transpose(site: Site) -> str:
    """Permute the axes behind the grid axes."""
    order = (*range(site.lead), *(int(k) + site.lead for k in site.params["permutation"]))
    return f"{site.arg(0)}.transpose({order})"


def emit_concatenate(site: Site) -> str:
    """Join along an axis."""
    operands = [_with_lead(site, k) for k in range(len(site.args))]
    axis = int(site.params["dimension"]) - len(site.ins[0].shape)
    return site.call(concatenate, f"({', '.join(operands)},)", str(axis), str(site.lead))


def _with_lead(site: Site, position: int) -> str:
    text = site.arg(position)
    if site.lead and not site.batched[position]:
        return f"{text}[{', '.join(['None'] * site.lead)}]"
    return text


def emit_stack(site: Site) -> str:
    """Join along a new axis."""
    axis = int(site.params.get("axis", 0)) - len(site.outs[0].shape)
    operands = [f"{site.call(np.expand_dims, _with_lead(site, k), str(axis))}" for k in range(len(site.args))]
    return site.call(concatenate, f"({', '.join(operands)},)", str(axis), str(site.lead))


def emit_pad(site: Site) -> str:
    """Pad, or crop; a filler must not differ along batched axes."""
    config = tuple(tuple(int(n) for n in dim) for dim in site.params["padding_config"])
    if any(site.batched[1:]):
        site.serial_only()
    return site.call(pad, site.arg(0), site.args[1], repr(config), str(site.lead_of(0)))


def emit_slice(site: Site) -> str:
    """Slice at known places."""
    strides = site.params["strides"] or (1,) * len(site.ins[0].shape)
    picks = [":"] * site.lead + [
        f"{int(start)}:{int(stop)}" + (f":{int(step)}" if step != 1 else "")
        for start, stop, step in zip(site.params["start_indices"], site.params["limit_indices"], strides, strict=True)
    ]
    return f"{site.arg(0)}[{', '.join(picks)}]"


def emit_rev(site: Site) -> str:
    """Turn axes round."""
    return site.call(np.flip, site.arg(0), site.axes(0, tuple(site.params["dimensions"])))


def emit_split(site: Site) -> str:
    """Cut along an axis."""
    sizes = tuple(int(n) for n in site.params["sizes"])
    return site.call(split, site.arg(0), repr(sizes), site.axis(0, site.params["axis"]))


def emit_unstack(site: Site) -> str:
    """Return the slices along an axis."""
    return site.call(unstack, site.arg(0), site.axis(0, site.params.get("axis", 0)))


def emit_tile(site: Site) -> str:
    """Repeat the whole."""
    reps = tuple(int(n) for n in site.params["reps"])
    return site.arg(0) if set(reps) <= {1} else site.call(np.tile, site.arg(0), repr(reps))


def emit_roll(site: Site) -> str:
    """Rotate along an axis, by one amount for all steps."""
    if site.lead and (site.batched[1] or site.params["stride"] is not None):
        site.serial_only()
    stride, stride_axis = site.params["stride"], site.params["stride_axis"]
    axis = site.axis(0, site.params["axis"])
    return site.call(roll, site.arg(0), site.args[1], axis, repr(stride), repr(stride_axis))


def emit_identities(site: Site) -> str:
    """Return the operands."""
    return f"({', '.join(site.args)},)"
