"""Bench of theories: the user's own rules on Prism, Maude, egglog and SymPy, and what rests on theories beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from prism.bench.aig import aig_bench
from prism.bench.cse import cse_bench
from prism.bench.harness import Case, Contender, Row, Tick, race
from prism.bench.theory_peers import peers
from prism.bench.theory_workloads import WORKLOADS
from prism.errors import UsageError
from prism.vm.engines.api import Limits
from prism.vm.engines.table import open_engine
from prism.vm.term.graph import TermGraph
from prism.vm.term.tree import graph_of
from prism.vm.term.write import write_terms
from prism.vm.theory.model import Theory

OTHERS: Final = ("aig", "cse")
"""Work of other benches that a run of all of them includes, for circuits and common subexpressions rest on ledgers."""
_COPIES: Final = (1, 16)
_SIZES: Final = (10_000,)


def theory_bench(
    names: Sequence[str], runs: int, *, folder: Path | None = None, tick: Tick = lambda _: None
) -> Iterator[Row]:
    """Yield the rows of each workload: seconds from a graph, or in a peer from its own terms, to normal forms.

    names: some of WORKLOADS and OTHERS, none for all. folder: circuits for `aig`. Everyone's rate is the work's
    rewrites on engine `ledger`, which shares, over the time. All must give the same normal forms, which are constants.
    """
    unknown = set(names) - {*WORKLOADS, *OTHERS}
    if unknown:
        raise UsageError(
            f"a workload must be one of {', '.join((*WORKLOADS, *OTHERS))}, got {', '.join(sorted(unknown))}; "
            "choose among them"
        )
    for name, make in WORKLOADS.items():
        if names and name not in names:
            continue
        tick(f"theory {name}: peers")
        work, numbers = make(), {}
        graph = graph_of(work.theory.signature, work.terms, numbers)
        steps = int(open_engine("ledger", Limits(), None, work.theory).normalise(graph).steps.sum())
        contenders = [_prism(work.theory, graph), *peers(work, list(numbers))]
        yield from race(Case("theory", name, steps, "rewrites/s"), contenders, runs=runs, tick=tick)
    if not names or "aig" in names:
        yield from aig_bench(folder, (), _COPIES, runs, tick=tick)
    if not names or "cse" in names:
        yield from cse_bench(_SIZES, runs, tick=tick)


def _prism(theory: Theory, graph: TermGraph) -> Contender:
    def prepare() -> Callable[[], Any]:
        engine = open_engine("ledger", Limits(), None, theory)
        return lambda: write_terms(theory.signature, engine.normalise(graph).result, ())

    return Contender("prism ledger", prepare)
