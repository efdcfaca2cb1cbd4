"""Check the claims of a theory: shown with a witness, refuted with a counterexample, or not shown [THEORY-6]."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from prism.vm.theory.cover import coverage
from prism.vm.theory.critical import CriticalPair, commuting_names, critical_pairs
from prism.vm.theory.model import Theory
from prism.vm.theory.order import canonical, find_order
from prism.vm.theory.rule import Pattern, Rule, applied, subterms, variables, written
from prism.vm.theory.separate import separated
from prism.vm.theory.unify import is_instance

MAX_PAIRS: Final = 20_000
"""The most critical pairs that are looked at."""
MAX_STEPS: Final = 1 << 20
"""The most rule applications for one side of a critical pair."""

Normalise = Callable[[Theory, Sequence[Pattern], int], "list[Pattern | None]"]
"""Brings patterns to normal form, their variables standing for themselves, each in at most so many steps; None where
that fails. An engine does it."""


class Outcome(Enum):
    """What came of a claim."""

    SHOWN = "shown"
    REFUTED = "refuted"
    NOT_SHOWN = "not shown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One claim, what came of it, and why; `is_declared` by the theory."""

    claim: str
    outcome: Outcome
    reason: str
    is_declared: bool

    @property
    def fails(self) -> bool:
        """Whether a declared claim is not shown."""
        return self.is_declared and self.outcome is not Outcome.SHOWN


def check(theory: Theory, normalise: Normalise) -> list[Verdict]:
    """Return the verdicts on termination, confluence, and the completeness of each op that a claim names.

    Cost: a search for an order, bounded; and for each critical pair two normal forms.
    """
    termination = check_termination(theory)
    verdicts = [termination, check_confluence(theory, normalise, is_terminating=termination.outcome is Outcome.SHOWN)]
    return [*verdicts, *(check_completeness(theory, name) for name in theory.claims.complete)]


def check_termination(theory: Theory) -> Verdict:
    """Look for a rule that makes an instance of its own left side, then for an order under which all rules decrease."""

    def verdict(outcome: Outcome, reason: str) -> Verdict:
        return Verdict("terminating", outcome, reason, theory.claims.terminating)

    for rule in theory.rules:
        part = None if rule.guards else _own_instance(theory, rule)
        if part is not None:
            return verdict(
                Outcome.REFUTED,
                f"rule {rule.name} rewrites {written(rule.lhs)} to a term with {written(part)} in it, "
                "which it rewrites again",
            )
    order = find_order(theory)
    if order is not None:
        return verdict(Outcome.SHOWN, f"every rule decreases in the {order}")
    return verdict(
        Outcome.NOT_SHOWN, "no recursive path order and no Knuth-Bendix order was found that every rule decreases in"
    )


def _own_instance(theory: Theory, rule: Rule) -> Pattern | None:
    """Return a part of the right side that the left side matches."""
    if rule.literals:
        return None
    names = {name: f"{name}#" for name in variables(rule.lhs)}
    general = _renamed(rule.lhs, names)
    commuting = commuting_names(theory.signature)
    for part in subterms(rule.rhs):
        if isinstance(part, tuple) and is_instance(general, part, commuting):
            return part
    return None


def _renamed(pattern: Pattern, names: dict[str, str]) -> Pattern:
    if isinstance(pattern, str):
        return names[pattern]
    if isinstance(pattern, int):
        return pattern
    return (pattern[0], *(_renamed(part, names) for part in pattern[1:]))


def check_confluence(theory: Theory, normalise: Normalise, *, is_terminating: bool) -> Verdict:
    """Join every critical pair; with termination that decides confluence (Newman 1942, Huet 1980).

    Without termination, a theory whose critical pairs are trivial and whose left sides repeat no variable is confluent
    (Rosen 1973; for trivial pairs Huet 1980); for another a counterexample is searched for among small terms.
    """

    def verdict(outcome: Outcome, reason: str) -> Verdict:
        return Verdict("confluent", outcome, reason, theory.claims.confluent)

    pairs: list[CriticalPair] = []
    for pair in critical_pairs(theory):
        pairs.append(pair)
        if len(pairs) > MAX_PAIRS:
            return verdict(Outcome.NOT_SHOWN, f"there are more than {MAX_PAIRS} critical pairs")
    open_pairs = [found for found in joined(theory, pairs, normalise) if not found.is_joined]
    certain = [found for found in open_pairs if found.is_different and not found.pair.is_conditional]
    if certain:
        return verdict(Outcome.REFUTED, str(certain[0]))
    is_certain = is_terminating or (not pairs and all(_is_left_linear(rule) for rule in theory.rules))
    found = None if is_certain else separated(theory)
    if found is not None:
        return verdict(Outcome.REFUTED, str(found))
    if open_pairs:
        return verdict(Outcome.NOT_SHOWN, str(open_pairs[0]))
    if is_terminating:
        return verdict(Outcome.SHOWN, f"the theory terminates, and all {len(pairs)} critical pairs join")
    if is_certain:
        return verdict(Outcome.SHOWN, "every overlap is trivial, and no left side repeats a variable")
    return verdict(Outcome.NOT_SHOWN, f"all {len(pairs)} critical pairs join, but termination is not shown")


def _is_left_linear(rule: Rule) -> bool:
    names = [part for part in subterms(rule.lhs) if isinstance(part, str)]
    return len(names) == len(set(names))


@dataclass(frozen=True, slots=True)
class Joined:
    """A critical pair and the normal forms of its sides, None where one was not reached."""

    pair: CriticalPair
    left: Pattern | None
    right: Pattern | None
    is_joined: bool

    @property
    def is_different(self) -> bool:
        """Whether both sides have normal forms, and not the same one."""
        return not self.is_joined and self.left is not None and self.right is not None

    def __str__(self) -> str:
        left, right = ("no normal form found" if side is None else written(side) for side in (self.left, self.right))
        doubt = "; a condition may rule it out" if self.pair.is_conditional else ""
        return f"{self.pair} has the normal forms {left} and {right}{doubt}"


def joined(theory: Theory, pairs: Sequence[CriticalPair], normalise: Normalise) -> list[Joined]:
    """Bring both sides of each critical pair to normal form, and compare them modulo commutativity."""
    commuting = commuting_names(theory.signature)
    open_signature = replace(theory.signature, has_symbols=True)
    sides = [side for pair in pairs for side in (pair.left, pair.right)]
    forms = normalise(replace(theory, signature=open_signature), sides, MAX_STEPS)
    found = []
    for index, pair in enumerate(pairs):
        left, right = forms[2 * index], forms[2 * index + 1]
        same = left is not None and right is not None and canonical(left, commuting) == canonical(right, commuting)
        found.append(Joined(pair, left, right, same))
    return found


def check_completeness(theory: Theory, name: str) -> Verdict:
    """Say whether every application of an op to constructors is a redex."""
    claim = f"complete for {name}"
    found = coverage(theory, name)
    if found.uncovered is None:
        rules = sum(applied(rule.lhs)[0] == name for rule in theory.rules)
        return Verdict(claim, Outcome.SHOWN, f"its {rules} rules match every application to constructors", True)
    reason = f"no rule is sure to match {written(found.uncovered)}"
    return Verdict(claim, Outcome.REFUTED if found.is_sure else Outcome.NOT_SHOWN, reason, True)
