"""Signatures: the ops of a theory, and how each of them is stored as nodes of at most two operands."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from prism.errors import UsageError
from prism.vm.theory.picture import Term


@dataclass(frozen=True, slots=True)
class Op:
    """One operation.

    `code` is its byte in a ledger key; `commutes` means that its two operands are ordered by id before packing.
    """

    code: int
    name: str
    arity: int
    commutes: bool
    doc: str = ""

    def __call__(self, *operands: Any) -> Term:
        """Return this op applied to terms, integers and free names; UsageError for another number of operands."""
        if len(operands) != self.arity:
            raise UsageError(
                f"{self.name} must be applied to {self.arity} operands, got {len(operands)}; "
                "give it as many as it takes"
            )
        return Term((self.name, *operands))


NULL: Final = Op(0, "null", 0, False, "no node; id 0, never written in a program")
UNIT: Final = 1
"""The code of node 1 of every ledger, which takes no operand; a theory may give it a name."""

DIGIT: Final = 224
"""The code of digit 0 in base 16; a literal is its last digit over the literal of the digits before it."""
INT_ZERO, INT_MINUS_ONE, PAIR, SYMBOL = range(DIGIT + 16, DIGIT + 20)
"""Codes of the literals 0 and -1, of two operands that go on, and of a free name over its number [THEORY-4]."""
LITERALS: Final = range(DIGIT, INT_MINUS_ONE + 1)
"""The codes whose nodes are literals."""
MAX_ARITY: Final = 64
"""The most operands of an op."""

_MACHINE: Final = (
    *(Op(DIGIT + digit, f"digit-{digit}", 1, False) for digit in range(16)),
    Op(INT_ZERO, "int-zero", 0, False),
    Op(INT_MINUS_ONE, "int-minus-one", 0, False),
    Op(PAIR, "pair", 2, False),
    Op(SYMBOL, "symbol", 1, False),
)


@dataclass(frozen=True)
class Signature:
    """The words of a theory.

    ops: without NULL, distinct codes from 1 to 223. numerals: the ops that decimal numerals stand for, zero and
    successor, or none. has_literals: whether numbers are literals of 64 bits instead. has_symbols: whether a program
    may declare free names; `symbols` are those that the theory declares.
    """

    ops: tuple[Op, ...]
    numerals: tuple[str, str] | None = None
    has_literals: bool = False
    has_symbols: bool = False
    symbols: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for op in self.ops:
            if not 0 <= op.arity <= MAX_ARITY or (op.commutes and op.arity != 2):
                raise UsageError(
                    f"op {op.name!r} must take from 0 to {MAX_ARITY} operands, and two if it commutes, got {op.arity}; "
                    "change its declaration"
                )
        names, codes = [op.name for op in self.ops], [str(op.code) for op in self.ops]
        for what, found in (("name", names), ("code", codes)):
            again = sorted({value for value in found if found.count(value) > 1})
            if again:
                raise UsageError(f"every op must have a {what} of its own, got {again} twice; rename one")
        wrong = [op for op in self.ops if not UNIT <= op.code < DIGIT or (op.code == UNIT and op.arity)]
        if wrong:
            raise UsageError(
                f"the code of an op must be from {UNIT} to {DIGIT - 1}, and {UNIT} only for a constant, "
                f"got {wrong[0].code} for {wrong[0].name!r}; leave it out"
            )

    @cached_property
    def by_name(self) -> dict[str, Op]:
        """The ops that a program may name."""
        return {op.name: op for op in self.ops}

    @cached_property
    def by_code(self) -> dict[int, Op]:
        """The ops by code, those of the machine included."""
        return {op.code: op for op in (NULL, *_MACHINE, *self.ops)}

    @cached_property
    def arities(self) -> dict[int, int]:
        """How many operands a node of each code has: that of the op, but two for an op of more than two [THEORY-4]."""
        stored = {UNIT: 0} | {code: min(op.arity, 2) for code, op in self.by_code.items()}
        unused = set() if self.has_literals or self.has_symbols else {*LITERALS, SYMBOL}
        if not any(op.arity > 2 for op in self.ops):
            unused.add(PAIR)
        if not self.has_symbols:
            unused.add(SYMBOL)
        return {code: arity for code, arity in stored.items() if code not in unused}

    @cached_property
    def commuting(self) -> frozenset[int]:
        """The codes whose operands are ordered."""
        return frozenset(op.code for op in self.ops if op.commutes)

    @cached_property
    def constants(self) -> tuple[str, ...]:
        """The names of the ops without operands."""
        return tuple(op.name for op in self.ops if not op.arity)
