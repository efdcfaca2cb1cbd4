"""The law of the ledger's cuda engine without a GPU: `python -m tests.cuda_ledger --n 20`.

Numba's simulator runs the kernels, every lane a thread of Python, on JAX's arrays of the CPU, where they lie. Random
sequences of batches, with growth, refusals and caps, and keys whose home is the end of the table: ids, keys, counts and
statuses are the host's, a refused batch leaves every byte, and the table takes the memory that is stated. `--bugs`
plants faults, each of which must be seen.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    os.environ["NUMBA_ENABLE_CUDASIM"] = "1"
    os.environ["JAX_PLATFORMS"] = "cpu"

import argparse
import ctypes
import warnings
from typing import Any

import jax
import numpy as np
from click import echo
from numba import cuda

from prism.status import Status
from prism.vm.ledger import cuda as engine
from prism.vm.ledger import cuda_kernels
from prism.vm.ledger.cuda import CudaLedger
from prism.vm.ledger.host import HostLedger
from prism.vm.ledger.key import WIDE, KeyLayout
from prism.vm.ledger.mixing import mix
from prism.vm.ledger.verify import verify
from prism.vm.term.ops import ADD
from tests.ledger_shards import Batch, random_batch

THREADS = 32
"""One warp a block, so that tables are small."""

BUGS = {
    "order": ("< mixed and is_new", "< mixed and not is_new"),
    "wrap": ("tally[NEW] - tally[WRAPPED] if behind", "tally[NEW] if behind"),
    "refusal": ("slots[slot] = _VACANT", "pass"),
    "forget": ("pending[word] = 0", "pass"),
}
"""Keys of a run, or those at the end of the table, as they came; a refused batch that stays; a bitmap that does."""


class Simulator:
    """`numba.cuda`, simulated, over JAX's arrays."""

    def __init__(self) -> None:
        self.kept: list[jax.Array] = []

    def __getattr__(self, name: str) -> Any:
        from numba.cuda.simulator.kernel import _get_kernel_context

        inside = None if name == "jit" else _get_kernel_context()
        return getattr(cuda if inside is None else inside, name)

    def as_cuda_array(self, array: jax.Array, *, sync: bool) -> Any:
        """Return the array's own memory, as the simulator wants it."""
        from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray

        assert not sync
        self.kept.append(array)
        memory = (ctypes.c_uint8 * array.nbytes).from_address(array.unsafe_buffer_pointer())
        return FakeCUDAArray(np.frombuffer(memory, array.dtype))


def at_the_end(random: np.random.Generator, count: int, slots: int) -> Batch:
    """Return up to 30 sums whose homes are the last slots of a table."""
    a, b = np.sort(random.integers(1, count, (2, 200 * slots)), axis=0).astype(np.int32)
    op = np.full(len(a), ADD.code, np.uint8)
    last = mix(WIDE.pack(op, a, b)) >> np.uint64(44) >= (1 << 20) - 8 * (1 << 20) // slots
    chosen = np.flatnonzero(last)[: int(random.integers(1, 30))]
    return op[chosen], a[chosen], b[chosen]


def mismatch(seed: int) -> str:
    """Return where the engine differs from the host on the random sequence of a seed; nothing if nowhere."""
    random = np.random.default_rng(seed)
    layout, capacity = KeyLayout("random", int(random.choice([8, 9, 28, 28]))), int(random.choice([300, 900, 5000]))
    host, device = HostLedger(layout, capacity), CudaLedger(layout, capacity, cuda=Simulator())
    for number in range(int(random.integers(2, 7))):
        wrapping = random.random() < 0.4 and host.count > 50
        batch = at_the_end(random, host.count, len(device._slots)) if wrapping else random_batch(random, host.count)
        frozen, before = host.status is not Status.OK, _bytes(device)
        ids = host.intern(*batch).tolist(), device.intern(*batch).tolist()
        if ids[0] != ids[1] or (host.status, host.count) != (device.status, device.count):
            return f"seed {seed}, batch {number}: {device.status}, {device.count} nodes, not as the host"
        if (frozen or host.status is not Status.OK) and before[0] == len(device._slots) and before != _bytes(device):
            return f"seed {seed}, batch {number}: a refused batch changed the table"
    if host.keys().tolist() != device.keys().tolist() or verify(device):
        return f"seed {seed}: keys"
    if device.nbytes > 12.13 * len(device._slots):
        return f"seed {seed}: {device.nbytes} bytes for {len(device._slots)} slots"
    return ""


def _bytes(ledger: CudaLedger) -> list[Any]:
    return [len(ledger._slots), *(np.array(part).tobytes() for part in (ledger._slots, ledger._pending))]


def planted(bug: str) -> None:
    """Plant a fault in the source of the kernels, whose text must be there once."""
    right, wrong = BUGS[bug]
    text = open(cuda_kernels.__file__).read()  # noqa: PTH123, SIM115 (one line of a script)
    assert text.count(right) == 1, bug
    exec(compile(text.replace(right, wrong), cuda_kernels.__file__, "exec"), cuda_kernels.__dict__)
    engine.kernels = cuda_kernels.kernels
    small()


def small() -> None:
    """Let blocks be one warp."""
    cells = {"THREADS": THREADS, "CELL": THREADS * 32, "SCANNERS": THREADS}
    for name, value in cells.items():
        setattr(cuda_kernels, name, value)
        setattr(engine, name, value)


def main(arguments: list[str]) -> int:
    """Run the campaign; exit 1 if the engine differs, or a planted fault is not seen."""
    parser = argparse.ArgumentParser(prog="python -m tests.cuda_ledger", description=__doc__)
    parser.add_argument("--n", type=int, default=20, help="how many sequences")
    parser.add_argument("--bug", choices=sorted(BUGS), help="plant a fault; exit 1 if it is not seen")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    small()
    if options.bug:
        planted(options.bug)
    found = next((one for one in map(mismatch, range(options.n)) if one), "")
    echo(found or f"{options.n} sequences, no mismatch")
    return int(bool(found) != bool(options.bug))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
