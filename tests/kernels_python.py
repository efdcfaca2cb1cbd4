"""Random kernels inside the language, compiled and lane by lane as plain Python: every array is the same, to the bit.

python -m tests.kernels_python [EXECUTOR] [FIRST LAST]

EXECUTOR is numpy or cpu, which round each operation once; XLA may contract a product and a sum. A line for each kernel
that differs, then totals; 1 if any did.
"""

from __future__ import annotations

import linecache
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from prism.kernels.api import Kernel
from tests.kernel_generator import LANES, arguments, kernel_source, same

COUNT = 300


def made(seed: int) -> tuple[Kernel, list[str]]:
    """Return kernel number `seed` as a live object, and the types of its arrays."""
    source, types = kernel_source(seed)
    file = f"<kernel {seed}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    names: dict[str, Any] = {}
    exec(compile(source, file, "exec"), names)
    return names["k"], types


def differences(seed: int, executor: str) -> list[str]:
    """Return the arrays that kernel number `seed` leaves otherwise on an executor than as plain Python."""
    kernel, types = made(seed)
    compiled, plain = arguments(seed, types), arguments(seed, types)
    for lane in range(LANES):
        kernel.python(lane, **plain, grid=LANES)
    kernel.on(executor)[LANES](**compiled)
    return [name for name, one in plain.items() if isinstance(one, np.ndarray) and not same(one, compiled[name])]


def main(given: Sequence[str]) -> int:
    """Compare kernels FIRST to LAST on an executor."""
    executor = given[0] if given else "numpy"
    seeds = range(*map(int, given[1:3])) if len(given) > 2 else range(COUNT)
    wrong, start = 0, time.perf_counter()
    for seed in seeds:
        names = differences(seed, executor)
        if names:
            wrong += 1
            sys.stdout.write(f"kernel {seed}: {', '.join(names)} differ\n")
    seconds = time.perf_counter() - start
    sys.stdout.write(f"{len(seeds)} kernels on {executor} against plain Python: {wrong} differ, {seconds:.0f} s\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
