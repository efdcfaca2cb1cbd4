"""Memory accesses performed on references: the runtime of the state primitives."""

from __future__ import annotations

from typing import Any

import numpy as np

from prism.pallas.access import Access, Copy, CopyWait, Index, Inspect, Load, Operand, Place, Signal, Store, Wait
from prism.pallas.errors import DeadlockError, UnsupportedError
from prism.pallas.indexing import Item, concrete
from prism.pallas.memory import Ref

Values = list[Any]


def perform(access: Access, operands: Values, dropped: list[bool]) -> Values:
    """Perform an access on the values of its operands; `dropped` says which results nobody uses."""
    match access:
        case Load():
            return [_load(access, operands)]
        case Store():
            return _store(access, operands, read=not all(dropped), results=len(dropped))
        case Copy():
            return _copy(access, operands)
        case CopyWait():
            elements = _resolve(access.target, operands).data.size
            return _take(_resolve(access.signal, operands), _counted(elements), "a copy")
        case Signal():
            _no_remote(access.device, _resolve(access.semaphore, operands))
            _resolve(access.semaphore, operands).data[...] += operands[access.amount.position]
            return []
        case Wait():
            return _wait(access, operands)
        case Inspect():
            return [np.int32(_resolve(access.semaphore, operands).data[()])]


def locate(place: Place, operands: Values) -> tuple[Ref, tuple[Item, ...]]:
    """Return a reference and the index into it at which a place lies; the last transform is left to the access."""
    ref = operands[place.ref.position]
    *outer, last = place.transforms or (None,)
    if not isinstance(last, Index):
        ref = ref.through(place.transforms, tuple(operands))
        return ref, tuple(slice(0, n, 1) for n in ref.data.shape)
    return ref.through(tuple(outer), tuple(operands)), concrete(last, tuple(operands))


def _resolve(place: Place, operands: Values) -> Ref:
    return operands[place.ref.position].through(place.transforms, tuple(operands))


def _value(operand: Operand | None, operands: Values) -> Any:
    return None if operand is None else operands[operand.position]


def _load(access: Load, operands: Values) -> Any:
    ref, index = locate(access.place, operands)
    if access.mask is None:
        return ref.load(index)
    return ref.load_masked(index, _value(access.mask, operands), _value(access.other, operands))


def _store(access: Store, operands: Values, *, read: bool, results: int) -> Values:
    ref, index = locate(access.place, operands)
    value, mask = operands[access.value.position], _value(access.mask, operands)
    watched = ref.writer
    if access.atomic:
        # Atomics of several steps to one element are ordered by the memory.
        ref.writer = None
    try:
        if access.combine == "cas":
            old = ref.compare_swap(index, _value(access.compare, operands), value)
        elif mask is not None:
            old = ref.swap_masked(index, value, mask, access.combine, read=read)
        elif read or access.combine != "set":
            old = ref.swap(index, value, access.combine)
        else:
            ref.store(index, value)
            old = None
    finally:
        ref.writer = watched
    return [old] if results else []


def _copy(access: Copy, operands: Values) -> Values:
    source, target = _resolve(access.source, operands), _resolve(access.target, operands)
    _no_remote(access.device, source)
    value = source.load(tuple(slice(0, n, 1) for n in source.data.shape))
    whole = tuple(slice(0, n, 1) for n in target.data.shape)
    if access.add:
        target.swap(whole, value, "add")
    else:
        target.store(whole, value)
    _resolve(access.signal, operands).data[...] += _counted(target.data.size)
    return []


def _counted(elements: int) -> int:
    return max(elements, 1)


def _wait(access: Wait, operands: Values) -> Values:
    decrement = access.decrement is None or bool(_value(access.decrement, operands))
    amount = int(operands[access.amount.position])
    return _take(_resolve(access.semaphore, operands), amount, "a signal", decrement=decrement)


def _take(semaphore: Ref, amount: int, what: str, *, decrement: bool = True) -> Values:
    if int(semaphore.data[()]) < amount:
        raise semaphore.machine.problem(
            DeadlockError,
            f"{semaphore.name} holds {int(semaphore.data[()])} and {what} of {amount} is waited for: it never comes",
            semaphore.name,
            (),
            semaphore.data.shape,
            remedy="start the copy, or signal the semaphore, before the wait",
        )
    if decrement:
        semaphore.data[...] -= amount
    return []


def _no_remote(device: Any, ref: Ref) -> None:
    if device is not None:
        raise UnsupportedError("an access to another device's memory", ref.machine.site)
