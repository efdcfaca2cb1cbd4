"""Bench of normalisation: every engine and egglog on the same programs, inside one process and as whole processes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np

from prism.bench.harness import Case, Contender, Missing, Row, Tick, race
from prism.bench.processes import process_contenders, start_bench
from prism.bench.workloads import WORKLOADS
from prism.errors import UsageError
from prism.vm.engines.api import Limits
from prism.vm.engines.table import ENGINES, open_engine
from prism.vm.term.graph import TermGraph, numerals
from prism.vm.term.parse import read_text

_RULES: Final = """
(datatype Nat (Zero) (Suc Nat) (Add Nat Nat) (Mul Nat Nat))
(relation row (i64 i64 i64 i64))
(function node (i64) Nat :merge new)
(ruleset load)
(rule ((row i 1 a b)) ((set (node i) (Zero))) :ruleset load)
(rule ((row i 2 a b) (= x (node a))) ((set (node i) (Suc x))) :ruleset load)
(rule ((row i 10 a b) (= x (node a)) (= y (node b))) ((set (node i) (Add x y))) :ruleset load)
(rule ((row i 11 a b) (= x (node a)) (= y (node b))) ((set (node i) (Mul x y))) :ruleset load)
(rewrite (Add (Zero) x) x)
(rewrite (Add (Suc x) y) (Suc (Add x y)))
(rewrite (Mul (Zero) x) (Zero))
(rewrite (Mul (Suc x) y) (Add y (Mul x y)))
"""
_LOADING: Final = """
(input row "{path}")
(run-schedule (saturate load))
"""


START: Final = "start"
"""The case of a process that has next to nothing to do."""


def normalise_bench(names: Sequence[str], runs: int, *, tick: Tick = lambda _: None) -> Iterator[Row]:
    """Yield the rows of each workload: seconds from a parsed graph to normal forms; terms a second.

    Engines load the graph and read the normal forms back inside the clock; so does egglog, which in a row of its own is
    given the terms before. It is asked for no result. Rows that end in `(process)` are whole
    processes, from their start to their last result, compilation of the first run aside. The answer to agree on is the
    largest normal form, which is how many sucs there are.
    """
    unknown = set(names) - {*WORKLOADS, START}
    if unknown:
        raise UsageError(
            f"a workload must be one of {', '.join((*WORKLOADS, START))}, got {', '.join(sorted(unknown))}; "
            "choose among them"
        )
    with tempfile.TemporaryDirectory() as folder:
        for name in names or (START, *WORKLOADS):
            if name == START:
                yield from start_bench(runs, Path(folder), tick=tick)
                continue
            text = WORKLOADS[name].text()
            terms = read_text(text).graph
            contenders = [
                *(_engine(engine, terms) for engine in ENGINES),
                *_egglog(terms, Path(folder) / f"{name}.tsv"),
                *process_contenders(name, text, terms, Path(folder)),
            ]
            yield from race(Case("normalise", name, len(terms.roots), "terms/s"), contenders, runs=runs, tick=tick)


def _engine(name: str, terms: TermGraph) -> Contender:
    def prepare() -> Callable[[], int]:
        engine = open_engine(name, Limits())

        def work() -> int:
            result = engine.normalise(terms).result
            return int(numerals(result)[result.roots].max())

        return work

    return Contender(f"prism {name}", prepare)


def _egglog(terms: TermGraph, path: Path) -> list[Contender | Missing]:
    """Return egglog with the loading of the terms inside the clock, and before it.

    Loading merges equal terms: what is left to do afterwards on 10^5 equal terms is one of them.
    """
    names = ("egglog", "egglog, terms loaded before")
    if find_spec("egglog") is None:
        return [Missing(name, "egglog is not installed; install prism-vm[bench]") for name in names]
    from egglog.bindings import EGraph, PrintFunctionSize  # pyright: ignore[reportMissingImports] (extra `bench`)

    rows = np.column_stack((np.arange(len(terms)), terms.op, terms.a, terms.b))[1:]
    np.savetxt(path, rows, fmt="%d", delimiter="\t")
    rules, loading = _RULES, _LOADING.format(path=path)

    def prepared(*, is_loaded: bool) -> Callable[[], int]:
        graph = EGraph()
        graph.run_program(*graph.parse_program(rules + loading * is_loaded))
        running = loading * (not is_loaded) + "(run-schedule (saturate (run)))\n(print-size Suc)"

        def work() -> int:
            outputs = graph.run_program(*graph.parse_program(running))
            return sum(output.size for output in outputs if isinstance(output, PrintFunctionSize))

        return work

    return [
        Contender(names[0], lambda: prepared(is_loaded=False), warm=False),
        Contender(names[1], lambda: prepared(is_loaded=True), warm=False),
    ]
