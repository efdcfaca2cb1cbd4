"""Engine: what every evaluator offers, the limits it is given and the outcome it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from prism.ledger.key import WIDE, KeyLayout
from prism.status import Report, Status
from prism.term.graph import TermGraph


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds a session: nodes over its whole life, rule applications for each term.

    A node beyond `capacity` is OOM; an id beyond `layout.max_id` is CORRUPT; step `max_steps + 1` is STEP_LIMIT.
    """

    capacity: int = 1 << 26
    max_steps: int = 1 << 32
    layout: KeyLayout = WIDE


@dataclass(frozen=True, slots=True)
class Outcome:
    """Normal forms and what they cost.

    `result` holds one root for each term given; the root is 0 (NULL) where `reports[i].stop` is not NORMAL_FORM.
    """

    result: TermGraph
    reports: tuple[Report, ...]


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
