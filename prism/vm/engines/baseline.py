"""Engine `baseline`: normalisation in plain Python over a manifest heap, the living definition of every engine."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from prism.status import Status
from prism.vm.engines.admit import admit
from prism.vm.engines.api import STOPS, Limits, Outcome
from prism.vm.engines.report import StopReason
from prism.vm.rewrite.rules import RULES, Pattern, Rule
from prism.vm.term.graph import TermGraph
from prism.vm.term.ops import BY_CODE, BY_NAME, NULL, ZERO

Bindings: TypeAlias = dict[str, int]


class _StoppedError(Exception):
    """The term at hand cannot go on; carries the reason."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(reason)
        self.reason = reason


class BaselineEngine:
    """A manifest heap: node `i` is `(op[i], a[i], b[i])`, appended once and never changed [REWRITE-4].

    `_hints` finds the node that a full key already has; `_forward` says what a node was rewritten to, itself when
    it is normal. Cost: about a microsecond a node and a rule application, a hundred bytes a node.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._op, self._a, self._b = [NULL.code, ZERO.code], [0, 0], [0, 0]
        self._hints = {(NULL.code, 0, 0): 0, (ZERO.code, 0, 0): 1}
        self._forward = {0: 0, 1: 1}
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
        admit(terms)
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
        if BY_CODE[op].commutes and a > b:
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
        """Bring a term to normal form, and before it whatever it waits for."""
        waiting = [term]
        while waiting:
            node = waiting[-1]
            if self._normal_form(node) is not None:
                waiting.pop()
            else:
                first = self._advance(node)
                if first is not None:
                    waiting.append(first)

    def _advance(self, node: int) -> int | None:
        """Take one step on a node without a normal form, or return the node that must have one first.

        A rule that builds nothing applies at once, so that `(mul zero x)` never looks at x; any other waits until
        the operands are normal.
        """
        if node in self._forward:
            target = self._forward[node]
            normal = self._normal_form(target)
            if normal is None:
                return target
            self._forward[node] = normal
            return None
        found = self._find(node)
        if found is None or _builds(found[0].rhs):
            operands = [self._a[node], self._b[node]]
            for operand in operands:
                if self._normal_form(operand) is None:
                    return operand
            normal = self._node(self._op[node], *(self._forward[operand] for operand in operands))
            if normal != node:
                self._forward[node] = normal
                return None
        self._forward[node] = node if found is None else self._apply(*found)
        return None

    def _find(self, node: int) -> tuple[Rule, Bindings] | None:
        """Return the first rule whose left side is this node, with the nodes of its variables."""
        for rule in RULES:
            bindings = self._match(rule.lhs, node)
            if bindings is not None:
                return rule, bindings
        return None

    def _match(self, pattern: Pattern, node: int) -> Bindings | None:
        if isinstance(pattern, str):
            return {pattern: node}
        op = BY_NAME[pattern[0]]
        if op.code != self._op[node]:
            return None
        orders = [(self._a[node], self._b[node])]
        if op.commutes:
            orders.append((self._b[node], self._a[node]))
        for operands in orders:
            parts = [self._match(part, operand) for part, operand in zip(pattern[1:], operands, strict=False)]
            if None not in parts:
                return {name: at for part in parts if part is not None for name, at in part.items()}
        return None

    def _apply(self, rule: Rule, bindings: Bindings) -> int:
        if self._steps == self._limits.max_steps:
            raise _StoppedError(StopReason.STEP_LIMIT)
        self._steps += 1
        return self._build(rule.rhs, bindings)

    def _build(self, pattern: Pattern, bindings: Bindings) -> int:
        if isinstance(pattern, str):
            return bindings[pattern]
        name, *parts = pattern
        operands = [self._build(part, bindings) for part in parts]
        return self._node(BY_NAME[name].code, *operands, *[0] * (2 - len(operands)))

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


def _builds(pattern: Pattern) -> bool:
    """Whether a right side builds a node that may be new."""
    return not isinstance(pattern, str) and pattern != (ZERO.name,)
