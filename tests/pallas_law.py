"""The first law of prism.pallas on random kernels: `python -m tests.pallas_law [KERNELS] [PROCESSES]` [PALLAS-1].

Each kernel runs in debug mode, in fast mode, as machine code, and in `auto` before, at and after the moment at which
machine code takes over: once where nothing is kept on disk, and once more in new processes that find what the first
ones left. Every result must have debug mode's bits. The line that it prints says how many kernels were compared, how
many of them machine code ran, and which differ; the exit code is 1 if any does. 200 kernels take about ten minutes of
one core.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any
from unittest import mock

import jax
import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings

import prism.pallas
from prism.pallas import fast
from prism.pallas.numba_source import compiled
from tests.pallas_kernels import RandomKernel, kernels

_BLOCK = 5
"""Kernels a task."""


def drawn(number: int, count: int = _BLOCK) -> list[RandomKernel]:
    """Return the random kernels of a task; the same in every process."""
    found: list[RandomKernel] = []

    @seed(number)
    @settings(
        max_examples=4 * count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(kernels())
    def draw(kernel: RandomKernel) -> None:
        found.append(kernel)

    draw()
    # The first that Hypothesis draws are the smallest.
    return found[-count:]


def bits(results: Sequence[Any]) -> str:
    """Return what tells results apart: shapes, types and bits, any NaN being like any other."""
    found = hashlib.sha256()
    for array in map(np.asarray, results):
        one = array if array.dtype.kind in "iub" else np.where(array == array, array, np.array(np.nan, array.dtype))
        found.update(f"{array.dtype} {array.shape}".encode() + np.ascontiguousarray(one).tobytes())
    return found.hexdigest()


def forms(number: int) -> list[tuple[dict[str, str], bool]]:
    """Return for each kernel of a task the bits by mode, and whether machine code ran it."""
    return [_forms(kernel) for kernel in drawn(number)]


def _forms(kernel: RandomKernel) -> tuple[dict[str, str], bool]:
    def call(mode: Any, runs: int = 1) -> list[str]:
        prism.pallas.clear_caches()
        function = prism.pallas.run(kernel.build(), mode=mode)
        return [bits(jax.tree.leaves(function(*kernel.operands))) for _ in range(runs)]

    found = {mode: call(mode)[0] for mode in ("debug", "fast")}
    with mock.patch.object(compiled, "load", wraps=compiled.load) as loaded:
        found["compiled"] = call("compiled")[0]
        with mock.patch.multiple(fast, _LOAD_AFTER=0.0, _COMPILE_AFTER=-1.0, _COMPILE_BYTE=0.0):
            found |= {f"auto, run {k}": one for k, one in enumerate(call("auto", 4))}
    return found, loaded.called


def differing(found: Sequence[tuple[dict[str, str], bool]]) -> list[str]:
    """Return which kernels have a mode that differs from debug mode, and which mode."""
    return [
        f"kernel {k}, {mode}"
        for k, (by_mode, _) in enumerate(found)
        for mode, one in by_mode.items()
        if one != by_mode["debug"]
    ]


def main(count: int = 200, processes: int = 1) -> int:
    """Compare, print the outcome and return the exit code."""
    wrong = 0
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, {"XDG_CACHE_HOME": folder}):
        for cache in ("a fresh cache", "a filled cache"):
            with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
                found = [one for block in pool.map(forms, range(-(-count // _BLOCK))) for one in block]
            different = differing(found)
            loops = sum(ran for _, ran in found)
            head = f"{cache}: {len(found)} kernels, {loops} as machine code, {len(different)} differ"
            sys.stdout.write("\n".join([head, *different, ""]))
            sys.stdout.flush()
            wrong += len(different)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
