"""prism.vm.engines.session: terms by calling ops, normal forms as terms, what a run did, and arrays."""

from __future__ import annotations

import numpy as np
import pytest

import prism
from prism.errors import CapacityError, CorruptError, UsageError
from prism.vm.engines.api import Limits
from prism.vm.engines.patterns import normal_patterns
from prism.vm.term.graph import TermGraph
from prism.vm.theory.model import theory_of
from prism.vm.theory.picture import MAX_SHOWN, Term, drawing
from prism.vm.theory.signature import Signature
from tests.theory_size import measured

pytestmark = [pytest.mark.m7, pytest.mark.clause("THEORY-7")]


def test_terms_are_made_by_calling_ops() -> None:
    """Ops applied to terms, numbers and free names; the normal form is a term of the same kind."""
    calculus = prism.theory.load("calculus")
    d, mul, sin, t = (calculus.op(name) for name in ("d", "mul", "sin", "t"))
    with prism.session(calculus) as session:
        result = session.normal(d(mul(sin(t()), 3)))
        assert str(result) == "(mul 3 (cos t))"
        assert isinstance(result, Term)
        assert session.normal(calculus.op("add")(2, 3)) == 5
    with pytest.raises(UsageError, match="a session must be open to normalise"):
        session.normal(5)
    with pytest.raises(UsageError, match="mul must be applied to 2 operands, got 1"):
        mul(1)


def test_free_names_and_numerals_come_back_as_they_were() -> None:
    """Strings are free names, numbers numerals where the theory says so."""
    with prism.session("group") as session:
        assert session.normal(("m", ("i", "a"), ("m", "a", "b"))) == "b"
        assert session.normal_all([("m", "b", ("e",)), ("i", ("i", "a"))]) == ["b", "a"]
    with prism.session() as session:
        assert session.normal(("mul", 3, ("suc", 4))) == 15
        with pytest.raises(UsageError, match="a term must be an op of the theory over terms"):
            session.normal(("add", "x", 1))


def test_shared_objects_are_looked_at_once() -> None:
    """A term of 2^200 nodes, shared, takes 200 rewrites, and its text is cut."""
    theory = theory_of("t", [("f", 2, True), ("g", 1)], [("fg", ("g", ("f", "x", "y")), ("f", ("g", "x"), ("g", "y")))])
    f, g = theory.op("f"), theory.op("g")
    term: Term | str = "a"
    theory = theory_of("t", [("f", 2, True), ("g", 1)], theory.rules, words=Signature((), has_symbols=True))
    for _ in range(200):
        term = f(term, term)
    with prism.session(theory) as session:
        result = session.normal(g(term))
    assert len(str(result)) < MAX_SHOWN + 100
    picture = drawing(result)
    assert picture is not None
    assert picture.count("<ellipse") == 202


def test_a_picture_draws_each_part_once() -> None:
    """Equal parts are one node, labels are escaped, and a term too large has no picture."""
    picture = Term(("f", Term(("<g>", "a")), Term(("<g>", "a"))))._repr_svg_()
    assert picture is not None
    assert picture.count("<ellipse") == 3
    assert picture.count("<line") == 3
    assert "&lt;g&gt;" in picture
    term: Term | int = 0
    for number in range(500):
        term = Term(("f", term, number))
    assert drawing(Term(("f", term, 0))) is None


def test_what_ends_a_session_early_is_an_error_with_a_remedy() -> None:
    """Steps, nodes and overflow raise what they are."""
    with prism.session("combinators") as session:
        loop = ("ap", ("ap", ("S",), ("I",)), ("I",))
        with pytest.raises(CapacityError, match="a term must reach its normal form in 1048576 steps"):
            session.normal(("ap", loop, loop))
        assert session.normal(("ap", ("ap", ("K",), "x"), ("ap", loop, loop))) == "x"
    with (
        prism.session(limits=Limits(capacity=10)) as session,
        pytest.raises(CapacityError, match="a session must fit 10 nodes"),
    ):
        session.normal(100)
    with (
        prism.session("calculus") as session,
        pytest.raises(CorruptError, match="a literal must stay within 64 bits"),
    ):
        session.normal(("mul", 1 << 62, 4))


def test_an_explanation_names_each_rule_and_redex() -> None:
    """The steps of a run are in order, each an instance of its rule, and the last line is the normal form."""
    with prism.session() as session:
        explained = session.explain(("add", 2, 1))
    assert [step.rule for step in explained.steps] == ["add-suc", "add-zero"]
    assert str(explained).splitlines() == [
        "1. add-suc: (add 1 2) -> (suc (add 0 2))",
        "2. add-zero: (add 0 2) -> 2",
        "3",
    ]
    with prism.session("calculus") as session:
        steps = session.explain(("pow", ("add", 1, ("add", 2, ("t",))), 1)).steps
    assert [str(step) for step in steps] == [
        "pow-one: (pow (add 1 (add t 2)) 1) -> (add 1 (add t 2))",
        "add-nested: (add 1 (add t 2)) -> (add 3 t)",
    ]


def test_arrays_go_in_and_come_out() -> None:
    """A graph of a million nodes needs no object for each: 333,333 negations of negations, sharing nothing."""
    theory = theory_of("t", [("leaf", 0), ("f", 2), ("g", 1)], [("gg", ("g", ("g", "x")), "x")])
    f, g, leaf = (theory.op(name).code for name in ("f", "g", "leaf"))
    n = 333_333
    op, a, b = np.empty(3 * n + 3, np.uint8), np.zeros(3 * n + 3, np.int32), np.zeros(3 * n + 3, np.int32)
    op[:3] = 0, 1, leaf
    row = np.arange(3, 3 * n + 3).reshape(n, 3)
    op[row] = [g, g, f]
    a[row[:, 0]], a[row[:, 1]] = row[:, 0] - 1, row[:, 0]
    a[row[:, 2]], b[row[:, 2]] = row[:, 1], 2
    with prism.session(theory) as session:
        outcome = session.normal_graph(TermGraph(op, a, b, np.array([3 * n + 2], np.int32)))
    assert outcome.steps.tolist() == [n]
    assert len(outcome.result) == n + 3


def test_patterns_with_undone_arithmetic_have_no_normal_form() -> None:
    """What an engine cannot build is None, not a guess."""
    theory = theory_of("t", [("f", 1)], words=Signature((), has_literals=True))
    assert normal_patterns(theory, [("f", ("+", "n", 1)), ("f", 2)], 10) == [None, ("f", 2)]


@pytest.mark.clause("THEORY-4")
def test_arrays_need_no_object_for_a_node() -> None:
    """A graph of 30,000 rows goes in and comes out as arrays, and Python holds next to nothing more than before."""
    found = measured(30_000)
    assert found.normal_rows > 15_000
    assert found.steps > 1000
    assert found.blocks < 1000, found
    assert "rule applications" in str(found)
