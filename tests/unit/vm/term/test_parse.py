from __future__ import annotations

import io
import re

import pytest

from prism.errors import CapacityError, Location, ParseError
from prism.vm.term.complaint import Context, complaint
from prism.vm.term.denote import denote
from prism.vm.term.parse import Reader, read_programs, read_text
from prism.vm.term.scan import SyntaxFault

pytestmark = pytest.mark.m1


@pytest.mark.parametrize(
    "fault", [fault for fault in SyntaxFault if fault is not SyntaxFault.NONE], ids=lambda fault: fault.name
)
def test_every_fault_has_words_and_a_remedy(fault: SyntaxFault) -> None:
    """Each fault says what was expected, what was found and what to do."""
    context = Context(b"word", "add", 2, 1, "f:1:1", ("words",))
    error = complaint(fault, Location("f", 3, 4, "a b word"), context)
    assert re.match(r"f:3:4: expected .+, found .+\n  a b word\n     \^\n  .+", str(error))
    assert "{" not in str(error)


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("(def total 3) (add totl 1)", "did you mean total?"),
        ("(mull 1 2)", "did you mean mul?"),
        ("(ZERO)", "write an op after '('"),
        ("(zero)", "write zero without parentheses"),
        ("(7)", "write 7 without parentheses"),
        ("(def f 1) (f)", "write f without parentheses"),
        ("qqq", r"define it first: (def qqq ...)"),
        ("(add 1", "close the expression opened at f:1:1"),
        ("(add 1\n  (suc 2", "close the expression opened at f:2:3"),
        ("(suc 1 2)", "close the expression opened at f:1:1"),
        ("(mul 1)", "mul takes 2 operands"),
        ("(suc)", "suc takes 1 operand"),
        ("-5", "numbers have no sign and no point"),
        ("(suc (def x 1))", "move (def name expression) before the expression opened at f:1:6"),
        ("99999999", "build larger numbers, as in (mul 65536 65536)"),
    ],
)
def test_remedies(text: str, remedy: str) -> None:
    """The remedy names what was probably meant, or the parenthesis that is concerned."""
    with pytest.raises(ParseError) as caught:
        read_text(text, "f")
    assert str(caught.value).endswith(f"\n  {remedy}")


def test_the_caret_stands_under_the_fault() -> None:
    """In a line of any length and after tabs and wide characters, the caret points at the fault."""
    for before in ("", "\t", "(suc 1) " * 10, "(suc 1) " * 10_000):
        with pytest.raises(ParseError) as caught:
            read_text(f"1\n{before}@ (suc 2)\n", "f")
        _, line, caret, _ = str(caught.value).split("\n")
        assert line[len(caret) - 1] == "@"
        assert len(line) <= 78
        assert (caught.value.where.line, caught.value.where.column) == (2, len(before) + 1)


def test_columns_count_characters() -> None:
    """A fault in a comment after characters of several bytes has the column that an editor shows."""
    with pytest.raises(ParseError, match=r"^f:2:7: expected a parenthesis.* found the character U\+0000"):
        read_text("1\n; λ→𝄞 \0", "f")


def test_a_line_that_began_in_an_earlier_block_is_shown() -> None:
    """The line of a fault is shown with what earlier blocks held of it."""
    with pytest.raises(ParseError) as caught:
        list(read_programs(io.BytesIO(b"1\n(add 1 2) (add 3 oops)"), "f", block_bytes=4))
    assert caught.value.where.column == 18
    assert caught.value.where.text.startswith("(add 1 2) (add 3 oops")


def test_rows_are_bounded() -> None:
    """A reader holds at most `max_rows` applications, and says in which line there were more."""
    reader = Reader("f", max_rows=10)
    reader.feed(b"(suc " * 9 + b"1" + b")" * 9, is_last=True)
    with pytest.raises(
        CapacityError, match=r"f: one expression .* must fit 10 applications, got more by line 2; split"
    ):
        Reader("f", max_rows=10).feed(b"\n" + b"(suc " * 10 + b"1" + b")" * 10, is_last=True)


def test_a_reader_hands_its_definitions_on() -> None:
    """A reader started from another knows its definitions, and adds to its own alone."""
    first = Reader("a")
    first.feed(b"(def x 3) (def y (add x x)) y", is_last=True)
    assert denote(first.take().graph) == [6]
    second = Reader("b", known=first)
    second.feed(b"(def z (mul y y)) z x", is_last=True)
    assert denote(second.take().graph) == [36, 3]
    assert (first.definitions, second.definitions) == (["x", "y"], ["x", "y", "z"])


def test_many_names() -> None:
    """Ten thousand definitions keep apart, through growth of the table and blocks that cut words in two."""
    source = "".join(f"(def n{i} {i % 97})\n" for i in range(10_000)) + " ".join(f"n{i}" for i in range(10_000))
    values = [
        value
        for program in read_programs(io.BytesIO(source.encode()), "f", block_bytes=1000)
        for value in denote(program.graph)
    ]
    assert values == [i % 97 for i in range(10_000)]


def test_definitions_survive_the_graphs_between() -> None:
    """What a definition needs is kept while a stream of graphs passes, and nothing else is."""
    source = io.BytesIO(b"(def big (mul (add 1 2) (add 3 4)))\n" + b"(add 1 (suc 1))\n" * 1000 + b"big")
    graphs = [program.graph for program in read_programs(source, "f", block_bytes=64)]
    assert denote(graphs[-1])[-1] == 21
    assert len(graphs) > 100
    assert max(map(len, graphs)) < 100


def test_parentheses_without_spaces_fit() -> None:
    """The densest nesting that may be written, without a space between head and parenthesis, is read."""
    assert denote(read_text("(suc" * 5000 + "(add(mul 2 3)4)" + ")" * 5000).graph) == [5010]
