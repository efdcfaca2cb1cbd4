"""Bench of the Pallas interpreter: each mode against stock interpret=True, and plain NumPy."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

import prism.pallas
from prism.bench import pallas_kernels, pallas_ops
from prism.bench.harness import Answer, Case, Contender, Row, Tick, race
from prism.bench.pallas_kernels import Array, KernelCase
from prism.errors import UsageError
from prism.pallas.params import Mode

CASES: Mapping[str, KernelCase] = {case.name: case for case in (*pallas_kernels.CASES, *pallas_ops.CASES)}

_FIRST, _STEADY = "first call", "steady"
_STOCK = {_FIRST: "stock rebuilt", _STEADY: "stock jitted"}
_STEADY_S = 0.02
"""How long a run in the steady state calls a kernel again and again: one call alone would time cold caches."""

_CHOOSING_S = 0.5
"""How long auto runs before it is timed in the steady state: by then it has chosen between loops and NumPy."""


def pallas_bench(names: Sequence[str], runs: int, *, tick: Tick = lambda _: None) -> Iterator[Row]:
    """Yield the rows of each kernel, first calls and then steady state; no name means all.

    A first call builds the function anew and finds every cache of ours empty; stock traces and compiles. In the
    steady state the function is kept: stock is jitted. Every result is checked against plain NumPy.
    """
    unknown = [name for name in names if name not in CASES]
    if unknown:
        raise UsageError(f"no bench kernel is called {unknown[0]!r}; choose among {', '.join(CASES)}")
    for name in names or CASES:
        case = CASES[name]
        operands = case.operands(np.random.default_rng(0))
        size = sum(operand.size for operand in operands)
        for state, contenders in ((_FIRST, _first_calls), (_STEADY, _steady)):
            present = contenders(case, operands)
            yield from race(Case("pallas", f"{name}, {state}", size, "elements/s"), present, runs=runs, tick=tick)


def _first_calls(case: KernelCase, operands: tuple[Array, ...]) -> list[Contender]:
    def ours(mode: Mode) -> Callable[[], Callable[[], Answer]]:
        def prepare() -> Callable[[], Answer]:
            prism.pallas.clear_caches()
            return _work(case, lambda: prism.pallas.run(case.build(False), mode=mode)(*operands))

        return prepare

    return [
        *(Contender(f"prism {mode}", ours(mode), warm=False) for mode in ("auto", "fast", "debug")),
        Contender("stock rebuilt", lambda: _work(case, lambda: case.build(True)(*operands)), warm=False),
        Contender("numpy", lambda: _work(case, lambda: case.numpy(*operands))),
    ]


def _steady(case: KernelCase, operands: tuple[Array, ...]) -> list[Contender]:
    placed = jax.device_put(operands)
    jitted = jax.jit(case.build(True))

    def kept(impl: str, call: Callable[[], Any]) -> Contender:
        return Contender(impl, lambda: _work(case, call), at_least_s=_STEADY_S)

    def ours(mode: Mode) -> Contender:
        function = prism.pallas.run(case.build(False), mode=mode)
        deadline = time.perf_counter() + (_CHOOSING_S if mode == "auto" else 0.0)
        while time.perf_counter() < deadline:
            function(*operands)
        return kept(f"prism {mode}", lambda: function(*operands))

    compiled = ours("compiled")
    compiled.prepare()()  # What it leaves on disk is there for auto, as it is in every process but the first.
    return [
        *(ours(mode) for mode in ("auto", "fast")),
        compiled,
        ours("debug"),
        kept("prism fast in jit", _rerouted(case, placed)),
        kept("stock jitted", lambda: jitted(*placed)),
        kept("numpy", lambda: case.numpy(*operands)),
    ]


def _rerouted(case: KernelCase, operands: tuple[Any, ...]) -> Callable[[], Any]:
    jitted = jax.jit(case.build(False))

    def call() -> Any:
        with prism.pallas.interpret(mode="fast"):
            return jitted(*operands)

    return call


def _work(case: KernelCase, call: Callable[[], Any]) -> Callable[[], Answer]:
    return lambda: Answer(np.asarray(jax.block_until_ready(call())), case.tolerance)


def summary(rows: Iterable[Row]) -> dict[str, float]:
    """Return geometric means of stock's median over ours, by what is compared, over the kernels that were run."""
    medians = {(row.case, row.impl): row.median_s for row in rows if row.median_s}

    def mean(cases: Iterable[KernelCase], state: str, impl: str) -> float | None:
        ratios = [
            medians[f"{case.name}, {state}", _STOCK[state]] / medians[f"{case.name}, {state}", impl]
            for case in cases
            if (f"{case.name}, {state}", impl) in medians
        ]
        return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else None

    every = list(CASES.values())
    small = [case for case in every if case is not pallas_kernels.LARGE_VADD]
    figures = {
        "first call, all kernels": mean(every, _FIRST, "prism auto"),
        **{
            f"steady, {family} kernels, {impl}": mean([c for c in small if c.family == family], _STEADY, impl)
            for family in ("block", "loop", "whole")
            for impl in ("prism auto", "prism fast", "prism compiled")
        },
        f"steady, {pallas_kernels.LARGE_VADD.name}": mean([pallas_kernels.LARGE_VADD], _STEADY, "prism auto"),
    }
    return {name: ratio for name, ratio in figures.items() if ratio is not None}
