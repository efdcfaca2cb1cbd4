"""Break the ring once for each rule and see a test fail: `python -m tests.ring_mutants [WORDS ...]`.

A copy of the tree is patched, one mutant at a time; WORDS choose the mutants whose rule or file holds one of them. It
ends with how many were noticed, and fails where one survives. Cost: 5 s for each mutant of the model, half a minute for
one that is compiled.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parent.parent


class Mutant(NamedTuple):
    """A rule, the file under prism/ring that holds it, what is replaced by what, and the test that must fail."""

    rule: str
    file: str
    old: str
    new: str
    test: str


MUTANTS: Final = tuple(
    Mutant(**row) for row in tomllib.loads((ROOT / "tests/ring_mutants.toml").read_text(encoding="utf-8"))["mutant"]
)


def copy_tree(to: Path) -> None:
    """Copy what is tracked, as it stands in the working tree."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.split("\0"):
        if name and (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, to / name)


def run(mutant: Mutant, tree: Path) -> tuple[bool, str]:
    """Return whether a test failed on a mutant, and the line that says which."""
    place = tree / "prism/ring" / mutant.file
    before = place.read_text(encoding="utf-8")
    assert mutant.old in before, f"{mutant.rule}: {mutant.file} no longer holds {mutant.old!r}"
    place.write_text(before.replace(mutant.old, mutant.new), encoding="utf-8")
    _forget(tree)
    files = mutant.test.split()
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *files]
    try:
        done = subprocess.run(
            command, cwd=tree, env=os.environ | {"PYTHONPATH": str(tree)}, capture_output=True, text=True, timeout=300
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        return done.returncode == 1 and bool(lines), lines[0][:110] if lines else f"exit {done.returncode}"
    except subprocess.TimeoutExpired:
        return True, "did not end, which a test's limit would tell"
    finally:
        place.write_text(before, encoding="utf-8")


def _forget(tree: Path) -> None:
    """Drop compiled loops: Numba's cache does not see a changed callee in another file."""
    for kept in (tree / "prism/ring").rglob("*.nb*"):
        kept.unlink()


def main(words: list[str]) -> int:
    """Run the mutants that are asked for; returns how many survive."""
    chosen = [
        mutant for mutant in MUTANTS if not words or any(word in f"{mutant.rule} {mutant.file}" for word in words)
    ]
    survived = []
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        copy_tree(tree)
        for mutant in chosen:
            noticed, why = run(mutant, tree)
            sys.stdout.write(f"{'noticed ' if noticed else 'SURVIVED'}  {mutant.rule}: {why}\n")
            sys.stdout.flush()
            if not noticed:
                survived.append(mutant.rule)
    left = ", ".join(survived) or "none"
    sys.stdout.write(f"{len(chosen) - len(survived)} of {len(chosen)} noticed; survived: {left}\n")
    return len(survived)


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
