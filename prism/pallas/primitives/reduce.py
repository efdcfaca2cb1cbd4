"""Reductions, scans along an axis, sorting, and dot products."""

from __future__ import annotations

import numpy as np

from prism.pallas import dtypes
from prism.pallas.dot import dot
from prism.pallas.dtypes import DType, Numeric
from prism.pallas.primitives.site import Emit, Site
from prism.pallas.sums import add_reduce

Axes = tuple[int, ...]


def reduce_with(ufunc: Numeric, x: Numeric, axes: Axes) -> Numeric:
    """Reduce in the operand's type; narrow floats accumulate in float32, as XLA does on CPU."""
    x = np.asarray(x)
    if dtypes.is_narrow_float(x.dtype):
        wide = x.astype(np.float32)
        return (add_reduce(wide, axes) if ufunc is np.add else ufunc.reduce(wide, axis=axes)).astype(x.dtype)
    if x.dtype.kind not in "biufc":
        return dtypes.convert(ufunc.reduce(x.astype(np.int32), axis=axes), x.dtype)
    return ufunc.reduce(x, axis=axes, dtype=x.dtype)


def cumulate(ufunc: Numeric, x: Numeric, axis: int, reverse: bool) -> Numeric:
    """Scan along one axis in the operand's type, from the end if `reverse`; floats that round go in tiles as in XLA."""
    x = np.asarray(x)
    if ufunc in _NEUTRAL and dtypes.is_float(x.dtype):
        return np.moveaxis(_scan_tiles(ufunc, np.moveaxis(x, axis, -1), _suffixes if reverse else _prefixes), -1, axis)
    result = ufunc.accumulate(np.flip(x, axis) if reverse else x, axis=axis, dtype=x.dtype)
    return np.flip(result, axis) if reverse else result


def _scan_tiles(ufunc: Numeric, x: Numeric, scan: Numeric) -> Numeric:
    """Scan tiles of 16, each from its first element on, then what the tiles come to in the same way."""
    tile, length = 16, x.shape[-1]
    if length <= tile:
        return scan(ufunc, x)
    short = np.full((*x.shape[:-1], -length % tile), _NEUTRAL[ufunc], x.dtype)
    within = scan(ufunc, np.concatenate([x, short], axis=-1).reshape(*x.shape[:-1], -1, tile))
    if scan is _suffixes:
        here, beyond = within[..., :-1, :], _scan_tiles(ufunc, within[..., 0], scan)[..., 1:]
    else:
        here, beyond = within[..., 1:, :], _scan_tiles(ufunc, within[..., -1], scan)[..., :-1]
    here[...] = ufunc(here, beyond[..., None])
    return within.reshape(*x.shape[:-1], -1)[..., :length]


def _prefixes(ufunc: Numeric, x: Numeric) -> Numeric:
    return ufunc.accumulate(x, axis=-1, dtype=x.dtype)


def _suffixes(ufunc: Numeric, x: Numeric) -> Numeric:
    result = x.copy()
    for k in range(1, x.shape[-1]):
        result[..., :-k] = ufunc(result[..., :-k], x[..., k:])
    return result


_NEUTRAL = {np.add: 0, np.multiply: 1, np.logaddexp: -np.inf}


def cumulate_logsumexp(x: Numeric, axis: int, reverse: bool) -> Numeric:
    """Scan of log(exp(a) + exp(b))."""
    return cumulate(np.logaddexp, x, axis, reverse)


def arg_reduce(function: Numeric, x: Numeric, axis: int, dtype: DType) -> Numeric:
    """Index of the first extreme along an axis; NaN counts as the extreme."""
    x = np.asarray(x)
    return function(x.astype(np.float32) if x.dtype.kind == "V" else x, axis=axis).astype(dtype)


