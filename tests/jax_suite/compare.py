"""Run JAX's own Pallas tests from a checkout, once as they are and once through `prism.pallas`, and compare.

A test counts for us only if a kernel of it really ran in our interpreter. The tests are read from the checkout and
never copied; the two helper modules that JAX's wheel lacks are taken from there too.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

LENIENT = {"out_of_bounds": "clamp", "uninitialized": "nan", "races": "off"}
_REPORT = re.compile(r"(OutOfBounds|UninitializedRead)Error|Race(Error|Warning)")

_ROOT = Path(__file__).parents[2]
"""Where the child process finds the plugin of this package."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One test's end: `outcome` is passed, failed or skipped; `reached` counts the kernels that were interpreted."""

    test: str
    outcome: str
    reached: int
    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class FileReport:
    """What one test file showed, of the tests that stock passes and in which a kernel is interpreted.

    `strict` of them pass under the given parameters, `lenient` under those that accept what stock accepts.
    `reports` maps the tests that pass only so to what the interpreter said of their kernels, and `remainder`
    maps those that fail all the same to the reason.
    """

    file: str
    collected: int
    stock_passed: int
    with_kernel: int
    strict: int
    lenient: int
    reports: Mapping[str, str]
    remainder: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which tests of one file run: `every` keeps each n-th, `tests` names them; `timeout_s` bounds each run."""

    checkout: Path
    file: str
    every: int = 1
    tests: tuple[str, ...] = ()
    timeout_s: float = 3600.0


def files(checkout: Path) -> tuple[str, ...]:
    """Return every test file of the checkout's Pallas folder, without `.py`, those of subfolders after the others."""
    folder = checkout / "tests" / "pallas"
    found = [path.relative_to(folder).with_suffix("") for path in folder.rglob("*_test.py")]
    return tuple(path.as_posix() for path in sorted(found, key=lambda path: (len(path.parts), path)))


def examine(selection: Selection, params: Mapping[str, Any]) -> FileReport:
    """Run the selection stock, then through our interpreter, then the tests with a report once more leniently."""
    stock, strict = run(selection, None), run(selection, params)
    reported = tuple(outcome.test for outcome in strict if _REPORT.search(outcome.reason))
    again = run(replace(selection, every=1, tests=reported), {**params, **LENIENT}) if reported else []
    return compare(selection.file, stock, strict, again)


