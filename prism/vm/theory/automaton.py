"""The matching automaton: the rules of a theory as one decision tree for each op, with shared subtrees.

Compilation follows Maranget, Compiling Pattern Matching to Good Decision Trees (2008): the rows of a matrix are the
left sides in every order of commuting operands, the first row has priority, and the place that the first row needs and
most rows test is looked at next. Equal matrices become one state, as in the adaptive automata of Gräf (1991). A node
is looked at once on each path, however many rules there are; repeated variables and guards are tested at the leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prism.errors import UsageError
from prism.vm.theory.encode import Encoded, EncodedRule, encoded_rules, is_arithmetic, orders
from prism.vm.theory.model import Theory
from prism.vm.theory.rule import ARITHMETIC, COMPARISONS, Pattern
from prism.vm.theory.signature import LITERALS

MAX_STATES: Final = 1 << 16
"""The most states of an automaton."""
FAIL, SWITCH, SAME, GUARD, ACCEPT = range(5)
"""What a state does. FAIL is state 0. SWITCH: read the node in register x into registers y (first operand) and y + 1,
go where its code leads. SAME: registers x and y hold one node. GUARD: comparison z of expressions x and y holds.
ACCEPT: variant x matches. SAME and GUARD go to `then`, or to `otherwise`."""

COMPUTE: Final = 256
"""The kind of an instruction that computes a literal from expression x; below it a kind is the code of a node."""
EXPR_REGISTER: Final = len(ARITHMETIC)
EXPR_CONSTANT: Final = EXPR_REGISTER + 1
"""The steps of an expression besides those of ARITHMETIC: push the literal in a register, push a constant."""
RAW, OVER_NORMAL, OVER_RAW = range(3)
"""How an instruction goes on with the node it made: use it as it is, for an op above it may drop it; or bring it to
normal form first, its operands being normal already, or not."""
FIRST_OPERANDS: Final = 2
"""Registers: 0 holds NULL, 1 the node at hand, 2 and 3 its operands."""
_MAX_STACK: Final = 128


class Automaton(NamedTuple):
    """The arrays of an automaton; all int32 unless said otherwise.

    start: [256], the first state by op code, 0 where no rule has that head. state: [n, 6], kind, x, y, z, then,
    otherwise; a SWITCH has its row of `jump` in `then`. jump: [m, 256]. variant: [v, 7], its rule, whether it is lazy,
    first and last instruction, the ref of its result or without instructions its register, and where in `kept` the
    registers begin and end that its right side reads. kept: [r]. instruction: [k, 4], kind, two refs and RAW,
    OVER_NORMAL or OVER_RAW; ref 0 is NULL, r > 0 the kept register r - 1 of the variant, r < 0 the value of its
    instruction ~r. expression: [e, 2], where its steps begin and end. step: int64[s, 2]. sizes: registers, the most
    kept registers and instructions of one variant, operands of the deepest expression.
    """

    start: NDArray[np.int32]
    state: NDArray[np.int32]
    jump: NDArray[np.int32]
    variant: NDArray[np.int32]
    kept: NDArray[np.int32]
    instruction: NDArray[np.int32]
    expression: NDArray[np.int32]
    step: NDArray[np.int64]
    sizes: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class _Row:
    """A left side on its way: places still to test, registers of variables, registers that must be equal.

    The pattern `None` at a place stands for any literal.
    """

    pending: tuple[tuple[str, Any], ...]
    bound: tuple[tuple[str, str], ...]
    equal: tuple[tuple[str, str], ...]
    rule: int


@dataclass
class _Compiler:
    rules: Sequence[EncodedRule]
    dropping: frozenset[int]
    states: list[list[int]] = field(default_factory=lambda: [[FAIL] + [0] * 5])
    jumps: list[list[int]] = field(default_factory=list)
    variants: list[tuple[int, ...]] = field(default_factory=list)
    instructions: list[tuple[int, int, int, int]] = field(default_factory=list)
    expressions: list[tuple[int, int]] = field(default_factory=list)
    steps: list[tuple[int, int]] = field(default_factory=list)
    known: dict[tuple[_Row, ...], int] = field(default_factory=dict)
    registers: dict[str, int] = field(default_factory=lambda: {"": 1, "a": FIRST_OPERANDS, "b": FIRST_OPERANDS + 1})
    kept: list[int] = field(default_factory=list)
    n_slots: int = 1

    def state(self, *row: int) -> int:
        if len(self.states) >= MAX_STATES:
            raise UsageError(
                f"the rules of a theory must compile to fewer than {MAX_STATES} states, got more at rule "
                f"{self.rules[0].name!r} and those with its op; split the theory"
            )
        self.states.append([*row, *[0] * (6 - len(row))])
        return len(self.states) - 1

    def register(self, place: str) -> int:
        """Return the register of a place; both operands of a node get registers together."""
        if place not in self.registers:
            at = max(self.registers.values()) + 1
            self.registers[place[:-1] + "a"], self.registers[place[:-1] + "b"] = at, at + 1
        return self.registers[place]

    def matrix(self, rows: tuple[_Row, ...]) -> int:
        """Return the state that tells which of some rows matches first."""
        if not rows:
            return FAIL
        if rows not in self.known:
            self.known[rows] = self.leaf(rows) if not rows[0].pending else self.switch(rows)
        return self.known[rows]

    def switch(self, rows: tuple[_Row, ...]) -> int:
        counts = {place: sum(place in dict(row.pending) for row in rows) for place, _ in rows[0].pending}
        place = max(counts, key=lambda place: (counts[place], -len(place), place))
        jump = [self.matrix(tuple(row for row in rows if place not in dict(row.pending)))] * 256
        codes: set[int] = set()
        for row in rows:
            pattern = dict(row.pending).get(place, ())
            codes |= set(LITERALS) if pattern is None else {pattern[0]} if pattern else set()
        for code in sorted(codes):
            jump[code] = self.matrix(
                tuple(special for row in rows if (special := _specialised(row, place, code, self.rules)) is not None)
            )
        self.jumps.append(jump)
        return self.state(SWITCH, self.register(place), self.register(place + "a"), 0, len(self.jumps) - 1)

    def leaf(self, rows: tuple[_Row, ...]) -> int:
        row = rows[0]
        rule = self.rules[row.rule]
        registers = {name: self.register(place) for name, place in row.bound}
        target = self.variant(row.rule, registers)
        if row.equal or rule.guards:
            otherwise = self.matrix(rows[1:])
            for comparison, *sides in reversed(rule.guards):
                x, y = (self.expression(side, registers) for side in sides)
                target = self.state(GUARD, x, y, COMPARISONS.index(comparison), target, otherwise)
            for one, two in reversed(row.equal):
                target = self.state(SAME, self.register(one), self.register(two), 0, target, otherwise)
        return target

    def variant(self, index: int, registers: dict[str, int]) -> int:
        rule, first, begin = self.rules[index], len(self.instructions), len(self.kept)
        if isinstance(rule.rhs, str):
            self.variants.append((index, int(rule.is_lazy), first, first, registers[rule.rhs], begin, begin))
            return self.state(ACCEPT, len(self.variants) - 1)
        names = sorted(_variables(rule.rhs))
        self.kept += [registers[name] for name in names]
        made: dict[tuple[int, int, int], int] = {}

        def ref(pattern: Encoded) -> int:
            if isinstance(pattern, str):
                return names.index(pattern) + 1
            if is_arithmetic(pattern):
                row = (COMPUTE, self.expression(pattern, registers), 0)
            else:
                x, y = (*(ref(part) for part in pattern[1:]), 0, 0)[:2]
                row = (pattern[0], x, y)
            return ~made.setdefault(row, len(made))

        result = ref(rule.rhs)
        self.instructions += [(*row, mode) for row, mode in zip(made, _modes(list(made), self.dropping), strict=True)]
        self.n_slots = max(self.n_slots, len(made) + len(names))
        self.variants.append((index, int(rule.is_lazy), first, len(self.instructions), result, begin, len(self.kept)))
        return self.state(ACCEPT, len(self.variants) - 1)

    def expression(self, pattern: Pattern, registers: dict[str, int]) -> int:
        first = len(self.steps)

        def push(part: Pattern) -> None:
            if isinstance(part, tuple):
                push(part[1])
                push(part[2])
                self.steps.append((ARITHMETIC.index(part[0]), 0))
            elif isinstance(part, str):
                self.steps.append((EXPR_REGISTER, registers[part]))
            else:
                self.steps.append((EXPR_CONSTANT, part))

        push(pattern)
        self.expressions.append((first, len(self.steps)))
        return len(self.expressions) - 1


def compile_theory(theory: Theory) -> Automaton:
    """Compile the rules of a theory; UsageError when they need more than MAX_STATES states.

    Cost: a microsecond or so for each state and code; linear in the rules where their left sides do not overlap.
    """
    rules = encoded_rules(theory)
    compiler = _Compiler(rules, dropping(rules))
    start = np.zeros(256, np.int32)
    for code in sorted({rule.lhs[0] for rule in rules}):
        rows = [
            row
            for index, rule in enumerate(rules)
            if rule.lhs[0] == code
            for order in orders(theory.signature.commuting, rule)
            if (row := _specialised(_Row((("", order),), (), (), index), "", code, rules)) is not None
        ]
        start[code] = compiler.matrix(tuple(rows))
    sizes = (max(compiler.registers.values()) + 1, compiler.n_slots, _MAX_STACK)
    arrays = Automaton(
        start,
        np.array(compiler.states, np.int32),
        np.array(compiler.jumps or [[0] * 256], np.int32),
        np.array(compiler.variants or [(0,) * 7], np.int32),
        np.array(compiler.kept, np.int32),
        np.array(compiler.instructions or [(0, 0, 0, 0)], np.int32),
        np.array(compiler.expressions or [(0, 0)], np.int32),
        np.array(compiler.steps or [(0, 0)], np.int64),
        np.array(sizes, np.int32),
    )
    for array in arrays:
        array.setflags(write=False)
    return arrays


def _specialised(row: _Row, place: str, code: int, rules: Sequence[EncodedRule]) -> _Row | None:
    """Return what is left of a row when the node at `place` has `code`; None if it does not match then."""
    pending = dict(row.pending)
    if place not in pending:
        return row
    pattern = pending.pop(place)
    bound, equal = dict(row.bound), list(row.equal)
    if pattern is None:
        return _Row(tuple(pending.items()), row.bound, row.equal, row.rule) if code in LITERALS else None
    if pattern[0] != code:
        return None
    for side, part in zip("ab", pattern[1:], strict=False):
        at = place + side
        if not isinstance(part, str):
            pending[at] = part
        elif part in bound:
            equal.append((bound[part], at))
        else:
            bound[part] = at
            if part in rules[row.rule].literals:
                pending[at] = None
    return _Row(tuple(pending.items()), tuple(bound.items()), tuple(equal), row.rule)


def dropping(rules: Sequence[EncodedRule]) -> frozenset[int]:
    """Return the ops of which a rule that builds nothing drops a variable, so that it must not be evaluated before."""
    return frozenset(rule.lhs[0] for rule in rules if rule.is_lazy and _variables(rule.lhs) - _variables(rule.rhs))


def _variables(pattern: Encoded) -> set[str]:
    if isinstance(pattern, str):
        return {pattern}
    return set().union(*(_variables(part) for part in pattern[1:] if not isinstance(part, int)))


def _modes(made: list[tuple[int, int, int]], dropping: frozenset[int]) -> list[int]:
    """Return how each instruction of a right side goes on; operands come before what uses them."""
    is_raw = [False] * len(made)
    for index in range(len(made) - 1, -1, -1):
        kind, x, y = made[index]
        for ref in (x, y) if kind != COMPUTE else ():
            if ref < 0 and (is_raw[index] or kind in dropping):
                is_raw[~ref] = True
    modes = []
    for raw, (kind, x, y) in zip(is_raw, made, strict=True):
        over_raw = kind != COMPUTE and any(ref < 0 and is_raw[~ref] for ref in (x, y))
        modes.append(RAW if raw else OVER_RAW if over_raw else OVER_NORMAL)
    return modes