def sort_together(operands: tuple[Numeric, ...], axis: int, keys: int) -> tuple[Numeric, ...]:
    """Sort several arrays by the first `keys` of them, stably; NaN goes last."""
    arrays = [np.asarray(x) for x in operands]
    comparable = [x.astype(np.float32) if x.dtype.kind == "V" else x for x in arrays[:keys]]
    if keys == 1:
        order = np.argsort(comparable[0], axis=axis, kind="stable")
    else:
        order = np.lexsort(tuple(np.moveaxis(k, axis, -1) for k in reversed(comparable)), axis=-1)
        order = np.moveaxis(order, -1, axis)
    return tuple(np.take_along_axis(x, order, axis=axis) for x in arrays)


def top_k(x: Numeric, k: int, axis: int) -> tuple[Numeric, Numeric]:
    """Return the k greatest along an axis, in descending order, and their indices; the first of equals first."""
    x = np.asarray(x)
    moved = np.moveaxis(x, axis, -1)
    wide = moved.astype(np.float32) if moved.dtype.kind == "V" else moved
    order = np.argsort(-wide.astype(np.float64) if wide.dtype.kind in "biuf" else wide, axis=-1, kind="stable")[..., :k]
    values = np.take_along_axis(moved, order, axis=-1)
    return np.moveaxis(values, -1, axis), np.moveaxis(order.astype(np.int32), -1, axis)


def dot_general(
    x: Numeric, y: Numeric, contract: tuple[Axes, Axes], batch: tuple[Axes, Axes], *, out: DType, lead: int = 0
) -> Numeric:
    """XLA's dot; narrow floats multiply in float32, int8 accumulates exactly in float64 or in the result type.

    With `lead`, both operands carry that many leading axes which broadcast against each other.
    """
    x, y = _widen(np.asarray(x), np.asarray(y), out)
    xs = _dot_operand(x, contract[0], batch[0], lead, contract_last=True)
    ys = _dot_operand(y, contract[1], batch[1], lead, contract_last=False)
    product = (dot if xs.array.dtype == np.float32 else np.matmul)(xs.array, ys.array)
    shape = product.shape[: product.ndim - 2] + xs.free + ys.free
    result = product.reshape(shape)
    return result if result.dtype == out else dtypes.convert(result, out)


def _widen(x: Numeric, y: Numeric, out: DType) -> tuple[Numeric, Numeric]:
    if dtypes.is_integer(x.dtype) and dtypes.is_integer(y.dtype):
        # Products of at most 8 bits sum exactly in float64, where BLAS is; wider integers must wrap.
        small = dtypes.bit_width(x.dtype) <= 8 and dtypes.bit_width(y.dtype) <= 8 and dtypes.bit_width(out) >= 32
        wide = np.dtype(np.float64) if small else out
        return x.astype(wide), y.astype(wide)
    if x.dtype.kind == "b":
        return x.astype(out), y.astype(out)
    wide = np.promote_types(_compute_type(x.dtype), _compute_type(y.dtype))
    return x.astype(wide, copy=False), y.astype(wide, copy=False)


def _compute_type(dtype: DType) -> DType:
    return dtype if dtype.kind in "fc" and dtype.itemsize > 2 else np.dtype(np.float32)


class _Operand:
    __slots__ = ("array", "free")

    def __init__(self, array: Numeric, free: tuple[int, ...]) -> None:
        self.array, self.free = array, free


def _dot_operand(x: Numeric, contract: Axes, batch: Axes, lead: int, *, contract_last: bool) -> _Operand:
    """Bring an operand to (lead, batch, rows, columns); returns it with its free axes' extents."""
    rank = x.ndim - lead
    free = tuple(k for k in range(rank) if k not in contract and k not in batch)
    order = (*batch, *free, *contract) if contract_last else (*batch, *contract, *free)
    if order != tuple(range(rank)):
        x = x.transpose(*range(lead), *(k + lead for k in order))
    shape = x.shape[lead:]
    head = x.shape[:lead] + shape[: len(batch)]
    extents = tuple(x.shape[lead + len(batch) :])
    free_extents = extents[: len(free)] if contract_last else extents[len(contract) :]
    inner = int(np.prod(extents, dtype=np.int64)) // max(1, int(np.prod(free_extents, dtype=np.int64)))
    outer = int(np.prod(free_extents, dtype=np.int64))
    if outer == 0:
        inner = int(np.prod(extents[len(free) :] if contract_last else extents[: len(contract)], dtype=np.int64))
    return _Operand(x.reshape(head + ((outer, inner) if contract_last else (inner, outer))), free_extents)


