"""prism.vm.rewrite.cases: the table says of every node what the rules say, and refuses rules that it cannot hold."""

from __future__ import annotations

from itertools import product

import pytest

from prism.errors import UsageError
from prism.vm.rewrite.cases import CASES, CONTINUATION, LOCAL, REFS, RESULT, compile_rules
from prism.vm.rewrite.rules import RULES
from prism.vm.term.ops import BY_NAME, OPS
from prism.vm.theory.library import load
from prism.vm.theory.rule import Rule

pytestmark = pytest.mark.m2

NAME = {op.code: op.name for op in OPS}


def head(op) -> tuple:
    """Return a term of one op over distinct leaves, which a pattern's variables can take."""
    return (op.name, *(("leaf", op.name, place) for place in range(op.arity)))


def matches(pattern, term, bindings) -> bool:
    """Whether a pattern is a term, operands as written; binds its variables."""
    if isinstance(pattern, str):
        bindings[pattern] = term
        return True
    same = term[0] == pattern[0] and len(term) == len(pattern)
    return same and all(matches(part, operand, bindings) for part, operand in zip(pattern[1:], term[1:], strict=True))


def substituted(pattern, bindings) -> tuple:
    """Return a pattern with its variables replaced."""
    if isinstance(pattern, str):
        return bindings[pattern]
    return (pattern[0], *(substituted(part, bindings) for part in pattern[1:]))


def rewritten(term):
    """Return the index of the first rule that applies at the root, and what it makes of the term."""
    orders = [term, (term[0], *reversed(term[1:]))] if BY_NAME[term[0]].commutes else [term]
    for index, rule in enumerate(RULES):
        for order in orders:
            bindings: dict = {}
            if matches(rule.lhs, order, bindings):
                return index, substituted(rule.rhs, bindings)
    return -1, term


def read(case: int, term) -> tuple:
    """Return what a case of the table makes of a term."""
    a, b = (*term[1:], None, None)[:2]
    inner = [*(a or ())[1:], None, None][:2] + [*(b or ())[1:], None, None][:2]
    known = dict(zip(REFS, [None, ("zero",), a, b, *inner], strict=False))
    row = CASES.rewrites[case].tolist()
    for place, at in (("local", LOCAL), ("continuation", CONTINUATION)):
        op, *refs = row[at : at + 3]
        known[place] = (NAME[op], *(known[REFS[ref]] for ref in refs[: BY_NAME[NAME[op]].arity])) if op else None
    return known[REFS[row[RESULT]]]


@pytest.mark.clause("REWRITE-2")
def test_every_node_is_rewritten_as_the_first_matching_rule_says() -> None:
    """Over all ops at a node and at its operands, the table and the rules agree on the rule and on its result."""
    seen = 0
    for op in BY_NAME.values():
        for operands in product(BY_NAME.values(), repeat=op.arity):
            term = (op.name, *map(head, operands))
            case = CASES.case[op.code, *([o.code for o in operands] + [0, 0])[:2]]
            rule, result = rewritten(term)
            assert CASES.rule[case] == rule, term
            if rule >= 0:
                assert read(case, term) == result, term
                seen += 1
    assert seen > 20


@pytest.mark.clause("REWRITE-2")
def test_only_the_continuation_refers_to_the_local_node() -> None:
    """The two nodes of a case are two strata: the local one is built from what was there before."""
    assert (CASES.rewrites[:, LOCAL + 1 : CONTINUATION] < REFS.index("local")).all()
    assert (CASES.rewrites[:, CONTINUATION + 1 : RESULT] < REFS.index("continuation")).all()


@pytest.mark.parametrize(
    ("lhs", "rhs", "must"),
    [
        (("suc", ("suc", ("suc", "x"))), "x", "its left side must be at most two ops deep, got"),
        (("add", "x", "x"), "x", "its left side must name each variable once, got"),
        (("suc", "x"), ("suc", ("suc", ("suc", "x"))), "its right side must build at most two nodes, one for each"),
    ],
)
def test_a_rule_that_does_not_fit_is_refused(lhs, rhs, must) -> None:
    """A rule beyond one node, its operands and two new nodes is an error that names the rule."""
    with pytest.raises(UsageError) as raised:
        compile_rules(load("peano").with_rules([Rule("odd", lhs, rhs, "REWRITE-1")]))
    assert str(raised.value).startswith(f"rule 'odd': {must}")
    assert str(raised.value).endswith("; split the rule into smaller ones")


def test_an_earlier_rule_wins() -> None:
    """Where two rules apply, the table holds the first."""
    first = Rule("first", ("mul", ("zero",), "x"), ("zero",), "REWRITE-1")
    second = Rule("second", ("mul", "x", "y"), ("add", "x", "y"), "REWRITE-1")
    mul, zero, suc = (BY_NAME[name].code for name in ("mul", "zero", "suc"))
    for rules in ((first, second), (second, first)):
        table = compile_rules(load("peano").with_rules(rules))
        won = [rules[table.rule[table.case[mul, operand, suc]]] for operand in (zero, suc)]
        assert won == [rules[0], second]
