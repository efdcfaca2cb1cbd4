"""Knuth-Bendix completion: equations into a convergent theory with the same consequences [THEORY-8].

The procedure is that of Huet, A Complete Proof of Correctness of the Knuth-Bendix Completion Algorithm (1981): orient
the smallest equation, simplify the rules that the new one rewrites, add its critical pairs, until no equation is left.
The order is extended as equations need it, and searched anew for all rules where it cannot be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from prism.errors import UsageError
from prism.vm.theory.check import MAX_STEPS, Normalise
from prism.vm.theory.critical import commuting_names, critical_pairs
from prism.vm.theory.model import Claims, Theory
from prism.vm.theory.order import GaveUpError, Order, Search, canonical, orienting
from prism.vm.theory.rule import Equation, Pattern, Rule, substituted, subterms, written

MAX_RULES = 200
"""The most rules at a time."""
MAX_EQUATIONS = 5000
"""The most equations that are looked at."""
_NAMES = ("x", "y", "z", "u", "v", "w")

Report = Callable[[int, int, int], None]
"""Called with the rules, the equations that are left and those looked at."""


@dataclass(frozen=True, slots=True)
class Completed:
    """What completion came to.

    theory: the rules so far and the equations that are left; none if it `is_done`, and the rules are convergent then.
    order: under which every rule decreases. reason: why it stopped.
    """

    theory: Theory
    order: Order
    is_done: bool
    reason: str


@dataclass
class _State:
    theory: Theory
    normalise: Normalise
    order: Order = field(default_factory=Order)
    rules: list[Rule] = field(default_factory=list)
    equations: list[Equation] = field(default_factory=list)
    seen: int = 0
    made: int = 0

    def current(self) -> Theory:
        return self.theory.with_rules(self.rules)

    def normal(self, patterns: Sequence[Pattern]) -> list[Pattern]:
        """Return normal forms under the rules so far; UsageError where one is not reached."""
        forms = self.normalise(self.current(), patterns, MAX_STEPS)
        for pattern, form in zip(patterns, forms, strict=True):
            if form is None:
                raise UsageError(
                    f"a side of an equation must reach its normal form in {MAX_STEPS} steps, "
                    f"got {written(pattern)}; give smaller equations"
                )
        return [form for form in forms if form is not None]


def complete(
    theory: Theory,
    normalise: Normalise,
    *,
    max_rules: int = MAX_RULES,
    max_equations: int = MAX_EQUATIONS,
    report: Report = lambda *_: None,
) -> Completed:
    """Complete the equations of a theory, its rules taken as equations too; deterministic, and bounded.

    What a bound leaves can be completed further: the theory of the result holds all that is known. UsageError for
    rules with guards or literals, which completion does not treat.
    """
    for rule in theory.rules:
        if rule.guards or rule.literals or any(isinstance(part, int) for part in subterms(rule.rhs)):
            raise UsageError(f"rule {rule.name!r} must be without guards and literals to be completed; leave it out")
    state = _State(theory, normalise)
    state.equations = [*theory.equations, *(Equation(rule.name, rule.lhs, rule.rhs) for rule in theory.rules)]
    commuting = commuting_names(theory.signature)
    while state.equations:
        report(len(state.rules), len(state.equations), state.seen)
        if len(state.rules) >= max_rules or state.seen >= max_equations:
            return _stopped(state, f"a bound was reached: {max_rules} rules, {max_equations} equations")
        equation = min(state.equations, key=_weight)
        state.equations.remove(equation)
        state.seen += 1
        left, right = state.normal([equation.lhs, equation.rhs])
        if canonical(left, commuting) == canonical(right, commuting):
            continue
        oriented = _oriented(state, left, right)
        if oriented is None:
            state.equations.append(replace(equation, lhs=left, rhs=right))
            return _stopped(state, f"no order was found that orients {written(left)} = {written(right)}")
        state.order = oriented[1]
        _adopt(state, Rule(equation.name, *oriented[0]))
    return Completed(_finished(state), state.order, True, f"all critical pairs of {len(state.rules)} rules join")


def _weight(equation: Equation) -> tuple[int, str]:
    sizes = sum(1 for side in (equation.lhs, equation.rhs) for _ in subterms(side))
    return sizes, written(equation.lhs) + written(equation.rhs)


def _oriented(state: _State, left: Pattern, right: Pattern) -> tuple[tuple[Pattern, Pattern], Order] | None:
    """Return the sides with the greater first, and the order that says so, extended or found anew."""
    commuting = commuting_names(state.theory.signature)
    sides = [(rule.lhs, rule.rhs) for rule in state.rules]
    for pairs, order in (([], state.order), (sides, Order())):
        for pair in ((left, right), (right, left)):
            try:
                found = orienting([pair, *pairs], Search(commuting), order)
            except (GaveUpError, RecursionError):
                continue
            if found is not None:
                return pair, found
    return None


def _adopt(state: _State, rule: Rule) -> None:
    """Add a rule, simplify the others by it, and add its critical pairs as equations."""
    state.made += 1
    rule = _tidy(replace(rule, name=_fresh_name(state, rule.name)))
    kept = []
    only = state.theory.with_rules([rule])
    forms = state.normalise(only, [other.lhs for other in state.rules], MAX_STEPS)
    commuting = commuting_names(state.theory.signature)
    for other, form in zip(state.rules, forms, strict=True):
        if form is None or canonical(form, commuting) == canonical(other.lhs, commuting):
            kept.append(other)
        else:
            state.equations.append(Equation(other.name, form, other.rhs))
    state.rules = [*kept, rule]
    rights = state.normal([other.rhs for other in state.rules])
    state.rules = [replace(other, rhs=right) for other, right in zip(state.rules, rights, strict=True)]
    rule = state.rules[-1]
    pairs = list(critical_pairs(state.current(), [rule]))
    forms = state.normal([side for pair in pairs for side in (pair.left, pair.right)])
    known = {(written(equation.lhs), written(equation.rhs)) for equation in state.equations}
    for left, right in zip(forms[::2], forms[1::2], strict=True):
        texts = written(left), written(right)
        if canonical(left, commuting) != canonical(right, commuting) and texts not in known:
            known.add(texts)
            state.equations.append(Equation(f"pair-{state.made}", left, right))


def _fresh_name(state: _State, name: str) -> str:
    """Return a name that no rule has."""
    taken = {rule.name for rule in state.rules}
    if name.startswith("pair-") or name in taken:
        return next(fresh for number in range(1, len(taken) + 2) if (fresh := f"r{number}") not in taken)
    return name


def _tidy(rule: Rule) -> Rule:
    """Return the rule with its variables named in the order in which they occur."""
    names: dict[str, Pattern] = {}
    for part in subterms(rule.lhs):
        if isinstance(part, str) and part not in names:
            index = len(names)
            names[part] = _NAMES[index] if index < len(_NAMES) else f"x{index}"
    return replace(rule, lhs=substituted(rule.lhs, names), rhs=substituted(rule.rhs, names))


def _finished(state: _State) -> Theory:
    claims = Claims(terminating=True, confluent=True, complete=state.theory.claims.complete)
    ordered = sorted(state.rules, key=lambda rule: _weight(Equation(rule.name, rule.lhs, rule.rhs)))
    return replace(state.current(), rules=tuple(ordered), claims=claims)


def _stopped(state: _State, reason: str) -> Completed:
    named, taken = [], {rule.name for rule in state.rules}
    for number, equation in enumerate(state.equations, 1):
        name = equation.name if equation.name not in taken else f"left-{number}"
        name = name if name not in taken else f"left-{number}-{len(taken)}"
        taken.add(name)
        named.append(replace(equation, name=name))
    theory = replace(state.current(), equations=tuple(named), claims=Claims())
    return Completed(theory, state.order, False, reason)
