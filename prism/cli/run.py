"""`prism run`: normalise program files as a stream, one result a line, in order [TERMS-9]."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import click

from prism.cli.form import FORMATS, explain
from prism.cli.main import CORRUPT, OOM, STEPS
from prism.cli.options import SOURCE, engine_options, limits_of, opened
from prism.cli.progress import Counted, progress_over
from prism.cli.schedule import schedule_options, session_of
from prism.vm.engines.api import STOPS, Outcome
from prism.vm.engines.program import evaluate
from prism.vm.engines.report import StopReason
from prism.vm.term.parse import Program, read_programs

SEVERITY: Final = {StopReason.CORRUPT: CORRUPT, StopReason.OOM: OOM, StopReason.STEP_LIMIT: STEPS}
"""Exit codes, the worst first: the code of a run is that of its worst expression."""


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=SOURCE)
@engine_options
@schedule_options
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMATS)),
    default=next(iter(FORMATS)),
    show_default=True,
    help="Numbers in decimal, terms in full, or one JSON object a line.",
)
@click.option("--stats", is_flag=True, help="Say on stderr what the run did.")
def run(files: tuple[str, ...], engine: str, form: str, *, stats: bool, **options: Any) -> None:
    """Normalise every expression of FILE... (- is standard input) and print one result a line.

    All files share one store; definitions hold to the end of their file. Exit code: 0 when every expression reached
    its normal form; 2 for a usage, file or parse error; 130 when interrupted; else the worst of 4 corrupt, 3 oom,
    5 step budget. The options from --cycles to --telemetry are for the engine bsp alone.
    """
    limits = limits_of(options)
    totals, started = Counter[str](), time.perf_counter()
    with session_of(engine, limits, options) as session:
        try:
            with progress_over(files) as progress:
                for done in evaluate(session, _programs(files, progress.read)):
                    progress.write("\n".join(FORMATS[form](done)))
                    _count(totals, done.outcome)
        finally:
            for stop in SEVERITY:
                if totals[stop.value]:
                    click.echo(explain(stop, limits), err=True)
            if stats:
                counts = ", ".join(f"{totals[key]} {key}" for key in ("expressions", "steps", "nodes", "reused"))
                seconds = time.perf_counter() - started
                click.echo(f"{engine}: {counts}, {session.count} nodes in the store, {seconds:.3f} s", err=True)
    sys.exit(next((code for stop, code in SEVERITY.items() if totals[stop.value]), 0))


def _count(totals: Counter[str], outcome: Outcome) -> None:
    totals["expressions"] += len(outcome.stop)
    for key, counts in (("steps", outcome.steps), ("nodes", outcome.nodes), ("reused", outcome.reused)):
        totals[key] += int(counts.sum())
    for code, stop in enumerate(STOPS):
        totals[stop.value] += int((outcome.stop == code).sum())


def _programs(files: Iterable[str], report: Callable[[int], None]) -> Iterator[Program]:
    for file in files:
        with opened(file) as (stream, name):
            yield from read_programs(Counted(stream, report), name)
