"""Asynchronous copies that a kernel may use before it has waited for them."""

from __future__ import annotations

from typing import Any

from prism.pallas import compat, structure
from prism.pallas.access import Copy, CopyWait, Load, Store
from prism.pallas.decode import STATE_PRIMITIVES, decode


def uses_copies_in_flight(jaxpr: Any) -> bool:
    """Whether some straight line of a kernel accesses a copy's target between the start and the wait of its semaphore.

    Such a kernel is worth watching copy by copy: what it accesses may be another part of the target, or a race.
    """
    jaxpr, _ = compat.open_jaxpr(jaxpr)
    pending: dict[Any, set[Any]] = {}
    for equation in jaxpr.eqns:
        if any(uses_copies_in_flight(inner.jaxpr) for inner in structure.inner_jaxprs(equation)):
            return True
        if equation.primitive.name not in STATE_PRIMITIVES:
            continue
        access, atoms = decode(equation), equation.invars
        if isinstance(access, Copy) and access.signal is not None:
            pending.setdefault(atoms[access.signal.ref.position], set()).add(atoms[access.target.ref.position])
        elif isinstance(access, CopyWait):
            pending.pop(atoms[access.signal.ref.position], None)
        elif isinstance(access, Load | Store) and any(
            atoms[access.place.ref.position] in refs for refs in pending.values()
        ):
            return True
    return False
