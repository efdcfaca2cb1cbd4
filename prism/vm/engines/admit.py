"""Admission: an engine takes only a TermGraph that keeps its own promises."""

from __future__ import annotations

import numpy as np

from prism.errors import UsageError
from prism.vm.ledger.optable import BUILT_IN, NO_OP, OpTable
from prism.vm.term.graph import TermGraph
from prism.vm.term.ops import NULL, ZERO
from prism.vm.theory.signature import DIGIT


def admit(terms: TermGraph, ops: OpTable = BUILT_IN) -> None:
    """Raise UsageError unless rows 0 and 1 are reserved, others apply ops to earlier rows, and roots are rows; O(n)."""
    arity = ops.arity[terms.op]
    row = np.arange(len(terms))
    _require(arity != NO_OP, "apply an op of prism.vm.term.ops", "row", terms.op)
    _require((row == 0) == (terms.op == NULL.code), f"be {NULL.name} if it is row 0, and only then", "row", terms.op)
    _require((row != 1) | (terms.op == ZERO.code), f"be {ZERO.name} if it is row 1", "row", terms.op)
    for name, operand, used in (("a", terms.a, arity >= 1), ("b", terms.b, arity == 2)):
        fits = np.where(used, (operand > 0) & (operand < row), operand == 0)
        _require(fits, f"have as operand {name} an earlier row, or 0 if its op takes none", "row", operand)
    _require(
        (terms.roots > 0) & (terms.roots < len(terms)), f"be a row from 1 to {len(terms) - 1}", "root", terms.roots
    )


def admit_literals(terms: TermGraph) -> None:
    """Raise UsageError unless every literal has its one encoding, in 64 bits [THEORY-4]; O(n)."""
    if (terms.op >= DIGIT).any():
        from prism.vm.engines.literals import wrong_literals

        wrong = wrong_literals(terms.op, terms.a)
        must = "write a literal of 64 bits in as few digits as it has, or a name over one"
        _require(~wrong, must, "row", terms.op)


def _require(holds: np.ndarray, must: str, what: str, got: np.ndarray) -> None:
    if not holds.all():
        first = int(holds.argmin())
        raise UsageError(f"{what} {first} of a term graph must {must}, got {got[first]}; build it with prism.vm.term")
