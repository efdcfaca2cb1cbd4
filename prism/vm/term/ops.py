"""THE term-op table: code, name, arity, commutativity. Parser, printer, ledger, rules and Agda derive from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Op:
    """One operation of the term language.

    `code` is its byte in a ledger key; `commutes` means that its two operands are ordered by id before packing.
    """

    code: int
    name: str
    arity: int
    commutes: bool
    doc: str


NULL: Final = Op(0, "null", 0, False, "no node; id 0, never written in a program")
ZERO: Final = Op(1, "zero", 0, False, "the number 0; id 1")
SUC: Final = Op(2, "suc", 1, False, "the successor of its operand")
ADD: Final = Op(10, "add", 2, True, "the sum of its operands")
MUL: Final = Op(11, "mul", 2, True, "the product of its operands")

OPS: Final = (NULL, ZERO, SUC, ADD, MUL)
BY_CODE: Final = {op.code: op for op in OPS}
BY_NAME: Final = {op.name: op for op in OPS if op is not NULL}
"""The ops a program may name."""
