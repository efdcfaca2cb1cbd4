"""Pytest plugin: select tests by milestone [MILESTONES-2].

`--milestone m3` runs what is required at or below m3 and every unmarked test; `--milestone-band m2..4` runs the
tests of these milestones alone. Without either, the file `.pytest-milestone` at the root names the milestone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

_NAME = re.compile(r"m([1-9][0-9]*)")
_BAND = re.compile(r"m([1-9][0-9]*)(?:\.\.m?([1-9][0-9]*))?")


@dataclass(frozen=True, slots=True)
class Selection:
    """The milestones `low` to `high` inclusive; unmarked tests belong to it or not."""

    low: int
    high: int
    unmarked: bool

    def takes(self, milestone: int | None) -> bool:
        """Whether a test of this milestone (None: unmarked) is to run."""
        return self.unmarked if milestone is None else self.low <= milestone <= self.high


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the two options."""
    group = parser.getgroup("milestones")
    group.addoption("--milestone", metavar="mN", help="run what is required at or below mN, and unmarked tests")
    group.addoption("--milestone-band", metavar="mA..B", help="run only the tests marked mA to mB")


def pytest_configure(config: pytest.Config) -> None:
    """Register one mark a milestone, and settle the selection before anything is collected."""
    known = known_milestones(config.rootpath)
    for number in known:
        config.addinivalue_line("markers", f"m{number}: required from milestone m{number} on")
    config.stash[_SELECTION] = selection(config, known)
    config.stash[_KNOWN] = known


_SELECTION = pytest.StashKey[Selection]()
_KNOWN = pytest.StashKey[tuple[int, ...]]()


def known_milestones(root: Path) -> tuple[int, ...]:
    """Return the numbers of the files milestones/mN.toml, ascending."""
    names = (_NAME.fullmatch(path.stem) for path in (root / "milestones").glob("*.toml"))
    known = tuple(sorted(int(name[1]) for name in names if name))
    if not known:
        raise pytest.UsageError(f"milestones must be stated in {root / 'milestones'}/mN.toml, got none; add m1.toml")
    return known


def selection(config: pytest.Config, known: tuple[int, ...]) -> Selection:
    """Read the options, or the default file; a malformed or unknown milestone is a usage error."""
    upto, band = config.getoption("--milestone"), config.getoption("--milestone-band")
    if upto is not None and band is not None:
        raise pytest.UsageError("--milestone and --milestone-band exclude one another; give one of them")
    if band is not None:
        return _band(band, known)
    source = "--milestone"
    if upto is None:
        path = config.rootpath / ".pytest-milestone"
        if not path.is_file():
            raise pytest.UsageError(f"the default milestone must stand in {path}, which is missing; write m{known[-1]}")
        source, upto = str(path), path.read_text("utf-8").strip()
    name = _NAME.fullmatch(upto)
    if not name:
        raise pytest.UsageError(f"{source} must be m1, m2, ..., got {upto!r}")
    return Selection(known[0], _known(int(name[1]), known, source), unmarked=True)


def _band(text: str, known: tuple[int, ...]) -> Selection:
    match = _BAND.fullmatch(text)
    if not match:
        raise pytest.UsageError(f"--milestone-band must be like m2..4 or m3, got {text!r}")
    low = _known(int(match[1]), known, "--milestone-band")
    high = _known(int(match[2] or match[1]), known, "--milestone-band")
    if high < low:
        raise pytest.UsageError(f"--milestone-band must ascend, got {text!r}; write m{high}..{low}")
    return Selection(low, high, unmarked=False)


def _known(number: int, known: tuple[int, ...], source: str) -> int:
    if number not in known:
        raise pytest.UsageError(
            f"{source}: milestone m{number} is unknown; known are {', '.join(f'm{k}' for k in known)}"
        )
    return number


def milestone_of(marks: Iterable[str], known: tuple[int, ...]) -> int | None:
    """Return the milestone of a test: the highest that marks it, since it needs all of them."""
    names = {f"m{number}": number for number in known}
    return max((names[mark] for mark in marks if mark in names), default=None)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what the selection does not take."""
    chosen, known = config.stash[_SELECTION], config.stash[_KNOWN]
    taken, left = [], []
    for item in items:
        milestone = milestone_of((mark.name for mark in item.iter_markers()), known)
        (taken if chosen.takes(milestone) else left).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = taken


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Turn an empty selection into a usage error; under xdist the controller alone can tell."""
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and not _is_worker(session.config):
        session.exitstatus = pytest.ExitCode.USAGE_ERROR


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config) -> None:
    """Say why an empty selection failed."""
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        chosen = config.stash[_SELECTION]
        terminalreporter.write_line(
            f"ERROR: the selection must hold a test, but m{chosen.low}..m{chosen.high} of these paths holds none",
            red=True,
        )


def _is_worker(config: pytest.Config) -> bool:
    return "workerinput" in vars(config)
