"""Bench of normalisation: every engine and egglog on the same programs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np

from prism.bench.harness import Case, Contender, Missing, Row, Tick, race
from prism.bench.workloads import WORKLOADS
from prism.errors import UsageError
from prism.vm.engines.api import Limits
from prism.vm.engines.table import ENGINES, open_engine
from prism.vm.term.graph import TermGraph, numerals
from prism.vm.term.parse import read_text

_EGGLOG: Final = """
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
(input row "{path}")
(run-schedule (saturate load))
"""


def normalise_bench(names: Sequence[str], runs: int, *, tick: Tick = lambda _: None) -> Iterator[Row]:
    """Yield the rows of each workload: seconds from a parsed graph to normal forms; terms a second.

    Engines load the graph and read the normal forms back inside the clock; egglog is given the terms before it starts
    and is asked for no result. The answer to agree on is the largest normal form, which is how many sucs there are.
    """
    unknown = set(names) - set(WORKLOADS)
    if unknown:
        raise UsageError(
            f"a workload must be one of {', '.join(WORKLOADS)}, got {', '.join(sorted(unknown))}; choose among them"
        )
    with tempfile.TemporaryDirectory() as folder:
        for name in names or WORKLOADS:
            terms = read_text(WORKLOADS[name].text()).graph
            contenders = [*(_engine(engine, terms) for engine in ENGINES), _egglog(terms, Path(folder) / f"{name}.tsv")]
            yield from race(Case("normalise", name, len(terms.roots), "terms/s"), contenders, runs=runs, tick=tick)


def _engine(name: str, terms: TermGraph) -> Contender:
    def prepare() -> Callable[[], int]:
        engine = open_engine(name, Limits())

        def work() -> int:
            result = engine.normalise(terms).result
            return int(numerals(result)[result.roots].max())

        return work

    return Contender(f"prism {name}", prepare)


def _egglog(terms: TermGraph, path: Path) -> Contender | Missing:
    if find_spec("egglog") is None:
        return Missing("egglog", "egglog is not installed; install prism-vm[bench]")
    from egglog.bindings import EGraph, PrintFunctionSize  # pyright: ignore[reportMissingImports] (extra `bench`)

    rows = np.column_stack((np.arange(len(terms)), terms.op, terms.a, terms.b))[1:]
    np.savetxt(path, rows, fmt="%d", delimiter="\t")
    program = _EGGLOG.format(path=path)

    def prepare() -> Callable[[], int]:
        graph = EGraph()
        graph.run_program(*graph.parse_program(program))

        def work() -> int:
            outputs = graph.run_program(*graph.parse_program("(run-schedule (saturate (run)))\n(print-size Suc)"))
            return sum(output.size for output in outputs if isinstance(output, PrintFunctionSize))

        return work

    return Contender("egglog", prepare, warm=False)
