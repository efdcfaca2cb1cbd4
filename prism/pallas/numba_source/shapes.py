"""The primitives of generated loops that move elements: most are another index into the same elements."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from prism.codegen.texts import added, times
from prism.pallas.numba_source.values import (
    Lazy,
    NoLoopFormError,
    Piece,
    Texts,
    cast,
    element,
    flat,
    held,
    row_major,
    spread,
)
from prism.pallas.numba_source.writer import LoopSite, LoopWriter
from prism.pallas.primitives.site import Aval


def _moved(value: Lazy, out: Aval, at: Callable[[Texts], str]) -> Lazy:
    """Return a value whose elements are those of another one."""
    return Lazy(out.shape, out.dtype, at, weight=value.weight, known=value.known, bounds=value.bounds)


def broadcast(site: LoopSite) -> list[Lazy]:
    """Serve new axes, and those of extent 1, with the elements that are there."""
    value, dims, out = site.values[0], tuple(site.params["broadcast_dimensions"]), site.outs[0]
    if value.weight and np.prod(out.shape, dtype=int) > value.size:
        value = site.writer.settle(value)

    def at(index: Texts) -> str:
        return value.at(tuple("0" if n == 1 else index[d] for n, d in zip(value.shape, dims, strict=True)))

    return [_moved(value, out, at)]


def broadcast_to(site: LoopSite) -> list[Lazy]:
    """Serve new leading axes with the elements that are there."""
    values = site.values
    value, out = site.writer.settle(values[0]) if values[0].weight else values[0], site.outs[0]
    skipped = len(out.shape) - len(value.shape)
    return [_moved(value, out, lambda index: spread(value, index[skipped:]))]


def reshape(site: LoopSite) -> list[Lazy]:
    """Return the same elements in row-major order; `squeeze` and `expand_dims` are reshapes too."""
    value, out = site.values[0], site.outs[0]
    if site.params.get("new_sizes") is not None and site.params["dimensions"] is not None:
        raise NoLoopFormError  # It transposes first.
    if value.known is not None:
        return [replace(value, shape=out.shape)]
    mine = [k for k, n in enumerate(value.shape) if n != 1]
    theirs = [k for k, n in enumerate(out.shape) if n != 1]
    if [value.shape[k] for k in mine] != [out.shape[k] for k in theirs]:
        # Memory is flat: another shape is another way to count.
        return [held(site.writer.settle(value).variable, out.shape, out.dtype)]

    # Only axes of extent 1 come or go.
    def at(index: Texts) -> str:
        places = dict(zip(mine, (index[k] for k in theirs), strict=True))
        return value.at(tuple(places.get(k, "0") for k in range(len(value.shape))))

    pieces = _reshaped_pieces(value, out, mine, theirs)
    return [replace(_moved(value, out, at), name=value.name, pieces=pieces)]


def _reshaped_pieces(value: Lazy, out: Aval, mine: list[int], theirs: list[int]) -> tuple[Piece, ...]:
    pieces = []
    for piece in value.pieces:
        if piece.axis not in mine:
            return ()
        axis = theirs[mine.index(piece.axis)]
        shape = tuple(piece.value.shape[mine[theirs.index(k)]] if k in theirs else 1 for k in range(len(out.shape)))
        pieces.append(Piece(axis, piece.start, _padded_axes(piece.value, shape, mine, theirs)))
    return tuple(pieces)


def _padded_axes(value: Lazy, shape: tuple[int, ...], mine: list[int], theirs: list[int]) -> Lazy:
    def at(index: Texts) -> str:
        places = dict(zip(mine, (index[k] for k in theirs), strict=True))
        return value.at(tuple(places.get(k, "0") for k in range(len(value.shape))))

    return Lazy(shape, value.dtype, at, weight=value.weight)


def transpose(site: LoopSite) -> list[Lazy]:
    """Permute the index."""
    value, order = site.values[0], tuple(site.params["permutation"])

    def at(index: Texts) -> str:
        return value.at(tuple(index[order.index(k)] for k in range(len(order))))

    return [replace(_moved(value, site.outs[0], at), flipped=value if order == (1, 0) else None)]


def sliced(site: LoopSite) -> list[Lazy]:
    """Shift and stride the index."""
    values = site.values
    starts = site.params["start_indices"]
    strides = site.params["strides"] or (1,) * len(starts)
    value = site.writer.settle(values[0]) if values[0].pieces else values[0]

    def at(index: Texts) -> str:
        return value.at(tuple(added(str(s), times(k, t)) for s, k, t in zip(starts, index, strides, strict=True)))

    return [_moved(value, site.outs[0], at)]


def rev(site: LoopSite) -> list[Lazy]:
    """Count some axes from their ends."""
    value, axes = site.values[0], site.params["dimensions"]

    def at(index: Texts) -> str:
        turned = (
            f"{n - 1} - ({k})" if axis in axes else k
            for axis, (k, n) in enumerate(zip(index, value.shape, strict=True))
        )
        return value.at(tuple(turned))

    return [_moved(value, site.outs[0], at)]


def tile(site: LoopSite) -> list[Lazy]:
    """Take the index modulo the extents."""
    values, outs = site.values, site.outs
    reps = tuple(site.params["reps"])
    if set(reps) == {1} and values[0].shape == outs[0].shape:
        return values
    value = site.writer.settle(values[0])
    skipped = len(outs[0].shape) - len(value.shape)

    def at(index: Texts) -> str:
        return value.at(tuple(f"({k}) % {n}" for k, n in zip(index[skipped:], value.shape, strict=True)))

    return [replace(_moved(value, outs[0], at), weight=8)]


def _starts(values: list[Lazy], shape: tuple[int, ...], sizes: tuple[int, ...], writer: LoopWriter) -> list[str]:
    """Return the starts of a window, moved so that it fits."""
    names = []
    for start, extent, size in zip(values, shape, sizes, strict=True):
        if extent == size:
            names.append("0")
        elif start.known is not None:
            names.append(str(max(0, min(start.known, extent - size))))
        else:
            names.append(writer.name("i"))
            writer.line(f"{names[-1]} = _clip(np.int64({start.at(())}), {extent - size})")
    return names


def dynamic_slice(site: LoopSite) -> list[Lazy]:
    """Shift the index by starts that are moved until the slice fits."""
    writer = site.writer
    value, out = site.values[0], site.outs[0]
    value = writer.settle(value) if value.weight or value.pieces else value
    names = _starts(site.values[1:], value.shape, out.shape, writer)

    def at(index: Texts) -> str:
        return value.at(tuple(added(s, k) for s, k in zip(names, index, strict=True)))

    return [_moved(value, out, at)]


def dynamic_update_slice(site: LoopSite) -> list[Lazy]:
    """Copy the operand and write the update over a part of it."""
    values, writer = site.values, site.writer
    value, update, out = values[0], values[1], site.outs[0]
    names = _starts(values[2:], value.shape, update.shape, writer)
    copy, strides = writer.copied(value), row_major(out.shape)
    if out.shape == () or value.size == 1:
        return [update]

    def put(index: Texts) -> None:
        place = flat(tuple(added(s, k) for s, k in zip(names, index, strict=True)), strides)
        writer.line(f"{element(copy.variable, place)} = {update.at(index)}")

    writer.nest(update.shape, put)
    return [copy]


def _joined(values: list[Lazy], axis: int, out: Aval) -> Lazy:
    ends = list(itertools.accumulate(v.shape[axis] for v in values))
    starts = [0, *ends[:-1]]

    def at(index: Texts) -> str:
        text = ""
        for value, start, end in zip(values, starts, ends, strict=True):
            moved = tuple(f"({k} - {start})" if j == axis and start else k for j, k in enumerate(index))
            chosen = f"({value.at(moved)})"
            text += chosen if end == ends[-1] else f"{chosen} if {index[axis]} < {end} else "
        return f"({text})"

    pieces = tuple(Piece(axis, start, value) for value, start in zip(values, starts, strict=True))
    return Lazy(out.shape, out.dtype, at, weight=len(values) + sum(v.weight for v in values), pieces=pieces)


def concatenate(site: LoopSite) -> list[Lazy]:
    """Join along an axis; each operand is a piece that is made by a loop of its own."""
    return [_joined(site.values, site.params["dimension"], site.outs[0])]


def stack(site: LoopSite) -> list[Lazy]:
    """Join along a new axis."""
    axis = int(site.params.get("axis", 0))

    def thick(value: Lazy) -> Lazy:
        shape = (*value.shape[:axis], 1, *value.shape[axis:])
        return Lazy(shape, value.dtype, lambda i: value.at((*i[:axis], *i[axis + 1 :])), weight=value.weight)

    return [_joined([thick(v) for v in site.values], axis, site.outs[0])]


def pad(site: LoopSite) -> list[Lazy]:
    """Return elements or the filler; only padding at the ends has a form."""
    value, filler = site.writer.settle(site.values[0]), site.values[1]
    config = site.params["padding_config"]
    if any(inner or low < 0 or high < 0 for low, high, inner in config):
        raise NoLoopFormError

    def at(index: Texts) -> str:
        places = [f"({k}) - {low}" if low else k for k, (low, _, _) in zip(index, config, strict=True)]
        inside = [
            f"0 <= {p} < {n}" for p, n, (low, high, _) in zip(places, value.shape, config, strict=True) if low or high
        ]
        return f"({value.at(tuple(places))} if {' and '.join(inside) or 'True'} else {filler.at(())})"

    return [Lazy(site.outs[0].shape, site.outs[0].dtype, at, weight=8)]


def unstack(site: LoopSite) -> list[Lazy]:
    """Return the slices along an axis."""
    axis, value = int(site.params.get("axis", 0)), site.writer.settle(site.values[0])

    def part(k: int) -> Callable[[Texts], str]:
        return lambda index: value.at((*index[:axis], str(k), *index[axis:]))

    return [_moved(value, out, part(k)) for k, out in enumerate(site.outs)]


def split(site: LoopSite) -> list[Lazy]:
    """Return the parts along an axis."""
    axis, value = int(site.params["axis"]), site.writer.settle(site.values[0])
    starts = itertools.accumulate((out.shape[axis] for out in site.outs), initial=0)

    def part(start: int) -> Callable[[Texts], str]:
        return lambda index: value.at((*index[:axis], added(str(start), index[axis]), *index[axis + 1 :]))

    return [_moved(value, out, part(start)) for out, start in zip(site.outs, starts, strict=False)]


def iota(site: LoopSite) -> list[Lazy]:
    """Return an axis's index."""
    out, axis = site.outs[0], site.params["dimension"]
    bounds = (0, out.shape[axis] - 1) if out.dtype.kind in "iu" else None
    return [Lazy(out.shape, out.dtype, lambda index: cast(out.dtype, index[axis]), bounds=bounds)]
