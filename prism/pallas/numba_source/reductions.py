"""The primitives of generated loops that combine elements: reductions, running ones, and dots."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from prism.codegen.sums import LANES
from prism.pallas.dtypes import DType
from prism.pallas.numba_source.values import Lazy, NoLoopFormError, Texts, cast, element, flat, held, row_major
from prism.pallas.numba_source.writer import LoopRule, LoopSite, LoopWriter
from prism.pallas.primitives.site import Aval
from prism.pallas.sums import summed_along


@dataclass(frozen=True, slots=True)
class _Fold:
    """How elements are combined: the first value, and the step for integers and for floats.

    With `wide`, float32 is carried in float64.
    """

    start: str
    integer: str
    floating: str
    wide: bool = False

    def first(self, dtype: DType) -> str:
        """Return the value of no elements."""
        if self.start in ("least", "greatest"):
            if dtype.kind == "f":
                return cast(dtype, "-np.inf" if self.start == "least" else "np.inf")
            limits = np.iinfo(dtype)
            return cast(dtype, str(limits.min if self.start == "least" else limits.max))
        return self.start if dtype == np.bool_ else cast(dtype, self.start)

    def step(self, dtype: DType, total: str, text: str) -> str:
        """Return one more element combined with a total."""
        if dtype.kind == "f":
            return self.floating.format(total, cast(dtype, text) if self.wide else f"({text})")
        return cast(dtype, self.integer.format(total, f"({text})"))


SUM = _Fold("0", "{0} + {1}", "{0} + {1}", wide=True)
PRODUCT = _Fold("1", "{0} * {1}", "{0} * {1}")
MAX = _Fold("least", "_max({0}, {1})", "_maximum({0}, {1})")
MIN = _Fold("greatest", "_min({0}, {1})", "_minimum({0}, {1})")
AND = _Fold("-1", "{0} & {1}", "")
OR = _Fold("0", "{0} | {1}", "")
ALL = _Fold("True", "{0} & {1}", "")
ANY = _Fold("False", "{0} | {1}", "")


def reduction(fold: _Fold, truth: _Fold | None = None) -> LoopRule:
    """Return the rule of a reduction; `truth` is its fold of truth values."""

    def rule(site: LoopSite) -> list[Lazy]:
        writer = site.writer
        value, out, axes = site.values[0], site.outs[0], tuple(sorted(site.params["axes"]))
        if value.dtype != out.dtype:
            raise NoLoopFormError
        chosen = fold if out.dtype != np.bool_ else truth
        if chosen is None:
            raise NoLoopFormError
        along = summed_along(value.shape, axes)
        if chosen is SUM and out.dtype.kind == "f" and along is not None:
            return [_in_lanes(value, out, axes, along, writer)]
        if math.prod(out.shape) > 1 and axes and along is None:
            return [_by_rows(chosen, value, out, axes, writer)]
        return [_by_elements(chosen, value, out, axes, writer)]

    return rule


def _full_index(kept: Texts, reduced: Texts, axes: tuple[int, ...], rank: int) -> Texts:
    outer, inner = iter(kept), iter(reduced)
    return tuple(next(inner) if k in axes else next(outer) for k in range(rank))


def _one_by_one(out: Aval, make: Callable[[Texts], str], writer: LoopWriter) -> Lazy:
    """Return a result whose elements are stored one after the other; `make` writes what one needs and names it."""
    name, size, strides = writer.name(), math.prod(out.shape), row_major(out.shape)
    if size > 1:
        writer.buffer(name, size, out.dtype)

    def store(index: Texts) -> None:
        text = make(index)
        writer.line(f"{element(name, flat(index, strides)) if size > 1 else name} = {text}")

    writer.nest(out.shape, store)
    return held(name, out.shape, out.dtype)


def _by_elements(fold: _Fold, value: Lazy, out: Aval, axes: tuple[int, ...], writer: LoopWriter) -> Lazy:
    """Reduce to one element after the other."""
    # What is left for sums here is one element: it has no order.
    wide = fold.wide and out.dtype == np.float32
    carried = np.dtype(np.float64) if wide else out.dtype
    total = writer.name()

    def reduced_to(kept: Texts) -> str:
        writer.line(f"{total} = {fold.first(carried)}")

        def combine(reduced: Texts) -> None:
            text = value.at(_full_index(kept, reduced, axes, len(value.shape)))
            writer.line(f"{total} = {fold.step(carried, total, text)}")

        writer.nest([value.shape[a] for a in axes], combine)
        return cast(out.dtype, total) if wide else total

    return _one_by_one(out, reduced_to, writer)


def _in_lanes(value: Lazy, out: Aval, axes: tuple[int, ...], along: int, writer: LoopWriter) -> Lazy:
    """Sum along memory; what is summed is put in a row first, unless it lies in one already."""
    extents = [value.shape[axis] for axis in axes]
    extent, count = value.shape[along], math.prod(extents)
    total, strides = writer.name(), row_major(extents)
    writer.buffer(total, LANES, np.dtype(np.float64))
    lies = value.name is not None and axes == tuple(range(len(value.shape) - len(axes), len(value.shape)))
    row: str = value.name if lies and value.name else writer.name("v")
    if not lies:
        writer.buffer(row, count, value.dtype)

    def reduced_to(kept: Texts) -> str:
        def put(reduced: Texts) -> None:
            text = value.at(_full_index(kept, reduced, axes, len(value.shape)))
            writer.line(f"{element(row, flat(reduced, strides))} = {text}")

        start = flat(kept, [count * stride for stride in row_major(out.shape)]) if lies else "0"
        if not lies:
            writer.nest(extents, put)
        return cast(out.dtype, f"_sum_of_lanes({row}, {start}, {count // extent}, {extent}, {total})")

    return _one_by_one(out, reduced_to, writer)


def _by_rows(fold: _Fold, value: Lazy, out: Aval, axes: tuple[int, ...], writer: LoopWriter) -> Lazy:
    """Combine whole rows: the innermost loop runs along memory and needs no order."""
    name, strides = writer.name(), row_major(out.shape)
    wide = fold.wide and out.dtype == np.float32
    carried = np.dtype(np.float64) if wide else out.dtype
    writer.buffer(name, math.prod(out.shape), carried)
    place = element(name, "{}")

    def begin(kept: Texts) -> None:
        writer.line(f"{place.format(flat(kept, strides))} = {fold.first(carried)}")

    def more(index: Texts) -> None:
        reduced, kept = index[: len(axes)], index[len(axes) :]
        target = place.format(flat(kept, strides))
        text = value.at(_full_index(kept, reduced, axes, len(value.shape)))
        writer.line(f"{target} = {fold.step(carried, target, text)}")

    writer.nest(out.shape, begin)
    writer.nest([*(value.shape[a] for a in axes), *out.shape], more)
    if not wide:
        return held(name, out.shape, out.dtype)
    sums = held(name, out.shape, carried)
    return writer.settle(Lazy(out.shape, out.dtype, lambda index: cast(out.dtype, sums.at(index)), weight=1))


def cumulation(fold: _Fold) -> LoopRule:
    """Return the rule of a running reduction along one axis."""

    def rule(site: LoopSite) -> list[Lazy]:
        writer = site.writer
        axis, reverse, out = site.params["axis"], site.params["reverse"], site.outs[0]
        extent = out.shape[axis]
        if out.dtype.kind == "f" and fold in (SUM, PRODUCT) and (reverse or extent > 16):
            raise NoLoopFormError  # One sequence rounds otherwise than tiles [PALLAS-4].
        copy, strides = writer.copied(site.values[0]), row_major(out.shape)
        others = [1 if k == axis else n for k, n in enumerate(out.shape)]
        if copy.size == 1:
            return [copy]

        def body(index: Texts) -> None:
            k = index[0]
            here, before = (f"{extent - 2} - {k}", f"{extent - 1} - {k}") if reverse else (f"{k} + 1", k)
            rest = index[1:]
            at, last = ((*rest[:axis], place, *rest[axis + 1 :]) for place in (here, before))
            target = element(copy.variable, flat(at, strides))
            text = fold.step(out.dtype, element(copy.variable, flat(last, strides)), target)
            writer.line(f"{target} = {text}")

        writer.nest([extent - 1, *others], body)
        return [copy]

    return rule


def arg_reduction(step: str) -> LoopRule:
    """Return the rule of the first extreme's index; `step` compares a later element with the best."""

    def rule(site: LoopSite) -> list[Lazy]:
        writer = site.writer
        value, out, axes = writer.settle(site.values[0]), site.outs[0], tuple(site.params["axes"])
        if len(axes) != 1 or value.dtype == np.bool_:
            raise NoLoopFormError
        best = writer.name()

        def found(kept: Texts) -> str:
            writer.line(f"{best} = 0")

            def compare(reduced: Texts) -> None:
                new = value.at(_full_index(kept, reduced, axes, len(value.shape)))
                old = value.at(_full_index(kept, (best,), axes, len(value.shape)))
                # The first extreme counts, and NaN is the extreme.
                nan = f" or ({new} != {new} and {old} == {old})" if value.dtype.kind == "f" else ""
                writer.line(f"if {new} {step} {old}{nan}: {best} = {reduced[0]}")

            writer.nest([value.shape[axes[0]]], compare)
            return cast(out.dtype, best)

        return [_one_by_one(out, found, writer)]

    return rule


