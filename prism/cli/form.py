"""How evaluated expressions are written: a line each, as a term, a number or JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from prism.vm.engines.api import STOPS, Limits
from prism.vm.engines.program import Evaluated
from prism.vm.engines.report import StopReason
from prism.vm.ledger.key import COMPACT
from prism.vm.term.graph import TermGraph, numerals
from prism.vm.term.show import show_terms


def _as_terms(done: Evaluated) -> Iterator[str]:
    return _results_or_stops(done, as_numerals=False)


def _as_nats(done: Evaluated) -> Iterator[str]:
    return _results_or_stops(done, as_numerals=True)


def _results_or_stops(done: Evaluated, *, as_numerals: bool) -> Iterator[str]:
    result = done.outcome.result
    for text, root, stop in zip(_texts(result, as_numerals=as_numerals), result.roots, done.outcome.stop, strict=True):
        yield text if root else STOPS[stop].value


def _as_json(done: Evaluated) -> Iterator[str]:
    result, reports = done.outcome.result, done.outcome.reports()
    values = numerals(result)[result.roots].tolist()
    for i, (text, value, report) in enumerate(zip(_texts(result, as_numerals=False), values, reports, strict=True)):
        has_result = result.roots[i] != 0
        row = {
            "index": done.first + i,
            "source": done.program.where(i),
            "status": report.stop.value,
            "result": text if has_result else None,
            "nat": value if has_result and value >= 0 else None,
            "steps": report.steps,
            "nodes": report.nodes,
            "reused": report.reused,
        }
        yield json.dumps(row)


def _texts(result: TermGraph, *, as_numerals: bool) -> list[str]:
    # A root without a result is NULL, which has no text; ZERO stands in for it and is not printed.
    roots = np.maximum(result.roots, np.int32(1))
    return show_terms(TermGraph(result.op, result.a, result.b, roots), as_numerals=as_numerals)


FORMATS: Final[dict[str, Callable[[Evaluated], Iterator[str]]]] = {
    "nat": _as_nats,
    "term": _as_terms,
    "json": _as_json,
}
"""What `--format` names; the first is the default."""


OVERFLOW: Final = (
    "corrupt: a literal must stay within 64 bits, but one did not; build larger numbers from ops of the theory"
)
"""What to say where a computed literal ended a run."""


def explain(stop: StopReason, limits: Limits) -> str:
    """Say what ended a run early, and what to do about it."""
    layout = limits.layout
    if stop is StopReason.OOM:
        return f"oom: the store must fit memory and {limits.capacity} nodes, but needs more; raise --capacity"
    if stop is StopReason.STEP_LIMIT:
        return (
            f"timeout: an expression may take {limits.max_steps} steps, and --cycles if given, but one needs more; "
            "raise --max-steps, or leave out --cycles"
        )
    remedy = "use --key-layout wide" if layout is COMPACT else "split the program into several runs"
    return f"corrupt: an id must be at most {layout.max_id} in the key layout {layout.name}, but one is not; {remedy}"
