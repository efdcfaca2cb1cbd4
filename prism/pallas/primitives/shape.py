"""Primitives that move elements without computing: reshape, broadcast, transpose, concatenate, pad, slice."""

from __future__ import annotations

from typing import Any

import numpy as np

from prism.pallas.primitives.site import Rule, Site

Shape = tuple[int, ...]


def reshape(x: Any, shape: Shape, lead: int) -> Any:
    """Reshape the trailing axes behind `lead` grid axes."""
    x = np.asarray(x)
    return x.reshape(x.shape[:lead] + shape)


def broadcast_in_dim(x: Any, shape: Shape, dims: Shape, lead: int) -> Any:
    """Put the operand's axes at `dims` of `shape` and repeat along the others; a view."""
    x = np.asarray(x)
    head = x.shape[:lead]
    inner = [1] * len(shape)
    for axis, extent in zip(dims, x.shape[lead:], strict=True):
        inner[axis] = extent
    return np.broadcast_to(x.reshape(head + tuple(inner)), head + shape)


def concatenate(operands: tuple[Any, ...], axis: int, lead: int) -> Any:
    """Join along an axis counted from the end; grid axes of extent 1 are repeated."""
    if lead:
        head = np.broadcast_shapes(*(np.shape(x)[: np.ndim(x) - len(_tail(x, lead, axis))] for x in operands))
        operands = tuple(np.broadcast_to(x, head + _tail(x, lead, axis)) for x in operands)
    return np.concatenate(operands, axis=axis)


def _tail(x: Any, lead: int, axis: int) -> Shape:
    del axis
    return np.shape(x)[lead:]


def pad(x: Any, value: Any, config: tuple[tuple[int, int, int], ...], lead: int) -> Any:
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


def split(x: Any, sizes: Shape, axis: int) -> tuple[Any, ...]:
    """Cut along an axis counted from the end."""
    return tuple(np.split(x, np.cumsum(sizes)[:-1], axis=axis))


def unstack(x: Any, axis: int) -> tuple[Any, ...]:
    """Return the slices along an axis counted from the end."""
    return tuple(np.moveaxis(np.asarray(x), axis, 0))


def roll(x: Any, shift: Any, axis: int, stride: int | None, stride_axis: int | None) -> Any:
    """Rotate along an axis; with a stride, row k of `stride_axis` rotates by `stride * k` more."""
    x = np.asarray(x)
    if stride is None or stride_axis is None:
        return np.roll(x, int(shift), axis)
    return np.concatenate(
        [np.roll(np.take(x, [k], stride_axis), int(shift) + stride * k, axis) for k in range(x.shape[stride_axis])],
        axis=stride_axis,
    )


def _emit_reshape(site: Site) -> str:
    shape = tuple(int(n) for n in site.params["new_sizes"])
    x = site.arg(0)
    if site.params.get("dimensions") is not None:
        x = site.call(np.transpose, x, repr(tuple(site.params["dimensions"])))
    return f"{x}.reshape({shape})" if not site.lead else site.call(reshape, x, repr(shape), str(site.lead))


def _emit_broadcast(site: Site) -> str:
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


def _emit_squeeze(site: Site) -> str:
    gone = {int(d) for d in site.params["dimensions"]}
    if not gone:
        return site.arg(0)
    picks = ["0" if k in gone else ":" for k in range(len(site.ins[0].shape))]
    return f"{site.arg(0)}[{', '.join(([':'] * site.lead) + picks)}]"


def _emit_expand_dims(site: Site) -> str:
    new = {int(d) for d in site.params["dimensions"]}
    picks = ["None" if k in new else ":" for k in range(len(site.outs[0].shape))]
    return f"{site.arg(0)}[{', '.join(([':'] * site.lead) + picks)}]"


def _emit_transpose(site: Site) -> str:
    order = (*range(site.lead), *(int(k) + site.lead for k in site.params["permutation"]))
    return f"{site.arg(0)}.transpose({order})"


