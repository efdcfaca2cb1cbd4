"""How evaluated expressions are written: a line each, as a term, a number or JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from prism.vm.engines.api import STOPS, Limits
from prism.vm.engines.program import Evaluated
from prism.vm.engines.report import StopReason
from prism.vm.ledger.key import COMPACT
from prism.vm.term.graph import numerals
from prism.vm.term.show import MAX_CHARACTERS, each_term

TOO_LONG: Final = "too-long"
"""What stands in the place of a result that is there, but too long to print [TERMS-9]."""

LONG: Final = (
    f"too long: a result must unfold to at most {MAX_CHARACTERS} characters to be printed, but one does not; "
    "print a number with --format nat, a term from Python with write_program of prism.vm.term.write, "
    "which keeps what is shared"
)
"""What to say where a result was too long."""


class Line(NamedTuple):
    """What is printed of one expression, and whether its result was too long to be printed."""

    text: str
    is_too_long: bool = False


def gathered(lines: Iterator[Line], report: Callable[[Line], None], *, characters: int = 1 << 16) -> Iterator[str]:
    """Yield the texts of lines, short ones joined, and tell `report` of each; memory holds the longest and 64 KiB."""
    waiting: list[str] = []
    n_waiting = 0
    for line in lines:
        report(line)
        waiting.append(line.text)
        n_waiting += len(line.text) + 1
        if n_waiting >= characters:
            text, waiting, n_waiting = waiting[0] if len(waiting) == 1 else "\n".join(waiting), [], 0
            del line  # what is yielded is then the only copy
            yield text
            del text
    if waiting:
        yield "\n".join(waiting)


def _as_terms(done: Evaluated) -> Iterator[Line]:
    return _results_or_stops(done, as_numerals=False)


def _as_nats(done: Evaluated) -> Iterator[Line]:
    return _results_or_stops(done, as_numerals=True)


def _results_or_stops(done: Evaluated, *, as_numerals: bool) -> Iterator[Line]:
    result = done.outcome.result
    texts = each_term(result, as_numerals=as_numerals)
    for text, root, stop in zip(texts, result.roots.tolist(), done.outcome.stop, strict=True):
        yield in_place(text, STOPS[stop], has_result=root != 0)


def in_place(text: str | None, stop: StopReason, *, has_result: bool) -> Line:
    """Return the line of a format without keys: the text of a result, or what stands in its place."""
    if text is not None:
        return Line(text)
    return Line(TOO_LONG, is_too_long=True) if has_result else Line(stop.value)


def _as_json(done: Evaluated) -> Iterator[Line]:
    result, reports = done.outcome.result, done.outcome.reports()
    values = numerals(result)[result.roots].tolist()
    for i, (text, value, report) in enumerate(zip(each_term(result), values, reports, strict=True)):
        has_result = result.roots[i] != 0
        row = {
            "index": done.first + i,
            "source": done.program.where(i),
            "status": report.stop.value,
            "result": text,
            "nat": value if has_result and value >= 0 else None,
            "steps": report.steps,
            "nodes": report.nodes,
            "reused": report.reused,
        }
        yield Line(json.dumps(row), is_too_long=has_result and text is None)


FORMATS: Final[dict[str, Callable[[Evaluated], Iterator[Line]]]] = {
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
