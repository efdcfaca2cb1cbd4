"""Verify: list every way in which a store breaks the laws of a ledger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from prism.vm.ledger.api import Ledger
from prism.vm.ledger.nodes import RESERVED
from prism.vm.ledger.optable import NO_OP


class Damage(Enum):
    """What can be wrong with a row; the value says what must hold."""

    RESERVED = "ids 0 and 1 are NULL and ZERO"
    UNKNOWN_OP = "every op is in prism.vm.term.ops"
    NOT_EARLIER = "every operand that its op takes is an earlier node, and not NULL"
    NOT_NULL = "every operand that its op does not take is NULL"
    NOT_ORDERED = "the operands of a commuting op are in ascending order"
    DUPLICATE = "no two nodes have one key"
    BEYOND_LAYOUT = "every id fits the key layout"
    NOT_FOUND = "the index leads from the key of every node to its id"


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken law at one node."""

    fault: Damage
    id: int
    detail: str

    def __str__(self) -> str:
        return f"node {self.id}: {self.fault.value}, but {self.detail}; rebuild the ledger from its terms"


def verify(ledger: Ledger) -> list[Violation]:
    """Return the violations of a ledger, by fault and id; empty if it is sound. Cost: a sort of its keys."""
    keys = ledger.keys()
    op, a, b = ledger.layout.unpack(keys)
    ids, takes = np.arange(len(keys)), ledger.ops.arity[op]
    known = takes != NO_OP
    late = (takes >= 1) & ((a < 1) | (a >= ids)) | (takes >= 2) & ((b < 1) | (b >= ids))
    broken = {
        Damage.RESERVED: _misplaced(keys, ledger.layout.pack(*RESERVED)),
        Damage.UNKNOWN_OP: ~known,
        Damage.NOT_EARLIER: known & late,
        Damage.NOT_NULL: (takes < 1) & (a != 0) | (takes < 2) & (b != 0),
        Damage.NOT_ORDERED: ledger.ops.commutes[op] & (b < a),
        Damage.DUPLICATE: _repeated(keys),
        Damage.BEYOND_LAYOUT: ids > ledger.layout.max_id,
        Damage.NOT_FOUND: ledger.find(keys) != ids,
    }
    return list(_violations(broken, op, a, b))


def _violations(broken: dict[Damage, NDArray[np.bool_]], *columns: NDArray) -> Iterator[Violation]:
    for fault, rows in broken.items():
        for row in np.flatnonzero(rows):
            node = tuple(int(column[row]) for column in columns if row < len(column))
            yield Violation(fault, int(row), f"it is {node}" if node else f"the store ends at row {len(columns[0])}")


def _misplaced(keys: NDArray[np.uint64], reserved: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which reserved rows are missing or hold another key; bool[2]."""
    wrong = np.ones(len(reserved), bool)
    wrong[: len(keys)] = keys[: len(reserved)] != reserved[: len(keys)]
    return wrong


def _repeated(keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return the rows whose key occurs at an earlier row."""
    order = np.argsort(keys, kind="stable")
    again = np.zeros(len(keys), bool)
    again[order[1:]] = keys[order[1:]] == keys[order[:-1]]
    return again
