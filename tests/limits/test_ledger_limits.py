"""Both sides of each limit of a ledger: its capacity and the ids of its layout."""

from __future__ import annotations

import numpy as np
import pytest

from prism.errors import UsageError
from prism.status import Status
from prism.vm.ledger import batch
from prism.vm.ledger.device import DeviceLedger
from prism.vm.ledger.host import HostLedger
from prism.vm.ledger.key import COMPACT, LARGE, LARGEST, LAYOUTS, WIDE, KeyLayout, widest
from prism.vm.ledger.optable import COMMUTES, last_code, op_table
from prism.vm.ledger.verify import verify
from prism.vm.term.ops import ADD, NULL, SUC, ZERO
from prism.vm.theory.signature import Op, Signature

pytestmark = pytest.mark.m1

both_engines = pytest.mark.parametrize("engine", [HostLedger, DeviceLedger])
TINY = KeyLayout("tiny", 4)


def fill(ledger, count: int) -> None:
    """Bring a ledger to `count` nodes: sums of every pair with a node that the batch before added."""
    oldest = 1
    while ledger.count < count:
        top = ledger.count
        a, b = np.nonzero(np.tri(top, dtype=bool).T)
        recent = (a >= 1) & (b >= oldest)
        a, b = a[recent][: count - top], b[recent][: count - top]
        ledger.intern(np.full(len(a), ADD.code), a, b)
        assert (ledger.status, ledger.count) == (Status.OK, top + len(a))
        oldest = top


def add_one(ledger) -> int:
    """Intern one node that is not there."""
    return int(ledger.intern([SUC.code], [ledger.count - 1], [0])[0])


def check_limit(ledger, most: int, status: Status) -> None:
    """Fill to one below the limit, add the last node, then be refused for good."""
    fill(ledger, most - 1)
    assert (add_one(ledger), ledger.status) == (most - 1, Status.OK)
    keys = ledger.keys().tolist()
    assert (add_one(ledger), ledger.status) == (0, status)
    assert (add_one(ledger), ledger.status) == (0, status)
    assert ledger.keys().tolist() == keys
    assert verify(ledger) == []


@pytest.mark.slow
@both_engines
@pytest.mark.parametrize("layout", [COMPACT, WIDE, LARGE])
@pytest.mark.clause("LEDGER-5")
def test_capacity(engine, layout):
    """A ledger takes exactly `capacity` nodes; one more is OOM."""
    check_limit(engine(layout, 300), 300, Status.OOM)


@both_engines
@pytest.mark.parametrize("layout", [TINY, COMPACT])
@pytest.mark.clause("LEDGER-5")
@pytest.mark.slow
def test_largest_id(engine, layout):
    """The last id is the largest that the layout packs, 65534 for compact; one more is CORRUPT."""
    check_limit(engine(layout, 1 << 20), layout.max_id + 1, Status.CORRUPT)


@pytest.mark.slow
@both_engines
@pytest.mark.parametrize(("capacity", "status"), [(14, Status.OOM), (15, Status.CORRUPT), (16, Status.CORRUPT)])
@pytest.mark.clause("LEDGER-5")
def test_tighter_limit_decides(engine, capacity, status):
    """The limit that is reached first names the status, and CORRUPT wins if both are reached at once."""
    check_limit(engine(TINY, capacity), min(capacity, TINY.max_id + 1), status)


@both_engines
@pytest.mark.clause("LEDGER-5")
def test_a_batch_across_the_limit_adds_nothing(engine):
    """A batch of which only a part fits is refused whole, its known nodes included."""
    ledger = engine(WIDE, 300)
    fill(ledger, 298)
    keys = ledger.keys().tolist()
    known, new = (ADD.code, 1, 1), [(SUC.code, 296, 0), (SUC.code, 295, 0), (SUC.code, 294, 0)]
    batch = [list(column) for column in zip(known, *new, strict=True)]
    assert ledger.intern(*batch).tolist() == [0, 0, 0, 0]
    assert (ledger.status, ledger.keys().tolist()) == (Status.OOM, keys)
    assert ledger.intern(*batch).tolist() == [2, 0, 0, 0]


