"""Bench compare: workloads by engines, layouts, swizzles and sizes, one row a run."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

import jax

from prism.bench.arenas import ArenaShape, arena_shapes, arena_terms
from prism.bench.workloads import balanced, chained
from prism.errors import UsageError
from prism.vm.arena.layout import HOST, Layout
from prism.vm.arena.locality import damage, distance_entropy
from prism.vm.arena.order import capacity_for
from prism.vm.arena.run import DONE, Bounds, View
from prism.vm.arena.store import load, rules_of
from prism.vm.arena.swizzle import default_swizzle
from prism.vm.engines.api import Limits
from prism.vm.engines.bsp import open_run
from prism.vm.engines.report import StopReason
from prism.vm.engines.schedule import MAX_COUNT, Schedule
from prism.vm.engines.table import BUILT_IN, SCHEDULED, open_engine
from prism.vm.term.parse import read_text
from prism.vm.theory.library import load as load_theory

EXPRESSIONS: Final[dict[str, Callable[[], str]]] = {
    "expr_small": lambda: "(add 1 1)",
    "expr_reuse": lambda: "(def x (add 2 3)) (add (mul x x) (mul x x))",
    "expr_balanced": lambda: balanced(6),
    "expr_chain": lambda: chained(64),
}
"""Workloads that are programs, by name; the others are arenas."""

_METRIC_TILE: Final = 256


@dataclass(frozen=True, slots=True)
class Matrix:
    """What is compared; sizes are rows. An empty `workloads` is all of them, empty `swizzles` are the engine's own."""

    workloads: tuple[str, ...] = ()
    block_sizes: tuple[int, ...] = (256,)
    arena_counts: tuple[int, ...] = ()
    swizzles: tuple[str, ...] = ()
    l1_mult: int = 4
    whole: bool = True
    hierarchy_morton: bool = False
    workload_l2: int = 256
    workload_l1: int = 1024


@dataclass(frozen=True, slots=True)
class Mode:
    """One way to run a workload: an engine, and for `bsp` its layout and swizzle."""

    name: str
    engine: str
    layout: Layout = Layout(sort=False)  # noqa: RUF009 (frozen)
    swizzle: str = ""


@dataclass(frozen=True, slots=True)
class Timing:
    """One run, as a line of the CSV; times in milliseconds, `pre_` and `post_` describe the arena around it.

    `is_finished` says whether the work was done when the bound of cycles was met. `cycles` is 0 for engines that have
    none, the bound for programs, and what ran for arenas.

    `crossing` is the share of reads that leave the tile of 256 rows that the read before was in, `entropy` that of the
    distance between the two, in bits; both empty for engines without an arena.
    """

    platform: str
    workload: str
    workload_kind: str
    slots: int
    mode: str
    do_sort: bool
    use_morton: bool
    block_size: int
    l2_block_size: int
    l1_block_size: int
    do_global: bool
    swizzle_backend_requested: str
    swizzle_backend_effective: str
    run: int
    cycles: int
    parse_ms: float
    exec_ms: float
    ms_per_cycle: float
    total_ms: float
    steps: int
    final_count: int
    is_finished: bool
    pre_hot: int | None = None
    pre_warm: int | None = None
    pre_cold: int | None = None
    pre_crossing: float | None = None
    pre_entropy: float | None = None
    post_hot: int | None = None
    post_warm: int | None = None
    post_cold: int | None = None
    post_crossing: float | None = None
    post_entropy: float | None = None


def modes_of(matrix: Matrix) -> list[Mode]:
    """Return the modes of a matrix: both scalar engines, then every layout on every swizzle."""
    layouts = {"bsp": Layout(), "bsp-nosort": Layout(sort=False), "bsp-morton": Layout(morton=True)}
    for size in matrix.block_sizes:
        layouts[f"bsp-block{size}"] = Layout(block=size)
        for morton in (False, True) if matrix.hierarchy_morton else (False,):
            hierarchy = Layout(l2=size, l1=size * matrix.l1_mult, whole=matrix.whole, morton=morton)
            layouts[f"bsp-l2={size}-l1={hierarchy.l1}{'-morton' * morton}"] = hierarchy
    own = default_swizzle()
    schedules = {
        f"{name}{'' if swizzle == own else '+' + swizzle}": Schedule(layout, swizzle)
        for swizzle in matrix.swizzles or (own,)
        for name, layout in layouts.items()
        if layout.sort or swizzle in (HOST, "jax")
    }
    arrays = [Mode(name, "bsp", schedule.layout, schedule.swizzle or own) for name, schedule in schedules.items()]
    return [Mode("baseline", "baseline"), Mode("ledger", "ledger"), *arrays]