def run(selection: Selection, params: Mapping[str, Any] | None) -> list[Outcome]:
    """Run the selection in a child process, through `prism.pallas.interpret(**params)` or stock for None.

    When its time is up, what the child has written so far is returned; `compare` names the tests that are missing.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "outcomes.jsonl"
        out.touch()
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(
                _command(selection, params, out),
                cwd=selection.checkout / "tests" / "pallas",
                env={**os.environ, "PYTHONPATH": str(_ROOT)},
                stdout=subprocess.DEVNULL,
                timeout=selection.timeout_s,
                check=False,
            )
        return [Outcome(**json.loads(line)) for line in out.read_text(encoding="utf-8").splitlines()]


def _command(selection: Selection, params: Mapping[str, Any] | None, out: Path) -> list[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--noconftest", "-p", "no:cacheprovider"]
    command += ["--rootdir", ".", "-p", "tests.jax_suite.plugin"]
    command += ["--jax-checkout", str(selection.checkout), "--jax-suite-out", str(out)]
    command += ["--jax-suite-every", str(selection.every)]
    if params is not None:
        command += ["--jax-suite-params", json.dumps(dict(params))]
    return [*command, *(selection.tests or (f"{selection.file}.py",))]


def compare(
    file: str, stock: Iterable[Outcome], strict: Iterable[Outcome], lenient: Iterable[Outcome] = ()
) -> FileReport:
    """Compare the runs of one selection; a test counts as ours only if it passed and a kernel of it reached us."""
    theirs, ours = _by_test(stock), _by_test(strict)
    ours_again = ours | _by_test(lenient)
    passed = {test for test, outcome in theirs.items() if outcome.outcome == "passed"}
    kernels = {test for test in passed if theirs[test].reached or (test in ours and ours[test].reached)}
    good = {test for test in kernels if _good(ours.get(test))}
    accepted = {test for test in kernels if _good(ours_again.get(test))}
    broken = kernels - accepted | {test for test in passed - kernels if not _passed(ours.get(test))}
    return FileReport(
        file=file,
        collected=len(theirs),
        stock_passed=len(passed),
        with_kernel=len(kernels),
        strict=len(good),
        lenient=len(accepted),
        reports={test: ours[test].reason for test in sorted(accepted - good)},
        remainder={test: _why(ours_again.get(test)) for test in sorted(broken)},
    )


def _by_test(outcomes: Iterable[Outcome]) -> dict[str, Outcome]:
    """Return one outcome a test: a test with subtests has several, and fails if one of them does."""
    merged: dict[str, Outcome] = {}
    for outcome in outcomes:
        before = merged.get(outcome.test, outcome)
        worse = before if before.outcome == "failed" else outcome
        merged[outcome.test] = replace(worse, reached=max(before.reached, outcome.reached))
    return merged


def _passed(outcome: Outcome | None) -> bool:
    return outcome is not None and outcome.outcome == "passed"


def _good(outcome: Outcome | None) -> bool:
    return outcome is not None and outcome.outcome == "passed" and outcome.reached > 0


def _why(outcome: Outcome | None) -> str:
    if outcome is None:
        return "not run: the time was up"
    if outcome.outcome == "passed":
        return "passed, but no kernel reached our interpreter"
    return outcome.reason


def reasons(failures: Mapping[str, str]) -> list[tuple[int, str]]:
    """Return the reasons with their counts, most frequent first; numbers in them are dropped."""
    return [(count, reason) for reason, count in Counter(map(_general, failures.values())).most_common()]


def _general(reason: str) -> str:
    for pattern, kind in _KINDS:
        found = pattern.search(reason)
        if found:
            return found.expand(kind)
    return re.sub(r"\d+(\.\d+)?", "N", reason)[:200]


_KINDS = (
    (re.compile(r"^(asks stock for its [\w, ]+);"), r"\1"),
    (re.compile(r'^AssertionError: ".*" does not match'), "expects the words of stock's own report; ours has others"),
    (re.compile(r"^AssertionError: (\w+) not raised"), r"expects stock's own \1, which ours does not raise"),
)
"""How the reasons of tests begin that ask for the stock interpreter itself, and what they have in common."""


def table(reports: Iterable[FileReport]) -> str:
    """Return the Markdown table, a row a file, then the reasons of every report and every remainder.

    Files of which stock passes nothing here, for want of a device, share one line.
    """
    reports = list(reports)
    idle = [report.file for report in reports if not report.stock_passed]
    head = ("file", "collected", "stock passed", "with a kernel", "ours, strict", "ours, lenient", "remainder")
    rows, notes = [head, ("---",) * len(head)], []
    for report in (report for report in reports if report.stock_passed):
        numbers = (report.collected, report.stock_passed, report.with_kernel, report.strict, report.lenient)
        rows.append((report.file, *map(str, numbers), str(len(report.remainder))))
        notes += [f"- {report.file}, reported: {count} x {reason}" for count, reason in reasons(report.reports)]
        notes += [f"- {report.file}, remainder: {count} x {reason}" for count, reason in reasons(report.remainder)]
    if idle:
        notes.append(f"- stock passes no test of these files on this machine: {', '.join(idle)}")
    return "\n".join(["| " + " | ".join(row) + " |" for row in rows] + (["", *notes] if notes else []))


def as_json(report: FileReport) -> str:
    """Return the report as one JSON line."""
    return json.dumps(asdict(report))
