"""Break the ring once for each rule and see a test fail: `python -m tests.ring_mutants [WORDS ...]`.

The mutants stand in `tests/ring_mutants.toml`, in the format of `agda.tools.mutants`, which runs its own without
compiled code; loops of the ring have atomics that only compiled code has, so they run here as they are. WORDS choose
the mutants whose id or file holds one of them. It ends with how many were noticed, and fails where one survives. Cost:
5 s for each mutant of the model, half a minute for one that is compiled.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from agda.tools.mutants import Mutant, load, mutated

ROOT: Final = Path(__file__).resolve().parent.parent
MUTANTS: Final = load((ROOT / "tests/ring_mutants.toml").read_text(encoding="utf-8"))
_HANGS_S: Final = 300


def copy_tree(to: Path) -> None:
    """Copy what is tracked, as it stands in the working tree."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.split("\0"):
        if name and (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, to / name)


def noticed(mutant: Mutant, tree: Path) -> tuple[bool, str]:
    """Return whether a test fails on a mutant, and the line that says which; the tree is as before then."""
    place = tree / mutant.file
    before = place.read_text(encoding="utf-8")
    place.write_text(mutated(mutant, before), encoding="utf-8")
    for kept in (tree / "prism/ring").rglob("*.nb*"):  # Numba's cache does not see a changed callee elsewhere.
        kept.unlink()
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *mutant.killer.split()]
    given = os.environ | {"PYTHONPATH": str(tree)}
    try:
        done = subprocess.run(
            command, cwd=tree, env=given, capture_output=True, text=True, timeout=_HANGS_S, check=False
        )
    except subprocess.TimeoutExpired:
        return False, f"no verdict, the test did not end in {_HANGS_S} s"
    finally:
        place.write_text(before, encoding="utf-8")
    lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return done.returncode == 1 and bool(lines), lines[0][:110] if lines else f"pytest ended with {done.returncode}"


def main(words: Sequence[str]) -> int:
    """Run the mutants that are asked for; returns 1 if one survives."""
    chosen = [one for one in MUTANTS if not words or any(word in f"{one.id} {one.file}" for word in words)]
    survived: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        copy_tree(Path(folder))
        for mutant in chosen:
            dead, why = noticed(mutant, Path(folder))
            sys.stdout.write(f"{'noticed ' if dead else 'SURVIVED'} {mutant.id}: {why}\n")
            sys.stdout.flush()
            survived += [] if dead else [mutant.id]
    left = ", ".join(survived) or "none"
    sys.stdout.write(f"{len(chosen) - len(survived)} of {len(chosen)} noticed; survived: {left}\n")
    return int(bool(survived))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
