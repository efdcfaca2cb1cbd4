"""The laws of a ledger over several devices [spec/shards.md], on virtual CPU devices in a process of their own."""

from __future__ import annotations

import subprocess
import sys

import jax
import numpy as np
import pytest

from prism.errors import UsageError
from prism.vm.ledger.device import DeviceLedger
from prism.vm.ledger.host import HostLedger
from prism.vm.ledger.open import open_ledger
from prism.vm.ledger.sharded import ShardedLedger
from prism.vm.term.ops import ADD

pytestmark = pytest.mark.m1


def campaign(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the campaign of the law in a process that has four devices."""
    command = [sys.executable, "-m", "tests.ledger_shards", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.clause("SHARDS-1")
@pytest.mark.clause("SHARDS-3")
def test_no_number_of_shards_is_seen_in_any_id():
    """Random sequences, refusals and caps among them, have one outcome on host, device, 1, 2 and 4 shards."""
    done = campaign("--n", "6")
    assert (done.stdout, done.returncode) == ("6 sequences on 1,2,4 shards, 0 mismatches\n", 0), done.stderr


@pytest.mark.slow
@pytest.mark.clause("SHARDS-3")
@pytest.mark.clause("SHARDS-4")
def test_planted_faults_are_seen():
    """The law fails for an offset without a shard's count, for a dropped overflow and for a status of one's own."""
    done = campaign("--bugs", "--shards", "2", "--n", "20")
    assert (done.stdout.count(": seen, seed"), done.returncode) == (3, 0), done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.clause("SHARDS-1")
def test_open_ledger_chooses_the_engine():
    """No device is the host, one is the device engine, devices given are shards; all give one id."""
    opened = [open_ledger(), open_ledger(devices=1), open_ledger(devices=jax.devices()[:1])]
    assert [type(one) for one in opened] == [HostLedger, DeviceLedger, ShardedLedger]
    assert [one.intern([ADD.code, ADD.code], [1, 1], [1, 1]).tolist() for one in opened] == [[2, 2]] * 3


@pytest.mark.clause("SHARDS-2")
def test_arguments_of_a_sharded_ledger_are_checked():
    """Devices are a power of two that exist, ids are those of nodes, batches on devices can be cut evenly."""
    devices = jax.devices()[:1]
    with pytest.raises(UsageError, match="must be 1, 2, 4 or another power of two, got 3; take so many"):
        ShardedLedger(devices=devices * 3)
    with pytest.raises(UsageError, match=r"must be from 0 to the \d+ that JAX has, got 4096"):
        open_ledger(devices=4096)
    ledger = ShardedLedger(devices=devices)
    with pytest.raises(UsageError, match="ids must be from 0 to 1, got 0 to 2; intern first"):
        ledger.nodes([0, 2])
    ledger.shards = 2
    column = jax.numpy.zeros(3, np.int32)
    with pytest.raises(UsageError, match="must have a multiple of 2 nodes, got 3; pad it with NULL nodes"):
        ledger.intern_arrays(column, column, column)
