"""Print each room's lines of Python, and their change since another revision: `python -m tests.repo.sizes BASE`."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

from tests.repo.source import ROOT

DEEPEST = 2
"""Folders down to which rooms are told apart."""


def sizes(revision: str) -> Counter[str]:
    """Return the Python lines of each room at a revision."""
    names = _git("ls-tree", "-r", "--name-only", revision).splitlines()
    rooms: Counter[str] = Counter()
    for name in names:
        if name.endswith(".py"):
            rooms["/".join(name.split("/")[:-1][:DEEPEST])] += _git("show", f"{revision}:{name}").count("\n")
    return rooms


def difference(before: Counter[str], after: Counter[str]) -> list[str]:
    """Return a line for each room whose size changed: its name, its lines after and the change."""
    rooms = sorted(room for room in before.keys() | after.keys() if before[room] != after[room])
    return [f"{room:32} {after[room]:7} {after[room] - before[room]:+7}" for room in rooms]


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in difference(sizes(sys.argv[1]), sizes("HEAD")))
