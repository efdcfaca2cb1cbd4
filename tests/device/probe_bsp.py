"""Wide and narrow work on `bsp`, on the host and on a GPU, beside `ledger` on one CPU thread.

`python -m tests.device.probe_bsp [SWIZZLE] [N...]`: sums that all fire in the first cycle, N of them (1e6 and 1e7
unless told otherwise), and (mul 1024 1024). Loading terms into rows is the host's in every run, and counts in `ledger`
only; `placing` is the way to the device. Prints a line for each run; the last of three is measured.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial

from prism.bench.workloads import wide
from prism.vm.arena.layout import HOST, Layout
from prism.vm.arena.run import Bounds
from prism.vm.arena.store import load, rules_of
from prism.vm.engines.api import Limits
from prism.vm.engines.bsp import open_run
from prism.vm.engines.schedule import MAX_COUNT, Schedule
from prism.vm.engines.table import open_engine
from prism.vm.term.graph import TermGraph
from prism.vm.term.parse import read_text
from prism.vm.theory.library import load as load_theory

LAYOUTS = {"no-sort": Layout(sort=False), "rank": Layout()}


def by_ledger(terms: TermGraph) -> str:
    """Return the line of a run of engine `ledger`."""
    began = time.perf_counter()
    outcome = open_engine("ledger", Limits()).normalise(terms)
    return f"ledger {time.perf_counter() - began:.4f} s, {int(outcome.steps.sum())} steps"


def by_cycles(terms: TermGraph, swizzle: str, layout: Layout) -> str:
    """Return the line of a run of engine `bsp`, without its loading and reading out."""
    rules = rules_of(load_theory("peano"))
    loaded = load(terms, rules)
    began = time.perf_counter()
    run = open_run(loaded, rules, Bounds(MAX_COUNT, MAX_COUNT, MAX_COUNT), Schedule(layout, swizzle))
    placed = time.perf_counter()
    run.advance(MAX_COUNT)
    ended = time.perf_counter()
    return f"placing {placed - began:.4f} s, cycles {ended - placed:.4f} s, {run.cycles} cycles, {run.steps} steps"


def third(line: Callable[[], str]) -> str:
    """Return the last of three lines: the first two compile and warm up."""
    return [line() for _ in range(3)][-1]


def main() -> None:
    """Print the lines."""
    swizzle, sizes = (sys.argv[1:2] or ["jax"])[0], [int(float(size)) for size in sys.argv[2:] or ("1e6", "1e7")]
    programs = {f"wide {size}": wide(size) for size in sizes} | {"mul 1024^2": read_text("(mul 1024 1024)").graph}
    for name, terms in programs.items():
        sys.stdout.write(f"{name}: {third(partial(by_ledger, terms))}\n")
        sys.stdout.write(f"{name}: bsp {HOST}: {third(partial(by_cycles, terms, HOST, LAYOUTS['rank']))}\n")
        for order, layout in LAYOUTS.items() if swizzle != HOST else ():
            sys.stdout.write(f"{name}: bsp {swizzle} {order}: {third(partial(by_cycles, terms, swizzle, layout))}\n")


if __name__ == "__main__":
    main()
