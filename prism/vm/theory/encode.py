"""Encoding: terms of any arity, literals and free names as nodes of at most two operands [THEORY-4].

An application of more than two operands is `(op, first, rest)`, the rest a chain of pairs: `(f w x y z)` is stored as
`(f w (pair x (pair y z)))`. A literal is its last digit in base 16 over the literal of those before it, in two's
complement: 19 = 0x13 is `(digit-3 (digit-1 int-zero))`, and -2 is `(digit-14 int-minus-one)`. A free name is
`(symbol k)`, k its number. So every key is a full key of the ledger, in either layout, and equal means equal id.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, Final, TypeAlias

from prism.errors import UsageError
from prism.vm.theory.model import Theory
from prism.vm.theory.rule import ARITHMETIC, Guard, Pattern, Rule
from prism.vm.theory.signature import DIGIT, INT_MINUS_ONE, INT_ZERO, PAIR, SYMBOL, Signature

Encoded: TypeAlias = "str | tuple[Any, ...]"
"""A variable, or `(code, operand...)` with at most two operands; `(name, ...)` where arithmetic is to be done."""

MAX_ORDERS: Final = 1024
"""The most orders of operands in which one rule may match."""


@dataclass(frozen=True, slots=True)
class EncodedRule:
    """A rule over nodes. `is_lazy`: its right side builds nothing, so it applies before the operands are normal."""

    name: str
    lhs: tuple[Any, ...]
    rhs: Encoded
    guards: tuple[Guard, ...]
    literals: frozenset[str]
    is_lazy: bool


def digits_of(value: int) -> tuple[list[int], int]:
    """Return the digits of a literal, most significant first, and the code that they stand on."""
    digits = []
    while value not in (0, -1):
        digits.append(value & 15)
        value >>= 4
    return digits[::-1], INT_ZERO if value == 0 else INT_MINUS_ONE


def literal(value: int) -> tuple[Any, ...]:
    """Return a literal as nodes."""
    digits, code = digits_of(value)
    node: tuple[Any, ...] = (code,)
    for digit in digits:
        node = (DIGIT + digit, node)
    return node


def symbol(number: int) -> tuple[Any, ...]:
    """Return free name number `number` as nodes."""
    return (SYMBOL, literal(number))


def encoded(signature: Signature, pattern: Pattern) -> Encoded:
    """Return a pattern as nodes."""
    if isinstance(pattern, str):
        return pattern
    if isinstance(pattern, int):
        return literal(pattern)
    name, *operands = pattern
    if name not in signature.by_name:
        return pattern  # arithmetic stays as written
    parts = [encoded(signature, operand) for operand in operands]
    return applied(signature.by_name[name].code, parts)


def applied(code: int, operands: list[Any]) -> tuple[Any, ...]:
    """Return an application as nodes."""
    if len(operands) <= 2:
        return (code, *operands)
    rest = operands[-1]
    for operand in operands[-2:0:-1]:
        rest = (PAIR, operand, rest)
    return (code, operands[0], rest)


def encoded_rule(signature: Signature, rule: Rule) -> EncodedRule:
    """Return a rule over nodes."""
    lhs, rhs = encoded(signature, rule.lhs), encoded(signature, rule.rhs)
    assert isinstance(lhs, tuple)
    builds = isinstance(rule.rhs, tuple) and len(rule.rhs) > 1
    return EncodedRule(rule.name, lhs, rhs, rule.guards, rule.literals, not builds)


def encoded_rules(theory: Theory) -> list[EncodedRule]:
    """Return the rules of a theory over nodes, in order."""
    return [encoded_rule(theory.signature, rule) for rule in theory.rules]


def orders(commuting: frozenset[int], rule: EncodedRule) -> list[tuple[Any, ...]]:
    """Return the left side in every order of the operands of its commuting ops, that written first.

    UsageError for more than MAX_ORDERS.
    """
    found = list(dict.fromkeys(_orders(commuting, rule.lhs, rule.name)))
    return [order for order in found if isinstance(order, tuple)]


def _orders(commuting: frozenset[int], pattern: Encoded, rule: str) -> list[Encoded]:
    if isinstance(pattern, str) or len(pattern) == 1:
        return [pattern]
    code, *operands = pattern
    made: list[Encoded] = []
    for parts in product(*(_orders(commuting, operand, rule) for operand in operands)):
        made.append((code, *parts))
        if code in commuting:
            made.append((code, *reversed(parts)))
        if len(made) > MAX_ORDERS:
            raise UsageError(f"rule {rule!r}: it must match in at most {MAX_ORDERS} orders of operands; split the rule")
    return made


def is_arithmetic(pattern: Any) -> bool:
    """Whether an encoded pattern is a computation."""
    return isinstance(pattern, tuple) and pattern[0] in ARITHMETIC