Pairs = tuple[tuple[int, ...], ...]
"""The axes of each operand of a dot."""


def dot(site: LoopSite) -> list[Lazy]:
    """Multiply matrices by the shared dot loops, other operands element by element."""
    values, writer = site.values, site.writer
    (contract, batch), out = site.params["dimension_numbers"], site.outs[0]
    contract, batch = tuple(map(tuple, contract)), tuple(map(tuple, batch))
    alike = all(v.dtype == out.dtype for v in values)
    if alike and out.dtype == np.float32 and not batch[0] and all(len(v.shape) == 2 and v.size > 1 for v in values):
        return [_matrix_product(values, (contract[0][0], contract[1][0]), out, writer)]
    if out.dtype.kind == "f" and not (alike and out.dtype == np.float32):
        raise NoLoopFormError  # A dot in float64 is BLAS's, whose order is its own [PALLAS-4].
    return [_any_dot(values, contract, batch, out, writer)]


def _matrix_product(values: Sequence[Lazy], contract: Sequence[int], out: Aval, writer: LoopWriter) -> Lazy:
    (x, y), name = values, writer.name()
    across, down = contract[0] == 0, contract[1] == 1
    if x.flipped is not None:
        x, across = x.flipped, not across
    if down:
        y = y.flipped if y.flipped is not None else _transposed(y)
    left, right = writer.settle(x), writer.settle(y)
    writer.buffer(name, math.prod(out.shape), out.dtype)
    texts = [f"{v.name}.reshape({v.shape})" for v in (left, right)]
    writer.line(f"_multiply({texts[0]}{'.T' if across else ''}, {texts[1]}, {name}.reshape({out.shape}))")
    if math.prod(out.shape) > 1:
        return held(name, out.shape, out.dtype)
    return writer.settle(Lazy(out.shape, out.dtype, lambda _: f"{name}[0]", weight=1))


