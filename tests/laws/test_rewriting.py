"""The laws of rewriting [spec/rewriting.md], for every engine that needs no accelerator."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from prism.vm.engines.api import STOPS, Limits
from prism.vm.engines.project import project
from prism.vm.engines.report import StopReason
from prism.vm.engines.table import open_engine
from prism.vm.rewrite.rules import RULES
from prism.vm.term.denote import MEANING, denote
from prism.vm.term.graph import TermGraph, numerals
from prism.vm.term.ops import BY_NAME, SUC, ZERO
from prism.vm.term.parse import read_text
from prism.vm.theory.rule import variables
from tests.strategies import term_graphs

pytestmark = pytest.mark.m1

every_engine = pytest.mark.parametrize("engine", ["baseline", "ledger"])


def values(graph: TermGraph) -> list[int]:
    """Return the numeral at each root, -1 where it is none."""
    return numerals(graph)[graph.roots].tolist()


def value_of(pattern, bindings) -> int:
    """Return what a rule's side stands for."""
    if isinstance(pattern, str):
        return bindings[pattern]
    name, *parts = pattern
    operands = [value_of(part, bindings) for part in parts]
    return MEANING[BY_NAME[name].code](*operands, *[0] * (2 - len(operands)))


@pytest.mark.slow
@pytest.mark.clause("REWRITE-1")
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@given(data=st.data())
def test_a_rule_keeps_what_a_term_stands_for(rule, data) -> None:
    """Both sides of a rule stand for the same number, whatever its variables stand for."""
    bindings = {name: data.draw(st.integers(0, 1 << 70)) for name in sorted(variables(rule.lhs))}
    assert value_of(rule.lhs, bindings) == value_of(rule.rhs, bindings)


@pytest.mark.clause("REWRITE-3")
@every_engine
@given(terms=term_graphs())
def test_a_normal_form_is_the_numeral_that_the_term_stands_for(engine, terms) -> None:
    """No redex is left anywhere: only zero and suc remain, and they count what the term denotes."""
    outcome = open_engine(engine, Limits()).normalise(terms)
    assert values(outcome.result) == denote(terms)
    assert set(outcome.result.op[2:].tolist()) <= {SUC.code}
    assert not outcome.stop.any()


@pytest.mark.clause("REWRITE-6")
@given(terms=term_graphs(max_rows=60, max_roots=8))
def test_engines_agree_on_results_and_on_rule_applications(terms) -> None:
    """Projected results are equal to the bit, and each root took the same number of steps."""
    ours, definition = (open_engine(engine, Limits()).normalise(terms) for engine in ("ledger", "baseline"))
    assert project(ours.result).agrees(project(definition.result))
    assert ours.steps.tolist() == definition.steps.tolist()


@pytest.mark.clause("REWRITE-4")
@every_engine
@given(terms=term_graphs())
def test_work_is_done_once_in_a_session(engine, terms) -> None:
    """The same terms again, or their normal forms, cost no rule application and no node."""
    session = open_engine(engine, Limits())
    first = session.normalise(terms)
    count = session.count
    for again in (terms, first.result):
        outcome = session.normalise(again)
        assert project(outcome.result).agrees(project(first.result))
        assert not outcome.steps.any()
        assert not outcome.nodes.any()
        assert session.count == count


@pytest.mark.clause("REWRITE-5")
@every_engine
@settings(max_examples=30)
@given(terms=term_graphs(max_roots=1, max_value=60), budget=st.integers(1, 20))
@example(terms=read_text("(mul 3 (mul 2 3))").graph, budget=1)
def test_a_term_out_of_steps_goes_on_where_it_stopped(engine, terms, budget) -> None:
    """Given `budget` steps at a time, a term takes as many in all as in one go, and ends with the same normal form."""
    whole = open_engine(engine, Limits()).normalise(terms)
    session = open_engine(engine, Limits(max_steps=budget))
    steps = []
    while True:
        part = session.normalise(terms)
        steps.append(int(part.steps[0]))
        if part.report(0).stop is StopReason.NORMAL_FORM:
            break
        assert part.report(0).stop is StopReason.STEP_LIMIT
        assert part.result.roots.tolist() == [0]
        assert steps[-1] == budget
        assert sum(steps) <= whole.steps[0]
    assert sum(steps) == whole.steps[0]
    assert project(part.result).agrees(project(whole.result))


