"""Batches: structural hashing through the interface of any ledger engine, level by level; `strash` is its fast form."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from prism.aig.circuit import Circuit
from prism.aig.strash import keys_of, levels, number
from prism.errors import UsageError
from prism.status import Status
from prism.vm.ledger.api import Ledger
from prism.vm.ledger.optable import OpTable, op_table
from prism.vm.theory.signature import Op, Signature

_LEAF: Final = Op(2, "leaf", 1, False, "the leaf after its operand")
_AND: Final = Op(3, "and", 2, True, "the conjunction of its operands")
_EXCEPT: Final = Op(4, "except", 2, False, "its first operand without its second")
_NOR: Final = Op(5, "nor", 2, True, "neither of its operands")

TABLE: Final[OpTable] = op_table(Signature((_LEAF, _AND, _EXCEPT, _NOR)))
"""What a ledger is told to hold circuits: a complement is part of the op, and operands are ids [LEDGER-4].

Node 1 is false, the leaves follow, so that a node is a variable plus 1.
"""


def hash_on(ledger: Ledger, circuit: Circuit) -> Circuit:
    """Return what `strash` does, by interning one batch a level in an empty ledger of `TABLE`.

    UsageError unless the ledger is empty and has room. Cost: one batch for each leaf and each level.
    """
    first = circuit.first
    if ledger.count != 2:
        raise UsageError(f"a circuit must be hashed on an empty ledger, got {ledger.count} nodes; make another")
    for variable in range(1, first):
        ledger.intern([_LEAF.code], [variable], [0])
    level = levels(keys_of(circuit.rows), np.uint32(first))[first:]
    became = 2 * np.arange(first + len(circuit.rows), dtype=np.uint32)
    for height in range(1, int(level.max(initial=0)) + 1):
        rows = np.flatnonzero(level == height)
        pairs = circuit.rows[rows]
        renamed = (became[pairs >> 1] ^ (pairs & 1)).astype(np.uint32)
        became[first + rows] = _batch(ledger, np.sort(renamed, axis=1))
    if ledger.status is not Status.OK:
        raise UsageError(f"a ledger must have room for the circuit, but it is {ledger.status.name}; raise its capacity")
    keys = _literals(ledger)[first + 1 :]
    roots = became[circuit.roots >> 1] ^ (circuit.roots & 1)
    rows, renamed = number(keys, np.uint32(first), roots)
    return replace(circuit, rows=rows, roots=renamed[roots >> 1] ^ (roots & 1))


def _batch(ledger: Ledger, pairs: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return the literals of ANDs of sorted pairs, those that are no nodes by the rules of level 1."""
    a, b = pairs[:, 0], pairs[:, 1]
    out = np.where(a == 0, 0, b).astype(np.uint32)
    out[(a > 1) & (a ^ b == 1)] = 0
    is_node = (a > 1) & (a | 1 != b | 1)
    a, b = a[is_node], b[is_node]
    # The complemented one of a mixed pair comes second.
    mixed, flipped = (a ^ b) & 1 == 1, a & 1 == 1
    op = np.where(mixed, _EXCEPT.code, np.where(flipped, _NOR.code, _AND.code))
    swaps = mixed & flipped
    ids = ledger.intern(op, (np.where(swaps, b, a) >> 1) + 1, (np.where(swaps, a, b) >> 1) + 1)
    out[is_node] = 2 * np.maximum(ids - 1, 0)
    return out


def _literals(ledger: Ledger) -> NDArray[np.uint64]:
    """Return the key of every node as `strash` has it: its operands' literals in ascending order."""
    op, a, b = ledger.layout.unpack(ledger.keys())
    left = 2 * (a.astype(np.int64) - 1) + (op == _NOR.code)
    right = 2 * (b.astype(np.int64) - 1) + ((op == _NOR.code) | (op == _EXCEPT.code))
    return keys_of(np.maximum(np.column_stack((left, right)), 0).astype(np.uint32))
