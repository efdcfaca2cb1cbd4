"""The laws of a checkpoint [spec/checkpoints.md]: one ledger before and after, on every engine, after any stop."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prism.status import Status
from prism.vm.ledger import checkpoint
from prism.vm.ledger.checkpoint import MANIFEST, load, save
from prism.vm.ledger.device import DeviceLedger
from prism.vm.ledger.host import HostLedger
from prism.vm.ledger.key import COMPACT, WIDE, KeyLayout
from prism.vm.ledger.manifest import read_manifest
from prism.vm.ledger.open import open_ledger
from prism.vm.ledger.sharded import ShardedLedger
from prism.vm.term.ops import ADD, SUC
from tests.ledger_shards import random_batch

pytestmark = pytest.mark.m1

WHERE = {"host": 0, "device": 1, "one shard": jax.devices()[:1]}
ENGINES = {"host": HostLedger, "device": DeviceLedger, "one shard": ShardedLedger}
OVER_SHARDS = """
import sys, jax
from tests.laws.test_checkpoints import grown, open_ledger, save, seen, load
folder = sys.argv[1]
ledger = open_ledger(capacity=5000, devices=2)
grown(ledger, 5, 6)
save(ledger, folder)
others = [load(folder, devices=devices) for devices in (0, 1, 2, 4, jax.devices()[3:])]
same = all(seen(one) == seen(ledger) for one in others)
ids = grown(ledger, 6, 4)
print(same, [grown(one, 6, 4) == ids and seen(one) == seen(ledger) for one in others], ledger.count > 100)
"""


def seen(ledger) -> tuple:
    """Return what a ledger holds, and how it is bounded."""
    ops = [column.tolist() for column in ledger.ops]
    return ledger.keys().tolist(), ledger.count, ledger.status, ledger.layout, ledger.capacity, ops


def grown(ledger, seed: int, batches: int) -> list[list[int]]:
    """Intern random batches, wrong ones among them, and return their ids."""
    random = np.random.default_rng(seed)
    return [ledger.intern(*random_batch(random, ledger.count)).tolist() for _ in range(batches)]


@pytest.mark.slow
@pytest.mark.clause("CKPT-1")
@pytest.mark.parametrize("saved", list(WHERE))
@pytest.mark.parametrize("loaded", list(WHERE))
def test_a_ledger_is_the_same_wherever_it_is_loaded(saved, loaded, tmp_path):
    """Saved from any engine and loaded on any: the same keys, ids and bounds; batches after it get the same ids."""
    whole = open_ledger(capacity=5000, devices=WHERE[saved])
    grown(whole, 5, 6)
    save(whole, tmp_path)
    after = load(tmp_path, devices=WHERE[loaded])
    assert type(after) is ENGINES[loaded]
    assert seen(after) == seen(whole)
    assert after.find(whole.keys()).tolist() == list(range(whole.count))
    assert grown(after, 6, 4) == grown(whole, 6, 4)
    assert seen(after) == seen(whole)


@pytest.mark.slow
@pytest.mark.clause("CKPT-1")
def test_a_ledger_is_the_same_on_another_number_of_shards(tmp_path):
    """One saved from two shards is loaded on the host, on one, two and four shards, and goes on as it would have."""
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", OVER_SHARDS, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **flags})
    assert (done.stdout, done.returncode) == ("True [True, True, True, True, True] True\n", 0), done.stderr


@pytest.mark.clause("CKPT-2")
@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), bits=st.sampled_from([8, 28]), capacity=st.sampled_from([300, 5000]))
def test_saving_after_every_batch_is_saving_once(seed, bits, capacity, tmp_path_factory):
    """Whatever was saved before, refusals included, the last save decides; it writes the keys that are new."""
    folder, ledger = tmp_path_factory.mktemp("ledger"), HostLedger(KeyLayout("random", bits), capacity)
    assert save(ledger, folder) == 2
    random = np.random.default_rng(seed)
    for _ in range(5):
        before, held = ledger.count, {path: path.stat().st_mtime_ns for path in folder.glob("*.u64")}
        ledger.intern(*random_batch(random, ledger.count))
        assert save(ledger, folder) == ledger.count - before
        assert held.items() <= {path: path.stat().st_mtime_ns for path in folder.glob("*.u64")}.items()
        assert seen(load(folder)) == seen(ledger)


@pytest.mark.clause("CKPT-2")
def test_large_ranges_are_cut_and_many_files_become_few(tmp_path, monkeypatch):
    """A file has at most PIECE keys; after as many files as there may be, all keys are written anew, in few."""
    monkeypatch.setattr(checkpoint, "PIECE", 40)
    monkeypatch.setattr(checkpoint, "_MOST_PIECES", 4)
    ledger, files = HostLedger(), []
    for seed in (5, 6, 7):
        grown(ledger, seed, 2)
        save(ledger, tmp_path)
        files.append([piece.count for piece in read_manifest(tmp_path / MANIFEST).pieces])
        assert seen(load(tmp_path)) == seen(ledger)
    assert all(max(counts) <= 40 for counts in files)
    assert sum(files[-1]) == ledger.count > 120
    monkeypatch.setattr(checkpoint, "PIECE", 10**6)
    assert save(ledger, tmp_path) == ledger.count
    assert len(list(tmp_path.iterdir())) == 2
    assert seen(load(tmp_path)) == seen(ledger)


@pytest.mark.slow
@pytest.mark.clause("CKPT-1")
@pytest.mark.parametrize(
    ("layout", "capacity", "status"), [(WIDE, 3, Status.OOM), (KeyLayout("t", 2), 9, Status.CORRUPT)]
)
def test_a_status_is_kept(layout, capacity, status, tmp_path):
    """A ledger that refused a batch refuses after a load too, on host and device."""
    ledger = HostLedger(layout, capacity)
    ledger.intern([SUC.code, ADD.code], [1, 1], [0, 1])
    assert ledger.status is status
    save(ledger, tmp_path)
    for devices in WHERE.values():
        after = load(tmp_path, devices=devices)
        assert (after.status, after.intern([SUC.code, 1], [1, 0], [0, 0]).tolist()) == (status, [0, 1])


@pytest.mark.clause("CKPT-3")
def test_a_stop_before_the_manifest_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    """A save that ends at any of its writes leaves the ledger before; the next one removes what it left."""
    ledger = HostLedger(COMPACT)
    grown(ledger, 5, 3)
    save(ledger, tmp_path)
    before, write = seen(ledger), checkpoint.write_bytes
    monkeypatch.setattr(checkpoint, "PIECE", 50)
    grown(ledger, 6, 3)
    for last in range((ledger.count - before[1]) // 50 + 1):
        left = iter(range(last))

        def stopped(path: Path, data: bytes, left=left, **options) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt
            write(path, data, **options)

        monkeypatch.setattr(checkpoint, "write_bytes", stopped)
        with pytest.raises(KeyboardInterrupt):
            save(ledger, tmp_path)
        assert seen(load(tmp_path)) == before
    monkeypatch.setattr(checkpoint, "write_bytes", write)
    monkeypatch.setattr(checkpoint, "PIECE", 10**6)
    (tmp_path / ".manifest.json.0123456789ab").write_text("half")
    (tmp_path / "notes.txt").write_text("mine")
    save(ledger, tmp_path)
    assert seen(load(tmp_path)) == seen(ledger)
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.slow
@pytest.mark.clause("CKPT-3")
def test_kills_at_random_moments():
    """After each SIGKILL the checkpoint is a prefix of the batches, no shorter than what was saved before."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.checkpoint_kills", "5"], capture_output=True, text=True, check=False
    )
    first, last = done.stdout.strip().split(", ")[:: len(done.stdout.split(", ")) - 1]
    assert (first, last, done.returncode) == ("5 kills", "0 wrong", 0), done.stdout + done.stderr
