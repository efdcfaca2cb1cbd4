"""The law of a ledger over processes: `python -m tests.ledger_processes --processes 3 --n 10`.

Processes on this machine, joined by `jax.distributed` over loopback, hold one ledger of four shards. Each brings its
own part of every batch, of a length of its own: all ids, keys, counts and statuses are those of one host ledger that
takes the parts as one batch. `--kill K`: process K ends amid the run; the others must end soon, with an error that
says so, and what each had saved must load. Ports and folders are the caller's or new ones.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LOCAL = {1: [4], 2: [2, 2], 3: [1, 1, 2], 4: [1, 1, 1, 1]}
"""How many of the four devices each process has."""
ENDS_WITHIN_S = 240.0
"""Most of it is the compiling; the loss itself is seen at once by who waits for the lost one, else in 10 to 20 s."""
TELLING = ("end them all and load the last checkpoint", "This most likely indicates that another task died")
"""What a process says that lost another: ours, where it waited for it, or JAX's coordination service, which ends it."""


def worker(options: argparse.Namespace) -> int:
    """Be one process; return 1 if anything differs from the host, 5 if another process was lost."""
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={LOCAL[options.processes][options.index]}"
    os.environ["JAX_PLATFORMS"] = "cpu"
    import jax

    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    address = f"127.0.0.1:{options.port}"
    jax.distributed.initialize(address, options.processes, options.index, heartbeat_timeout_seconds=10)
    import numpy as np

    from prism.vm.ledger.checkpoint import save
    from prism.vm.ledger.host import HostLedger
    from prism.vm.ledger.key import KeyLayout
    from prism.vm.ledger.processes import ProcessError
    from prism.vm.ledger.sharded import ShardedLedger
    from tests.ledger_shards import random_batch

    folder = Path(options.folder) / str(options.index)
    for seed in range(options.first, options.first + options.n):
        random = np.random.default_rng(seed)
        layout, capacity = KeyLayout("random", int(random.choice([8, 9, 28, 28]))), int(random.choice([500, 5000]))
        host = HostLedger(layout, capacity)
        ledger = ShardedLedger(layout, capacity, devices=jax.devices(), spare=0)
        for number in range(int(random.integers(2, 9))):
            parts = [random_batch(random, host.count) for _ in range(options.processes)]
            if options.kill == options.index and number == 2:
                os._exit(9)
            try:
                ids = ledger.intern(*parts[options.index])
                if options.kill is not None:
                    save(ledger, folder)
            except ProcessError as error:
                sys.stderr.write(f"{error}\n")
                sys.stderr.flush()
                os._exit(5)  # the runtime's own end would wait for the lost one
            expected = host.intern(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
            start = sum(len(part[0]) for part in parts[: options.index])
            same = ids.tolist() == expected[start : start + len(ids)].tolist()
            if not same or (ledger.status, ledger.count) != (host.status, host.count):
                sys.stderr.write(f"process {options.index}, seed {seed}, batch {number}: not the host's\n")
                return 1
        some = random.integers(0, host.count, 20)
        read = [column.tolist() for column in ledger.nodes(some)]
        nodes = [column.tolist() for column in layout.unpack(host.keys()[some])]
        found = ledger.find(host.keys()).tolist()
        if ledger.keys().tolist() != host.keys().tolist() or read != nodes or found != list(range(host.count)):
            sys.stderr.write(f"process {options.index}, seed {seed}: keys are not the host's\n")
            return 1
    return 0


def free_port() -> int:
    """Return a port of loopback that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main(arguments: list[str]) -> int:
    """Start the processes, wait for them, and say what came of it; 1 if it is not what must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.ledger_processes", description=__doc__)
    parser.add_argument("--processes", type=int, choices=sorted(LOCAL), default=2)
    parser.add_argument("--n", type=int, default=10, help="how many sequences")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--kill", type=int, help="the process that ends amid the run")
    parser.add_argument("--index", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.index is not None:
        return worker(options)
    with tempfile.TemporaryDirectory() as folder:
        given = [*arguments, "--port", str(free_port()), "--folder", folder]
        start = time.monotonic()
        command = [sys.executable, "-m", "tests.ledger_processes", *given, "--index"]
        children = [
            subprocess.Popen([*command, str(index)], stderr=subprocess.PIPE, text=True, env={**os.environ})
            for index in range(options.processes)
        ]
        try:
            said = [child.communicate(timeout=300)[1] for child in children]
        finally:
            for child in children:
                child.kill()
        codes, took = [child.returncode for child in children], time.monotonic() - start
        told = [text for text in said if any(words in text for words in TELLING)]
        loads = options.kill is None or saved_well(Path(folder))
    if options.kill is None:
        sys.stdout.write(f"{options.n} sequences on {options.processes} processes, {sum(map(bool, codes))} differ\n")
        right = not any(codes)
    else:
        others = [code for index, code in enumerate(codes) if index != options.kill]
        right = all(others) and len(told) >= len(others) and took < ENDS_WITHIN_S and loads
        sys.stdout.write(f"process {options.kill} ended: {'the others ended and said so' if right else codes}\n")
    if not right:
        sys.stderr.write("".join(said)[-3000:])
    return int(not right)


def saved_well(folder: Path) -> bool:
    """Return whether what every process had saved loads, and holds the two batches before the end at least."""
    from prism.vm.ledger.checkpoint import load

    counts = [load(path).count for path in sorted(folder.iterdir())]
    return bool(counts) and min(counts) >= 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
