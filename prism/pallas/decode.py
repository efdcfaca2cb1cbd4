"""State primitives decoded: JAX's reference transforms and flattened operands as the accesses of `access`."""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np

from prism.pallas import compat
from prism.pallas.access import (
    Access,
    Arrive,
    Await,
    Bitcast,
    Copy,
    CopyWait,
    Index,
    Inspect,
    Load,
    Operand,
    Place,
    Reshape,
    Signal,
    Span,
    Store,
    Transform,
    Transpose,
    Untile,
    Wait,
)
from prism.pallas.compat import JaxObject
from prism.pallas.errors import UnsupportedError


def decode(equation: JaxObject) -> Access:
    """Return what a state primitive asks for; operands are named by position."""
    operands = [Operand(k) for k in range(len(equation.invars))]
    return _DECODERS[equation.primitive.name](equation, operands)


def _place(ref: JaxObject, transforms: JaxObject, equation: JaxObject) -> Place:
    seen = (_transform(t, equation) for t in transforms or ())
    return Place(ref, tuple(t for t in seen if t is not None))


def _place_of(view: JaxObject, equation: JaxObject) -> Place:
    if isinstance(view, compat.TransformedRef):
        return _place(view.ref, view.transforms, equation)
    return Place(view)


def _transform(transform: JaxObject, equation: JaxObject) -> Transform | None:
    match transform:
        case compat.NDIndexer():
            items = tuple(
                _span(item) if isinstance(item, compat.Slice) else _static(item, extent, equation)
                for item, extent in zip(transform.indices, transform.shape, strict=True)
            )
            return Index(items, tuple(transform.shape))
        case compat.ReshapeTransform():
            return Reshape(tuple(transform.shape))
        case compat.BitcastTransform():
            return Bitcast(np.dtype(transform.dtype))
        case compat.TransposeTransform():
            return Transpose(tuple(transform.permutation))
        case _ if type(transform).__name__ == "UntilingTransform":
            return Untile(tuple(transform.tiling))
        case _ if type(transform).__name__ == "UnswizzleRef":
            return None  # A swizzle moves bytes within rows, and whoever reads moves them back.
        case _:
            raise UnsupportedError(f"the reference transform {type(transform).__name__}", compat.site_of(equation))


def _span(item: JaxObject) -> Span:
    return Span(item.start, item.size, item.stride)


def _static(item: JaxObject, extent: int, equation: JaxObject) -> JaxObject:
    """Return a scalar written in the source as an int; a negative one counts from the end."""
    atom = equation.invars[item.position] if isinstance(item, Operand) else None
    if not isinstance(atom, compat.Literal) or np.ndim(atom.val):
        return item
    return int(atom.val) + (extent if atom.val < 0 else 0)


def _decode_get(equation: JaxObject, operands: list[Operand]) -> Access:
    ref, *rest = operands
    return Load(_place(ref, jax.tree.unflatten(equation.params["tree"], rest), equation))


def _decode_swap(equation: JaxObject, operands: list[Operand]) -> Access:
    ref, value, *rest = operands
    return Store(_place(ref, jax.tree.unflatten(equation.params["tree"], rest), equation), value)


def _decode_add(equation: JaxObject, operands: list[Operand]) -> Access:
    ref, value, *rest = operands
    place = _place(ref, jax.tree.unflatten(equation.params["tree"], rest), equation)
    return Store(place, value, combine="add")


def _decode_masked_load(equation: JaxObject, operands: list[Operand]) -> Access:
    ref, transforms, mask, other = equation.params["args_tree"].unflatten(operands)
    return Load(_place(ref, transforms, equation), mask, other)


def _decode_masked_swap(equation: JaxObject, operands: list[Operand]) -> Access:
    ref, transforms, value, mask = equation.params["args_tree"].unflatten(operands)
    return Store(_place(ref, transforms, equation), value, mask)


def _decode_atomic(equation: JaxObject, operands: list[Operand]) -> Access:
    ref, transforms, value, mask = equation.params["args_tree"].unflatten(operands)
    kind = equation.params["atomic_type"].value
    combine = "set" if kind == "xchg" else kind
    return Store(_place(ref, transforms, equation), value, mask, combine, atomic=True)


def _decode_compare_swap(_: JaxObject, operands: list[Operand]) -> Access:
    ref, expected, value = operands
    return Store(Place(ref), value, combine="cas", atomic=True, compare=expected)


