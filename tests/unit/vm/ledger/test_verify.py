"""verify: each fault is planted, and named at its row."""

from __future__ import annotations

import numpy as np
import pytest

from prism.vm.ledger.host import HostLedger
from prism.vm.ledger.key import WIDE, KeyLayout
from prism.vm.ledger.optable import BUILT_IN
from prism.vm.ledger.verify import Damage, verify
from prism.vm.term.ops import ADD, NULL, SUC, ZERO

pytestmark = [pytest.mark.m1, pytest.mark.clause("LEDGER-8")]

SOUND = [(NULL.code, 0, 0), (ZERO.code, 0, 0), (SUC.code, 1, 0), (ADD.code, 1, 2), (ADD.code, 2, 2)]


class Store:
    """A ledger that is nothing but rows; its index leads from a key to the first row that holds it, unless told."""

    def __init__(self, nodes, layout: KeyLayout = WIDE, index=None):
        op, a, b = (np.array(column) for column in zip(*nodes, strict=True)) if nodes else [np.zeros(0, np.uint8)] * 3
        self.layout, self._keys, self._index = layout, layout.pack(op, a, b), index
        self.ops = BUILT_IN

    def keys(self):
        return self._keys.copy()

    def find(self, keys):
        first = {key: row for row, key in reversed(list(enumerate(self._keys.tolist())))}
        return np.array([first.get(key, -1) for key in keys.tolist()]) if self._index is None else np.array(self._index)


def with_row(row: int, node):
    """Return the sound nodes with one replaced."""
    return [*SOUND[:row], node, *SOUND[row + 1 :]]


@pytest.mark.parametrize(
    ("store", "fault", "row"),
    [
        (Store(with_row(0, (ZERO.code, 0, 0))), Damage.RESERVED, 0),
        (Store(SOUND[:1]), Damage.RESERVED, 1),
        (Store([]), Damage.RESERVED, 0),
        (Store(with_row(3, (77, 1, 2))), Damage.UNKNOWN_OP, 3),
        (Store(with_row(2, (SUC.code, 2, 0))), Damage.NOT_EARLIER, 2),
        (Store(with_row(3, (ADD.code, 1, 4))), Damage.NOT_EARLIER, 3),
        (Store(with_row(3, (ADD.code, 0, 1))), Damage.NOT_EARLIER, 3),
        (Store(with_row(2, (SUC.code, 1, 1))), Damage.NOT_NULL, 2),
        (Store(with_row(1, (ZERO.code, 1, 0))), Damage.NOT_NULL, 1),
        (Store(with_row(3, (ADD.code, 2, 1))), Damage.NOT_ORDERED, 3),
        (Store([*SOUND, (SUC.code, 1, 0)]), Damage.DUPLICATE, 5),
        (Store([*SOUND, *((SUC.code, i, 0) for i in range(2, 12))], KeyLayout("small", 4)), Damage.BEYOND_LAYOUT, None),
        (Store([*SOUND, *((SUC.code, i, 0) for i in range(2, 13))], KeyLayout("small", 4)), Damage.BEYOND_LAYOUT, 15),
        (Store(SOUND, index=[0, 1, 2, -1, 4]), Damage.NOT_FOUND, 3),
        (Store(SOUND, index=[0, 1, 4, 3, 4]), Damage.NOT_FOUND, 2),
    ],
)
def test_each_fault_is_found_at_its_row(store, fault, row):
    """A store with one planted fault lists that fault at that row; a store just inside a limit lists none."""
    found = [violation.id for violation in verify(store) if violation.fault is fault]
    assert (found[0] if found else None) == row


def test_sound_store_has_no_violations():
    """Nodes as the ledger would have built them violate nothing."""
    assert verify(Store(SOUND)) == []


def test_index_of_a_real_ledger_is_checked():
    """A word struck from a ledger's index leaves one node that is not found."""
    ledger = HostLedger()
    ledger.intern([SUC.code], [1], [0])
    slot = int(np.flatnonzero(ledger.table.index & np.uint32(len(ledger.table.index) - 1) == 2)[0])
    ledger.table.index[slot] = 0xFFFFFFFF
    assert [(violation.fault, violation.id) for violation in verify(ledger)] == [(Damage.NOT_FOUND, 2)]


def test_a_violation_says_what_must_hold_and_what_was_found():
    """The message names the node, the law, the row as it is, and what to do."""
    (violation,) = verify(Store(with_row(3, (ADD.code, 2, 1))))
    assert str(violation) == (
        "node 3: the operands of a commuting op are in ascending order, but it is (10, 2, 1); "
        "rebuild the ledger from its terms"
    )
    assert "but the store ends at row 0" in str(verify(Store([]))[0])
