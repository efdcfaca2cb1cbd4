"""Memory accesses performed on references: the runtime of the state primitives."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from prism.pallas.access import (
    Access,
    Arrive,
    Await,
    Copy,
    CopyWait,
    Index,
    Inspect,
    Load,
    Operand,
    Place,
    Signal,
    Store,
    Wait,
)
from prism.pallas.dtypes import Numeric, bit_width
from prism.pallas.errors import DeadlockError, OutOfBoundsError, UnsupportedError
from prism.pallas.flights import Flight
from prism.pallas.indexing import Item, concrete
from prism.pallas.lanes import Barrier, Lanes, address_of
from prism.pallas.memory import Ref

Values = list[Numeric]


def perform(access: Access, operands: Values, dropped: list[bool]) -> Values:
    """Perform an access on the values of its operands; `dropped` says which results nobody uses."""
    match access:
        case Load():
            return [_load(access, operands)]
        case Store():
            return _store(access, operands, read=not all(dropped), results=len(dropped))
        case Copy():
            return _copy(access, operands)
        case Arrive():
            _arrive(_resolve(access.barrier, operands), access.arrivals)
            return []
        case Await():
            return _await(_resolve(access.barrier, operands), access.arrivals)
        case CopyWait():
            target = _resolve(access.target, operands)
            return _take(_resolve(access.signal, operands), _bytes(target), "a copy")
        case Signal():
            return _signal(access, operands)
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


def _value(operand: Operand | None, operands: Values) -> Numeric:
    return None if operand is None else operands[operand.position]


def _load(access: Load, operands: Values) -> Numeric:
    ref, index = locate(access.place, operands)
    if access.mask is None:
        return ref.load(index)
    return ref.load_masked(index, _value(access.mask, operands), _value(access.other, operands))


def _store(access: Store, operands: Values, *, read: bool, results: int) -> Values:
    ref, index = locate(access.place, operands)
    value, mask = operands[access.value.position], _value(access.mask, operands)
    ref.atomic = access.atomic
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
        ref.atomic = False
    return [old] if results else []


def _copy(access: Copy, operands: Values) -> Values:
    source, target = _resolve(access.source, operands), _resolve(access.target, operands)
    _no_remote(access.device, source)
    if access.predicate is not None and not _value(access.predicate, operands):
        return []
    signal, lanes = None if access.signal is None else _resolve(access.signal, operands), source.machine.lanes
    if signal is None or lanes is None:
        _move(source, target, add=access.add)
        if signal is not None and access.arrivals:
            _arrive(signal, access.arrivals)
        elif signal is not None:
            signal.data[...] += _bytes(target)
    elif access.arrivals:
        with lanes.asynchronous(signal.data, barrier=True):
            _move(source, target, add=access.add)
        _arrive(signal, access.arrivals)
    else:
        _take_off(lanes, signal, source, target, add=access.add)
    return []


def _move(source: Ref, target: Ref, *, add: bool) -> None:
    value = source.load(())
    if add:
        target.swap((), value, "add")
    else:
        target.store((), value)


def _take_off(lanes: Lanes, signal: Ref, source: Ref, target: Ref, *, add: bool) -> None:
    """Start a copy: both of its ends are the copy's from now on, though its bytes may move later."""
    late = lanes.flights.late
    data, written = target.data.copy(), None if target.written is None else target.written.copy()
    with lanes.asynchronous(signal.data, barrier=False) as key:
        _move(source, target, add=add)
    if late:
        target.rewrite(data, written)

    def land() -> None:
        if late:
            target.rewrite(target.data + source.data if add else source.data, True)
        signal.data[...] += _bytes(target)

    flight = Flight(key, _bytes(target), signal.machine.site, land)
    lanes.flights.start(address_of(signal.data), signal.name, flight)


