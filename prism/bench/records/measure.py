"""Measure repeated runs of one piece of work: wall time, and memory left behind."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import linear_regression, median, quantiles
from typing import Any

from prism.bench.harness import timed
from prism.errors import UsageError

Progress = Callable[[Iterable[int]], Iterable[int]]
"""Wraps the loop over iterations, to show how far it is; `iter` shows nothing."""


def host_performance(work: Callable[[], object], *, iterations: int, warmup: int, progress: Progress) -> dict[str, Any]:
    """Time `work` `iterations` times after `warmup` runs that do not count; seconds of wall time."""
    _check(iterations, warmup)
    seconds = []
    for i in progress(range(warmup + iterations)):
        elapsed, _ = timed(work)
        if i >= warmup:
            seconds.append(elapsed)
    return {
        "kind": "host_performance",
        "iterations": iterations,
        "warmup": warmup,
        "median_s": median(seconds),
        "min_s": min(seconds),
        "max_s": max(seconds),
        "p95_s": quantiles(seconds, n=20, method="inclusive")[-1] if iterations > 1 else seconds[0],
    }


def memory_stability(work: Callable[[], object], *, iterations: int, warmup: int, progress: Progress) -> dict[str, Any]:
    """Sample memory after each run of `work`; `growth_bytes` is the least-squares slope per iteration.

    `traced_bytes` counts Python and NumPy allocations that are still alive (tracemalloc), `rss_bytes` what the
    system has given the process, None where it does not say.
    """
    _check(iterations, warmup)
    traced, resident = [], []
    # What is alive now will be alive then: frozen, it costs no collection any time.
    gc.collect()
    gc.freeze()
    tracemalloc.start()
    try:
        for i in progress(range(warmup + iterations)):
            work()
            gc.collect()
            if i >= warmup:
                traced.append(tracemalloc.get_traced_memory()[0])
                resident.append(_resident_bytes())
    finally:
        tracemalloc.stop()
        gc.unfreeze()
    growth = linear_regression(range(iterations), traced).slope if iterations > 1 else 0.0
    return {
        "kind": "memory_stability",
        "iterations": iterations,
        "warmup": warmup,
        "traced_bytes": traced,
        "rss_bytes": resident,
        "growth_bytes": growth,
    }


def _check(iterations: int, warmup: int) -> None:
    if iterations < 1 or warmup < 0:
        raise UsageError(
            f"iterations must be at least 1 and warmup at least 0, got iterations={iterations}, warmup={warmup}"
        )


def _resident_bytes() -> int | None:
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    for line in status.read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return None