def pairs(*codes: int):
    """Return the op table of a theory that has ops of two operands with some codes."""
    return op_table(Signature(tuple(Op(code, f"op{code}", 2, False, "a pair") for code in codes)))


@pytest.mark.parametrize(("layout", "last"), [(LARGEST, 3), (LARGE, 15), (WIDE, 223), (COMPACT, 223)])
@pytest.mark.clause("LEDGER-2")
def test_largest_code_of_an_op(layout, last):
    """A layout takes every op that leaves its ids their bits, keeps it apart from the others, and refuses one more."""
    ledger = HostLedger(layout, ops=pairs(last - 1, last))
    assert ledger.intern([last, last - 1], [1, 1], [1, 1]).tolist() in ([2, 3], [3, 2])
    assert sorted(ledger.layout.unpack(ledger.keys())[0].tolist()) == [NULL.code, ZERO.code, last - 1, last]
    assert verify_ops(ledger) == []
    assert (ledger.intern([last + 1], [1], [1]).tolist(), ledger.status) == ([0], Status.CORRUPT)
    if last < 223:
        with pytest.raises(UsageError, match=f"takes ops with codes up to {last}, but an op has code {last + 1}; take"):
            HostLedger(layout, ops=pairs(last + 1))


def verify_ops(ledger) -> list[int]:
    """Return the ids that are not found by the key of their node."""
    ids = np.arange(ledger.count)
    return ids[ledger.find(ledger.layout.pack(*ledger.layout.unpack(ledger.keys()))) != ids].tolist()


@pytest.mark.clause("LEDGER-2")
def test_the_device_engine_refuses_ops_beyond_a_layout():
    """The built-in ops have codes up to 11: two bits do not hold them, four do."""
    with pytest.raises(UsageError, match="largest takes ops with codes up to 3, but an op has code 11; take a layout"):
        DeviceLedger(LARGEST)
    assert DeviceLedger(LARGE).intern([ADD.code], [1], [1]).tolist() == [2]


@pytest.mark.clause("LEDGER-2")
def test_the_widest_layout_of_a_theory():
    """The widest layout is the one with the most ids that still takes the largest code."""
    chosen = {code: widest(last_code(pairs(code))).name for code in (2, 3, 4, 15, 16, 223)}
    assert chosen == {2: "largest", 3: "largest", 4: "large", 15: "large", 16: "wide", 223: "wide"}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=lambda layout: layout.name)
@pytest.mark.clause("LEDGER-5")
def test_ids_at_the_edge_of_a_layout(layout):
    """A full ledger of a layout may hold its largest id as an operand and no other; one node more is CORRUPT."""
    full, status = layout.bound(1 << 40)
    assert (full, status) == (2**layout.id_bits - 1, Status.CORRUPT)
    assert layout.bound(full) == (full, Status.CORRUPT)
    assert layout.bound(full - 1) == (full - 1, Status.OOM)
    for last, fits in (full - 1, True), (full, False):
        op, a, b = np.array([2], np.uint8), np.array([1], np.int32), np.array([last], np.int32)
        assert batch.all_addable(op, a, b, full, pairs(2).arity) is fits
        keys = batch.pack_batch(op, a, b, full, layout.id_bits, pairs(2).arity, COMMUTES)
        assert (keys == batch.ABSENT).item() is not fits
        assert not fits or [part.item() for part in layout.unpack(keys)] == [2, 1, last]


@both_engines
def test_least_capacity(engine):
    """A capacity of two holds the reserved ids and nothing else."""
    ledger = engine(WIDE, 2)
    assert (add_one(ledger), ledger.status, ledger.count) == (0, Status.OOM, 2)


@both_engines
def test_capacity_below_the_reserved_ids(engine):
    """A capacity that cannot hold ids 0 and 1 is refused with what to do."""
    with pytest.raises(UsageError, match="capacity must be at least 2, for ids 0 and 1 are reserved, got 1; raise it"):
        engine(WIDE, 1)


@both_engines
def test_empty_batch(engine):
    """A batch of no nodes changes nothing and has no ids."""
    ledger = engine()
    assert ledger.intern([], [], []).tolist() == []
    assert (ledger.count, ledger.status) == (2, Status.OK)
