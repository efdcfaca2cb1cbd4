"""The case table: the rules compiled to arrays, so that one lookup finds the rewrite of a node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from prism.errors import UsageError
from prism.vm.theory.library import load
from prism.vm.theory.model import Theory
from prism.vm.theory.rule import Pattern, Rule, applied, subterms, written
from prism.vm.theory.signature import NULL, UNIT

REFS: Final = ("NULL", "ZERO", "a", "b", "a.a", "a.b", "b.a", "b.b", "local", "continuation")
"""What a case may refer to, seen from the node that it rewrites: its operands and their operands, and the nodes that
the case itself builds. A case holds indices into this table."""
REF_LOCAL: Final = REFS.index("local")
REF_CONTINUATION: Final = REFS.index("continuation")
LOCAL, CONTINUATION, RESULT = 0, 3, 6
"""Places in a rewrite: the two nodes that it builds, each as (op, ref, ref) with op 0 for none, and the ref that
replaces the rewritten node: the continuation if there is one. Only the continuation may refer to the local node."""
NO_REWRITE: Final = (0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class CaseTable:
    """Rules seen from a node: which case it is, and what that case builds [REWRITE-2].

    case: uint8[m, m, m], by the op codes of a node, of its operand a and of its operand b; 0 where no rule applies.
    rewrites: int32[n, 7], by case. rule: int32[n], the index of each case's rule, -1 for case 0. heads: bool[m], by op
    code, whether some rule rewrites the op. All read only.
    """

    case: NDArray[np.uint8]
    rewrites: NDArray[np.int32]
    rule: NDArray[np.int32]
    heads: NDArray[np.bool_]


def compile_rules(theory: Theory) -> CaseTable:
    """Compile the rules of a theory; an earlier rule wins over a later one, operand a over operand b.

    UsageError when a rule does not fit: its left side is an op over variables and ops of variables, each variable
    once, and its right side builds at most two nodes besides the constant of code 1.
    """
    codes = 1 + max(theory.signature.arities)
    case = np.zeros((codes, codes, codes), np.uint8)
    rewrites: list[tuple[int, ...]] = [NO_REWRITE]
    rule_of = [-1]
    for index, rule in enumerate(theory.rules):
        _require_plain(theory, rule)
        for operands in _operand_orders(theory, rule):
            heads, refs = _match(theory, rule, operands)
            unclaimed = case[heads]
            if len(rewrites) > MAX_CASE:
                raise _unfit(rule, f"the rules must match in at most {MAX_CASE} orders of operands in all", rule.lhs)
            unclaimed[unclaimed == 0] = len(rewrites)
            rewrites.append(_build(theory, rule, refs))
            rule_of.append(index)
    heads = np.asarray(case.any(axis=(1, 2)))
    table = CaseTable(case, np.array(rewrites, np.int32), np.array(rule_of, np.int32), heads)
    for array in (table.case, table.rewrites, table.rule, table.heads):
        array.setflags(write=False)
    return table


MAX_CASE: Final = 255
"""The largest case."""


def _require_plain(theory: Theory, rule: Rule) -> None:
    for side in (rule.lhs, rule.rhs):
        for part in subterms(side):
            if isinstance(part, int) or (isinstance(part, tuple) and _arity(theory, part) > 2):
                raise _unfit(rule, "its ops must take at most two operands, and none a literal", side)
    if rule.guards or rule.literals:
        raise _unfit(rule, "it must have no guard and no variable of literals", rule.lhs)


def _arity(theory: Theory, part: tuple) -> int:
    # Arithmetic is no op of the theory: no table of ops can do it.
    return theory.signature.by_name[part[0]].arity if part[0] in theory.signature.by_name else 3


def _operand_orders(theory: Theory, rule: Rule) -> list[tuple[Pattern, ...]]:
    """Return the operands of the left side, and swapped if its op commutes and that is another pattern."""
    name, *operands = applied(rule.lhs)
    orders = [tuple(operands)]
    if theory.signature.by_name[name].commutes and operands[0] != operands[1]:
        orders.append(tuple(reversed(operands)))
    return orders


def _match(theory: Theory, rule: Rule, operands: tuple[Pattern, ...]) -> tuple[tuple[slice, ...], dict[str, int]]:
    """Return where the case table holds this pattern, and the ref of each variable."""
    heads = [_only(theory, applied(rule.lhs)[0])]
    refs: dict[str, int] = {}
    for side, operand in zip("ab", operands, strict=False):
        name, *inner = (None, operand) if isinstance(operand, str) else applied(operand)
        heads.append(slice(None) if name is None else _only(theory, name))
        places = [side] if name is None else [f"{side}.{place}" for place in "ab"]
        for variable, place in zip(inner, places, strict=False):
            if not isinstance(variable, str):
                raise _unfit(rule, "its left side must be at most two ops deep", rule.lhs)
            if variable in refs:
                raise _unfit(rule, "its left side must name each variable once", rule.lhs)
            refs[variable] = REFS.index(place)
    heads += [slice(NULL.code, NULL.code + 1)] * (3 - len(heads))
    return tuple(heads), refs


def _only(theory: Theory, name: str) -> slice:
    code = theory.signature.by_name[name].code
    return slice(code, code + 1)


def _build(theory: Theory, rule: Rule, refs: dict[str, int]) -> tuple[int, ...]:
    """Return the rewrite of a rule whose variables are at `refs`."""
    nodes: list[tuple[int, ...]] = []

    def place(pattern: Pattern) -> int:
        if isinstance(pattern, str):
            return refs[pattern]
        name, *operands = applied(pattern)
        code = theory.signature.by_name[name].code
        if code == UNIT:
            return REFS.index("ZERO")
        at = [place(operand) for operand in operands]
        nodes.append((code, *at, *[0] * (2 - len(at))))
        return REF_LOCAL + len(nodes) - 1

    result = place(rule.rhs)
    if len(nodes) > 2:
        raise _unfit(rule, "its right side must build at most two nodes, one for each candidate slot", rule.rhs)
    nothing = NO_REWRITE[LOCAL:CONTINUATION]
    local, continuation = (*nodes, nothing, nothing)[:2]
    return (*local, *continuation, result)


def _unfit(rule: Rule, must: str, got: Pattern) -> UsageError:
    return UsageError(f"rule {rule.name!r}: {must}, got {written(got)}; split the rule into smaller ones")


CASES: Final = compile_rules(load("peano"))
"""The cases of the built-in theory."""
