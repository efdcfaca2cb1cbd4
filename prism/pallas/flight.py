"""Asynchronous copies that a kernel may use before it has waited for them."""

from __future__ import annotations

from prism.pallas.access import Copy, CopyWait, Load, Store
from prism.pallas.kernel import Atom, Kernel, equations_in


def starts_copies(kernel: Kernel) -> bool:
    """Whether a kernel starts copies that a semaphore of its own counts."""
    return any(isinstance(e.access, Copy) and e.access.signal is not None for e in equations_in(kernel))


def uses_copies_in_flight(kernel: Kernel) -> bool:
    """Whether some straight line of a kernel accesses a copy's target between the start and the wait of its semaphore.

    Such a kernel is worth watching copy by copy: what it accesses may be another part of the target, or a race.
    """
    pending: dict[Atom, set[Atom]] = {}
    for equation in kernel.equations:
        if any(uses_copies_in_flight(inner.kernel) for inner in equation.inner):
            return True
        access, atoms = equation.access, equation.ins
        if isinstance(access, Copy) and access.signal is not None:
            pending.setdefault(atoms[access.signal.ref.position], set()).add(atoms[access.target.ref.position])
        elif isinstance(access, CopyWait):
            pending.pop(atoms[access.signal.ref.position], None)
        elif isinstance(access, Load | Store) and any(
            atoms[access.place.ref.position] in refs for refs in pending.values()
        ):
            return True
    return False
