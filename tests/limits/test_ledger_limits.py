"""Both sides of each limit of a ledger: its capacity and the ids of its layout."""

from __future__ import annotations

import numpy as np
import pytest

from prism.errors import UsageError
from prism.status import Status
from prism.vm.ledger.device import DeviceLedger
from prism.vm.ledger.host import HostLedger
from prism.vm.ledger.key import COMPACT, WIDE, KeyLayout
from prism.vm.ledger.verify import verify
from prism.vm.term.ops import ADD, SUC

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


@both_engines
@pytest.mark.parametrize("layout", [COMPACT, WIDE])
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
