"""The built-in theory against an older tree: `python -m tests.peano_against OLD_TREE [PROGRAMS]` compares results.

Every engine of both trees runs the same random programs, each by `prism run --format json`: status, result and number
must be the same, and the count of rule applications, except that of `bsp`, which depends on what meets in a cycle. The
line that it prints says how many programs agreed, and shows those that did not; the exit code is 1 if there are any. A
tree older than theories is `git worktree add --detach FOLDER 40dec74`.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
ENGINES = ("ledger", "baseline", "bsp")
COMPARED = ("status", "result", "nat")
_LARGEST = 300


def program(seed: int) -> str:
    """Return a program of a few definitions and one to three expressions, each of a value that is not too large."""
    choose = random.Random(seed)
    lines: list[str] = []
    known: list[tuple[str, int]] = []

    def term(depth: int) -> tuple[str, int]:
        kind = choose.random()
        if known and kind < 0.25:
            return choose.choice(known)
        if depth == 0 or kind < 0.4:
            value = choose.randrange(6)
            return (str(value) if choose.random() < 0.7 else "(suc " * value + "zero" + ")" * value), value
        if kind < 0.55:
            text, value = term(depth - 1)
            return f"(suc {text})", value + 1
        op = choose.choice(("add", "mul"))
        (left, x), (right, y) = term(depth - 1), term(depth - 1)
        value = x + y if op == "add" else x * y
        return (f"({op} {left} {right})", value) if value <= _LARGEST else (left, x)

    for number in range(choose.randrange(4)):
        text, value = term(3)
        lines.append(f"(def d{number} {text})")
        known.append((f"d{number}", value))
    lines += [term(5)[0] for _ in range(choose.randrange(1, 4))]
    return "\n".join(lines) + "\n"


def answers(tree: Path, engine: str, files: Sequence[Path]) -> dict[str, list[tuple]]:
    """Return what a tree's command says of every expression, by file; CalledProcessError if it fails."""
    command = [sys.executable, "-m", "prism", "run", "--engine", engine, "--format", "json", *map(str, files)]
    environment = {**os.environ, "PYTHONPATH": str(tree), "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, list[tuple]] = {}
    for line in done.stdout.splitlines():
        row = json.loads(line)
        name = Path(row["source"].split(":")[0]).name
        found.setdefault(name, []).append(tuple(row[key] for key in (*COMPARED, *("steps",) * (engine != "bsp"))))
    return found


def differing(old: Path, count: int, block: int = 1250) -> tuple[int, list[str]]:
    """Return how many expressions were compared on every engine, and the programs of which an answer differs."""
    compared, wrong = 0, []
    with tempfile.TemporaryDirectory() as folder:
        for first in range(0, count, block):
            files = [Path(folder) / f"{seed}.prism" for seed in range(first, min(first + block, count))]
            for seed, file in enumerate(files, first):
                file.write_text(program(seed), encoding="utf-8")
            for engine in ENGINES:
                before, now = (answers(tree, engine, files) for tree in (old, HERE))
                compared += sum(map(len, before.values()))
                wrong += [f"{engine} {file.name}" for file in files if before.get(file.name) != now.get(file.name)]
    return compared, wrong


def main(arguments: Sequence[str]) -> int:
    """Compare, print and return the exit code."""
    old, count = Path(arguments[0]).resolve(), int(float(arguments[1])) if arguments[1:] else 5000
    compared, wrong = differing(old, count)
    print(f"{count} programs, {compared} answers by {', '.join(ENGINES)}, {len(wrong)} programs differ", *wrong[:9])  # noqa: T201
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
