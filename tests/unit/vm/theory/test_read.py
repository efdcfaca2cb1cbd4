"""prism.vm.theory.read: files become theories, and each fault has its place and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from prism.errors import ParseError, UsageError
from prism.vm.theory.library import load, shipped
from prism.vm.theory.model import Claims
from prism.vm.theory.read import read_theory
from prism.vm.theory.rule import Equation, Rule
from prism.vm.theory.show import written_theory

pytestmark = [pytest.mark.m7, pytest.mark.clause("THEORY-1")]

HEAD = "(theory t) (op z 0) (op s 1) (op f 2 commutes) (op g 3) (literals) (var x y) (int n m)\n"


def read(text: str):
    """Return the theory in a text."""
    return read_theory(text.encode(), "t.theory")


def test_a_file_becomes_a_theory() -> None:
    """Ops get codes in order, rules their patterns, guards and variables of literals, claims what they name."""
    text = HEAD + '(op h 1 (code 99) "doubles") (clause C-1) (rule r (g x x n) (s (+ n 1)) (when (< n 9) (!= n 0)))'
    theory = read(text + "(equation q (f x y) (f y x)) (symbols a b) (claim terminating) (claim complete g h)")
    assert [(op.code, op.name, op.arity, op.commutes) for op in theory.signature.ops] == [
        (2, "z", 0, False),
        (3, "s", 1, False),
        (4, "f", 2, True),
        (5, "g", 3, False),
        (99, "h", 1, False),
    ]
    assert theory.op("h").doc == "doubles"
    guards = (("<", "n", 9), ("!=", "n", 0))
    assert theory.rules == (Rule("r", ("g", "x", "x", "n"), ("s", ("+", "n", 1)), "C-1", guards, frozenset({"n"})),)
    assert theory.equations == (Equation("q", ("f", "x", "y"), ("f", "y", "x")),)
    assert theory.claims == Claims(terminating=True, complete=("g", "h"))
    assert theory.signature.symbols == ("a", "b")


@pytest.mark.parametrize("name", shipped())
def test_a_theory_prints_as_a_file_that_reads_as_itself(name: str) -> None:
    """Writing a theory and reading that gives an equal value."""
    assert read(written_theory(load(name))) == load(name)


def test_everything_of_a_theory_is_printed() -> None:
    """Guards, literals, names, clauses, equations and claims survive printing."""
    theory = read(
        HEAD + "(symbols a) (clause C-1) (rule r (g x x n) (s (+ n -1)) (when (< n 9))) (clause C-2) (rule q (s z) 7)"
        "(equation e (f x y) (f y x)) (claim confluent) (claim complete g s)"
    )
    assert read(written_theory(theory)) == theory


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", "1:1", "expected (theory NAME), found the end of the file"),
        ("(op z 0)", "1:2", "expected (theory NAME) once, before all else"),
        ("(theory t) (theory u)", "1:13", "expected (theory NAME) once"),
        ("(theory t) x", "1:12", "expected a declaration: one of theory"),
        ("(theory t) ()", "1:12", "expected a declaration"),
        ("(theory t) (opp z 0)", "1:13", "did you mean op?"),
        ("(theory t) (op z", "1:12", "expected ')' for this parenthesis, found the end of the file"),
        ("(theory t) )", "1:12", "remove the parenthesis, or open it earlier"),
        ("(theory t)\n  (op 9 0)", "2:7", "expected a name, which starts with a letter"),
        ("(theory t) (op z 65)", "1:18", "expected a number from 0 to 64"),
        ("(theory t) (op z 1 commutes)", "1:18", "expected 2 operands of an op that commutes"),
        ("(theory t) (op z 1 fast)", "1:20", "expected (op NAME ARITY"),
        ("(theory t) (op z 1 (code 0))", "1:26", "expected a number from 1 to 223"),
        ("(theory t) (op z 1 (code 1))", "1:12", "the code of an op must be from 1 to 223, and 1 only for a constant"),
        ("(theory t) (op z 0 (code 9)) (op y 0 (code 9))", "1:30", "every op must have a code of its own"),
        ("(theory t) (op z 0) (op z 0)", "1:25", "expected a name that is not in use"),
        ("(theory t) (op def 0)", "1:16", "expected a name that is not in use"),
        ("(theory t) (literals) (op min 2)", "1:27", "expected an op not called like arithmetic on literals"),
        ("(theory t) (op max 2) (literals)", "1:23", "expected no op called like arithmetic on literals, as max is"),
        ("(theory t) (numerals z s)", "1:22", "expected an op of 0 operands"),
        (HEAD + "(numerals z s)", "2:1", "expected one meaning of numbers"),
        ("(theory t) (int n)", "1:12", "expected (literals) before variables of literals"),
        (HEAD + "(rule r (s x))", "2:1", "expected (rule NAME LEFT RIGHT"),
        (HEAD + "(rule r x x)", "2:9", "expected a left side that applies an op"),
        (HEAD + "(rule r 7 x)", "2:9", "expected a left side that applies an op"),
        (HEAD + "(rule r (s w) z)", "2:12", "expected a declared variable, a constant or a number"),
        (HEAD + "(rule r (s f) z)", "2:12", "apply it in parentheses: (f ...)"),
        (HEAD + "(rule r (q x) z)", "2:10", "expected an op of the theory"),
        (HEAD + "(rule r (s x y) z)", "2:14", "expected 1 operand of s, found 2"),
        (HEAD + "(rule r (f x) z)", "2:9", "expected 2 operands of f, found 1"),
        (HEAD + "(rule r (s (z)) z)", "2:12", "expected z without parentheses, found 0"),
        (HEAD + "(rule r (s x) y)", "2:1", "every variable on the right must occur on the left"),
        (HEAD + "(rule r (s x) (+ x 1))", "2:1", "arithmetic and guards must be over literals"),
        (HEAD + "(rule r (s (+ n 1)) z)", "2:13", "expected an op of the theory, found '+'"),
        (HEAD + "(rule r (s n) z (when))", "2:17", "expected (when (COMPARISON A B) ...)"),
        (HEAD + "(rule r (s n) z (when (~ n 1)))", "2:23", "expected a comparison: one of <"),
        (HEAD + "(rule r (s x) z) (rule r (s z) z)", "2:24", "expected a name that no other rule has"),
        (HEAD + "(rule r (s 9223372036854775808) z)", "2:12", "expected a number from -9223372036854775808"),
        ("(theory t) (op s 1) (rule r (s 1) (s 1))", "1:32", "expected a name: the theory has no numbers"),
        (HEAD + "(claim quick)", "2:1", "expected (claim terminating), (claim confluent) or (claim complete"),
        (HEAD + "(claim complete q)", "2:17", "expected an op of the theory"),
        ('(theory t) (op z 0 "it)', "1:20", "expected a closing quote on the same line"),
        ("(theory t) (op é 0)", "1:16", "expected a parenthesis or a word of ASCII, found 'é' (U+00E9)"),
        ("(theory t) (extends peano)", "1:12", "a text may extend only what its reader can find"),
        ("(theory t) " + "(" * 300, "1:311", "expected ')' for this parenthesis"),
        ("(theory t) (op " + "z" * 256 + " 0)", "1:16", "expected a word of at most 255 characters"),
    ],
)
def test_a_fault_has_its_place_and_a_remedy(text: str, place: str, words: str) -> None:
    """Every fault is one located error: the place, a caret, and words that say what must hold."""
    with pytest.raises(ParseError) as raised:
        read(text)
    said = str(raised.value)
    assert said.startswith(f"t.theory:{place}: expected"), said
    assert words in said
    assert "\n  " in said
    assert "^" in said


def test_a_deep_pattern_is_refused() -> None:
    """Depth is bounded, so that no reader of a pattern runs out of stack."""
    with pytest.raises(ParseError, match="at most 100 nested expressions"):
        read(HEAD + "(rule r " + "(s " * 5000 + "x" + ")" * 5000 + " x)")


def test_bytes_that_are_no_text_are_refused() -> None:
    """A byte that is no UTF-8 is named, with its place."""
    with pytest.raises(ParseError, match=r"t\.theory:1:12: expected UTF-8 text, found the byte 0xff"):
        read_theory(b"(theory t) \xff", "t.theory")


def test_a_theory_extends_another(tmp_path: Path) -> None:
    """Ops and rules of the base come first, with their codes; claims do not carry over."""
    (tmp_path / "more.theory").write_text(
        "(theory more) (extends peano) (op half 1) (var x) (rule half (half (suc (suc x))) (suc (half x)))"
    )
    (tmp_path / "most.theory").write_text('(theory most) (extends "more.theory") (op third 1)')
    theory = load(tmp_path / "most.theory")
    assert [op.name for op in theory.signature.ops] == ["zero", "suc", "add", "mul", "half", "third"]
    assert theory.op("mul") == load("peano").op("mul")
    assert [rule.name for rule in theory.rules][-2:] == ["mul-suc", "half"]
    assert theory.claims == Claims()
    assert theory.signature.numerals == ("zero", "suc")


def test_theories_that_extend_one_another_are_refused(tmp_path: Path) -> None:
    """A circle is an error, not a hang."""
    (tmp_path / "a.theory").write_text("(theory a) (extends ./b.theory)")
    (tmp_path / "b.theory").write_text("(theory b) (extends ./a.theory)")
    with pytest.raises(ParseError, match="a theory must not extend itself, nor through 16 others"):
        load(tmp_path / "a.theory")


def test_a_theory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """An unknown name lists those that ship; an unreadable file says why."""
    with pytest.raises(UsageError, match="a theory must be a file or one of"):
        load("paeno")
    with pytest.raises(UsageError, match="a theory must be in a file that can be read"):
        load(tmp_path / "no.theory")
