"""The primitives of generated loops that move elements: most are another index into the same elements."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from prism.codegen.texts import added, times
from prism.pallas.kernel import Equation
from prism.pallas.numba_source.values import (
    Lazy,
    NoLoopFormError,
    Piece,
    Rule,
    Texts,
    cast,
    element,
    flat,
    held,
    row_major,
    spread,
)
from prism.pallas.primitives.site import Aval


def _moved(value: Lazy, out: Aval, at: Callable[[Texts], str]) -> Lazy:
    """Return a value whose elements are those of another one."""
    return Lazy(out.shape, out.dtype, at, weight=value.weight, known=value.known, bounds=value.bounds)


def _broadcast(equation: Equation, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    value, dims, out = values[0], tuple(equation.params["broadcast_dimensions"]), outs[0]
    if value.weight and np.prod(out.shape, dtype=int) > value.size:
        value = writer.settle(value)

    def at(index: Texts) -> str:
        return value.at(tuple("0" if n == 1 else index[d] for n, d in zip(value.shape, dims, strict=True)))

    return [_moved(value, out, at)]


def _broadcast_to(equation: Equation, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    del equation
    value, out = writer.settle(values[0]) if values[0].weight else values[0], outs[0]
    skipped = len(out.shape) - len(value.shape)
    return [_moved(value, out, lambda index: spread(value, index[skipped:]))]


def _reshape(equation: Equation, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    value, out = values[0], outs[0]
    if equation.name == "reshape" and equation.params["dimensions"] is not None:
        raise NoLoopFormError
    if value.known is not None:
        return [replace(value, shape=out.shape)]
    mine = [k for k, n in enumerate(value.shape) if n != 1]
    theirs = [k for k, n in enumerate(out.shape) if n != 1]
    if [value.shape[k] for k in mine] != [out.shape[k] for k in theirs]:
        # Memory is flat: another shape is another way to count.
        return [held(writer.settle(value).name, out.shape, out.dtype)]

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


def _transpose(equation: Equation, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    del writer
    value, order = values[0], tuple(equation.params["permutation"])

    def at(index: Texts) -> str:
        return value.at(tuple(index[order.index(k)] for k in range(len(order))))

    return [replace(_moved(value, outs[0], at), flipped=value if order == (1, 0) else None)]


def _slice(equation: Equation, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    starts = equation.params["start_indices"]
    strides = equation.params["strides"] or (1,) * len(starts)
    value = writer.settle(values[0]) if values[0].pieces else values[0]

    def at(index: Texts) -> str:
        return value.at(tuple(added(str(s), times(k, t)) for s, k, t in zip(starts, index, strides, strict=True)))

    return [_moved(value, outs[0], at)]


def _rev(equation: Equation, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    del writer
    value, axes = values[0], equation.params["dimensions"]

    def at(index: Texts) -> str:
        turned = (
            f"{n - 1} - ({k})" if axis in axes else k
            for axis, (k, n) in enumerate(zip(index, value.shape, strict=True))
        )
        return value.at(tuple(turned))

    return [_moved(value, outs[0], at)]


def _tile(equation: Equation, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    reps = tuple(equation.params["reps"])
    if set(reps) == {1} and values[0].shape == outs[0].shape:
        return values
    value = writer.settle(values[0])
    skipped = len(outs[0].shape) - len(value.shape)

    def at(index: Texts) -> str:
        return value.at(tuple(f"({k}) % {n}" for k, n in zip(index[skipped:], value.shape, strict=True)))

    return [replace(_moved(value, outs[0], at), weight=8)]


def _starts(values: list[Lazy], shape: tuple[int, ...], sizes: tuple[int, ...], writer: Any) -> list[str]:
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


def _dynamic_slice(equation: Equation, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    del equation
    value, out = values[0], outs[0]
    value = writer.settle(value) if value.weight or value.pieces else value
    names = _starts(values[1:], value.shape, out.shape, writer)

    def at(index: Texts) -> str:
        return value.at(tuple(added(s, k) for s, k in zip(names, index, strict=True)))

    return [_moved(value, out, at)]


def _dynamic_update_slice(equation: Equation, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    del equation
    value, update, out = values[0], values[1], outs[0]
    names = _starts(values[2:], value.shape, update.shape, writer)
    copy, strides = writer.copied(value), row_major(out.shape)
    if out.shape == () or value.size == 1:
        return [update]

    def put(index: Texts) -> None:
        place = flat(tuple(added(s, k) for s, k in zip(names, index, strict=True)), strides)
        writer.line(f"{element(copy.name, place)} = {update.at(index)}")

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


def _concatenate(equation: Equation, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    del writer
    return [_joined(values, equation.params["dimension"], outs[0])]


def _stack(equation: Equation, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    del writer
    axis = int(equation.params.get("axis", 0))

    def thick(value: Lazy) -> Lazy:
        shape = (*value.shape[:axis], 1, *value.shape[axis:])
        return Lazy(shape, value.dtype, lambda i: value.at((*i[:axis], *i[axis + 1 :])), weight=value.weight)

    return [_joined([thick(v) for v in values], axis, outs[0])]


def _pad(equation: Equation, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    value, filler = writer.settle(values[0]), values[1]
    config = equation.params["padding_config"]
    if any(inner or low < 0 or high < 0 for low, high, inner in config):
        raise NoLoopFormError

    def at(index: Texts) -> str:
        places = [f"({k}) - {low}" if low else k for k, (low, _, _) in zip(index, config, strict=True)]
        inside = [
            f"0 <= {p} < {n}" for p, n, (low, high, _) in zip(places, value.shape, config, strict=True) if low or high
        ]
        return f"({value.at(tuple(places))} if {' and '.join(inside) or 'True'} else {filler.at(())})"

    return [Lazy(outs[0].shape, outs[0].dtype, at, weight=8)]


def _unstack(equation: Equation, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    axis, value = int(equation.params.get("axis", 0)), writer.settle(values[0])

    def part(k: int) -> Callable[[Texts], str]:
        return lambda index: value.at((*index[:axis], str(k), *index[axis:]))

    return [_moved(value, out, part(k)) for k, out in enumerate(outs)]


def _split(equation: Equation, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    axis, value = int(equation.params["axis"]), writer.settle(values[0])
    starts = itertools.accumulate((out.shape[axis] for out in outs), initial=0)

    def part(start: int) -> Callable[[Texts], str]:
        return lambda index: value.at((*index[:axis], added(str(start), index[axis]), *index[axis + 1 :]))

    return [_moved(value, out, part(start)) for out, start in zip(outs, starts, strict=False)]


def _iota(equation: Equation, values: list[Lazy], outs: tuple[Aval, ...], writer: Any) -> list[Lazy]:
    del values, writer
    out, axis = outs[0], equation.params["dimension"]
    bounds = (0, out.shape[axis] - 1) if out.dtype.kind in "iu" else None
    return [Lazy(out.shape, out.dtype, lambda index: cast(out.dtype, index[axis]), bounds=bounds)]


SHAPES: dict[str, Rule] = {
    "broadcast_in_dim": _broadcast,
    "broadcast_to": _broadcast_to,
    "reshape": _reshape,
    "squeeze": _reshape,
    "expand_dims": _reshape,
    "transpose": _transpose,
    "slice": _slice,
    "rev": _rev,
    "tile": _tile,
    "dynamic_slice": _dynamic_slice,
    "dynamic_update_slice": _dynamic_update_slice,
    "concatenate": _concatenate,
    "stack": _stack,
    "pad": _pad,
    "iota": _iota,
    "unstack": _unstack,
    "split": _split,
}
