"""Sessions from Python: terms by calling ops, or arrays; normal forms, and which rules gave them [THEORY-7]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

from prism.errors import CapacityError, CorruptError, UsageError
from prism.vm.engines.api import Limits, Outcome
from prism.vm.engines.explain import Step, explained
from prism.vm.engines.report import StopReason
from prism.vm.engines.table import BUILT_IN, open_engine
from prism.vm.engines.theory_engine import TheoryEngine
from prism.vm.term.graph import TermGraph
from prism.vm.term.tree import graph_of, terms_of
from prism.vm.theory.library import load
from prism.vm.theory.model import Theory
from prism.vm.theory.order import find_order
from prism.vm.theory.picture import Term
from prism.vm.theory.rule import Pattern

DEFAULT_STEPS = 1 << 20
"""The step budget of a session where the theory is not shown to terminate and none is given."""


@dataclass(frozen=True, slots=True)
class Explained:
    """A normal form and the rule applications that led to it, in order."""

    term: Term
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return "\n".join([*(f"{number}. {step}" for number, step in enumerate(self.steps, 1)), str(self.term)])


class Session:
    """One engine and its store; use it as a context manager, which closes it.

    What was normalised is remembered: a term given again costs only finding its nodes.
    """

    def __init__(self, theory: Theory | str = BUILT_IN, engine: str = "ledger", limits: Limits | None = None) -> None:
        self.theory = load(theory) if isinstance(theory, str) else theory
        self._limits = limits or Limits(max_steps=Limits().max_steps if terminates(self.theory) else DEFAULT_STEPS)
        self._engine = open_engine(engine, self._limits, None, self.theory)
        self._names: dict[str, int] = {name: at for at, name in enumerate(self.theory.signature.symbols)}
        self._is_open = True

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False

    @property
    def count(self) -> int:
        """Nodes in the store."""
        return self._engine.count

    def normal(self, term: Pattern) -> Term:
        """Return the normal form of one term.

        Raises CapacityError when steps or nodes ran out, CorruptError for a literal beyond 64 bits.
        """
        return self.normal_all([term])[0]

    def normal_all(self, terms: Sequence[Pattern]) -> list[Term]:
        """Return the normal forms of terms, in order; errors as `normal`. Strings are free names."""
        outcome = self.normal_graph(graph_of(self.theory.signature, terms, self._names))
        for report in outcome.reports():
            _require_normal(report.stop, self._limits)
        rows = terms_of(self.theory.signature, outcome.result, list(self._names))
        return [rows[root] for root in outcome.result.roots.tolist()]

    def normal_graph(self, terms: TermGraph) -> Outcome:
        """Bring the roots of a graph to normal form: arrays in, arrays out, no object for a node [THEORY-4]."""
        if not self._is_open:
            raise UsageError("a session must be open to normalise, but its `with` block has ended; start another")
        return self._engine.normalise(terms)

    def explain(self, term: Pattern) -> Explained:
        """Return the normal form of a term and each rule application that led to it, from an empty store."""
        engine = TheoryEngine(self._limits, self.theory, is_logged=True)
        outcome = engine.normalise(graph_of(self.theory.signature, [term], self._names))
        _require_normal(outcome.report(0).stop, self._limits)
        rows = terms_of(self.theory.signature, outcome.result, list(self._names))
        return Explained(rows[int(outcome.result.roots[0])], tuple(explained(engine, list(self._names))))


def session(theory: Theory | str = BUILT_IN, engine: str = "ledger", limits: Limits | None = None) -> Session:
    """Start a session of a theory, given as a value or as the name of one that ships.

    A theory that is not shown to terminate gets a budget of DEFAULT_STEPS rule applications for each term, unless
    `limits` says otherwise.
    """
    return Session(theory, engine, limits)


def terminates(theory: Theory) -> bool:
    """Whether an order shows that a theory terminates."""
    return theory == load(BUILT_IN) or find_order(theory) is not None


def _require_normal(stop: StopReason, limits: Limits) -> None:
    if stop is StopReason.STEP_LIMIT:
        raise CapacityError(
            f"a term must reach its normal form in {limits.max_steps} steps, but needs more, or has none; "
            "give Limits(max_steps=...) for more"
        )
    if stop is StopReason.OOM:
        raise CapacityError(f"a session must fit {limits.capacity} nodes, but needs more; give Limits(capacity=...)")
    if stop is StopReason.CORRUPT:
        raise CorruptError(
            "a literal must stay within 64 bits and an id within the key layout, but one did not; "
            "build larger numbers in the theory, or use the wide layout"
        )
