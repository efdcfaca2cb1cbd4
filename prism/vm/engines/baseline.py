"""Engine `baseline`: normalisation in plain Python over a manifest heap, the living definition of every engine."""

from __future__ import annotations

import operator
from collections.abc import Generator, Iterator
from typing import Final, TypeAlias

import numpy as np

from prism.status import Status
from prism.vm.engines.admit import admit, admit_literals
from prism.vm.engines.api import STOPS, Limits, Outcome
from prism.vm.engines.report import StopReason
from prism.vm.ledger.optable import op_table
from prism.vm.term.graph import TermGraph
from prism.vm.theory.automaton import dropping
from prism.vm.theory.encode import Encoded, EncodedRule, encoded_rules, is_arithmetic, literal, orders
from prism.vm.theory.library import load
from prism.vm.theory.model import Theory
from prism.vm.theory.rule import Pattern
from prism.vm.theory.signature import DIGIT, INT_ZERO, LITERALS, NULL, UNIT

Bindings: TypeAlias = dict[str, int]

_COMPUTE: Final = {"+": operator.add, "-": operator.sub, "*": operator.mul, "min": min, "max": max}
_COMPARE: Final = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
}


class _StoppedError(Exception):
    """The term at hand cannot go on; carries the reason."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(reason)
        self.reason = reason


class BaselineEngine:
    """A manifest heap: node `i` is `(op[i], a[i], b[i])`, appended once and never changed [REWRITE-4].

    `_hints` finds the node that a full key already has; `_forward` says what a node was rewritten to, itself when
    it is normal; `_begun` are the nodes whose right side is not built yet. Cost: about two microseconds a node and a
    rule application, a hundred bytes a node.
    """

    def __init__(self, limits: Limits, theory: Theory | None = None) -> None:
        theory = theory or load("peano")
        rules = encoded_rules(theory)
        self.has_overflowed = False
        self._limits, self._ops = limits, op_table(theory.signature)
        self._commuting, self._dropping = theory.signature.commuting, dropping(rules)
        self._rules: dict[int, list[tuple[EncodedRule, list[tuple]]]] = {}
        for rule in rules:
            self._rules.setdefault(rule.lhs[0], []).append((rule, orders(self._commuting, rule)))
        self._op, self._a, self._b = [NULL.code, UNIT], [0, 0], [0, 0]
        self._hints = {(NULL.code, 0, 0): 0, (UNIT, 0, 0): 1}
        self._forward = {0: 0, 1: 1}
        self._begun: set[int] = set()
        self._status = Status.OK
        self._steps = 0
        self._reused = 0

    @property
    def count(self) -> int:
        """Nodes in the heap."""
        return len(self._op)

    @property
    def status(self) -> Status:
        """OK, or the sticky reason why the session is over."""
        return self._status

    def normalise(self, terms: TermGraph) -> Outcome:
        """Bring every root to normal form, in order; see `prism.vm.engines.api.Engine`."""
        admit(terms, self._ops)
        admit_literals(terms)
        loaded = [0, 1]
        roots, reports = [], []
        for root in terms.roots.tolist():
            self._steps = self._reused = 0
            before = self.count
            stop, normal = self._run(terms, root, loaded)
            roots.append(normal)
            reports.append((STOPS.index(stop), self._steps, self.count - before, self._reused))
        stops, *counts = np.array(reports, np.int64).reshape(-1, 4).T
        return Outcome(self._decode(roots), stops.astype(np.uint8), *counts)

    def _run(self, terms: TermGraph, root: int, loaded: list[int]) -> tuple[StopReason, int]:
        """Load the rows up to `root` and evaluate it; return why it ended and its normal form, NULL if it has none."""
        if self._status is not Status.OK:
            return StopReason.of(self._status), 0
        try:
            self._load(terms, root, loaded)
            self._evaluate(loaded[root])
        except _StoppedError as stopped:
            return stopped.reason, 0
        return StopReason.NORMAL_FORM, self._forward[loaded[root]]

    def _load(self, terms: TermGraph, root: int, loaded: list[int]) -> None:
        """Append to `loaded` the nodes of the rows up to `root`; rows are in topological order."""
        rows = slice(len(loaded), root + 1)
        for op, a, b in zip(terms.op[rows].tolist(), terms.a[rows].tolist(), terms.b[rows].tolist(), strict=True):
            loaded.append(self._node(op, loaded[a] if a else 0, loaded[b] if b else 0))

    def _node(self, op: int, a: int, b: int) -> int:
        """Return the node `(op, a, b)`, appended if it is new."""
        if op in self._commuting and a > b:
            a, b = b, a
        key = (op, a, b)
        if key in self._hints:
            self._reused += 1
            return self._hints[key]
        if self.count > self._limits.layout.max_id:
            self._fail(Status.CORRUPT)
        if self.count >= self._limits.capacity:
            self._fail(Status.OOM)
        self._hints[key] = self.count
        self._op.append(op)
        self._a.append(a)
        self._b.append(b)
        return self._hints[key]

    def _fail(self, status: Status) -> None:
        self._status = status
        raise _StoppedError(StopReason.of(status))

    def _normal_form(self, node: int) -> int | None:
        """Return the normal form of a node, None while it is unknown."""
        target = self._forward.get(node)
        return target if target is not None and self._forward.get(target) == target else None

    def _evaluate(self, term: int) -> None:
        """Bring a term to normal form, and before it whatever it waits for.

        A node that waits for itself has no normal form under this strategy: its term ends like one out of steps.
        """
        waiting: dict[int, Iterator[int]] = {}
        wanted: int | None = term
        while True:
            if wanted is not None and self._normal_form(wanted) is None:
                if wanted in waiting:
                    raise _StoppedError(StopReason.STEP_LIMIT)
                waiting[wanted] = self._normalised(wanted)
            node = next(reversed(waiting), None)
            if node is None:
                return
            wanted = next(waiting[node], None)
            if wanted is None:
                del waiting[node]

    def _normalised(self, node: int) -> Iterator[int]:
        """Give a node its normal form; yields each node that must have one first.

        A rule that builds nothing applies at once, so that `(mul zero x)` never looks at x; any other waits until
        the operands are normal.
        """
        if node not in self._forward:
            found = self._find(node)
            if found is None or not found[0].is_lazy:
                operands = []
                for operand in (self._a[node], self._b[node]):
                    if self._normal_form(operand) is None:
                        yield operand
                    operands.append(self._forward[operand])
                if operands != [self._a[node], self._b[node]]:
                    normal = self._forward[node] = self._node(self._op[node], *operands)
                    yield normal
                    self._forward[node] = self._forward[normal]
                    return
            if found is None:
                self._forward[node] = node
                return
            target = yield from self._apply(node, *found)
            if target == node:
                raise _StoppedError(StopReason.STEP_LIMIT)
            self._forward[node] = target
        yield self._forward[node]
        self._forward[node] = self._forward[self._forward[node]]

    def _find(self, node: int) -> tuple[EncodedRule, Bindings] | None:
        """Return the first rule whose left side is this node, with the nodes of its variables."""
        for rule, lefts in self._rules.get(self._op[node], ()):
            for left in lefts:
                bindings: Bindings = {}
                if self._matches(left, node, bindings) and self._holds(rule, bindings):
                    return rule, bindings
        return None

    def _matches(self, pattern: Encoded, node: int, bindings: Bindings) -> bool:
        """Whether a node is a pattern, operands in the order written; binds its variables."""
        if isinstance(pattern, str):
            return bindings.setdefault(pattern, node) == node
        if pattern[0] != self._op[node]:
            return False
        operands = (self._a[node], self._b[node])
        return all(self._matches(part, at, bindings) for part, at in zip(pattern[1:], operands, strict=False))

    def _holds(self, rule: EncodedRule, bindings: Bindings) -> bool:
        """Whether the variables of literals hold literals, and every guard is true of them."""
        if not all(self._op[bindings[name]] in LITERALS for name in rule.literals):
            return False
        return all(_COMPARE[how](self._computed(x, bindings), self._computed(y, bindings)) for how, x, y in rule.guards)

    def _computed(self, expression: Pattern, bindings: Bindings) -> int:
        """Return the value of arithmetic over literals; beyond 64 bits the session is CORRUPT."""
        if isinstance(expression, int):
            return expression
        if isinstance(expression, str):
            return self._literal(bindings[expression])
        value = _COMPUTE[expression[0]](*(self._computed(part, bindings) for part in expression[1:]))
        if not -(1 << 63) <= value < 1 << 63:
            self.has_overflowed = True
            self._fail(Status.CORRUPT)
        return value

    def _literal(self, node: int) -> int:
        digits = []
        while self._op[node] < INT_ZERO:
            digits.append(self._op[node] - DIGIT)
            node = self._a[node]
        value = 0 if self._op[node] == INT_ZERO else -1
        for digit in reversed(digits):
            value = value << 4 | digit
        return value

    def _apply(self, node: int, rule: EncodedRule, bindings: Bindings) -> Generator[int, None, int]:
        if node not in self._begun:
            if self._steps == self._limits.max_steps:
                raise _StoppedError(StopReason.STEP_LIMIT)
            self._steps += 1
            self._begun.add(node)
        target = yield from self._build(rule.rhs, bindings, is_raw=rule.is_lazy, is_root=True)
        self._begun.remove(node)
        return target

    def _build(
        self, pattern: Encoded, bindings: Bindings, *, is_raw: bool, is_root: bool = False
    ) -> Generator[int, None, int]:
        """Build a right side, its parts normal, save where an op above may drop them."""
        if isinstance(pattern, str):
            return bindings[pattern]
        if is_arithmetic(pattern):
            return (yield from self._build(literal(self._computed(pattern, bindings)), {}, is_raw=True))
        if pattern[0] == UNIT:
            return UNIT
        below = is_raw or pattern[0] in self._dropping
        operands: list[int] = []
        for part in pattern[1:]:
            operands += ((yield from self._build(part, bindings, is_raw=below)),)
        node = self._node(pattern[0], *operands, *[0] * (2 - len(operands)))
        if is_raw or is_root:
            return node
        yield node
        return self._forward[node]

    def _decode(self, roots: list[int]) -> TermGraph:
        """Return the graph of the nodes under `roots`; operands have lower ids than the nodes that use them."""
        kept = {0, 1}
        waiting = list(roots)
        while waiting:
            node = waiting.pop()
            if node not in kept:
                kept.add(node)
                waiting += (self._a[node], self._b[node])
        order = sorted(kept)
        row = {node: index for index, node in enumerate(order)}
        return TermGraph(
            np.array([self._op[node] for node in order], np.uint8),
            np.array([row[self._a[node]] for node in order], np.int32),
            np.array([row[self._b[node]] for node in order], np.int32),
            np.array([row[root] for root in roots], np.int32),
        )