@every_engine
@pytest.mark.parametrize(
    ("program", "value"),
    [
        ("(add (add 1 1) (add 0 1))", 3),
        ("(mul (add 1 1) 2)", 4),
        ("(add 2 (add 1 1))", 4),
        ("(suc (add 1 0))", 2),
        ("(mul 0 (mul 7 8))", 0),
        ("(add (mul 3 4) (mul 5 6))", 42),
        ("(suc (suc (mul (suc zero) (suc (add 1 (mul 2 2))))))", 8),
    ],
)
def test_every_redex_is_reduced_not_only_the_root(engine, program, value) -> None:
    """A redex under a suc, in an operand, or made by another rewrite is reduced like one at the root."""
    outcome = open_engine(engine, Limits()).normalise(read_text(program).graph)
    assert values(outcome.result) == [value]


def doubled(depth: int, leaf: str) -> TermGraph:
    """Return the graph of x_depth, where x_0 is the leaf and x_{i+1} is (add x_i x_i)."""
    program = [f"(def x0 {leaf})", *(f"(def x{i + 1} (add x{i} x{i}))" for i in range(depth)), f"x{depth}"]
    return read_text("\n".join(program)).graph


@pytest.mark.clause("REWRITE-4")
@every_engine
def test_a_shared_tree_costs_its_distinct_nodes(engine) -> None:
    """A tree that unfolds to 2^40 leaves of zero is one rewrite a level at most; over 1 it costs its result's size."""
    nothing = open_engine(engine, Limits()).normalise(doubled(40, "zero"))
    assert values(nothing.result) == [0]
    assert nothing.steps[0] <= 40
    depth = 12
    something = open_engine(engine, Limits()).normalise(doubled(depth, "1"))
    assert values(something.result) == [1 << depth]
    assert something.steps[0] <= (1 << depth) + depth
    assert something.nodes[0] <= 3 * (1 << depth) + 4 * depth


@pytest.mark.slow
@pytest.mark.clause("REWRITE-4")
@pytest.mark.parametrize(
    ("program", "value"), [("(mul 1024 1024)", 1 << 20), ("(add 1000000 1000000)", 2_000_000), (None, 1 << 20)]
)
def test_large_results_cost_two_nodes_and_one_step_a_suc(program, value) -> None:
    """A million-fold result is exact, and takes one redex and one suc for each suc that a rule makes."""
    terms = doubled(20, "1") if program is None else read_text(program).graph
    outcome = open_engine("ledger", Limits()).normalise(terms)
    assert values(outcome.result) == [value]
    report = outcome.report(0)
    assert report.steps <= value + 1100
    assert report.nodes <= 2 * value + len(terms) + 1100


def test_many_terms_are_one_call() -> None:
    """Ten thousand independent terms come back in order, each with what it cost."""
    sums = [(i % 30, i % 7) for i in range(10_000)]
    outcome = open_engine("ledger", Limits()).normalise(read_text("\n".join(f"(add {m} {n})" for m, n in sums)).graph)
    assert values(outcome.result) == [m + n for m, n in sums]
    assert outcome.steps.shape == (10_000,)
    assert outcome.report(2).stop is STOPS[0] is StopReason.NORMAL_FORM
    assert outcome.steps.sum() <= 30 * 7 + 30 + 7
    assert {report.stop for report in outcome.reports()} == {StopReason.NORMAL_FORM}


@given(terms=term_graphs(max_roots=6), order=st.randoms(use_true_random=False))
def test_the_order_of_roots_does_not_change_results(terms, order) -> None:
    """Roots given in another order have the same normal forms, each at its place."""
    at = list(range(len(terms.roots)))
    order.shuffle(at)
    moved = TermGraph(terms.op, terms.a, terms.b, terms.roots[at])
    straight, shuffled = (open_engine("ledger", Limits()).normalise(graph).result for graph in (terms, moved))
    assert values(shuffled) == np.array(values(straight))[at].tolist()


def test_ops_that_rules_mention_are_those_that_engines_meet() -> None:
    """Every op with operands but suc heads some rule, so that a closed term has no stuck redex."""
    heads = {rule.lhs[0] for rule in RULES}
    assert heads == {op.name for op in BY_NAME.values()} - {ZERO.name, SUC.name}