def _bytes(ref: Ref) -> int:
    """Return what a semaphore counts of a copy: its bytes, and of none 1."""
    return max(ref.data.size * bit_width(ref.data.dtype) // 8, 1)


def _signal(access: Signal, operands: Values) -> Values:
    place, core = access.semaphore, access.core
    ref = operands[place.ref.position]
    _no_remote(access.device, ref)
    if core is not None:
        ref = _sibling(ref, int(operands[core.position] if isinstance(core, Operand) else core))
    semaphore, lanes = ref.through(place.transforms, tuple(operands)), ref.machine.lanes
    semaphore.data[...] += operands[access.amount.position]
    if lanes is not None:
        lanes.release(semaphore.data)
        counter, site = semaphore.data, ref.machine.site
        lanes.flights.signalled(address_of(counter), semaphore.name, site, lambda: int(counter[()]))
    return []


def _sibling(ref: Ref, core: int) -> Ref:
    """Return another core's semaphore of this name; where there is one core, it is number 0."""
    if ref.peers is None and core == 0:
        return ref
    count = 1 if ref.peers is None else len(ref.peers)
    if ref.peers is None or not 0 <= core < count:
        raise ref.machine.problem(
            OutOfBoundsError,
            f"a signal to core {core} of {ref.name}, and there are {count} cores",
            ref.name,
            (core,),
            (count,),
            remedy="signal a core of the mesh",
        )
    return replace(ref, data=ref.peers[core, ...])


def _wait(access: Wait, operands: Values) -> Values:
    decrement = access.decrement is None or bool(_value(access.decrement, operands))
    amount = int(operands[access.amount.position])
    return _take(_resolve(access.semaphore, operands), amount, "a signal", decrement=decrement)


def _take(semaphore: Ref, amount: int, what: str, *, decrement: bool = True) -> Values:
    machine, lanes = semaphore.machine, semaphore.machine.lanes

    def enough() -> bool:
        return int(semaphore.data[()]) >= amount

    ready = enough if lanes is None else partial(lanes.flights.arrive, address_of(semaphore.data), enough)
    if not machine.wait(ready):
        held = int(semaphore.data[()])
        text = f"{semaphore.name} holds {held} and {what} of {amount} is waited for: it never comes"
        raise _deadlock(semaphore, text, "start the copy, or signal the semaphore, before the wait")
    if lanes is not None:
        lanes.acquire(semaphore.data)
    if decrement:
        semaphore.data[...] -= amount
        if lanes is not None:
            lanes.waited(semaphore.data, amount)
    return []


def _deadlock(ref: Ref, text: str, remedy: str) -> Exception:
    others = [] if ref.machine.lanes is None else ref.machine.lanes.others_waiting()
    text += "".join(f"; another waits at {site}" for site in others)
    return ref.machine.problem(DeadlockError, text, ref.name, (), ref.data.shape, remedy=remedy)


def _barrier(ref: Ref, arrivals: int) -> tuple[Lanes, Barrier]:
    lanes = ref.machine.lanes
    if lanes is None:
        raise UnsupportedError("a barrier outside of a mesh", ref.machine.site)
    if ref.data.size != 1:
        raise UnsupportedError("an access to several barriers at once", ref.machine.site)
    return lanes, lanes.barrier(ref.data, arrivals)


def _arrive(ref: Ref, arrivals: int) -> None:
    lanes, barrier = _barrier(ref, arrivals)
    lanes.release(ref.data)
    barrier.arrived += 1
    if barrier.arrived < arrivals:
        return
    if not barrier.seen:
        text = f"{ref.name} completes phase {barrier.phase + 1} before anyone waited for phase {barrier.phase}"
        raise _deadlock(ref, text, "wait for every phase of a barrier, or arrive as often as it expects")
    barrier.phase, barrier.arrived, barrier.seen = barrier.phase + 1, 0, False


def _await(ref: Ref, arrivals: int) -> Values:
    lanes, barrier = _barrier(ref, arrivals)
    awaited = barrier.waits.get(lanes.current, 0) + 1
    if not ref.machine.wait(lambda: barrier.phase >= awaited):
        text = f"{ref.name} is in phase {barrier.phase} and phase {awaited} is waited for: it never comes"
        raise _deadlock(ref, text, "let as many arrivals happen as the barrier expects")
    if barrier.phase > awaited:
        text = f"{ref.name} is in phase {barrier.phase} and phase {awaited}, which is over, is waited for"
        raise _deadlock(ref, text, "let a thread that waits for a barrier wait for every phase of it")
    barrier.waits[lanes.current], barrier.seen = awaited, True
    lanes.acquire(ref.data)
    return []


def _no_remote(device: Numeric, ref: Ref) -> None:
    if device is not None:
        raise UnsupportedError("an access to another device's memory", ref.machine.site)