def _decode_copy(equation: JaxObject, operands: list[Operand]) -> Access:
    source, target, signal, sent, device = equation.params["tree"].unflatten(operands)
    return Copy(
        _place_of(source, equation),
        _place_of(target, equation),
        _place_of(signal, equation),
        None if sent is None else _place_of(sent, equation),
        device,
        bool(equation.params.get("add", False)),
    )


def _decode_copy_wait(equation: JaxObject, operands: list[Operand]) -> Access:
    _, target, signal, _, _ = equation.params["tree"].unflatten(operands)
    return CopyWait(_place_of(target, equation), _place_of(signal, equation))


def _decode_signal(equation: JaxObject, operands: list[Operand]) -> Access:
    ref, transforms, amount, device, core = equation.params["args_tree"].unflatten(operands)
    return Signal(_place(ref, transforms, equation), amount, device, core)


def _decode_wait(equation: JaxObject, operands: list[Operand]) -> Access:
    ref, transforms, amount, decrement = equation.params["args_tree"].unflatten(operands)
    return Wait(_place(ref, transforms, equation), amount, decrement)


def _decode_inspect(equation: JaxObject, operands: list[Operand]) -> Access:
    ref, transforms = equation.params["args_tree"].unflatten(operands)
    return Inspect(_place(ref, transforms, equation))


def _decode_arrive(equation: JaxObject, operands: list[Operand]) -> Access:
    ref, *rest = operands
    place = _place(ref, equation.params["transforms_treedef"].unflatten(rest), equation)
    return Arrive(place, compat.arrivals_of(equation.invars[0].aval.dtype))


def _decode_await(equation: JaxObject, operands: list[Operand]) -> Access:
    ref, *rest = operands
    place = _place(ref, equation.params["transforms_treedef"].unflatten(rest), equation)
    return Await(place, compat.arrivals_of(equation.invars[0].aval.dtype))


def _decode_copy_in(equation: JaxObject, operands: list[Operand]) -> Access:
    parameters, (source, target, barrier, *rest) = equation.params, operands
    if parameters["collective_axes"]:
        raise UnsupportedError("a copy to several blocks of a cluster", compat.site_of(equation))
    seen = _unflatten(rest, [parameters[f"{name}_transforms_treedef"] for name in ("src", "dst", "barrier")])
    places = [_place(ref, t, equation) for ref, t in zip((source, target, barrier), seen, strict=True)]
    arrivals = compat.arrivals_of(equation.invars[2].aval.dtype)
    return Copy(places[0], places[1], places[2], None, None, add=False, arrivals=arrivals)


def _decode_copy_out(equation: JaxObject, operands: list[Operand]) -> Access:
    parameters, (source, target, *rest) = equation.params, operands
    if parameters["reduction_op"] not in (None, "add"):
        raise UnsupportedError(f"a copy that reduces by {parameters['reduction_op']}", compat.site_of(equation))
    predicate = rest.pop() if parameters["has_user_predicate"] else None
    seen = _unflatten(rest, [parameters[f"{name}_transforms_treedef"] for name in ("src", "dst")])
    places = [_place(ref, t, equation) for ref, t in zip((source, target), seen, strict=True)]
    add = parameters["reduction_op"] == "add"
    return Copy(places[0], places[1], None, None, None, add=add, predicate=predicate)


def _unflatten(operands: list[Operand], trees: list[JaxObject]) -> list[JaxObject]:
    parts, begin = [], 0
    for tree in trees:
        parts.append(tree.unflatten(operands[begin : begin + tree.num_leaves]))
        begin += tree.num_leaves
    return parts


_DECODERS: dict[str, Callable[[JaxObject, list[Operand]], Access]] = {
    "get": _decode_get,
    "swap": _decode_swap,
    "addupdate": _decode_add,
    "masked_load": _decode_masked_load,
    "masked_swap": _decode_masked_swap,
    "atomic_rmw": _decode_atomic,
    "atomic_cas": _decode_compare_swap,
    "dma_start": _decode_copy,
    "dma_wait": _decode_copy_wait,
    "semaphore_signal": _decode_signal,
    "semaphore_wait": _decode_wait,
    "semaphore_read": _decode_inspect,
    "barrier_arrive": _decode_arrive,
    "barrier_wait": _decode_await,
    "copy_gmem_to_smem": _decode_copy_in,
    "copy_smem_to_gmem": _decode_copy_out,
}
STATE_PRIMITIVES = frozenset(_DECODERS)