def compare(matrix: Matrix, *, runs: int, cycles: int, tick: Callable[[str, float], None]) -> Iterator[Timing]:
    """Yield the timings of a matrix: for each workload, one run of each mode in turn, after one that does not count.

    `cycles` bounds `bsp`; the other engines have none. `tick` is told what runs, and the share that is done.
    """
    shapes = arena_shapes(matrix.arena_counts, matrix.workload_l2, matrix.workload_l1)
    known = [*EXPRESSIONS, *shapes]
    unknown = set(matrix.workloads) - set(known)
    if unknown:
        raise UsageError(
            f"a workload must be one of {', '.join(known)}, got {', '.join(sorted(unknown))}; choose among them"
        )
    names = matrix.workloads or tuple(known)
    modes = modes_of(matrix)
    for position, name in enumerate(names):
        shape = shapes.get(name)
        fitting = modes if shape is None else [mode for mode in modes if mode.engine in SCHEDULED]
        timers = [
            _expression_timer(name, mode, cycles) if shape is None else _arena_timer(name, shape, mode, cycles)
            for mode in fitting
        ]
        for run in range(-1, runs):
            for index, (mode, timer) in enumerate(zip(fitting, timers, strict=True)):
                done = (run + 1 + index / len(fitting)) / (runs + 1)
                tick(f"{name}: {mode.name}{' (warm-up)' * (run < 0)}", (position + done) / len(names))
                timing = timer(run)
                if run >= 0:
                    yield timing


def to_csv(timings: Sequence[Timing]) -> str:
    """Return timings as CSV, a header line first."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Timing)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(timing) for timing in timings)
    return text.getvalue()


def _expression_timer(name: str, mode: Mode, cycles: int) -> Callable[[int], Timing]:
    text = EXPRESSIONS[name]()
    schedule = Schedule(mode.layout, mode.swizzle, cycles) if mode.engine in SCHEDULED else None
    columns = _columns(name, "expression", len(read_text(text).graph), mode)

    def run(index: int) -> Timing:
        began = time.perf_counter()
        graph = read_text(text).graph
        parsed = time.perf_counter()
        outcome = open_engine(mode.engine, Limits(), schedule).normalise(graph)
        took = _times(parsed - began, time.perf_counter() - parsed, cycles if schedule else 0)
        return Timing(
            **columns,
            **took,
            run=index,
            steps=int(outcome.steps.sum()),
            final_count=len(outcome.result),
            is_finished=all(report.stop is StopReason.NORMAL_FORM for report in outcome.reports()),
        )

    return run


def _arena_timer(name: str, shape: ArenaShape, mode: Mode, cycles: int) -> Callable[[int], Timing]:
    terms, rules = arena_terms(shape), rules_of(load_theory(BUILT_IN))
    bounds = Bounds(MAX_COUNT, cycles, MAX_COUNT)
    columns = _columns(name, "arena", capacity_for(shape.count), mode)

    def run(index: int) -> Timing:
        todo = open_run(load(terms, rules), rules, bounds, Schedule(mode.layout, mode.swizzle))
        before = _metrics("pre", todo.view(), mode.layout)
        began = time.perf_counter()
        todo.advance(cycles)
        took = _times(0.0, time.perf_counter() - began, todo.cycles)
        after = _metrics("post", todo.view(), mode.layout)
        return Timing(
            **columns,
            **took,
            **before,
            **after,
            run=index,
            steps=todo.steps,
            final_count=todo.count,
            is_finished=todo.answer == DONE,
        )

    return run


def _columns(name: str, kind: str, slots: int, mode: Mode) -> dict[str, Any]:
    """Return the columns that are the same for every run of a mode on a workload."""
    layout = mode.layout
    is_interpreted = mode.swizzle in ("pallas", "triton") and jax.default_backend() != "gpu"
    return {
        "platform": jax.default_backend(),
        "workload": name,
        "workload_kind": kind,
        "slots": slots,
        "mode": mode.name,
        "do_sort": layout.sort,
        "use_morton": layout.morton,
        "block_size": layout.block,
        "l2_block_size": layout.l2,
        "l1_block_size": layout.l1,
        "do_global": layout.whole and bool(layout.l1),
        "swizzle_backend_requested": mode.swizzle,
        "swizzle_backend_effective": f"{mode.swizzle} (interpreted)" if is_interpreted else mode.swizzle,
    }


def _times(parse_s: float, exec_s: float, cycles: int) -> dict[str, Any]:
    return {
        "cycles": cycles,
        "parse_ms": round(1e3 * parse_s, 4),
        "exec_ms": round(1e3 * exec_s, 4),
        "ms_per_cycle": round(1e3 * exec_s / max(1, cycles), 4),
        "total_ms": round(1e3 * (parse_s + exec_s), 4),
    }


def _metrics(prefix: str, view: View, layout: Layout) -> dict[str, Any]:
    """Return what the next cycle meets: sites that fire and wait, the other rows, and the locality of what is read."""
    rules = rules_of(load_theory(BUILT_IN))
    seen = damage(view, rules, layout, _METRIC_TILE)
    return {
        f"{prefix}_hot": seen.hot,
        f"{prefix}_warm": seen.warm,
        f"{prefix}_cold": len(view.op) - seen.hot - seen.warm,
        f"{prefix}_crossing": round(seen.crossing / max(1, seen.edges), 4),
        f"{prefix}_entropy": round(distance_entropy(view, rules, layout), 4),
    }
