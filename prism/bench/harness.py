"""Harness: time contenders in turn in one process, check that they agree, and report rows."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from prism.errors import PrismError, UsageError

_PIPE_COLUMNS: Final = 120

Tick = Callable[[str], None]
"""Told what is being timed, before each run."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to do the work of a case.

    prepare() makes a fresh start and returns the function that is timed; what that returns is the answer, and must
    equal every other contender's. warm: run once untimed first (whatever compiles). at_least_s: a run repeats the
    function back to back for so long, and its time is that of one call; 0 times a single call. Arrays must be ready
    when it returns: JAX work is to be waited for inside the timed function.
    """

    impl: str
    prepare: Callable[[], Callable[[], Any]]
    warm: bool = True
    at_least_s: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A contender's result, equal to another one within a tolerance."""

    value: np.ndarray[Any, Any]
    tolerance: float

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Answer)
            and self.value.shape == other.value.shape
            and bool(np.allclose(self.value, other.value, rtol=self.tolerance, atol=self.tolerance))
        )

    __hash__ = None  # type: ignore[assignment] - closeness is not transitive


@dataclass(frozen=True, slots=True)
class Missing:
    """A contender that cannot take part, and why."""

    impl: str
    reason: str


@dataclass(frozen=True, slots=True)
class Row:
    """What one contender did in one case; the keys of a line of `prism bench --json`.

    Times in seconds; rate: items a second at the median, of which `unit` says what they are. For a missing contender
    `runs` is 0, the numbers are None and `unit` holds the reason.
    """

    bench: str
    case: str
    impl: str
    median_s: float | None
    min_s: float | None
    max_s: float | None
    runs: int
    rate: float | None
    unit: str


@dataclass(frozen=True, slots=True)
class Case:
    """One piece of work that contenders do: `items` of what `unit` names per second, such as "nodes/s"."""

    bench: str
    name: str
    items: float
    unit: str


def race(case: Case, contenders: Sequence[Contender | Missing], *, runs: int, tick: Tick = lambda _: None) -> list[Row]:
    """Time every contender `runs` times, one run of each in turn, and return a row for each, in their order.

    Raises UsageError unless `runs` is positive, PrismError if two contenders give different answers.
    """
    if runs < 1:
        raise UsageError(f"a bench needs at least one run of each contender, got runs={runs}; pass a positive number")
    present = [contender for contender in contenders if isinstance(contender, Contender)]
    for contender in present:
        if contender.warm:
            tick(f"{case.bench} {case.name}: {contender.impl} (warm-up)")
            contender.prepare()()
    seconds: dict[str, list[float]] = {contender.impl: [] for contender in present}
    answers: dict[str, Any] = {}
    for _ in range(runs):
        for contender in present:
            tick(f"{case.bench} {case.name}: {contender.impl}")
            elapsed, answers[contender.impl] = timed(contender.prepare(), contender.at_least_s)
            seconds[contender.impl].append(elapsed)
        _require_agreement(case, answers)
    return [
        Row(case.bench, case.name, entry.impl, None, None, None, 0, None, f"missing: {entry.reason}")
        if isinstance(entry, Missing)
        else _row(case, entry.impl, seconds[entry.impl])
        for entry in contenders
    ]


def timed(work: Callable[[], Any], at_least_s: float = 0.0) -> tuple[float, Any]:
    """Return the seconds of one call of `work`, called back to back for at least so long, and its last answer."""
    calls, start = 0, time.perf_counter()
    while True:
        answer = work()
        calls += 1
        elapsed = time.perf_counter() - start
        if elapsed >= at_least_s:
            return elapsed / calls, answer


def _require_agreement(case: Case, answers: dict[str, Any]) -> None:
    first, *others = answers.items()
    for impl, answer in others:
        if answer != first[1]:
            raise PrismError(
                f"bench {case.bench} {case.name}: contenders must give one answer, but {first[0]} gives {first[1]} "
                f"and {impl} gives {answer}; fix the one that is wrong before timing it"
            )


def _row(case: Case, impl: str, seconds: list[float]) -> Row:
    median = statistics.median(seconds)
    rate = case.items / median
    return Row(case.bench, case.name, impl, median, min(seconds), max(seconds), len(seconds), rate, case.unit)


@contextmanager
def watching() -> Iterator[Tick]:
    """Yield a tick that shows on stderr what is being timed, if stderr is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with Console(stderr=True).status("preparing") as status:
        yield status.update


def report(rows: Iterable[Row], *, as_json: bool) -> None:
    """Write rows to stdout: one JSON object a line as they come, or a table for each case at the end.

    The table's last column is each contender's rate over that of the first one present, so a peer at 0.10x is ten
    times slower than ours.
    """
    if as_json:
        for row in rows:
            click.echo(json.dumps(asdict(row)))
        return
    table = Table("case", "impl", "median", "min", "max", "rate", "against first")
    first: dict[str, float] = {}
    for row in rows:
        new_case = row.case not in first
        if row.rate is None:
            table.add_row(row.case, row.impl, *["-"] * 4, row.unit)
            continue
        base = first.setdefault(row.case, row.rate)
        times = (_duration(seconds) for seconds in (row.median_s, row.min_s, row.max_s))
        if new_case and len(first) > 1:
            table.add_section()
        table.add_row(row.case, row.impl, *times, f"{_rate(row.rate)} {row.unit}", f"{row.rate / base:.3g}x")
    # Brackets in a row are text, such as the name of an extra.
    Console(width=None if sys.stdout.isatty() else _PIPE_COLUMNS, markup=False).print(table)


def _duration(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.3f} s" if seconds >= 1 else f"{1000 * seconds:.3f} ms"


def _rate(rate: float) -> str:
    for size, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if rate >= size:
            return f"{rate / size:.3g} {prefix}"
    return f"{rate:.3g} "
