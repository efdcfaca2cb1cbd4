"""What classes hold, as terms of the theory `arrays` on a ledger, where equal values have equal ids [CIRCUIT-14]."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from prism.kernels.circuit.calls import Call
from prism.vm.engines.api import Limits
from prism.vm.engines.project import project
from prism.vm.engines.theory_engine import TheoryEngine
from prism.vm.ledger.optable import op_table
from prism.vm.term.graph import TermGraph
from prism.vm.theory.encode import digits_of
from prism.vm.theory.library import load
from prism.vm.theory.model import Theory
from prism.vm.theory.rule import written
from prism.vm.theory.signature import DIGIT, PAIR, UNIT

_OP_OF: Final = {"reduce.sum": "sum", "reduce.min": "least", "reduce.max": "greatest", "min": "lesser", "max": "larger"}
"""The op of the theory for each operation that is named otherwise there."""


@cache
def arrays() -> Theory:
    """Return the theory of what classes hold."""
    return load(Path(__file__).parent / "arrays.theory")


@cache
def gates() -> Theory:
    """Return the theory of words of gates; it holds the rules of `prism.kernels.circuit.gates`."""
    return load(Path(__file__).parent / "gates.theory")


@cache
def commuting() -> frozenset[str]:
    """Return the operations whose two operands may be exchanged."""
    return frozenset(op.name for op in arrays().signature.ops if op.commutes)


@dataclass(frozen=True, slots=True)
class Trace:
    """What each call of a circuit writes.

    before: the id of what each class that is named held before. after: for each call, the id of what it leaves in each
    class that it writes. Ids are equal exactly if the values are equal in the theory; they compare within one trace.
    rules: the rules that values were rewritten by, in order, each as (name, left side, right side).
    """

    before: dict[int, int]
    after: tuple[dict[int, int], ...]
    rules: tuple[tuple[str, str, str], ...]


Identity = tuple[bytes, bytes]
"""The projection of a memory's term: equal for equal circuits."""


class Session:
    """Values of any number of circuits, on one ledger."""

    def __init__(self) -> None:
        self._engine = TheoryEngine(Limits(), arrays(), is_logged=True)
        self._n_told = 0

    def trace(self, calls: Sequence[Call]) -> Trace:
        """Follow calls and return the ids of the values that they write. Cost: about 10 microseconds a call."""
        rows = _Rows()
        before, after = _follow(rows, calls)
        named = sorted(before)
        roots = [before[number] for number in named] + [row for writes in after for row in writes.values()]
        ids = self._normal(rows, roots).roots.tolist()
        rest = iter(ids[len(named) :])
        return Trace(
            dict(zip(named, ids, strict=False)),
            tuple({number: next(rest) for number in writes} for writes in after),
            tuple(self._new_rules()),
        )

    def identity(self, calls: Sequence[Call]) -> Identity:
        """Return the canonical image of what a circuit leaves in memory: equal exactly for equal circuits."""
        rows = _Rows()
        before, after = _follow(rows, calls)
        held = dict(before)
        for writes in after:
            held |= writes
        numbers = sorted(held)
        ids = self._normal(rows, [*(before[one] for one in numbers), *(held[one] for one in numbers)]).roots.tolist()
        memory = rows.row("unchanged")
        for number, was, left in zip(numbers, ids[: len(numbers)], ids[len(numbers) :], strict=True):
            if was != left:
                memory = rows.row("put", rows.literal(number), rows.pair(held[number], memory))
        image = project(self._normal(rows, [memory]), ops=op_table(arrays().signature))
        return image.keys.tobytes(), image.roots.tobytes()

    def _normal(self, rows: _Rows, roots: Sequence[int]) -> TermGraph:
        return self._engine.normalise(rows.graph(roots)).result

    def _new_rules(self) -> Iterator[tuple[str, str, str]]:
        """Yield the rules that the session has used since it was last asked."""
        used = self._engine.applications()[0].tolist()
        for index in used[self._n_told :]:
            rule = arrays().rules[index]
            yield rule.name, written(rule.lhs), written(rule.rhs)
        self._n_told = len(used)


def _follow(rows: _Rows, calls: Sequence[Call]) -> tuple[dict[int, int], list[dict[int, int]]]:
    before: dict[int, int] = {}
    held: dict[int, int] = {}

    def holds(number: int) -> int:
        if number not in held:
            before[number] = held[number] = rows.row("before", rows.literal(number))
        return held[number]

    after = []
    for one in calls:
        writes: dict[int, int] = {}
        for classes in one.each():
            values = [holds(number) for number in classes]
            writes |= _written(rows, one, classes, values)
        held |= writes
        after.append(writes)
    return before, after


def _written(rows: _Rows, one: Call, classes: tuple[int, ...], values: list[int]) -> dict[int, int]:
    op = _OP_OF.get(one.operation, one.operation)
    match one.kind.generator:
        case "quote" | "evaluate":
            return {}
        case "mark":
            return {classes[0]: rows.row("mark", values[0])}
        case "copy":
            return {classes[1]: values[0]}
        case "swap":
            return {classes[0]: values[1], classes[1]: values[0]}
        case "reduce":
            return {classes[1]: rows.row("first", rows.row(op, values[0]), values[1])}
        case "softmax":
            return {classes[1]: rows.row("softmax", values[0])}
        case _:
            return {classes[2]: rows.row(op, *values[: one.arity])}


class _Rows:
    """The rows of a term graph in the making; equal rows are one."""

    def __init__(self) -> None:
        self._codes = {op.name: op.code for op in arrays().signature.ops}
        self._rows: dict[tuple[int, int, int], int] = {(0, 0, 0): 0, (UNIT, 0, 0): 1}

    def _put(self, code: int, a: int = 0, b: int = 0) -> int:
        return self._rows.setdefault((code, a, b), len(self._rows))

    def row(self, op: str, *operands: int) -> int:
        return self._put(self._codes[op], *operands)

    def pair(self, a: int, b: int) -> int:
        return self._put(PAIR, a, b)

    def literal(self, value: int) -> int:
        digits, code = digits_of(value)
        row = self._put(code)
        for digit in digits:
            row = self._put(DIGIT + digit, row)
        return row

    def graph(self, roots: Sequence[int]) -> TermGraph:
        op, a, b = (np.array(column) for column in zip(*self._rows, strict=True))
        return TermGraph(op.astype(np.uint8), a.astype(np.int32), b.astype(np.int32), np.array(roots, np.int32))
