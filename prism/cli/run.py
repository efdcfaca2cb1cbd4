"""`prism run`: normalise program files as a stream, one result a line, in order [TERMS-9]."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import click
from click.core import ParameterSource

from prism.cli.brief_run import ENGINES as BRIEFLY
from prism.cli.brief_run import Resumed, run_brief
from prism.cli.form import FORMATS, LONG, OVERFLOW, Line, explain, gathered
from prism.cli.main import CORRUPT, OOM, STEPS, USAGE
from prism.cli.options import SOURCE, engine_options, limits_of, opened, theory_option
from prism.cli.progress import Counted, progress_over
from prism.cli.schedule import refuse_schedule, schedule_options, session_of
from prism.vm.engines.api import STOPS, Engine, Limits, Outcome
from prism.vm.engines.program import evaluate
from prism.vm.engines.report import StopReason
from prism.vm.engines.table import BUILT_IN
from prism.vm.term.program import TermProgram
from prism.vm.theory.library import load
from prism.vm.theory.model import Theory

SEVERITY: Final = {StopReason.CORRUPT: CORRUPT, StopReason.OOM: OOM, StopReason.STEP_LIMIT: STEPS}
"""Exit codes, the worst first: the code of a run is that of its worst expression."""


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=SOURCE)
@engine_options
@theory_option
@schedule_options
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMATS)),
    default=next(iter(FORMATS)),
    show_default=True,
    help="Numbers in decimal, terms in full, or one JSON object a line.",
)
@click.option("--explain", "explains", is_flag=True, help="Print each rule application before the results.")
@click.option("--stats", is_flag=True, help="Say on stderr what the run did.")
def run(files: tuple[str, ...], engine: str, form: str, **options: Any) -> None:
    """Normalise every expression of FILE... (- is standard input) and print one result a line.

    All files share one store; definitions hold to the end of their file. Exit code: 0 when every expression reached
    its normal form; 2 for a usage, file or parse error, and when a result was too long to print; 130 when interrupted;
    141 when nobody reads the output any more; else the worst of 4 corrupt, 3 oom, 5 step budget.
    The options from --cycles to --telemetry are for the engine bsp alone.
    """
    limits, theory = limits_of(options), load(options["theory_name"] or BUILT_IN)
    totals = _Totals(engine, limits)
    with totals.reported(stats=options["stats"]):
        if options["explains"] or theory != load(BUILT_IN):
            _run_theory(files, (theory, engine, limits, form), options, totals)
        else:
            _run_built_in(files, (engine, limits, form), options, totals)
    sys.exit(totals.code())


def _run_built_in(
    files: tuple[str, ...], asked: tuple[str, Limits, str], options: dict[str, Any], totals: _Totals
) -> None:
    engine, limits, form = asked
    begun = b""
    if engine in BRIEFLY:
        refuse_schedule(engine, options)
        brief = run_brief(files, limits)
        begun = brief.begun
        for done in brief.evaluated or ():
            for text in gathered(FORMATS[form](done), totals.see):
                click.echo(text)
            totals.add(done.outcome, brief.engine)
        if brief.evaluated is not None:
            return
    with session_of(engine, limits, options) as session, progress_over(files) as progress:
        for done in evaluate(session, _programs(files, begun, progress.read)):
            for text in gathered(FORMATS[form](done), totals.see):
                progress.write(text)
            totals.add(done.outcome, session)


def _run_theory(
    files: tuple[str, ...], asked: tuple[Theory, str, Limits, str], options: dict[str, Any], totals: _Totals
) -> None:
    from prism.cli.theory_run import TheoryRun, require_budget

    theory, engine, limits, form = asked
    require_budget(theory, is_given=_is_given("max_steps"))
    refuse_schedule(engine, options)
    work = TheoryRun(theory, engine, limits, form, explains=options["explains"])
    for answered in work.answers(files):
        for text in gathered(answered.lines, totals.see):
            click.echo(text)
        totals.add(answered.outcome, work.engine)


def _is_given(option: str) -> bool:
    return click.get_current_context().get_parameter_source(option) is not ParameterSource.DEFAULT


class _Totals:
    """What a run did so far, and how it is reported at its end."""

    def __init__(self, engine: str, limits: Limits) -> None:
        self._engine, self._limits = engine, limits
        self._counts, self._started = Counter[str](), time.perf_counter()
        self._in_store = 2
        self._has_overflowed = False
        self._has_long = False

    def see(self, line: Line) -> None:
        """Take note of a line that is printed."""
        self._has_long |= line.is_too_long

    def add(self, outcome: Outcome, session: Engine) -> None:
        """Add what some expressions cost."""
        self._counts["expressions"] += len(outcome.stop)
        for key, counts in (("steps", outcome.steps), ("nodes", outcome.nodes), ("reused", outcome.reused)):
            self._counts[key] += int(counts.sum())
        for code, stop in enumerate(STOPS):
            self._counts[stop.value] += int((outcome.stop == code).sum())
        self._in_store = session.count
        self._has_overflowed = getattr(session, "has_overflowed", False)

    @contextmanager
    def reported(self, *, stats: bool) -> Iterator[None]:
        """Say at the end what ran out, and with `stats` what the run did."""
        try:
            yield
        finally:
            for stop in SEVERITY:
                if self._counts[stop.value]:
                    reason = OVERFLOW if stop is StopReason.CORRUPT and self._has_overflowed else None
                    click.echo(reason or explain(stop, self._limits), err=True)
            if self._has_long:
                click.echo(LONG, err=True)
            if stats:
                counts = ", ".join(f"{self._counts[key]} {key}" for key in ("expressions", "steps", "nodes", "reused"))
                seconds = time.perf_counter() - self._started
                click.echo(f"{self._engine}: {counts}, {self._in_store} nodes in the store, {seconds:.3f} s", err=True)

    def code(self) -> int:
        """Return the exit code: that of the worst expression, unless a result could not be printed."""
        if self._has_long:
            return USAGE
        return next((code for stop, code in SEVERITY.items() if self._counts[stop.value]), 0)


def _programs(files: Iterable[str], begun: bytes, report: Callable[[int], None]) -> Iterator[TermProgram]:
    """Yield the programs of files in order; `begun` is what was read already of standard input."""
    from prism.vm.term.parse import read_programs

    for file in files:
        with opened(file) as (stream, name):
            whole = stream
            if file == "-":
                whole, begun = Resumed(begun, stream), b""
            yield from read_programs(Counted(whole, report), name)
