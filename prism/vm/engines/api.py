"""Engine: what every evaluator offers, the limits it is given and the outcome it returns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from prism.errors import UsageError
from prism.status import Status
from prism.vm.engines.report import Report, StopReason
from prism.vm.ledger.key import WIDE, KeyLayout
from prism.vm.term.graph import TermGraph

MAX_STEPS: Final = (1 << 63) - 1
"""The largest step budget: steps are counted in int64."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds a session: nodes over its whole life, rule applications for each term.

    A node beyond `capacity` is OOM; an id beyond `layout.max_id` is CORRUPT; step `max_steps + 1` is STEP_LIMIT.
    """

    capacity: int = 1 << 26
    max_steps: int = 1 << 32
    layout: KeyLayout = WIDE

    def __post_init__(self) -> None:
        if self.capacity < 2:
            raise UsageError(
                f"a capacity must hold the nodes NULL and ZERO, that is 2, got {self.capacity}; give a larger one"
            )
        if not 0 <= self.max_steps <= MAX_STEPS:
            raise UsageError(
                f"a step budget must be from 0 to {MAX_STEPS}, got {self.max_steps}; leave it out for 2^32"
            )


STOPS: Final = tuple(StopReason)
"""The reason that each code of `Outcome.stop` stands for."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Normal forms and what each of them cost.

    `result` holds one root for each term given; it is 0 (NULL) where the stop is not NORMAL_FORM, except that `bsp`
    keeps what a term had become when a bound stopped it. stop: uint8[k], an index into `STOPS`. steps, nodes, reused:
    int64[k], as in `Report`; loading a term counts towards it.
    """

    result: TermGraph
    stop: NDArray[np.uint8]
    steps: NDArray[np.int64]
    nodes: NDArray[np.int64]
    reused: NDArray[np.int64]

    def report(self, index: int) -> Report:
        """Return what the run of the term at `index` did."""
        counts = (int(count[index]) for count in (self.steps, self.nodes, self.reused))
        return Report(STOPS[self.stop[index]], *counts)

    def reports(self) -> Iterator[Report]:
        """Yield the reports of all terms, in order."""
        return map(self.report, range(len(self.stop)))


class Engine(Protocol):
    """A session: terms evaluated in turn over one store, so that later terms reuse what earlier ones built."""

    @property
    def count(self) -> int:
        """Nodes in the store."""
        ...

    @property
    def status(self) -> Status:
        """OK, or the sticky reason why the session is over."""
        ...

    def normalise(self, terms: TermGraph) -> Outcome:
        """Bring every root to normal form, in order.

        A term that runs out of steps does not stop the next one; after OOM or CORRUPT every further term ends with
        the same reason, unevaluated.
        """
        ...
