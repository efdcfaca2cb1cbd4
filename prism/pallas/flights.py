"""Copies in the air: when each lands, what a semaphore tells of them, and what is left when the kernel ends.

A semaphore counts the bytes of the copies that have landed, and not whose they are. With two copies on it,

    a.start(); b.start(); a.wait()        as many bytes as a's have landed: they may be b's

so that what a wait proves is told by sums alone: all copies on a semaphore have landed once as many bytes have been
waited for as were started; before that, none is known to have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from prism.pallas.errors import KernelSite
from prism.pallas.params import Dma

Key = tuple[int, int]
"""A copy: the number of the lane that started it, and which one of the lane's it is."""


@dataclass(frozen=True, slots=True, eq=False)
class Flight:
    """A copy that was started: its bytes, the line, and `land`, which moves them and counts them."""

    key: Key
    size: int
    site: KernelSite
    land: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Left:
    """What a semaphore still counts when it is gone: the first line that counted it, and whether copies did."""

    name: str
    count: int
    site: KernelSite
    copies: bool


@dataclass(slots=True)
class _Semaphore:
    """What is known of one semaphore: copies not known to have landed, those that have not, bytes not waited for."""

    name: str
    unproved: list[Flight] = field(default_factory=list)
    late: list[Flight] = field(default_factory=list)
    owed: int = 0
    signalled: KernelSite | None = None
    count: Callable[[], int] = int


class Flights:
    """The copies of one run, by the address of their semaphores.

    `eager` copies land at once, `on_wait` when a wait needs their bytes, the last one first; `random` draws both from
    the seed, so that a run can be repeated.
    """

    def __init__(self, policy: Dma, seed: int) -> None:
        self._policy, self._random = policy, np.random.default_rng(seed)
        self._semaphores: dict[int, _Semaphore] = {}
        self._left: list[Left] = []

    @property
    def late(self) -> bool:
        """Whether copies may land after they were started."""
        return self._policy != "eager"

    def start(self, address: int, name: str, flight: Flight) -> None:
        """Take a copy on, and let it land if it is not to be late."""
        semaphore = self._semaphores.setdefault(address, _Semaphore(name))
        semaphore.unproved.append(flight)
        semaphore.owed += flight.size
        semaphore.late.append(flight)
        if self._policy == "eager" or (self._policy == "random" and self._random.integers(2)):
            semaphore.late.pop().land()

    def arrive(self, address: int, enough: Callable[[], bool]) -> bool:
        """Let copies land until a semaphore counts enough; return whether it does."""
        late = self._semaphores[address].late if address in self._semaphores else []
        while late and not enough():
            late.pop(int(self._random.integers(len(late))) if self._policy == "random" else -1).land()
        return enough()

    def signalled(self, address: int, name: str, site: KernelSite, count: Callable[[], int]) -> None:
        """Note that a line counts a semaphore up by itself."""
        semaphore = self._semaphores.setdefault(address, _Semaphore(name))
        semaphore.signalled, semaphore.count = semaphore.signalled or site, count

    def waited(self, address: int, amount: int) -> list[Key]:
        """Return the copies that are now known to have landed, when an amount was waited for."""
        semaphore = self._semaphores.get(address)
        if semaphore is None:
            return []
        semaphore.owed -= amount
        if semaphore.owed > 0:
            return []
        proved, semaphore.unproved, semaphore.owed = semaphore.unproved, [], 0
        return [flight.key for flight in proved]

    def free(self, begin: int, end: int) -> None:
        """Forget the semaphores in a range of addresses, and note what they still count."""
        for address in [a for a in self._semaphores if begin <= a < end]:
            self._left += _left(self._semaphores.pop(address))

    def left(self) -> Left | None:
        """Return what some semaphore counts though nobody waits for it any more."""
        found = [*self._left, *(one for semaphore in self._semaphores.values() for one in _left(semaphore))]
        return found[0] if found else None


def _left(semaphore: _Semaphore) -> list[Left]:
    if semaphore.unproved:
        return [Left(semaphore.name, semaphore.owed, semaphore.unproved[0].site, copies=True)]
    count = semaphore.count()
    if count and semaphore.signalled is not None:
        return [Left(semaphore.name, count, semaphore.signalled, copies=False)]
    return []
