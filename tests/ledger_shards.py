"""The law of the sharded ledger as a campaign: `python -m tests.ledger_shards --n 300 --devices 4`.

Random sequences of batches, with growth, refusals, capacities and caps, on the host, the device and the sharded engines
of 1, 2 and 4 shards: every id, key, count and status is the same. `--bugs` plants three faults that must be seen.
"""

from __future__ import annotations

import os
import sys


def _force(devices: int) -> None:
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
    os.environ["JAX_PLATFORMS"] = "cpu"


if __name__ == "__main__":
    _force(4)

import argparse  # noqa: E402 (the devices are counted when JAX is first used)

import jax  # noqa: E402
import numpy as np  # noqa: E402
from click import echo  # noqa: E402

from prism.vm.ledger import sharded  # noqa: E402
from prism.vm.ledger.api import Ledger  # noqa: E402
from prism.vm.ledger.device import DeviceLedger  # noqa: E402
from prism.vm.ledger.host import HostLedger  # noqa: E402
from prism.vm.ledger.key import WIDE, KeyLayout  # noqa: E402
from prism.vm.ledger.mixing import mix  # noqa: E402
from prism.vm.term.ops import ADD, MUL, SUC  # noqa: E402

Batch = tuple[np.ndarray, np.ndarray, np.ndarray]

BUGS = {
    "offset": ("offset_of", lambda news, shard: 0 * news.sum(dtype=np.int32) * shard),
    "overflow": ("too_large", lambda counts, share: (counts < min(share, 0)).any()),
    "status": ("shared", lambda worst: worst),
}
"""A shard's count not added to the offset, an exchange that drops its overflow, a status that is not shared."""


def random_batch(random: np.random.Generator, count: int) -> Batch:
    """Return up to 256 nodes over a ledger of `count`, many alike; now and then one that is wrong."""
    size = int(random.choice([0, 1, 5, 60, 200, 256]))
    drawn = 4 * size
    op = random.choice(np.array([SUC.code, ADD.code, MUL.code], np.uint8), drawn)
    recent = max(1, count - int(random.choice([3, 30, 1000])))
    a, b = random.integers(min(recent, count - 1), count, (2, drawn)).astype(np.int32)
    b = np.where(op == SUC.code, 0, b).astype(np.int32)
    if random.random() < 0.3:
        op, a, b = for_one_owner(op, a, b, int(random.integers(4)))
    op, a, b = op[:size], a[:size], b[:size]
    if len(op) and random.random() < 0.04:
        op[random.integers(len(op))] = random.choice([77, SUC.code])
        a[random.integers(len(op))] = count
    return op, a, b


def for_one_owner(op: np.ndarray, a: np.ndarray, b: np.ndarray, owner: int) -> Batch:
    """Return the nodes that one of four owners holds, whose share they overflow."""
    swaps = (op != SUC.code) & (b < a)
    keys = WIDE.pack(op, np.where(swaps, b, a), np.where(swaps, a, b))
    its = mix(keys) >> np.uint64(62) == owner
    return op[its], a[its], b[its]


def ledgers(layout: KeyLayout, capacity: int, shards: list[int]) -> dict[str, Ledger]:
    """Return an empty ledger of every engine; shares have no room to spare, so that some overflow."""
    devices = jax.devices()
    made: dict[str, Ledger] = {"host": HostLedger(layout, capacity), "device": DeviceLedger(layout, capacity)}
    for n in shards:
        made[f"{n} shards"] = sharded.ShardedLedger(layout, capacity, devices=devices[:n], spare=0)
    return made


def mismatches(seed: int, shards: list[int]) -> list[str]:
    """Return where the engines differ on the random sequence of a seed."""
    random = np.random.default_rng(seed)
    layout = KeyLayout("random", int(random.choice([8, 9, 28, 28])))
    capacity = int(random.choice([500, 5000]))
    made, found = ledgers(layout, capacity, shards), []
    host = made["host"]
    for number in range(int(random.integers(2, 9))):
        batch = random_batch(random, host.count)
        answers = {name: ledger.intern(*batch).tolist() for name, ledger in made.items()}
        for name, ledger in made.items():
            state = ledger.status, ledger.count, answers[name]
            if state != (host.status, host.count, answers["host"]):
                return [f"seed {seed}, batch {number}: {name} differs from the host: {state[:2]}"]
    found += [
        f"seed {seed}: keys of {name}" for name, one in made.items() if one.keys().tolist() != host.keys().tolist()
    ]
    ids = random.integers(0, host.count, 20)
    for name, one in made.items():
        if isinstance(one, sharded.ShardedLedger):
            read = [column.tolist() for column in one.nodes(ids)]
            if read != [column.tolist() for column in layout.unpack(host.keys()[ids])]:
                found.append(f"seed {seed}: nodes of {name} by id")
            if one.find(host.keys()).tolist() != list(range(host.count)):
                found.append(f"seed {seed}: ids of {name} by key")
    return found


def main(arguments: list[str]) -> int:
    """Run the campaign; exit 1 if any engine differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.ledger_shards", description=__doc__)
    parser.add_argument("--n", type=int, default=300, help="how many sequences")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--shards", default="1,2,4", help="numbers of shards")
    parser.add_argument("--bugs", action="store_true", help="plant each fault in turn; exit 1 if one is not seen")
    options = parser.parse_args(arguments)
    shards = [int(n) for n in options.shards.split(",")]
    seeds = range(options.first, options.first + options.n)
    if options.bugs:
        seen = {bug: seen_after(bug, seeds, shards) for bug in sorted(BUGS)}
        echo(
            "\n".join(
                f"{bug}: {f'seen, seed {seed}' if seed is not None else 'not seen'}" for bug, seed in seen.items()
            )
        )
        return int(None in seen.values())
    found = [one for seed in seeds for one in mismatches(seed, shards)]
    echo("\n".join([*found[:5], f"{options.n} sequences on {options.shards} shards, {len(found)} mismatches"]))
    return int(bool(found))


def seen_after(bug: str, seeds: range, shards: list[int]) -> int | None:
    """Return the first seed on which a planted fault makes the engines differ; None if none does."""
    name, replacement = BUGS[bug]
    right = getattr(sharded, name)
    setattr(sharded, name, replacement)
    sharded._mapped.cache_clear()
    try:
        return next((seed for seed in seeds if mismatches(seed, shards)), None)
    finally:
        setattr(sharded, name, right)
        sharded._mapped.cache_clear()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