def _transposed(value: Lazy) -> Lazy:
    rows, columns = value.shape
    return Lazy((columns, rows), value.dtype, lambda index: value.at(index[::-1]), weight=value.weight)


def _any_dot(values: Sequence[Lazy], contract: Pairs, batch: Pairs, out: Aval, writer: LoopWriter) -> Lazy:
    """Multiply and add one element after the other; float32 fused, in ascending order [PALLAS-4]."""
    x, y = (writer.settle(v) if v.weight else v for v in values)
    total = writer.name()
    free = [
        [k for k in range(len(v.shape)) if k not in (*c, *b)] for v, c, b in zip((x, y), contract, batch, strict=True)
    ]
    step = "_fma({1}, {2}, {0})" if out.dtype.kind == "f" else "{0} + {1} * {2}"

    def product(index: Texts) -> str:
        shared = len(batch[0])
        rows, columns = index[shared : shared + len(free[0])], index[shared + len(free[0]) :]
        writer.line(f"{total} = {cast(out.dtype, '0')}")

        def accumulate(reduced: Texts) -> None:
            texts = []
            for v, own, c, b in zip((x, y), (rows, columns), contract, batch, strict=True):
                places = dict(itertools.chain(zip(c, reduced, strict=True), zip(b, index, strict=False)))
                rest = iter(own)
                texts.append(
                    cast(out.dtype, v.at(tuple(places[k] if k in places else next(rest) for k in range(len(v.shape)))))
                )
            writer.line(f"{total} = {cast(out.dtype, step.format(total, *texts))}")

        writer.nest([x.shape[k] for k in contract[0]], accumulate)
        return total

    return _one_by_one(out, product, writer)
