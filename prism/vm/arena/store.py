"""The arena: rows of provisional nodes, what stands for each, and the compact frontier of sites that may fire."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from prism.vm.ledger.key import WIDE
from prism.vm.ledger.optable import OpTable, op_table
from prism.vm.ledger.table import Table, intern_one, pack_one
from prism.vm.rewrite.cases import CaseTable, compile_rules
from prism.vm.term.graph import TermGraph
from prism.vm.theory.model import Theory

WIDE_BITS: Final = WIDE.id_bits
_BITS: Final = np.uint64(WIDE_BITS)
_MASK: Final = np.uint64((1 << WIDE_BITS) - 1)

loop = njit(cache=True, _nrt=False)  # pyright: ignore[reportCallIssue]  # the stub lacks the option
"""Compile a loop that allocates nothing, and so counts no references: see `prism.vm.engines.theory_loop`."""

SETTLED: Final = -1
"""The claims of a row that no rule can ever change: such rows are not counted."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What cycles are driven by: the case table of a theory and the table of its ops."""

    cases: CaseTable
    ops: OpTable


@cache
def rules_of(theory: Theory) -> Rules:
    """Compile a theory for cycles; UsageError, with the rule's name, when one does not fit two slots."""
    return Rules(compile_rules(theory), op_table(theory.signature))


class Rows(NamedTuple):
    """Interned nodes, in order of id, and what is known of each; arrays of `room` rows.

    keys, index: see `prism.vm.ledger.table.Table`, in the wide layout. forward: int32, the row that a row was rewritten
    to, 0 while it stands for itself. claims: int32, how many roots, and operands of live rows, it stands for: it is
    live while there is one; SETTLED where they are not counted. waits: int32, the first edge that waits for it, 0 for
    none; edge 2i is operand a of row i, 2i + 1 its operand b. links: int32[2 * room], by edge: 0 while it waits for
    nothing, else one more than the edge that waits behind it. queued: bool, whether a row is in the next frontier.
    """

    keys: NDArray[np.uint64]
    index: NDArray[np.uint32]  # pyright: ignore[reportIncompatibleMethodOverride]  # no tuple is searched here
    forward: NDArray[np.int32]
    claims: NDArray[np.int32]
    waits: NDArray[np.int32]
    links: NDArray[np.int32]
    queued: NDArray[np.bool_]


@loop
def standing(forward, node):
    """Return the row that stands for a row, and shorten the way to it (path splitting, Tarjan and van Leeuwen 1984)."""
    target = np.int64(forward[node])
    while target:
        further = np.int64(forward[target])
        if further:
            forward[node] = further
        node, target = target, further
    return np.int64(node)


@loop
def head(keys, row):
    """Return the op of a row."""
    return np.int64(keys[row] >> _BITS >> _BITS)


@loop
def first(keys, row):
    """Return operand a of a row, as stored."""
    return np.int64(keys[row] >> _BITS & _MASK)


@loop
def second(keys, row):
    """Return operand b of a row, as stored."""
    return np.int64(keys[row] & _MASK)


class Loaded(NamedTuple):
    """A table that holds the nodes of a graph, and how many they are.

    claims: int32[table_count]. roots: the row of each root. loaded: rows of the graph that roots reach.
    """

    table: Table
    table_count: int
    claims: NDArray[np.int32]
    roots: NDArray[np.int32]
    loaded: int


def load(terms: TermGraph, rules: Rules) -> Loaded:
    """Intern the rows under the roots of a graph, in their order; MemoryError where there is no room for them.

    Cost: about 40 ns a row.
    """
    table = Table.of(WIDE.pack(*(np.array(column) for column in ([0, 1], [0, 0], [0, 0]))), WIDE.max_id + 1)
    used = _reached(terms.a, terms.b, terms.roots)
    ids = np.zeros(len(terms), np.int32)
    ids[1] = 1
    row = 2
    while row < len(terms):
        columns = (terms.op, terms.a, terms.b, used)
        arrays = (table.keys, table.index)
        row, table.count = _load(columns, arrays, (row, table.count), ids, rules.ops.commutes)
        if row < len(terms):
            make_room(table)
    roots = ids[terms.roots]
    claims = _claims(table.keys, table.count, roots, rules.cases.heads)
    return Loaded(table, table.count, claims, roots, int(used.sum()))


def make_room(table: Table) -> None:
    """Double the room of an arena's table; MemoryError where there is no more, or no more ids."""
    if not table.grow(table.count):
        raise MemoryError


@njit(cache=True)
def _reached(a, b, roots):
    """Return which rows from 2 on the roots reach: bool[n]."""
    used = np.zeros(len(a), np.bool_)
    for root in roots:
        used[root] = True
    for row in range(len(a) - 1, 1, -1):
        if used[row]:
            used[a[row]] = used[b[row]] = True
    used[:2] = False
    return used


@loop
def _load(columns, arrays, start, ids, commutes):
    """Give rows their ids from start (row, count) on. Returns the row without room, or their number, and count."""
    op, a, b, used = columns
    keys, index = arrays
    row, count = start
    for i in range(row, len(op)):
        if used[i]:
            node = intern_one(keys, index, count, pack_one(op[i], ids[a[i]], ids[b[i]], WIDE_BITS, commutes))
            if node < 0:
                return i, count
            ids[i] = node
            count += node == count
    return len(op), count


@njit(cache=True)
def _claims(keys, count, roots, heads):
    """Return the claims of rows that all stand for themselves: int32[count]. Operands have lower ids."""
    claims = np.zeros(count, np.int32)
    claims[0] = claims[1] = SETTLED
    for row in range(2, count):
        is_over = claims[first(keys, row)] == SETTLED and claims[second(keys, row)] == SETTLED
        if is_over and not heads[head(keys, row)]:
            claims[row] = SETTLED
    for root in roots:
        if claims[root] != SETTLED:
            claims[root] = 1
    for row in range(count - 1, 1, -1):
        if claims[row] > 0:
            for operand in (first(keys, row), second(keys, row)):
                if claims[operand] != SETTLED:
                    claims[operand] += 1
    return claims
