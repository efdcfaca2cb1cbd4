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
from prism.vm.theory.signature import LITERALS, UNIT

MAX_STATES: Final = 1 << 16
"""The most states of an automaton."""
NO_MATCH: Final = 0
"""Where a state leads: NO_MATCH, a state, or `~v`, v the variant that matches."""
SWITCH, SAME, GUARD = range(3)
"""What a state does. SWITCH: read the node in register x into registers y (first operand) and y + 1, go where its code
leads. SAME: registers x and y hold one node. GUARD: comparison z of expressions x and y holds. SAME and GUARD go to
`then`, or to `otherwise`."""
CODES: Final = 256
EARLY: Final = CODES
STATE_WORDS, VARIANT_WORDS, INSTRUCTION_WORDS = 6, 4, 8
KIND, X, Y, Z, THEN, OTHERWISE = range(STATE_WORDS)
RULE, IS_LAZY, FIRST, VALUE = range(VARIANT_WORDS)
MODE, SLOT, LIVE, LIVE_END, END = range(3, INSTRUCTION_WORDS)
"""Sizes of the rows of an automaton's tables, and the words of a state, of a variant and, after KIND, X and Y, of an
instruction."""

COMPUTE: Final = CODES
"""The kind of an instruction that computes a literal from expression x; below it a kind is the code of a node."""
EXPR_REGISTER: Final = len(ARITHMETIC)
EXPR_CONSTANT: Final = EXPR_REGISTER + 1
"""The steps of an expression besides those of ARITHMETIC: push the literal in a register, push a constant."""
RAW, OVER_NORMAL, OVER_RAW = range(3)
"""How an instruction goes on with the node it made: use it as it is, for an op above it may drop it; or bring it to
normal form first, its operands being normal already, or not."""
UNIT_REGISTER: Final = 1
FIRST_OPERANDS: Final = 2
"""Registers: 0 holds NULL, 1 the constant of code UNIT, whose id is 1 too, 2 and 3 the operands of the node at hand;
the last are slots, for what the instructions of a right side make."""
_MAX_STACK: Final = 128


class Automaton(NamedTuple):
    """All tables of an automaton in one array, for a loop that has one place to read from needs fewer registers.

    code: int32[]. At a node's op code, where its matching begins; at EARLY + code, whether the rules of an op are tried
    before its operands are normal. Then rows of states, words KIND to OTHERWISE; a SWITCH has the place of its jumps in
    THEN. Jumps: where each op code leads. Variants, RULE to VALUE: its rule, whether it is lazy, its first instruction
    or 0 if it builds nothing, the register of its value then. Instructions, KIND to END: X and Y are an expression, or
    registers of the operands; then RAW, OVER_NORMAL or OVER_RAW, the register of what it makes, where the registers
    begin and end that are read after it, and where the right side ends, whose value is what its last one makes. Then
    those registers. expression: int32[], where its steps begin and end, in pairs. step: int64[], pairs. sizes: int32[],
    registers with slots, the most slots of one variant, operands of the deepest expression.
    """

    code: NDArray[np.int32]
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
    """Tables as they grow. A register below 0 is a slot, `~i` that of instruction i, until all registers are known."""

    rules: Sequence[EncodedRule]
    dropping: frozenset[int]
    states: list[list[int]] = field(default_factory=lambda: [[0] * STATE_WORDS])
    jumps: list[list[int]] = field(default_factory=list)
    variants: list[tuple[int, ...]] = field(default_factory=list)
    instructions: list[tuple[int, ...]] = field(default_factory=lambda: [(0,) * INSTRUCTION_WORDS])
    live: list[int] = field(default_factory=list)
    expressions: list[tuple[int, int]] = field(default_factory=list)
    steps: list[tuple[int, int]] = field(default_factory=list)
    known: dict[tuple[_Row, ...], int] = field(default_factory=dict)
    registers: dict[str, int] = field(default_factory=lambda: {"": 1, "a": FIRST_OPERANDS, "b": FIRST_OPERANDS + 1})
    n_slots: int = 1

    def state(self, *row: int) -> int:
        if len(self.states) >= MAX_STATES:
            raise UsageError(
                f"the rules of a theory must compile to fewer than {MAX_STATES} states, got more at rule "
                f"{self.rules[0].name!r} and those with its op; split the theory"
            )
        self.states.append([*row, *[0] * (STATE_WORDS - len(row))])
        return STATE_WORDS * (len(self.states) - 1)

    def register(self, place: str) -> int:
        """Return the register of a place; both operands of a node get registers together."""
        if place not in self.registers:
            at = max(self.registers.values()) + 1
            self.registers[place[:-1] + "a"], self.registers[place[:-1] + "b"] = at, at + 1
        return self.registers[place]

    def matrix(self, rows: tuple[_Row, ...]) -> int:
        """Return where to go to tell which of some rows matches first."""
        if not rows:
            return NO_MATCH
        if rows not in self.known:
            self.known[rows] = self.leaf(rows) if not rows[0].pending else self.switch(rows)
        return self.known[rows]

    def switch(self, rows: tuple[_Row, ...]) -> int:
        counts = {place: sum(place in dict(row.pending) for row in rows) for place, _ in rows[0].pending}
        place = max(counts, key=lambda place: (counts[place], -len(place), place))
        jump = [self.matrix(tuple(row for row in rows if place not in dict(row.pending)))] * CODES
        codes: set[int] = set()
        for row in rows:
            pattern = dict(row.pending).get(place, ())
            codes |= set(LITERALS) if pattern is None else {pattern[0]} if pattern else set()
        for code in sorted(codes):
            jump[code] = self.matrix(
                tuple(special for row in rows if (special := _specialised(row, place, code, self.rules)) is not None)
            )
        self.jumps.append(jump)
        return self.state(SWITCH, self.register(place), self.register(place + "a"), 0, CODES * (len(self.jumps) - 1))

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
        """Return where to go when a rule matches, its variables being in these registers."""
        rule = self.rules[index]
        made: dict[tuple[int, int, int], int] = {}
        reads: list[set[int]] = []

        def ref(pattern: Encoded) -> int:
            if isinstance(pattern, str):
                return registers[pattern]
            if pattern == (UNIT,):
                return UNIT_REGISTER
            if is_arithmetic(pattern):
                row = (COMPUTE, self.expression(pattern, registers), 0)
                read = {registers[name] for name in _variables(pattern)}
            else:
                x, y = (*(ref(part) for part in pattern[1:]), 0, 0)[:2]
                row, read = (pattern[0], x, y), {x, y}
            if row not in made:
                made[row] = len(made)
                reads.append(read)
            return ~made[row]

        result = ref(rule.rhs)
        first = INSTRUCTION_WORDS * len(self.instructions) if made else 0
        self.variants.append((index, int(rule.is_lazy), first, result))
        self.right_side(list(made), reads, result)
        return ~(VARIANT_WORDS * (len(self.variants) - 1))

    def right_side(self, made: list[tuple[int, int, int]], reads: list[set[int]], result: int) -> None:
        """Add the instructions of a right side, each with the registers that are live after it."""
        self.n_slots = max(self.n_slots, len(made))
        end = INSTRUCTION_WORDS * (len(self.instructions) + len(made))
        for index, (row, mode) in enumerate(zip(made, _modes(made, self.dropping), strict=True)):
            later = {~at for at in range(index, len(made))}
            live = set().union(*reads[index + 1 :], {result}) - later - {0, UNIT_REGISTER}
            begin = len(self.live)
            self.live += sorted(live)
            self.instructions.append((*row, mode, ~index, begin, len(self.live), end))

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
        self.expressions.append((2 * first, 2 * len(self.steps)))
        return 2 * (len(self.expressions) - 1)


