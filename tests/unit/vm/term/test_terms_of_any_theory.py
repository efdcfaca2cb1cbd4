"""prism.vm.term.read, .write and .build: programs of any theory become graphs, and print as they were written."""

from __future__ import annotations

import random

import numpy as np
import pytest

from prism.errors import ParseError, UsageError
from prism.vm.engines.admit import admit_literals
from prism.vm.engines.api import Limits
from prism.vm.engines.table import open_engine
from prism.vm.engines.theory_engine import TheoryEngine
from prism.vm.ledger.host import HostLedger
from prism.vm.ledger.key import COMPACT
from prism.vm.ledger.optable import op_table
from prism.vm.term.build import GraphBuilder, literal_rows, literal_values
from prism.vm.term.graph import TermGraph
from prism.vm.term.read import TermReader
from prism.vm.term.write import write_terms
from prism.vm.theory.library import load
from prism.vm.theory.model import theory_of
from prism.vm.theory.read import read_theory
from prism.vm.theory.signature import DIGIT, INT_MINUS_ONE, INT_ZERO, SYMBOL, Signature

pytestmark = pytest.mark.m7

WORDS = Signature((), has_literals=True, has_symbols=True)
THEORY = theory_of("t", [("k", 0), ("s", 1), ("f", 2, True), ("g", 3), ("h", 5)], words=WORDS)
VALUES = [0, -1, 1, 15, 16, -16, -17, 255, 1 << 40, (1 << 63) - 1, -(1 << 63)]


@pytest.mark.clause("THEORY-3")
@pytest.mark.parametrize(
    "text",
    ["k", "-17", "(s k)", "(g 1 k (s 2))", "(h k 1 (f k -1) 0 9223372036854775807)", "(f (s k) -9223372036854775808)"],
)
def test_what_is_read_prints_as_it_was_written(text: str) -> None:
    """Every op of any arity, and literals to the ends of 64 bits."""
    program = TermReader(THEORY).read(text.encode(), "p")
    assert write_terms(THEORY.signature, program.graph) == [text]


@pytest.mark.clause("THEORY-3")
def test_definitions_and_free_names_hold_for_later_texts() -> None:
    """A reader knows what was declared before; a text with a fault leaves nothing behind."""
    reader = TermReader(THEORY)
    assert len(reader.read(b"(symbols a b) (def two (s (s a)))", "p")) == 0
    with pytest.raises(ParseError):
        reader.read(b"(def three (s two)) (", "p")
    assert list(reader.definitions) == ["two"]
    program = reader.read(b"; a comment\n(f two b)", "p")
    assert write_terms(THEORY.signature, program.graph, reader.symbols) == ["(f (s (s a)) b)"]
    assert program.where(0) == "p:2:1"
    assert write_terms(THEORY.signature, program.graph) == ["(f (s (s symbol-0)) symbol-1)"]


@pytest.mark.clause("THEORY-3")
@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("(f k", "1:1", "expected ')' for this parenthesis, found the end of input"),
        (")", "1:1", "expected an expression, found ')'"),
        ("(f k)", "1:5", "expected operand 2 of 2 of f, found ')'"),
        ("(f k k k)", "1:8", "expected ')' after operand 2 of 2 of f"),
        ("(ff k k)", "1:2", "did you mean f?"),
        ("(k)", "1:2", "expected an op of theory t after '('"),
        ("(f kk k)", "1:4", "did you mean k?"),
        ("(f qq k)", "1:4", "declare it first: (symbols qq)"),
        ("f", "1:1", "apply it in parentheses, as in (f ...)"),
        ("(s 9223372036854775808)", "1:4", "expected a number of 64 bits"),
        ("(s (def q k))", "1:5", "move (def ...) outside every expression"),
        ("(def k k)", "1:6", "expected a name that is not in use"),
        ("(def q)", "1:7", "expected (def NAME EXPRESSION)"),
        ("(def q k k)", "1:11", "expected (def NAME EXPRESSION)"),
        ("(symbols (s k))", "1:10", "expected a name, found '('"),
        ("(())", "1:2", "expected an op after '(', found '('"),
        ("()", "1:2", "write (op operand...)"),
        ('(s "k")', "1:4", "remove the quotes"),
    ],
)
def test_a_fault_of_a_program_has_its_place(text: str, place: str, words: str) -> None:
    """Every fault of a program is one located error."""
    with pytest.raises(ParseError) as raised:
        TermReader(THEORY).read(text.encode(), "p")
    assert str(raised.value).startswith(f"p:{place}: expected"), raised.value
    assert words in str(raised.value)


