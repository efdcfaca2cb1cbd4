"""Break the Python core one line at a time, and demand that a named test notices.

`python -m agda.tools.mutants` runs every mutant of `agda/mutants.toml`; exit 1 if one survives.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from click import echo

from agda.tools.files import AGDA_ROOT, REPOSITORY

_TREE: Final = ("prism", "docflow", "agda", "milestones", "policy", "spec", "tests")
_FILES: Final = ("pyproject.toml", ".pytest-milestone")
_IGNORED: Final = shutil.ignore_patterns("__pycache__", "_build", ".hypothesis")
_TEST_FAILED: Final = 1
# Seconds after which a test counts as one that does not end, which is a failure too.
_HANGS: Final = 600


class MutantError(Exception):
    """A mutant does not apply, or its test fails without it."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One break: in `file`, the text `old`, which occurs once, becomes `new`; the test `killer` must then fail."""

    id: str
    file: str
    old: str
    new: str
    killer: str


def load(text: str) -> tuple[Mutant, ...]:
    """Read a list of mutants."""
    return tuple(Mutant(**row) for row in tomllib.loads(text)["mutant"])


MUTANTS: Final = load((AGDA_ROOT / "mutants.toml").read_text(encoding="utf-8"))


def mutated(mutant: Mutant, source: str) -> str:
    """Return the source of the mutant's file with the break in it."""
    places = source.count(mutant.old)
    if places != 1:
        raise MutantError(
            f"mutant {mutant.id}: its text must occur once in {mutant.file} and occurs {places} times; update it"
        )
    return source.replace(mutant.old, mutant.new)


def killed(mutant: Mutant) -> bool:
    """Return whether the killer fails on a copy of the repository with the break in it."""
    with tempfile.TemporaryDirectory() as folder:
        root = _copy(Path(folder))
        target = root / mutant.file
        target.write_text(mutated(mutant, target.read_text(encoding="utf-8")), encoding="utf-8")
        return _pytest(root, [mutant.killer]) == _TEST_FAILED


def require_sound(mutants: Sequence[Mutant]) -> None:
    """Raise MutantError unless every killer passes where nothing is broken."""
    killers = sorted({mutant.killer for mutant in mutants})
    with tempfile.TemporaryDirectory() as folder:
        status = _pytest(_copy(Path(folder)), killers)
    if status != 0:
        raise MutantError(f"the killers must pass on the unbroken code, and pytest ended with {status}; run them")


def _copy(folder: Path) -> Path:
    for name in _TREE:
        shutil.copytree(REPOSITORY / name, folder / name, ignore=_IGNORED)
    for name in _FILES:
        shutil.copy2(REPOSITORY / name, folder / name)
    return folder


def _pytest(root: Path, tests: list[str]) -> int:
    """Run tests and return pytest's exit status; Numba code runs as Python, where its wrapping integers warn."""
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "CI": "1", "PYTHONPATH": str(root)}
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "agda.tools.quick", "-W", "ignore::RuntimeWarning"]
    command = [sys.executable, "-m", "pytest", *options, *tests]
    silent = subprocess.DEVNULL
    try:
        return subprocess.run(command, cwd=root, env=environment, stdout=silent, timeout=_HANGS, check=False).returncode
    except subprocess.TimeoutExpired:
        return _TEST_FAILED


def main(names: Sequence[str]) -> int:
    """Run the mutants of these ids, or all of them."""
    chosen = [mutant for mutant in MUTANTS if not names or mutant.id in names]
    require_sound(chosen)
    with ThreadPoolExecutor(max_workers=2) as pool:
        outcomes = list(pool.map(killed, chosen))
    for mutant, dead in zip(chosen, outcomes, strict=True):
        echo(f"{'killed  ' if dead else 'SURVIVED'} {mutant.id} by {mutant.killer}")
    echo(f"mutants: {sum(outcomes)} killed, {len(outcomes) - sum(outcomes)} survived")
    return int(not all(outcomes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