def emit_dot(site: Site) -> str:
    """Multiply matrices by the ordered dot or `@`, and bring other operands to that form first."""
    (contract, batch), out = site.params["dimension_numbers"], site.outs[0].dtype
    contract = tuple(tuple(int(a) for a in axes) for axes in contract)
    batch = tuple(tuple(int(a) for a in axes) for axes in batch)
    x, y = site.all_args()
    plain = site.ins[0].dtype == site.ins[1].dtype == out and out.kind in "fc" and out.itemsize > 2
    if plain and not batch[0] and len(site.ins[0].shape) == len(site.ins[1].shape) == 2:
        left = x if contract[0] == (1,) else f"{x}.swapaxes(-1, -2)"
        right = y if contract[1] == (0,) else f"{y}.swapaxes(-1, -2)"
        if len(contract[0]) == 1:
            return site.call(dot, left, right) if out == np.float32 else f"{left} @ {right}"
    lead = site.lead
    if lead and not all(site.batched):
        x, y = (a if site.batched[k] else f"{a}[{', '.join(['None'] * lead)}]" for k, a in enumerate((x, y)))
    keywords = [f"out={site.dtype(out)}"] + ([f"lead={lead}"] if lead else [])
    return site.call(dot_general, x, y, repr(contract), repr(batch), *keywords)


def reduction(ufunc: str) -> Emit:
    """Return the form of a reduction by a ufunc."""

    def emit(site: Site) -> str:
        axes = site.axes(0, tuple(site.params["axes"]))
        dtype = site.ins[0].dtype
        if ufunc == "add" and dtype in (np.float32, np.float64):
            return site.call(add_reduce, site.arg(0), axes)
        if dtype.kind in "biufc" and not dtypes.is_narrow_float(dtype):
            return f"np.{ufunc}.reduce({site.arg(0)}, axis={axes}, dtype={site.dtype(dtype)})"
        return site.call(reduce_with, f"np.{ufunc}", site.arg(0), axes)

    return emit


def cumulation(ufunc: str) -> Emit:
    """Return the form of a running reduction by a ufunc."""

    def emit(site: Site) -> str:
        axis = site.axis(0, site.params["axis"])
        return site.call(cumulate, f"np.{ufunc}", site.arg(0), axis, str(site.params["reverse"]))

    return emit


def arg_reduction(function: str) -> Emit:
    """Return the form of an index of the first extreme, by a NumPy function."""

    def emit(site: Site) -> str:
        (axis,) = site.params["axes"]
        return site.call(
            arg_reduce, f"np.{function}", site.arg(0), site.axis(0, axis), site.dtype(site.params["index_dtype"])
        )

    return emit


def emit_sort(site: Site) -> str:
    """Sort several arrays together."""
    if not all(site.batched):
        site.serial_only()
    axis = site.axis(0, site.params["dimension"])
    return site.call(sort_together, f"({', '.join(site.all_args())},)", axis, str(site.params["num_keys"]))


def emit_top_k(site: Site) -> str:
    """Return the greatest elements and their indices."""
    axis = site.params.get("axis", len(site.ins[0].shape) - 1)
    return site.call(top_k, site.arg(0), str(site.params["k"]), site.axis(0, axis))


def emit_logsumexp(site: Site) -> str:
    """Accumulate logarithms of sums."""
    return site.call(cumulate_logsumexp, site.arg(0), site.axis(0, site.params["axis"]), str(site.params["reverse"]))