@pytest.mark.clause("THEORY-3")
def test_a_theory_without_numbers_or_names_has_none() -> None:
    """Numbers need a meaning, and free names a declaration in the theory."""
    reader = TermReader(theory_of("t", [("k", 0), ("s", 1)]))
    with pytest.raises(ParseError, match="a name: this theory has no numbers"):
        reader.read(b"(s 1)", "p")
    with pytest.raises(ParseError, match="expected an op of theory t"):
        reader.read(b"(symbols a)", "p")


@pytest.mark.slow
@pytest.mark.clause("THEORY-3")
def test_numerals_stand_for_the_ops_that_the_theory_names() -> None:
    """The built-in theory reads alike in both readers, and depth costs no stack."""
    reader = TermReader(load("peano"))
    program = reader.read(b"(add 3 2)" + b"(suc " * 50_000 + b"zero" + b")" * 50_000, "p")
    assert write_terms(load("peano").signature, program.graph) == ["(add 3 2)", "50000"]


def test_a_text_too_wide_is_refused() -> None:
    """A term that unfolds beyond a bound is not built as text."""
    builder, theory = GraphBuilder(), THEORY
    row = builder.apply(theory.op("k"), ())
    for _ in range(64):
        row = builder.apply(theory.op("f"), (row, row))
    with pytest.raises(UsageError, match="print it as a program, which keeps what is shared"):
        write_terms(theory.signature, builder.graph([row]))
    with pytest.raises(UsageError, match="f must be applied to 2 operands, got 1"):
        builder.apply(theory.op("f"), (row,))
    with pytest.raises(UsageError, match="a literal must be an integer of 64 bits"):
        builder.literal(1 << 63)


@pytest.mark.clause("THEORY-4")
def test_literals_have_one_encoding_each() -> None:
    """The arrays of `literal_rows`, the builder and `literal_values` agree, to the ends of 64 bits."""
    choose = random.Random(1)
    values = np.array([*VALUES, *(choose.randint(-(1 << 63), (1 << 63) - 1) for _ in range(300)), 5, 5], np.int64)
    table, rows = literal_rows(values, 2)
    zero = np.zeros(2, np.int32)
    graph = TermGraph(
        np.concatenate((np.array([0, 1], np.uint8), table.op)),
        np.concatenate((zero, table.a)),
        np.concatenate((zero, table.b)),
        rows,
    )
    found, is_literal = literal_values(graph)
    assert is_literal[rows].all()
    assert found[rows].tolist() == values.tolist()
    admit_literals(graph)
    builder = GraphBuilder()
    single = builder.graph([builder.literal(value) for value in values.tolist()])
    ops = op_table(THEORY.signature)
    for layout in ({}, {"layout": COMPACT}):
        theory_engine = TheoryEngine(Limits(**layout), THEORY)
        one, two = theory_engine.normalise(graph).result, theory_engine.normalise(single).result
        assert literal_values(one)[0][one.roots].tolist() == literal_values(two)[0][two.roots].tolist()
    ledger = HostLedger(ops=ops)
    assert ledger.ops is ops


@pytest.mark.clause("THEORY-4")
@pytest.mark.parametrize(
    "rows",
    [
        [(INT_ZERO, 0), (DIGIT, 2)],  # a leading zero
        [(INT_MINUS_ONE, 0), (DIGIT + 15, 2)],  # a leading sign digit
        [(INT_ZERO, 0), (DIGIT + 8, 2), *((DIGIT, row) for row in range(3, 18))],  # 2^63
        [(INT_ZERO, 0), (DIGIT + 1, 2), *((DIGIT, row) for row in range(3, 19))],  # 17 digits
        [(2, 0), (DIGIT + 3, 2)],  # a digit over a constant
        [(2, 0), (SYMBOL, 2)],  # a name over a constant
    ],
)
def test_a_second_encoding_of_a_literal_is_refused(rows) -> None:
    """Arrays that write a literal otherwise are refused by every engine: equal numbers would be two nodes."""
    op = np.array([0, 1, *(code for code, _ in rows)], np.uint8)
    a = np.array([0, 0, *(operand for _, operand in rows)], np.int32)
    graph = TermGraph(op, a, np.zeros_like(a), np.array([len(op) - 1], np.int32))
    for name in ("ledger", "baseline"):
        with pytest.raises(UsageError, match="write a literal of 64 bits in as few digits as it has"):
            open_engine(name, Limits(), None, THEORY).normalise(graph)


@pytest.mark.clause("THEORY-4")
def test_equal_terms_have_equal_ids_whatever_their_arity() -> None:
    """Applications of five operands are one node if and only if all five are equal."""
    reader = TermReader(THEORY)
    texts = ["(h 1 2 3 4 5)", "(h 1 2 3 4 5)", "(h 1 2 3 5 4)", "(g 1 2 (g 3 4 5))", "(f 1 2)", "(f 2 1)"]
    graph = reader.read(" ".join(texts).encode(), "p").graph
    roots = open_engine("ledger", Limits(), None, THEORY).normalise(graph).result.roots.tolist()
    assert [roots.index(root) for root in roots] == [0, 0, 2, 3, 4, 4]


