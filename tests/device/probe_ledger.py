"""How fast the ledger's engines are on one GPU, beside its peers: python -m tests.device.probe_ledger 24 26.

The last number is the log2 of what a ledger holds, those before it of batches. Resident batches, half duplicates;
nodes a second, the best of a few; then what each kernel of the cuda engine takes.
"""

from __future__ import annotations

import faulthandler
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from prism.bench.intern import random_batch
from prism.gpu import open_cuda
from prism.vm.ledger import cuda as engine
from prism.vm.ledger.cuda import CudaLedger
from prism.vm.ledger.device import DeviceLedger, default_probing, intern_in_place, widen
from prism.vm.ledger.host import HostLedger
from prism.vm.ledger.key import WIDE
from prism.vm.term.ops import ADD, SUC

OPERANDS = 1 << 14
RUNS = 4


def say(text: str) -> None:
    """Print at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def seconds(work: Callable[[], Any]) -> float:
    """Return how long a call takes that is waited for."""
    start = time.perf_counter()
    jax.block_until_ready(work())
    return time.perf_counter() - start


def with_operands(ledger: Any) -> Any:
    """Bring a ledger to OPERANDS nodes."""
    while ledger.count < OPERANDS:
        a = np.arange(1, min(ledger.count, OPERANDS - ledger.count + 1), dtype=np.int32)
        ledger.intern(np.full(len(a), SUC.code, np.uint8), a, 0 * a)
        if len(a):
            b = np.full(min(ledger.count - 1, OPERANDS - ledger.count), ledger.count - 1, np.int32)
            ledger.intern(np.full(len(b), ADD.code, np.uint8), np.arange(1, len(b) + 1, dtype=np.int32), b)
    return ledger


def resident(bits: int, seed: int) -> list[jax.Array]:
    """Return a batch of 2^bits nodes on the device."""
    return jax.block_until_ready([jnp.asarray(column) for column in random_batch(1 << bits, seed=seed)])


def held(bits: int) -> list[tuple[Any, ...]]:
    """Return batches that bring a ledger to about 2^bits nodes more."""
    rows = np.arange(1 << bits, dtype=np.int64)
    a, b = (1 + rows % (OPERANDS - 1)).astype(np.int32), (1 + rows // (OPERANDS - 1)).astype(np.int32)
    return [(np.full(len(a), ADD.code, np.uint8), np.minimum(a, b), np.maximum(a, b))]


def agree() -> None:
    """Say whether the cuda engine gives the ids of the host, over batches with growth and duplicates."""
    host, device = with_operands(HostLedger()), with_operands(CudaLedger())
    for bits in (4, 10, 16, 20, 22):
        batch = random_batch(1 << bits, seed=bits)
        same = bool((host.intern(*batch) == device.intern(*batch)).all())
        each = device.nbytes / device.count
        say(f"2^{bits}: ids of host and cuda equal: {same}, {device.count} nodes, {each:.1f} bytes a node")
    say(f"keys equal: {bool((host.keys() == device.keys()).all())}")


def rates(bits: int) -> Iterator[str]:
    """Yield the rates of fresh and repeated batches."""
    n, batch = 1 << bits, resident(bits, 1)
    fresh, again = [], []
    for _ in range(RUNS):
        ledger = with_operands(CudaLedger())
        ledger.make_room(n)
        fresh.append(seconds(lambda ledger=ledger: ledger.intern_arrays(*batch)))
        again += [seconds(lambda ledger=ledger: ledger.intern_arrays(*batch)) for _ in range(2)]
    yield f"2^{bits} cuda: fresh {n / min(fresh) / 1e9:.2f} G/s, again {n / min(again) / 1e9:.2f}"
    times: dict[str, list[float]] = {"fresh": [], "again": []}
    with jax.enable_x64(True):
        for _ in range(3):
            state = jax.block_until_ready(
                widen(with_operands(DeviceLedger()).state, 2 << max(bits, 14), default_probing())
            )
            for kind in times:
                start = time.perf_counter()
                state, ids = jax.block_until_ready(intern_in_place(state, *batch, probing=default_probing()))
                times[kind].append(time.perf_counter() - start)
    mine = with_operands(CudaLedger()).intern_arrays(*batch)
    yield f"2^{bits} landed: " + ", ".join(f"{kind} {n / min(one) / 1e9:.2f}" for kind, one in times.items())
    yield f"2^{bits} equal ids: {bool((mine == ids).all())}"


def peers(bits: int) -> Iterator[str]:
    """Yield the rates of torch and cupy, where they are installed."""
    n, keys = 1 << bits, WIDE.pack(*random_batch(1 << bits, seed=1)).view(np.int64)
    for name in ("torch", "cupy"):
        try:
            peer: Any = import_module(name)
        except ImportError:
            yield f"no {name}"
            continue
        there = peer.from_numpy(keys).cuda() if name == "torch" else peer.asarray(keys)
        wait = peer.cuda.synchronize if name == "torch" else peer.cuda.Device().synchronize
        unique = partial(peer.unique, there, return_inverse=True)
        yield f"2^{bits} {name}.unique: {n / min(_waited(wait, unique) for _ in range(4)) / 1e9:.2f} G/s"
        del there, unique
        (peer.cuda.empty_cache if name == "torch" else peer.get_default_memory_pool().free_all_blocks)()


def _waited(wait: Callable[[], Any], work: Callable[[], Any]) -> float:
    wait()
    start = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - start


def into_held(bits: int, sizes: list[int]) -> Iterator[str]:
    """Yield the rates of batches into a ledger that holds 2^bits nodes."""
    ledger = with_operands(CudaLedger(capacity=1 << 28))
    for batch in held(bits):
        ledger.intern(*batch)
    before = ledger.count
    for one in sizes:
        batch = resident(one, 100 + one)
        ledger.make_room(1 << one)
        count, fresh = ledger.count, seconds(lambda batch=batch: ledger.intern_arrays(*batch))
        again = min(seconds(lambda batch=batch: ledger.intern_arrays(*batch)) for _ in range(3))
        yield (
            f"2^{one} into {before}: {(1 << one) / fresh / 1e9:.2f} G/s ({ledger.count - count} new), "
            f"again {(1 << one) / again / 1e9:.2f}, {ledger.nbytes / ledger.count:.1f} bytes a node"
        )


def kernel_times(bits: int) -> None:
    """Say what each launch of a fresh batch takes, waited for one by one."""
    cuda, batch = open_cuda("the probe"), resident(bits, 1)
    for kind in ("warm", "fresh", "again"):
        if kind != "again":
            ledger = with_operands(CudaLedger())
            ledger.make_room(1 << bits)
        lines: list[str] = []

        def timed(kernel: Any, items: int, *arguments: Any, lines: list[str] = lines) -> None:
            cuda.synchronize()
            start = time.perf_counter()
            kernel[(items + engine.THREADS - 1) // engine.THREADS, engine.THREADS](*arguments)
            cuda.synchronize()
            lines.append(f"{kernel.py_func.__name__} {1e6 * (time.perf_counter() - start):.0f}")

        ledger._launch = timed
        whole = seconds(lambda ledger=ledger: ledger.intern_arrays(*batch))
        del ledger._launch
        say(f"2^{bits} {kind}, us: {', '.join(lines)}; whole {1e6 * whole:.0f}")


def main() -> None:
    """Print everything: sizes, then the size of what is held; `agree` first looks at ids up to 2^22."""
    given = [int(one) for one in sys.argv[1:] if one.isdigit()]
    faulthandler.dump_traceback_later(70, exit=True)
    say(f"{jax.devices()[0].device_kind}, jax {jax.__version__}")
    with jax.enable_x64(True):
        if "agree" in sys.argv:
            agree()
        sizes, held_bits = given[:-1], given[-1]
        for bits in sizes:
            start = time.perf_counter()
            for line in rates(bits):
                say(line)
            kernel_times(bits)
            say(f"{time.perf_counter() - start:.1f} s")
        for line in into_held(held_bits, sizes):
            say(line)
        for bits in sizes:
            for line in peers(bits):
                say(line)


if __name__ == "__main__":
    main()
