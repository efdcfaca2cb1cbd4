"""Every standard kernel on an executor against its NumPy reference, for all types, at sizes up to 10^6 [KERNELS-14].

python -m tests.kernels_std cpu [--sizes 0 1 37] [--names sum gemm] [--processes 8] [--range 0 100]

Cases are numbered the same way in every run, so that a run is gone on with by `--range`. A line for each case that
fails, then totals; 1 if any failed. A kernel whose work grows faster than its size gets, on the definition, the largest
size that halving gives for which the work is at most 10^6: the printed case says which.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Final

import numpy as np

from prism.kernels.exec.table import EXECUTORS
from prism.kernels.schema.arithmetic import dtype
from prism.kernels.std.table import STANDARD, close, masks, side

LARGE: Final = 10**6
SIZES: Final = (0, 1, 37, 257, 4099, LARGE)
"""Nothing, one element, sizes that fill no block of 256 lanes and no tile of 16, and the largest."""
_WORK: Final[Mapping[str, Callable[[int], int]]] = {
    "bitonic_sort": lambda n: n * len(masks(n)),
    "gemm": lambda n: side(n) ** 3,
}
"""What a kernel does in all, where that is more than a few operations an element."""


@dataclass(frozen=True, slots=True, order=True)
class Case:
    """A standard kernel at a size for an element type."""

    name: str
    element: str
    size: int


def size_for(executor: str, name: str, size: int) -> int:
    """Return the size at which an executor gets a case: less on the definition where there is too much to do."""
    work = _WORK.get(name)
    while executor == "numpy" and work is not None and work(size) > LARGE:
        size //= 2
    return size


def cases(executor: str, sizes: Sequence[int], names: Sequence[str] = ()) -> list[Case]:
    """Return the cases of an executor, in the order of their numbers; random sizes come with the given ones."""
    made = {
        Case(name, element, size_for(executor, name, size))
        for name in names or STANDARD
        for element in STANDARD[name].elements
        for size in sizes
    }
    return sorted(made)


def failure(executor: str, case: Case) -> str:
    """Return what a case gets wrong; nothing where its result is the reference's."""
    one = STANDARD[case.name]
    given = one.make(np.random.default_rng(case.size + 1), case.size, dtype(case.element))
    try:
        found = one.run(one.kernel.on(executor), given)
    except Exception as error:  # whatever it is, the case has failed, and the others are to be run
        return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    for number, (a, b) in enumerate(zip(found, one.reference(given), strict=True)):
        if not close(a, b, one.ulp):
            return f"result {number}: {_difference(a, b)} (allowed: {one.ulp} ulp)"
    return ""


def _difference(a: np.ndarray, b: np.ndarray) -> str:
    if (a.shape, a.dtype) != (b.shape, b.dtype):
        return f"{a.dtype}{list(a.shape)} for {b.dtype}{list(b.shape)}"
    x, y = a.astype(np.float64).reshape(-1), b.astype(np.float64).reshape(-1)
    away = np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0, np.abs(x - y))
    worst = int(np.argmax(np.nan_to_num(away, nan=np.inf)))
    return f"{np.count_nonzero(away)} of {away.size} differ, most at {worst}: {x[worst]!r} for {y[worst]!r}"


def timed(executor: str, case: Case) -> tuple[Case, str, float]:
    """Return a case with what it gets wrong and the seconds that this took."""
    start = time.perf_counter()
    return case, failure(executor, case), time.perf_counter() - start


def run(executor: str, wanted: Sequence[Case], processes: int) -> Iterator[tuple[Case, str, float]]:
    """Yield each case as it is done; the largest begin first."""
    order = sorted(wanted, key=lambda one: -_WORK.get(one.name, int)(one.size))
    if processes == 1:
        yield from (timed(executor, one) for one in order)
        return
    # Processes of their own: JAX and compiled code keep threads, which a fork would not carry over.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        pending = [pool.submit(timed, executor, one) for one in order]
        yield from (one.result() for one in as_completed(pending))


def main(arguments: Sequence[str]) -> int:
    """Run what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("executor", choices=list(EXECUTORS))
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--names", nargs="+", default=[], choices=list(STANDARD))
    parser.add_argument("--random", type=int, default=2, help="how many sizes below 5000 to draw besides [2]")
    parser.add_argument("--range", type=int, nargs=2, default=[0, sys.maxsize], metavar=("FIRST", "LAST"))
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args(arguments)
    drawn = np.random.default_rng(0).integers(2, 5000, given.random).tolist()
    wanted = cases(given.executor, [*given.sizes, *drawn], given.names)[slice(*given.range)]
    failed, start, slowest = 0, time.perf_counter(), (0.0, "none")
    for done, (case, found, seconds) in enumerate(run(given.executor, wanted, given.processes), 1):
        slowest = max(slowest, (seconds, f"{case.name} {case.element} {case.size}"))
        if found:
            failed += 1
            sys.stdout.write(f"{given.executor} {case.name} {case.element} {case.size}: {found}\n")
        if sys.stderr.isatty() or done % 200 == 0:
            sys.stderr.write(f"{done} of {len(wanted)}, {failed} failed, {time.perf_counter() - start:.0f} s\n")
    sys.stdout.write(f"{given.executor}: {len(wanted)} cases, {failed} failed, {time.perf_counter() - start:.1f} s; ")
    sys.stdout.write(f"slowest {slowest[1]}, {slowest[0]:.2f} s\n")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
