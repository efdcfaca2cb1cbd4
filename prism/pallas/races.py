"""Which grid steps touched each element of an array, so that two that may run in either order are told [PALLAS-12]."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from prism.pallas.dtypes import Array, Numeric
from prism.pallas.machine import Machine

Kind = Literal["store", "atomic", "load"]

_AGAINST: dict[Kind, tuple[Kind, ...]] = {
    "store": ("store", "atomic", "load"),
    "atomic": ("store", "load"),
    "load": ("store", "atomic"),
}
"""Which earlier accesses of another step an access must not meet."""
_DOES: dict[Kind, str] = {"store": "writes", "atomic": "updates", "load": "reads"}


@dataclass(frozen=True, slots=True)
class Conflict:
    """An earlier access that the current one meets: its step, its kind, and where among the accessed elements.

    The step () is a copy in flight.
    """

    step: tuple[int, ...]
    kind: Kind
    where: Array

    def told(self, kind: Kind, element: str, machine: Machine) -> str:
        """Return in words that the current step's access of this kind meets the earlier one."""
        if not self.step and machine.lanes is not None:
            return f"grid step {machine.step} uses {element}, which a copy in flight {_DOES[self.kind]}"
        if self.kind == kind == "store":
            return f"grid steps {self.step} and {machine.step} both write {element}"
        what = f"grid step {machine.step} {_DOES[kind]} {element}, which {self.step} {_DOES[self.kind]}"
        return what if machine.lanes is None else f"{what}, without waiting"


@dataclass(frozen=True, slots=True)
class Watch:
    """Shadows of one array: the stamps of accesses, -1 for none.

    Several steps may have loaded an element, or updated it atomically: `first` has one of them, and `other` the last
    that may run beside that one, so that a step that may run beside any of them may run beside one of the two.
    """

    first: dict[Kind, Array]
    other: dict[Kind, Array]

    def __getitem__(self, index: Numeric) -> Watch:
        """Return the watch of a window."""
        return self.seen(lambda shadow: shadow[index])

    def seen(self, view: Callable[[Array], Array]) -> Watch:
        """Return the watch of a view of the array."""
        return Watch({k: view(a) for k, a in self.first.items()}, {k: view(a) for k, a in self.other.items()})

    def put(self, index: Numeric, window: Watch) -> None:
        """Take over the shadows of a window that is a copy."""
        for mine, theirs in ((self.first, window.first), (self.other, window.other)):
            for kind, shadow in mine.items():
                shadow[index] = theirs[kind]

    def conflict(self, kind: Kind, index: Numeric, where: Array | None, machine: Machine) -> Conflict | None:
        """Return an earlier access that one of the current step, of the elements where `where` holds, must not meet."""
        for earlier in _AGAINST[kind]:
            for shadows in (self.first, self.other):
                stamps = np.asarray(shadows[earlier][index])
                meets = machine.beside(stamps)
                if where is not None:
                    meets = meets & where
                if np.any(meets):
                    stamp = int(stamps[meets].min())
                    return Conflict(machine.step_stamped(stamp), earlier, meets & (stamps == stamp))
        return None

    def note(self, kind: Kind, index: Numeric, machine: Machine) -> None:
        """Remember that the current step accesses elements."""
        first, stamp = self.first[kind][index], machine.stamp
        if kind != "store":
            beside = machine.beside(first)
            self.other[kind][index] = np.where(beside, stamp, self.other[kind][index])
            stamp = np.where(beside, first, stamp)
        self.first[kind][index] = stamp


def watch_of(shape: tuple[int, ...]) -> Watch:
    """Return the watch of an array that nobody has touched."""
    return Watch(_blank(shape), _blank(shape))


def _blank(shape: tuple[int, ...]) -> dict[Kind, Array]:
    return {kind: np.full(shape, -1, np.int64) for kind in _DOES}
