"""Whole reports of `bsp` over programs, layouts and limits: functions of program and limits alone [ARENA-1].

`python -m tests.bsp_reports [PROGRAMS] [SEED]` compares 5,000 programs unless told otherwise; the suite a sample.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from random import Random

import numpy as np

from prism.vm.arena import run as running
from prism.vm.arena.layout import Layout
from prism.vm.engines.api import Limits
from prism.vm.engines.bsp import BspEngine
from prism.vm.engines.project import project
from prism.vm.engines.schedule import MAX_COUNT, Schedule
from prism.vm.term.graph import TermGraph
from prism.vm.theory.library import load
from tests.strategies import random_programs

LAYOUTS = {
    "no-sort": Layout(sort=False),
    "rank": Layout(),
    "morton": Layout(morton=True),
    "block2-morton": Layout(block=2, morton=True),
    "block16-morton": Layout(block=16, morton=True),
    "l2-l1": Layout(l2=8, l1=32),
    "l2-l1-morton": Layout(l2=8, l1=32, morton=True),
    "l1-local-morton": Layout(l1=64, whole=False, morton=True),
}


@dataclass(frozen=True)
class Reported:
    """All that a run lets one see: the projected results, how each term ended, and what the batch cost."""

    keys: bytes
    roots: tuple[int, ...]
    stop: tuple[int, ...]
    steps: tuple[int, ...]
    nodes: tuple[int, ...]
    reused: tuple[int, ...]
    cycles: int


def report(terms: TermGraph, limits: Limits, schedule: Schedule) -> Reported:
    """Run some terms in a session of their own and return all that can be seen of it."""
    engine = BspEngine(limits, schedule, load("peano"))
    outcome = engine.normalise(terms)
    image = project(outcome.result)
    columns = (image.roots, outcome.stop, outcome.steps, outcome.nodes, outcome.reused)
    roots, stop, steps, nodes, reused = (tuple(column.tolist()) for column in columns)
    return Reported(image.keys.tobytes(), roots, stop, steps, nodes, reused, engine.cycles)


class Shuffled:
    """In place of an order: the frontier in an order of chance, which no layout may be told from."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def __call__(self, layout: Layout, rank: np.ndarray, near: np.ndarray, *, xp: object) -> np.ndarray:
        """Return a random permutation."""
        del layout, near, xp
        return self._random.permutation(len(rank)).astype(np.int32)


def limits_of(random: Random, whole: Reported, terms: int) -> tuple[Limits, int]:
    """Return limits that may stop a program which costs what `whole` says: steps a term, nodes, cycles."""
    steps, nodes = sum(whole.steps), sum(whole.nodes) + 2
    most_steps = random.choice((1 << 32, 0, random.randint(0, steps + 1) // terms, steps // terms))
    capacity = random.choice((1 << 26, 1 << 26, random.randint(2, nodes + 2), nodes))
    cycles = random.choice((MAX_COUNT, MAX_COUNT, random.randint(0, whole.cycles + 1), whole.cycles))
    return Limits(max(2, capacity), most_steps), cycles


def differing(seed: int, swizzles: tuple[str, ...] = ("host",)) -> list[str]:
    """Return the layouts in which a random program under random limits is reported otherwise; none if the law holds."""
    random = Random(seed)
    terms = random_programs(seed, random.choice((1, 2, 3, 8)), max_rows=random.choice((12, 24, 40)), max_value=60)
    whole = report(terms, Limits(), Schedule(Layout(), "host"))
    limits, cycles = limits_of(random, whole, len(terms.roots))
    expected = report(terms, limits, Schedule(Layout(), "host", cycles))
    found = [
        f"{name} on {swizzle}"
        for swizzle in swizzles
        for name, layout in LAYOUTS.items()
        if report(terms, limits, Schedule(layout, swizzle, cycles)) != expected
    ]
    order, running.order_of = running.order_of, Shuffled(seed)
    try:
        if report(terms, limits, Schedule(LAYOUTS["morton"], "host", cycles)) != expected:
            found.append("an order of chance")
    finally:
        running.order_of = order
    return found


def main() -> None:
    """Compare programs, say how many agree, and end with 1 if one does not."""
    count, first = map(int, [*sys.argv[1:3], *("5000", "0")[len(sys.argv) - 1 :]])
    wrong = {seed: found for seed in range(first, first + count) if (found := differing(seed))}
    for seed, found in wrong.items():
        sys.stdout.write(f"program {seed} is reported otherwise in: {', '.join(found)}\n")
    sys.stdout.write(
        f"{count - len(wrong)} of {count} programs have one report in {len(LAYOUTS)} layouts and an order of chance\n"
    )
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