@pytest.mark.clause("THEORY-2")
def test_arithmetic_and_guards_compute_in_64_bits() -> None:
    """What a rule computes is exact; one beyond 64 bits ends the session with CORRUPT on both engines."""
    text = (
        "(theory t) (literals) (op fact 1) (op go 2) (op gcd 2) (op pow 2) (int n m)"
        "(rule a (fact n) (go n 1)) (rule b (go 0 m) m) (rule c (go n m) (go (- n 1) (* n m)) (when (> n 0)))"
        "(rule d (gcd n n) n) (rule e (gcd n m) (gcd (- n m) m) (when (> n m)))"
        "(rule f (gcd n m) (gcd n (- m n)) (when (< n m)))"
        "(rule g (pow n m) (+ (max n m) (* 2 (min n m))))"
    )
    theory = read_theory(text.encode(), "t")
    for name in ("ledger", "baseline"):
        reader = TermReader(theory)
        engine = open_engine(name, Limits(), None, theory)
        graph = reader.read(b"(fact 20) (gcd 84 36) (pow -5 9) (go -1 7)", "p").graph
        outcome = engine.normalise(graph)
        assert write_terms(theory.signature, outcome.result) == ["2432902008176640000", "12", "-1", "(go -1 7)"]
        outcome = engine.normalise(reader.read(b"(fact 3) (fact 21) (fact 4)", "p").graph)
        assert [outcome.report(i).stop.value for i in range(3)] == ["ok", "corrupt", "corrupt"]
        assert engine.status.name == "CORRUPT"


@pytest.mark.clause("THEORY-2")
@pytest.mark.parametrize("how", "+-*")
def test_overflow_is_found_at_every_edge(how: str) -> None:
    """Over pairs of large and small numbers both engines give the exact value or CORRUPT, and never another one."""
    theory = read_theory(f"(theory t) (literals) (op f 2) (int n m) (rule r (f n m) ({how} n m))".encode(), "t")
    edges = [0, 1, -1, 2, -2, 3037000500, -3037000500, (1 << 62), -(1 << 62), (1 << 63) - 1, -(1 << 63)]
    exact = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__}[how]
    seen = set()
    for x in edges:
        for y in edges:
            for name in ("ledger", "baseline"):
                engine = open_engine(name, Limits(), None, theory)
                outcome = engine.normalise(TermReader(theory).read(f"(f {x} {y})".encode(), "p").graph)
                fits = -(1 << 63) <= exact(x, y) < 1 << 63
                seen.add(fits)
                assert outcome.report(0).stop.value == ("ok" if fits else "corrupt"), (name, x, y)
                if fits:
                    assert write_terms(theory.signature, outcome.result) == [str(exact(x, y))], (name, x, y)
    assert seen == {True, False}


@pytest.mark.clause("THEORY-5")
def test_a_term_that_waits_for_itself_ends() -> None:
    """Loops of any length end like a step budget, at once; what drops them is found first, and the session goes on."""
    text = (
        "(theory t) (symbols) (op a 0) (op b 0) (op f 1) (op k 2) (var x y)"
        "(rule p a b) (rule q b a) (rule r (f x) (f (f x))) (rule s (k x y) x)"
    )
    theory = read_theory(text.encode(), "t")
    for name in ("ledger", "baseline"):
        engine = open_engine(name, Limits(max_steps=1000), None, theory)
        reader = TermReader(theory)
        program = reader.read(b"(symbols c) a (f c) b (k c a) a (k c (f c))", "p")
        outcome = engine.normalise(program.graph)
        stops = [outcome.report(index).stop.value for index in range(6)]
        assert stops == ["timeout", "timeout", "timeout", "ok", "timeout", "ok"], name


def test_a_session_that_is_not_logged_says_so() -> None:
    """Which rules were applied is known only where it was asked for from the start."""
    with pytest.raises(UsageError, match="a session must be logged from the start"):
        TheoryEngine(Limits(), THEORY).applications()
    engine = TheoryEngine(Limits(), load("peano"), is_logged=True)
    engine.normalise(TermReader(load("peano")).read(b"(add 1 2)", "p").graph)
    rules, redexes = engine.applications()
    names = [load("peano").rules[rule].name for rule in rules]
    assert names == ["add-suc", "add-zero"]
    assert write_terms(load("peano").signature, redexes) == ["(add 1 2)", "(add 0 2)"]


def test_bsp_refuses_a_theory_of_its_own() -> None:
    """What an engine cannot run it refuses before it starts."""
    with pytest.raises(UsageError, match="engine bsp must run the theory peano, got 't'"):
        open_engine("bsp", Limits(), None, THEORY)
