"""The case table: the rules compiled to arrays, so that one lookup finds the rewrite of a node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from prism.errors import UsageError
from prism.ops import BY_NAME, NULL, OPS, ZERO
from prism.rules import RULES, Pattern, Rule

REFS: Final = ("NULL", "ZERO", "a", "b", "a.a", "a.b", "b.a", "b.b", "local", "continuation")
"""What a case may refer to, seen from the node that it rewrites: its operands and their operands, and the nodes that
the case itself builds. A case holds indices into this table."""
REF_LOCAL: Final = REFS.index("local")
REF_CONTINUATION: Final = REFS.index("continuation")
_CODE: Final = {op.name: op.code for op in OPS}
NO_NODE: Final = (NULL.code, 0, 0)


@dataclass(frozen=True, slots=True)
class CaseTable:
    """Rules seen from a node: which case it is, and what that case builds [REWRITE-2].

    case: uint8[m, m, m], by the op codes of a node, of its operand a and of its operand b; 0 means that no rule
    applies. rule: int32[n], the index of each case's rule, -1 for case 0. local, continuation: int32[n, 3], the
    nodes to build as (op, ref, ref), op 0 for none; only `continuation` may refer to `local`. result: int32[n], the
    ref that the rewritten node is replaced by.
    """

    case: NDArray[np.uint8]
    rule: NDArray[np.int32]
    local: NDArray[np.int32]
    continuation: NDArray[np.int32]
    result: NDArray[np.int32]


def compile_rules(rules: Sequence[Rule]) -> CaseTable:
    """Compile rules; an earlier rule wins over a later one, operand a over operand b.

    UsageError when a rule does not fit: its left side is an op over variables and ops of variables, each variable
    once, and its right side builds at most two nodes besides ZERO.
    """
    size = 1 + max(op.code for op in OPS)
    case = np.zeros((size, size, size), np.uint8)
    rows: list[tuple[int, tuple[int, ...], tuple[int, ...], int]] = [(-1, NO_NODE, NO_NODE, 0)]
    for index, rule in enumerate(rules):
        for operands in _operand_orders(rule):
            heads, refs = _match(rule, operands)
            unclaimed = case[heads]
            unclaimed[unclaimed == 0] = len(rows)
            rows.append((index, *_build(rule, refs)))
    rule_of, local, continuation, result = (np.array(column, np.int32) for column in zip(*rows, strict=True))
    for array in (case, rule_of, local, continuation, result):
        array.setflags(write=False)
    return CaseTable(case, rule_of, local, continuation, result)


def _operand_orders(rule: Rule) -> list[tuple[Pattern, ...]]:
    """Return the operands of the left side, and swapped if its op commutes and that is another pattern."""
    if isinstance(rule.lhs, str):
        raise _unfit(rule, "its left side must apply an op", rule.lhs)
    name, *operands = rule.lhs
    orders = [tuple(operands)]
    if BY_NAME[name].commutes and operands[0] != operands[1]:
        orders.append(tuple(reversed(operands)))
    return orders


def _match(rule: Rule, operands: tuple[Pattern, ...]) -> tuple[tuple[slice, ...], dict[str, int]]:
    """Return where the case table holds this pattern, and the ref of each variable."""
    heads = [_only(rule.lhs[0])]
    refs: dict[str, int] = {}
    for side, operand in zip("ab", operands, strict=False):
        name, *inner = (None, operand) if isinstance(operand, str) else operand
        heads.append(slice(None) if name is None else _only(name))
        places = [side] if name is None else [f"{side}.{place}" for place in "ab"]
        for variable, place in zip(inner, places, strict=False):
            if not isinstance(variable, str):
                raise _unfit(rule, "its left side must be at most two ops deep", rule.lhs)
            if variable in refs:
                raise _unfit(rule, "its left side must name each variable once", rule.lhs)
            refs[variable] = REFS.index(place)
    heads += [_only(NULL.name)] * (3 - len(heads))
    return tuple(heads), refs


def _only(name: str) -> slice:
    code = _CODE[name]
    return slice(code, code + 1)


def _build(rule: Rule, refs: dict[str, int]) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Return the nodes `local` and `continuation` of a rule, and the ref of its result."""
    nodes: list[tuple[int, ...]] = []

    def place(pattern: Pattern) -> int:
        if isinstance(pattern, str):
            return refs[pattern]
        name, *operands = pattern
        if name == ZERO.name:
            return REFS.index("ZERO")
        at = [place(operand) for operand in operands]
        nodes.append((BY_NAME[name].code, *at, *[0] * (2 - len(at))))
        return REF_LOCAL + len(nodes) - 1

    result = place(rule.rhs)
    if len(nodes) > 2:
        raise _unfit(rule, "its right side must build at most two nodes, one for each candidate slot", rule.rhs)
    return (*nodes, NO_NODE, NO_NODE)[0], (*nodes, NO_NODE, NO_NODE)[1], result


def _unfit(rule: Rule, must: str, got: Pattern) -> UsageError:
    return UsageError(f"rule {rule.name!r}: {must}, got {got!r}; split the rule into smaller ones")


CASES: Final = compile_rules(RULES)
"""The cases of `prism.rules.RULES`."""
