"""`prism conform`: check conformance cases from files."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import click

from prism.cli.options import SOURCE, opened
from prism.conform import Outcome, Verdict
from prism.errors import UsageError


def _kernels(data: Any) -> Iterator[Verdict] | None:
    from prism.kernels.conform import recognises, verdicts

    return verdicts(data) if recognises(data) else None


def _ring(data: Any) -> Iterator[Verdict] | None:
    from prism.ring.conform import recognises, verdicts

    return verdicts(data) if recognises(data) else None


PARTS: Final[Mapping[str, Callable[[Any], Iterator[Verdict] | None]]] = {"kernels": _kernels, "ring": _ring}
"""The parts that answer for files of cases: verdicts, or None for a file that is not theirs."""


@click.command()
@click.argument("files", type=SOURCE, nargs=-1, required=True)
@click.option("--verbose", "-v", is_flag=True, help="Print a line for each declared deviation too.")
def conform(files: tuple[str, ...], verbose: bool) -> None:
    """Check the cases of FILES: a line for each that fails, then how many passed, failed and deviate as declared.

    The exit code is 0 if none failed.
    """
    counts: Counter[Outcome] = Counter()
    for file in files:
        for verdict in _verdicts(file):
            counts[verdict.outcome] += 1
            if verdict.outcome is Outcome.FAILED or (verbose and verdict.outcome is Outcome.DEVIATES):
                click.echo(f"{verdict.outcome.value}: {verdict.case.name}: {verdict.detail}")
    passed, failed, deviate = (counts[one] for one in (Outcome.PASSED, Outcome.FAILED, Outcome.DEVIATES))
    click.echo(f"{passed} passed, {failed} failed, {deviate} declared deviations")
    sys.exit(1 if failed else 0)


def _verdicts(file: str) -> Iterator[Verdict]:
    with opened(file) as (stream, name):
        try:
            data = json.loads(stream.read())
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{name} must be JSON in UTF-8, but: {error}; name a file of cases") from error
    for answer in PARTS.values():
        found = answer(data)
        if found is not None:
            return found
    raise UsageError(f"{name} must be cases of a known format, for one of {', '.join(PARTS)}; got another")
