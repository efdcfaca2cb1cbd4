from __future__ import annotations

import time

import pytest

from prism.errors import UsageError
from prism.vm.term.denote import denote
from prism.vm.term.graph import TermGraph, numerals, share
from prism.vm.term.parse import read_text
from prism.vm.term.show import show_number, show_terms
from prism.vm.term.write import write_program
from prism.vm.theory.library import load

pytestmark = pytest.mark.m1

_TREE = "(def x0 (add 0 1))" + "".join(f"(def x{i + 1} (mul x{i} x{i}))" for i in range(40)) + "x40"


def test_a_term_too_large_to_unfold_is_refused_at_once() -> None:
    """A shared tree of depth 40 is no text, and the error says what to do; as a program it is 41 lines."""
    graph = read_text(_TREE).graph
    with pytest.raises(
        UsageError, match=r"must unfold to at most 1073741824 characters, got about .*; print it as a program"
    ):
        show_terms(graph)
    text = write_program(load("peano").signature, graph)
    assert text.count("\n") == 40 + 1
    assert denote(read_text(text).graph) == [1]


def test_deep_terms_print_without_recursion() -> None:
    """A hundred thousand nested additions under as many successors print and read back."""
    n = 100_000
    text = "(suc " * n + "(add 1 " * n + "zero" + ")" * 2 * n
    assert show_terms(read_text(text).graph, as_numerals=True) == [text.replace("zero", "0")]


def test_large_numerals_print_fast() -> None:
    """A million successors print in well under a second, in either form."""
    graph = read_text("1000000").graph
    numerals(graph)
    started = time.perf_counter()
    assert show_terms(graph, as_numerals=True) == ["1000000"]
    assert show_terms(graph) == [show_number(10**6, as_numeral=False)]
    assert time.perf_counter() - started < 1


def test_sharing_merges_equal_rows_and_drops_the_rest() -> None:
    """Rows that apply the same op to the same operands become one; rows without a use go."""
    graph = read_text("(add (mul 2 3) (mul 2 3)) (mul 2 3)").graph
    shared = share(graph)
    assert len(shared) == 2 + 3 + 2
    assert shared.a[shared.roots[0]] == shared.b[shared.roots[0]] == shared.roots[1]
    only_second = TermGraph(graph.op, graph.a, graph.b, graph.roots[1:])
    assert len(share(only_second)) == 2 + 3 + 1
