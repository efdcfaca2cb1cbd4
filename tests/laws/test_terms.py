"""Laws of the term language, by the clauses of spec/terms.md."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prism.errors import ParseError
from prism.vm.term.denote import MEANING, denote
from prism.vm.term.graph import TermGraph, numerals, share, spread_least
from prism.vm.term.ops import BY_CODE, BY_NAME
from prism.vm.term.parse import Reader, read_programs, read_text
from prism.vm.term.show import show_terms
from prism.vm.term.words import MAX_NUMERAL, MAX_WORD
from prism.vm.term.write import write_program
from prism.vm.theory.library import load
from tests.terms import text_of, trees, value_of

pytestmark = pytest.mark.m1

programs = st.lists(trees(), min_size=1, max_size=5)
spaces = st.sampled_from([" ", "\n", "\t", "  ; note\n", " # λ\r\n"])


def _text(forest: list, space: str = "\n") -> str:
    return space.join(map(text_of, forest)) + "\n"


def same(left: TermGraph, right: TermGraph) -> bool:
    """Whether two graphs hold the same terms: equal rows get equal ids in one table."""
    ids: dict[tuple[int, int, int], int] = {}
    roots = []
    for graph in (left, right):
        row_id = [0] * len(graph)
        for row, (op, a, b) in enumerate(zip(graph.op.tolist(), graph.a.tolist(), graph.b.tolist(), strict=True)):
            row_id[row] = ids.setdefault((op, row_id[a], row_id[b]), len(ids))
        roots.append([row_id[root] for root in graph.roots.tolist()])
    return roots[0] == roots[1]


@pytest.mark.clause("TERMS-1")
@given(programs, spaces)
def test_an_expression_is_read_as_written(forest: list, space: str) -> None:
    """Reading yields one root an expression, in order, whatever separates them, with the value of its tree."""
    program = read_text(_text(forest, space))
    assert denote(program.graph) == [value_of(tree) for tree in forest]


@pytest.mark.clause("TERMS-5")
@given(programs)
def test_printed_terms_read_back(forest: list) -> None:
    """Printing as terms, with numerals or without, and reading gives the same terms."""
    graph = read_text(_text(forest)).graph
    for as_numerals in (False, True):
        printed = "\n".join(show_terms(graph, as_numerals=as_numerals))
        assert same(read_text(printed).graph, graph)


@pytest.mark.clause("TERMS-5")
@given(programs)
def test_printed_programs_read_back_and_stay_shared(forest: list) -> None:
    """Printing as a program and reading gives the same shared graph, with no application written twice."""
    graph = share(read_text(_text([*forest, *forest])).graph)
    text = write_program(load("peano").signature, graph)
    assert same(read_text(text).graph, graph)
    applications = (numerals(graph) < 0).sum() - 1  # NULL is no application
    assert text.count("(") - text.count("(def") == applications


@pytest.mark.clause("TERMS-6")
@given(programs)
def test_a_graph_is_topological_and_minimal(forest: list) -> None:
    """Operands come before their rows, unused operands are 0, and the rows of the first terms are a prefix."""
    forest = ["used", *forest, "used"]
    text = "(def unused (mul 9 9))\n(def used (mul 2 1))\n" + "\n".join(
        t if t == "used" else text_of(t) for t in forest
    )
    graph = read_text(text).graph
    row = np.arange(len(graph))
    arity = np.array([BY_CODE[op].arity for op in graph.op.tolist()])
    assert ((graph.a < row) | (row < 1)).all()
    assert ((graph.b < row) | (row < 1)).all()
    assert ((graph.a > 0) == (arity > 0)).all()
    assert ((graph.b > 0) == (arity > 1)).all()
    for n_terms in range(1, len(forest) + 1):
        is_dead = np.ones(len(graph), np.int32)
        is_dead[graph.roots[:n_terms]] = is_dead[:2] = 0
        spread_least(graph.a, graph.b, is_dead)
        assert (np.diff(is_dead) >= 0).all()
    assert not is_dead.any()


@pytest.mark.clause("TERMS-6")
@given(st.lists(st.integers(0, 40), min_size=1))
def test_numerals_share_one_chain(values: list[int]) -> None:
    """However many numerals a graph has, their chain is as long as the largest."""
    graph = read_text(" ".join(map(str, values))).graph
    assert len(graph) == 2 + max(values)
    assert numerals(graph)[graph.roots].tolist() == values


def _read_in_blocks(data: bytes, block_bytes: int) -> tuple[list[int], list[str], str]:
    values, places, error = [], [], ""
    try:
        for program in read_programs(io.BytesIO(data), "f", block_bytes=block_bytes):
            values += denote(program.graph)
            places += [program.where(i) for i in range(len(program))]
    except ParseError as fault:
        error = str(fault).partition("\n")[0]  # the line shown is cut at the end of a block
    return values, places, error


@pytest.mark.clause("TERMS-7")
@given(programs, spaces, st.integers(1, 40), st.binary(max_size=3))
def test_blocks_do_not_matter(forest: list, space: str, block_bytes: int, junk: bytes) -> None:
    """A stream gives the same values, places and error in blocks of any size, definitions and faults included."""
    source = f"(def one 1){space}(def two (add one one)){space}{_text(forest, space)}(mul two one) ".encode() + junk
    assert _read_in_blocks(source, block_bytes) == _read_in_blocks(source, 1 << 20)


@pytest.mark.clause("TERMS-3")
@given(trees(), trees())
def test_a_name_means_its_definition(body, use) -> None:
    """A defined name stands for its expression, as one row, in every later expression."""
    text = f"(def x {text_of(body)}) (add x x) (mul x {text_of(use)})"
    graph = read_text(text).graph
    assert denote(graph) == [2 * value_of(body), value_of(body) * value_of(use)]
    first, second = graph.roots
    assert graph.a[first] == graph.b[first] == graph.a[second]


@pytest.mark.clause("TERMS-8")
def test_every_op_has_a_meaning() -> None:
    """The living definition covers the op table, and nothing else."""
    assert MEANING.keys() == BY_CODE.keys()


@pytest.mark.clause("TERMS-2")
@given(st.text(alphabet=" ()sucadmlzero019;#\n\tλ\0'\"-.x", max_size=30))
@settings(max_examples=300)
def test_any_text_is_read_or_refused_at_a_place(text: str) -> None:
    """Every text is a program, or a ParseError whose place lies in it and shows its line."""
    fault, program = None, None
    try:
        program = read_text(text)
    except ParseError as error:
        fault = error
    if fault is None:
        assert program is not None
        assert len(program) == len(program.graph.roots)
        return
    line = text.split("\n")[fault.where.line - 1]
    assert fault.where.text == line.rstrip("\r")
    assert 1 <= fault.where.column <= len(line) + 1


@pytest.mark.clause("TERMS-4")
@pytest.mark.parametrize("value", [MAX_NUMERAL - 1, MAX_NUMERAL])
def test_numerals_up_to_the_limit(value: int) -> None:
    """A numeral up to 2^24 is read; the next one is refused."""
    reader = Reader("f")
    reader.feed(f"{value}".encode(), is_last=True)
    graph = reader.take().graph
    assert numerals(graph)[graph.roots].tolist() == [value]
    with pytest.raises(ParseError, match=rf"at most {MAX_NUMERAL}, found '{MAX_NUMERAL + 1}'"):
        read_text(f"{MAX_NUMERAL + 1}")


@pytest.mark.clause("TERMS-2")
@pytest.mark.parametrize("length", [MAX_WORD - 1, MAX_WORD])
def test_words_up_to_the_limit(length: int) -> None:
    """A name of 255 characters is read; a longer one is refused."""
    name = "x" * length
    assert denote(read_text(f"(def {name} 3) {name}").graph) == [3]
    with pytest.raises(ParseError, match="expected a word of at most 255 characters, found 'x"):
        read_text("x" * (MAX_WORD + 1))


@pytest.mark.clause("TERMS-3")
@pytest.mark.parametrize("word", [*BY_NAME, "def"])
def test_words_of_the_language_cannot_be_defined(word: str) -> None:
    """A definition of an op, or of def, is refused at the word."""
    with pytest.raises(ParseError, match=f"1:6: expected a name that is not a word of the language, found '{word}'"):
        read_text(f"(def {word} 1)")