def _emit_concatenate(site: Site) -> str:
    operands = [_with_lead(site, k) for k in range(len(site.args))]
    axis = int(site.params["dimension"]) - len(site.ins[0].shape)
    return site.call(concatenate, f"({', '.join(operands)},)", str(axis), str(site.lead))


def _with_lead(site: Site, position: int) -> str:
    text = site.arg(position)
    if site.lead and not site.batched[position]:
        return f"{text}[{', '.join(['None'] * site.lead)}]"
    return text


def _emit_stack(site: Site) -> str:
    axis = int(site.params.get("axis", 0)) - len(site.outs[0].shape)
    operands = [f"{site.call(np.expand_dims, _with_lead(site, k), str(axis))}" for k in range(len(site.args))]
    return site.call(concatenate, f"({', '.join(operands)},)", str(axis), str(site.lead))


def _emit_pad(site: Site) -> str:
    config = tuple(tuple(int(n) for n in dim) for dim in site.params["padding_config"])
    if site.lead and site.batched[1]:
        site.serial_only()
    return site.call(pad, site.arg(0), site.args[1], repr(config), str(site.lead_of(0)))


def _emit_slice(site: Site) -> str:
    strides = site.params["strides"] or (1,) * len(site.ins[0].shape)
    picks = [":"] * site.lead + [
        f"{int(start)}:{int(stop)}" + (f":{int(step)}" if step != 1 else "")
        for start, stop, step in zip(site.params["start_indices"], site.params["limit_indices"], strides, strict=True)
    ]
    return f"{site.arg(0)}[{', '.join(picks)}]"


def _emit_rev(site: Site) -> str:
    return site.call(np.flip, site.arg(0), site.axes(0, tuple(site.params["dimensions"])))


def _emit_split(site: Site) -> str:
    sizes = tuple(int(n) for n in site.params["sizes"])
    return site.call(split, site.arg(0), repr(sizes), site.axis(0, site.params["axis"]))


def _emit_unstack(site: Site) -> str:
    return site.call(unstack, site.arg(0), site.axis(0, site.params.get("axis", 0)))


def _emit_tile(site: Site) -> str:
    reps = tuple(int(n) for n in site.params["reps"])
    return site.arg(0) if set(reps) <= {1} else site.call(np.tile, site.arg(0), repr(reps))


def _emit_roll(site: Site) -> str:
    if site.lead and (site.batched[1] or site.params["stride"] is not None):
        site.serial_only()
    stride, stride_axis = site.params["stride"], site.params["stride_axis"]
    axis = site.axis(0, site.params["axis"])
    return site.call(roll, site.arg(0), site.args[1], axis, repr(stride), repr(stride_axis))


def _emit_identities(site: Site) -> str:
    return f"({', '.join(site.args)},)"


RULES: dict[str, Rule] = {
    "reshape": Rule(_emit_reshape),
    "broadcast_in_dim": Rule(_emit_broadcast),
    "broadcast_to": Rule(
        lambda site: site.call(_broadcast_to, site.arg(0), repr(tuple(site.params["shape"])), str(site.lead))
    ),
    "squeeze": Rule(_emit_squeeze),
    "expand_dims": Rule(_emit_expand_dims),
    "transpose": Rule(_emit_transpose),
    "concatenate": Rule(_emit_concatenate),
    "stack": Rule(_emit_stack),
    "pad": Rule(_emit_pad),
    "slice": Rule(_emit_slice),
    "rev": Rule(_emit_rev),
    "split": Rule(_emit_split),
    "unstack": Rule(_emit_unstack),
    "tile": Rule(_emit_tile),
    "roll": Rule(_emit_roll),
    "optimization_barrier": Rule(_emit_identities),
}


def _broadcast_to(x: Any, shape: Shape, lead: int) -> Any:
    x = np.asarray(x)
    rank = x.ndim - lead
    return broadcast_in_dim(x, shape, tuple(range(len(shape) - rank, len(shape))), lead)
