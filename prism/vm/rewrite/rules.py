"""Rewrite rules as data: THE rule table of the term language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from prism.errors import UsageError
from prism.vm.term.ops import ADD, BY_NAME, MUL, SUC, ZERO

Pattern: TypeAlias = "str | tuple[Any, ...]"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rewrite: wherever `lhs` matches, `rhs` means the same.

    A pattern is a variable (a string) or a tuple `(op name, operand...)`. Operands of a commuting op match in
    either order. `clause` is the clause of the specification that states the rule.
    """

    name: str
    lhs: Pattern
    rhs: Pattern
    clause: str

    def __post_init__(self) -> None:
        for side in (self.lhs, self.rhs):
            _check_arity(self.name, side)
        unbound = variables(self.rhs) - variables(self.lhs)
        if unbound:
            raise UsageError(
                f"rule {self.name!r}: every variable on the right must occur on the left, "
                f"but {sorted(unbound)} do not; bind them or remove them"
            )


def variables(pattern: Pattern) -> frozenset[str]:
    """Return the variables of a pattern."""
    if isinstance(pattern, str):
        return frozenset({pattern})
    return frozenset().union(*(variables(part) for part in pattern[1:]))


def _check_arity(rule: str, pattern: Pattern) -> None:
    if isinstance(pattern, str):
        return
    name, *operands = pattern
    if name not in BY_NAME or BY_NAME[name].arity != len(operands):
        raise UsageError(
            f"rule {rule!r}: a pattern must apply an op of the op table to its arity of operands, got {pattern!r}; "
            f"ops are {', '.join(f'{op.name}/{op.arity}' for op in BY_NAME.values())}"
        )
    for operand in operands:
        _check_arity(rule, operand)


_zero, _suc, _add, _mul = ZERO.name, SUC.name, ADD.name, MUL.name

RULES: Final = (
    Rule("add-zero", (_add, (_zero,), "x"), "x", "REWRITE-1"),
    Rule("add-suc", (_add, (_suc, "x"), "y"), (_suc, (_add, "x", "y")), "REWRITE-1"),
    Rule("mul-zero", (_mul, (_zero,), "x"), (_zero,), "REWRITE-1"),
    Rule("mul-suc", (_mul, (_suc, "x"), "y"), (_add, "y", (_mul, "x", "y")), "REWRITE-1"),
)
"""Addition and multiplication of Peano numerals."""
