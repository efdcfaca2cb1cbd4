"""Theory: a signature, rules over it, equations to complete, and claims to check."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from prism.errors import UsageError
from prism.vm.theory.rule import ARITHMETIC, Equation, Pattern, Rule, subterms, variables, written
from prism.vm.theory.signature import UNIT, Op, Signature

MAX_DEPTH: Final = 100
"""How deep a side of a rule may nest."""
_LEAST: Final = -(1 << 63)
_MOST: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Claims:
    """What a theory says of itself: each is checked by `prism theory check`; `complete` names ops."""

    terminating: bool = False
    confluent: bool = False
    complete: tuple[str, ...] = ()


NO_CLAIMS: Final = Claims()


@dataclass(frozen=True)
class Theory:
    """A theory, whole and well formed.

    UsageError when a rule or claim does not keep to the signature. Equal theories are equal as values.
    """

    name: str
    signature: Signature
    rules: tuple[Rule, ...] = ()
    equations: tuple[Equation, ...] = ()
    claims: Claims = NO_CLAIMS

    def __post_init__(self) -> None:
        clash = [op.name for op in self.signature.ops if self.signature.has_literals and op.name in ARITHMETIC]
        if clash:
            raise UsageError(f"an op must not be called like arithmetic on literals, got {clash[0]!r}; rename it")
        for rule in self.rules:
            check_rule(self.signature, rule)
        for equation in self.equations:
            for side in (equation.lhs, equation.rhs):
                _check_pattern(self.signature, f"equation {equation.name!r}", side, may_compute=False)
        names = [item.name for item in (*self.rules, *self.equations)]
        if len(set(names)) < len(names):
            again = next(name for name in names if names.count(name) > 1)
            raise UsageError(f"a rule must have a name of its own, got {again!r} twice; rename one of them")
        unknown = [name for name in self.claims.complete if name not in self.signature.by_name]
        if unknown:
            raise UsageError(f"a claim must name ops of the theory, got {unknown[0]!r}; declare it or remove it")

    def op(self, name: str) -> Op:
        """Return the op called `name`; UsageError when there is none."""
        if name not in self.signature.by_name:
            known = ", ".join(self.signature.by_name)
            raise UsageError(f"theory {self.name!r} must have the op, got {name!r}; its ops are {known}")
        return self.signature.by_name[name]

    def with_rules(self, rules: Iterable[Rule]) -> Theory:
        """Return the theory with these rules in place of its own, and without equations."""
        return replace(self, rules=tuple(rules), equations=())


def check_rule(signature: Signature, rule: Rule) -> None:
    """Raise UsageError unless a rule means something under a signature [THEORY-2]."""
    named = f"rule {rule.name!r}"
    _check_pattern(signature, named, rule.lhs, may_compute=False)
    _check_pattern(signature, named, rule.rhs, may_compute=True)
    if not isinstance(rule.lhs, tuple):
        raise UsageError(f"{named}: its left side must apply an op, got {written(rule.lhs)}; write (op ...)")
    if rule.lhs[0] in signature.by_name and signature.by_name[rule.lhs[0]].code == UNIT:
        raise UsageError(
            f"{named}: the constant of code {UNIT} is in every ledger and must stay as it is; give it another code"
        )
    bound = variables(rule.lhs)
    unbound = variables(rule.rhs).union(*(variables(guard) for guard in rule.guards)) - bound
    if unbound:
        raise UsageError(
            f"{named}: every variable on the right must occur on the left, "
            f"but {sorted(unbound)} do not; bind them or remove them"
        )
    computed = [part for guard in rule.guards for part in guard[1:]]
    computed += [part for part in subterms(rule.rhs) if isinstance(part, tuple) and part[0] in ARITHMETIC]
    for part in computed:
        _check_computed(rule, named, part)


def _check_computed(rule: Rule, named: str, part: Pattern) -> None:
    for inner in subterms(part):
        is_number = isinstance(inner, int) or inner in rule.literals
        if not is_number and not (isinstance(inner, tuple) and inner[0] in ARITHMETIC):
            raise UsageError(
                f"{named}: arithmetic and guards must be over literals and variables of literals, "
                f"got {written(inner)}; declare it with (int ...)"
            )


def _check_pattern(signature: Signature, named: str, pattern: Pattern, *, may_compute: bool) -> None:
    level: list[Pattern] = [pattern]
    depth = 0
    while level:
        depth += 1
        for part in level:
            _check_part(signature, named, part, may_compute=may_compute)
        level = [operand for part in level if isinstance(part, tuple) for operand in part[1:]]
    if depth > MAX_DEPTH:
        raise UsageError(f"{named}: a side must nest at most {MAX_DEPTH} deep, got {depth}; split the rule")


def _check_part(signature: Signature, named: str, part: Pattern, *, may_compute: bool) -> None:
    if isinstance(part, int):
        if not signature.has_literals or not _LEAST <= part <= _MOST:
            raise UsageError(
                f"{named}: a number must be a literal of 64 bits in a theory that has literals, "
                f"got {part}; declare (literals)"
            )
    elif isinstance(part, tuple):
        name, *operands = part
        arity = 2 if may_compute and signature.has_literals and name in ARITHMETIC else -1
        if name in signature.by_name:
            arity = signature.by_name[name].arity
        if arity != len(operands):
            raise UsageError(
                f"{named}: a pattern must apply an op of the op table to its arity of operands, "
                f"got {written(part) if len(part) > 1 else part!r}; "
                f"ops are {', '.join(f'{op.name}/{op.arity}' for op in signature.ops)}"
            )


EMPTY: Final = Signature(())


def theory_of(
    name: str,
    ops: Iterable[tuple[str, int] | tuple[str, int, bool] | Op] = (),
    rules: Iterable[tuple[str, Pattern, Pattern] | Rule] = (),
    *,
    base: Theory | None = None,
    words: Signature = EMPTY,
    claims: Claims = NO_CLAIMS,
) -> Theory:
    """Return a theory built from objects, on top of `base` if there is one.

    ops: (name, arity[, commutes]), which get the lowest codes that are free from 2 on, or `Op`. rules: (name, left,
    right) or `Rule`; those of `base` come first. `words` says what numbers and free names are; its ops come before
    `ops`. Claims of `base` do not carry over, for they say nothing of the union. UsageError as for a theory file.
    """
    below = base.signature if base else EMPTY
    made = [*below.ops, *words.ops]
    for op in ops:
        made.append(op if isinstance(op, Op) else coded(made, op[0], op[1], len(op) > 2 and op[2]))
    if (below.numerals and (words.numerals or words.has_literals)) or (words.numerals and below.has_literals):
        raise UsageError(f"numbers must have one meaning in {name!r}, got another than in its base; drop one")
    signature = Signature(
        tuple(made),
        below.numerals or words.numerals,
        below.has_literals or words.has_literals,
        below.has_symbols or words.has_symbols,
        tuple(dict.fromkeys((*below.symbols, *words.symbols))),
    )
    ruled = (rule if isinstance(rule, Rule) else Rule(*rule) for rule in rules)
    equations = base.equations if base else ()
    return Theory(name, signature, (*(base.rules if base else ()), *ruled), equations, claims)


def coded(known: Iterable[Op], name: str, arity: int, commutes: bool = False, doc: str = "") -> Op:
    """Return an op with the lowest code from 2 on that no known one has."""
    taken = {op.code for op in known}
    code = next(code for code in range(UNIT + 1, 257) if code not in taken)
    return Op(code, name, arity, commutes, doc)
