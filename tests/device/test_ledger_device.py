"""The ledger's Triton kernels on a GPU, against the XLA loops and the host engine."""

from __future__ import annotations

import sys
import time

import jax
import numpy as np
import pytest

from prism.status import Status
from prism.vm.ledger.device import DeviceLedger
from prism.vm.ledger.host import HostLedger
from prism.vm.ledger.key import COMPACT, WIDE
from prism.vm.ledger.pallas_kernels import TRITON
from prism.vm.ledger.probing import ROUNDS
from prism.vm.ledger.sharded import ShardedLedger
from prism.vm.ledger.verify import verify
from prism.vm.term.ops import ADD, MUL, SUC

pytestmark = pytest.mark.m1

both_probings = pytest.mark.parametrize("probing", [TRITON, ROUNDS], ids=["triton", "rounds"])


@pytest.fixture(autouse=True)
def _gpu():
    if jax.default_backend() != "gpu":
        pytest.skip("needs a GPU that JAX supports")


def random_batch(random, size: int, count: int):
    """Return random nodes over a ledger of `count` nodes."""
    op = random.choice(np.array([SUC.code, ADD.code, MUL.code], np.uint8), size)
    a, b = random.integers(1, count, (2, size), dtype=np.int32)
    return op, a, np.where(op == SUC.code, 0, b).astype(np.int32)


@both_probings
@pytest.mark.parametrize("layout", [COMPACT, WIDE])
@pytest.mark.clause("LEDGER-7")
def test_ids_are_those_of_the_host(probing, layout):
    """Batches from one node to thousands, through several growths, get the ids of the host engine."""
    host, device, random = HostLedger(layout), DeviceLedger(layout, probing=probing), np.random.default_rng(3)
    for size in (1, 7, 200, 1000, 1, 5000, 9000, 9000):
        batch = random_batch(random, size, host.count)
        assert (device.intern(*batch) == host.intern(*batch)).all()
    assert (device.keys() == host.keys()).all()
    assert (device.status, verify(device)) == (Status.OK, [])


@pytest.mark.clause("LEDGER-7")
def test_a_large_batch_under_contention():
    """Four million nodes with many duplicates, entered by all lanes at once, get the ids of the host engine."""
    host, device, random = HostLedger(), DeviceLedger(), np.random.default_rng(5)
    for size in (3000, 1 << 22, 1 << 20):
        batch = random_batch(random, size, min(host.count, 3000))
        assert (device.intern(*batch) == host.intern(*batch)).all()
    assert (device.keys() == host.keys()).all()
    assert verify(device) == []


@pytest.mark.clause("SHARDS-1")
def test_shards_give_the_ids_of_one_device(capsys):
    """On every power of two of the GPUs there are, batches get the ids of the host; prints the nodes a second."""
    found, rates = jax.devices(), []
    for shards in (1 << k for k in range(len(found).bit_length())):
        random, host = np.random.default_rng(7), HostLedger()
        ledger = ShardedLedger(devices=found[:shards])
        for size in (3000, 1 << 20, 1 << 20):
            batch = random_batch(random, size, min(host.count, 3000))
            assert (ledger.intern(*batch) == host.intern(*batch)).all()
        assert (ledger.keys() == host.keys()).all()
        for _ in range(3):
            columns = random_batch(random, shards << 22, 1 << 13)
            batch = jax.block_until_ready([ledger.placed(column) for column in columns])
            start = time.perf_counter()
            ledger.intern_arrays(*batch).block_until_ready()
            took = time.perf_counter() - start
        rates.append(f"{shards} GPU: {(shards << 22) / took / 1e9:.2f} G nodes/s, {ledger.count} nodes")
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(rates) + "\n")
    assert rates


@both_probings
@pytest.mark.clause("LEDGER-6")
def test_refusal_leaves_every_byte(probing):
    """A batch that overflows or is wrong changes no key and no index slot, nor does any later one."""
    for wrong, status in (([SUC.code], [5000], [0]), Status.CORRUPT), (None, Status.OOM):
        ledger, random = DeviceLedger(capacity=300, probing=probing), np.random.default_rng(9)
        ledger.intern(*random_batch(random, 5, ledger.count))
        ledger.intern(*random_batch(random, 200, ledger.count))
        before = [np.asarray(part).tobytes() for part in (ledger.state.keys, ledger.state.index)]
        known = ledger.layout.unpack(ledger.keys())
        overflowing = random_batch(random, 5000, ledger.count)
        assert not ledger.intern(*(wrong or overflowing)).any()
        assert not ledger.intern([SUC.code], [ledger.count - 1], [1]).any()
        assert (ledger.intern(*known) == np.arange(ledger.count)).all()
        after = [np.asarray(part).tobytes() for part in (ledger.state.keys, ledger.state.index)]
        assert (after, ledger.status) == (before, status)
