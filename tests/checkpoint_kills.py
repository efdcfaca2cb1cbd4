"""Kills at random moments of a process that saves a ledger after every batch: `python -m tests.checkpoint_kills [N]`.

A child loads the checkpoint, goes on with the batches where it ends, and tells of each save that returned. It gets
SIGKILL at a random moment; then the checkpoint must be the ledger after some number of batches, no fewer than it told
of. The next child goes on from there; a finished sequence starts again in an empty folder.
"""

from __future__ import annotations

import os
import shutil
import signal
import struct
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import numpy as np
from click import echo

from prism.vm.ledger.checkpoint import MANIFEST, load, save
from prism.vm.ledger.host import HostLedger
from prism.vm.ledger.manifest import CheckpointError, read_manifest
from prism.vm.term.ops import ADD, MUL

BATCHES = 60
ITEMS = 2000
LATEST_SECONDS = 0.12

Batch = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass
class Sequence:
    """Batches, and the uninterrupted ledger: its counts after 0, 1, ... of them, all its keys, the ids of each."""

    batches: list[Batch] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    ids: list[list[int]] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)


def sequence(seed: int) -> Sequence:
    """Return the random sequence of a seed; operands of a batch are any nodes of the ledger before it."""
    random, ledger, made = np.random.default_rng(seed), HostLedger(), Sequence()
    made.counts.append(ledger.count)
    for _ in range(BATCHES):
        op = random.choice(np.array([ADD.code, MUL.code], np.uint8), ITEMS)
        a, b = random.integers(1, ledger.count, (2, ITEMS)).astype(np.int32)
        made.batches.append((op, a, b))
        made.ids.append(ledger.intern(op, a, b).tolist())
        made.counts.append(ledger.count)
    made.keys = ledger.keys().tolist()
    return made


def go_on(folder: Path, made: Sequence, told: int) -> None:
    """Intern and save the batches that the checkpoint in a folder lacks; tell of each count that was saved."""
    ledger = load(folder) if (folder / MANIFEST).exists() else HostLedger()
    done = made.counts.index(ledger.count)
    for number in range(done, BATCHES):
        if ledger.intern(*made.batches[number]).tolist() != made.ids[number]:
            os._exit(3)
        save(ledger, folder)
        os.write(told, struct.pack("<q", ledger.count))


def killed(folder: Path, made: Sequence, after: float, running: bool) -> tuple[int, int]:
    """Kill a child that goes on, so many seconds after its start; return its wait status and the last count it told of.

    running: count the seconds from its first save.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            go_on(folder, made, writing)
        except BaseException:
            os._exit(4)
        os._exit(0)
    os.close(writing)
    begun = os.read(reading, 8) if running else b""
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as pipe:
        told = [count for (count,) in struct.iter_unpack("<q", begun + pipe.read())]
    return status, max(told, default=2)


def wrong_with(folder: Path, made: Sequence, told: int) -> str:
    """Return what is wrong with the checkpoint after a kill; nothing if it is a prefix that holds what was told."""
    if not (folder / MANIFEST).exists():
        return "" if told == 2 else f"no manifest, but {told} nodes were saved"
    try:
        keys = load(folder).keys().tolist()
    except CheckpointError as error:
        return str(error)
    if len(keys) not in made.counts or keys != made.keys[: len(keys)]:
        return f"{len(keys)} nodes that are no prefix of the batches"
    return "" if len(keys) >= told else f"{len(keys)} nodes, but {told} were saved"


def main() -> None:
    """Kill as often as told, say what was found, and end with 1 if anything was wrong."""
    warnings.simplefilter("ignore", RuntimeWarning)  # The children use no device, so JAX's threads are none of theirs.
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    random, found, seen, amid, finished, seed = Random(0), [], set(), 0, 0, 0
    made = sequence(seed)
    top = Path(tempfile.mkdtemp())
    folder, held = top / "ledger", set()
    for number in range(times):
        after = random.uniform(0, LATEST_SECONDS)
        before = held
        status, told = killed(folder, made, after, running=bool(number % 2))
        ended = os.WIFEXITED(status)
        if ended and os.WEXITSTATUS(status):
            found.append(f"kill {number}: the child ended with {os.WEXITSTATUS(status)}")
        what = wrong_with(folder, made, told)
        found += [f"kill {number} after {after:.4f} s: {what}"] if what else []
        held = {path.name for path in folder.iterdir()} if folder.exists() else set()
        listed = {piece.name for piece in read_manifest(folder / MANIFEST).pieces} if MANIFEST in held else set()
        listed.add(MANIFEST)
        amid += bool(held - listed - before)
        seen.add((seed, len(listed)))
        if len(listed) > BATCHES:
            finished, seed = finished + 1, seed + 1
            made = sequence(seed)
            shutil.rmtree(folder)
    shutil.rmtree(top)
    for line in found[:5]:
        echo(line)
    echo(
        f"{times} kills, {amid} amid a save, {len(seen)} different checkpoints, {finished} sequences finished, "
        f"{len(found)} wrong"
    )
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
