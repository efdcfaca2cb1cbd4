"""What a canonicaliser reports: the circuit it arrived at, the operations saved, each step by name [CIRCUIT-12]."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from prism.kernels.circuit.phrase import Phrase, leaves
from prism.kernels.circuit.push import pushed

PUSH_RULE = "transforms go to the classes"


@dataclass(frozen=True, slots=True)
class Step:
    """One use of a rule: its name, and the part of the circuit before and after it."""

    rule: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.before or 'nothing'} -> {self.after or 'nothing'}"


@dataclass(frozen=True, slots=True)
class Canonical:
    """A canonical circuit: the phrase, the operations of what was given and of it, the steps from one to the other.

    identity: equal for equal circuits of one theory, and for no others.
    """

    phrase: Phrase
    original_ops: int
    canonical_ops: int
    steps: tuple[Step, ...]
    identity: object

    @property
    def reduction_pct(self) -> float:
        """How many of a hundred operations were saved, 0 for a circuit without any."""
        return 100 * (1 - self.canonical_ops / self.original_ops) if self.original_ops else 0.0

    @property
    def applied_rules(self) -> dict[str, int]:
        """How often each rule was used, in the order of first use."""
        return dict(Counter(step.rule for step in self.steps))


def count_operations(phrase: Phrase) -> int:
    """Return how many operations a phrase has; a group counts what it holds."""
    return sum(1 for _ in leaves(phrase))


def push_steps(phrase: Phrase) -> list[Step]:
    """Return the step that pushes transforms to the classes, none if there are no transforms."""
    before, after = str(phrase), str(pushed(phrase))
    return [Step(PUSH_RULE, before, after)] if before != after else []