def compile_theory(theory: Theory) -> Automaton:
    """Compile the rules of a theory; UsageError when they need more than MAX_STATES states.

    Cost: a microsecond or so for each state and code; linear in the rules where their left sides do not overlap.
    """
    rules = encoded_rules(theory)
    compiler = _Compiler(rules, dropping(rules))
    start, early = np.zeros(CODES, np.int32), np.zeros(CODES, np.bool_)
    for code in sorted({rule.lhs[0] for rule in rules}):
        rows = [
            row
            for index, rule in enumerate(rules)
            if rule.lhs[0] == code
            for order in orders(theory.signature.commuting, rule)
            if (row := _specialised(_Row((("", order),), (), (), index), "", code, rules)) is not None
        ]
        start[code] = compiler.matrix(tuple(rows))
        early[code] = any(rule.is_lazy or rule.guards for rule in rules if rule.lhs[0] == code)
    return _tables(compiler, start, early)


def _tables(compiler: _Compiler, start: NDArray[np.int32], early: NDArray[np.bool_]) -> Automaton:
    """Return what was compiled as arrays: what refers to a row by its place in its table refers to it in the whole."""
    state, jump = np.array(compiler.states, np.int32), np.array(compiler.jumps or [[0] * CODES], np.int32)
    variant, instruction = np.array(compiler.variants or [[0] * VARIANT_WORDS]), np.array(compiler.instructions)
    live = np.array(compiler.live, np.int64)
    at_state = 2 * CODES
    at_jump = at_state + state.size
    at_variant = at_jump + jump.size
    at_instruction = at_variant + variant.size
    at_live = at_instruction + instruction.size
    for targets in (start, jump, state[:, OTHERWISE]):
        targets[:] = _moved(targets, at_state, at_variant)
    is_switch = state[:, KIND] == SWITCH
    state[:, THEN] = np.where(is_switch, state[:, THEN] + at_jump, _moved(state[:, THEN], at_state, at_variant))
    variant[:, FIRST] += np.where(variant[:, FIRST], at_instruction, 0)
    instruction[:, END] += at_instruction
    instruction[:, LIVE : LIVE_END + 1] += at_live
    n_registers = max(compiler.registers.values()) + 1
    for registers in (variant[:, VALUE], *(instruction[:, at] for at in (X, Y, SLOT)), live):
        registers[:] = np.where(registers < 0, n_registers + ~registers, registers)
    tables = (start, early, state, jump, variant, instruction, live)
    arrays = Automaton(
        np.concatenate([part.ravel() for part in tables]).astype(np.int32),
        np.array(compiler.expressions or [(0, 0)], np.int32).ravel(),
        np.array(compiler.steps or [(0, 0)], np.int64).ravel(),
        np.array((n_registers + compiler.n_slots, compiler.n_slots, _MAX_STACK), np.int32),
    )
    for array in arrays:
        array.setflags(write=False)
    return arrays


def _moved(targets: NDArray[np.int32], at_state: int, at_variant: int) -> NDArray[np.int32]:
    return np.where(targets > 0, targets + at_state, np.where(targets < 0, ~(~targets + at_variant), NO_MATCH))


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
