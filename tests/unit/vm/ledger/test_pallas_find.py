"""The Triton find kernel without a GPU: interpreted, against the host engine."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from prism.vm.ledger.device import DeviceLedger
from prism.vm.ledger.host import HostLedger
from prism.vm.ledger.pallas_kernels import find_by_lanes
from prism.vm.ledger.probing import Probing, enter_by_rounds
from prism.vm.term.ops import ADD

pytestmark = [pytest.mark.m1, pytest.mark.clause("LEDGER-7")]


@pytest.mark.slow
def test_interpreted_find_gives_the_ids_of_the_host():
    """A ledger that finds by the kernel gets the host's ids, batch after batch; absent keys are not found."""
    probing = Probing(partial(find_by_lanes, interpret=True), enter_by_rounds)
    host, device = HostLedger(capacity=900), DeviceLedger(capacity=900, probing=probing)
    random = np.random.default_rng(1)
    for size in (3, 200, 256):
        a, b = random.integers(1, host.count, (2, size))
        op = np.full(size, ADD.code)
        assert (device.intern(op, a, b) == host.intern(op, a, b)).all()
    wanted = np.concatenate([host.keys(), host.keys() + np.uint64(1 << 50)])
    assert (device.find(wanted) == host.find(wanted)).all()
