"""Circuits are read whole, or refused at a place [CIRCUIT-5]."""

from __future__ import annotations

import pytest

from prism.errors import ParseError
from prism.kernels.circuit.classes import Transform
from prism.kernels.circuit.generators import Form
from prism.kernels.circuit.parse import MAX_DEPTH, parse
from prism.kernels.circuit.phrase import Operation, Phrase, Range, Sigil

pytestmark = [pytest.mark.m8, pytest.mark.clause("CIRCUIT-5")]


def test_a_phrase_is_read_as_it_is_written() -> None:
    """Prefix and postfix transforms, pages, groups, ranges, variants, '.' and '||' have their places in the tree."""
    phrase = parse("R+1 T-2 ~@ merge.mul@c1^3[c02,c3~] . (mark@c[0..9]^D+1 || quote@c05^R1@17) // the end")
    group = Phrase(
        (
            (Operation("mark", "", Form.RANGE, Range(0, 9, Transform(triality=1))),),
            (Operation("quote", "", Form.ONE, (Sigil(5, Transform(rotation=1), 17),)),),
        )
    )
    operands = (Sigil(1, Transform(twist=3)), Sigil(2), Sigil(3, Transform(mirror=True)))
    merge = Operation("merge", "mul", Form.IN_CONTEXT, operands)
    assert phrase == Phrase(((merge, group),), Transform(1, 0, -2, True))
    assert str(phrase) == "R+1 T+6 ~@ merge.mul@c01^T+3[c02,c03~] . (mark@c[0..9]^D+1 || quote@c05^R+1@17)"


def test_a_sequence_binds_tighter_than_branches() -> None:
    """`a . b || c` has the branches `a . b` and `c`; a comment and a line end are space."""
    phrase = parse("mark@c1 // first\n . copy@c2->c3 || swap@c4<->c5")
    assert [len(branch) for branch in phrase.branches] == [2, 1]


@pytest.mark.clause("CIRCUIT-4")
@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("reduce_sum@c0->c1", "reduce.sum@c00->c01"),
        ("merge.add@c0[c1,c2]", "merge@c00[c01,c02]"),
        ("split.div@c0[c1,c2]", "split.div@c00[c01,c02]"),
        ("softmax@c0->c1", "softmax@c00->c01"),
        ("merge.exp@c0[c0,c2]", "merge.exp@c00[c00,c02]"),
        ("copy@c05", "copy@c05"),
        ("T+8@ mark@c1", "mark@c01"),
        ("swap@c1<->c2", "swap@c01<->c02"),
    ],
)
def test_text_is_printed_in_one_way(text: str, canonical: str) -> None:
    """Aliases, defaults, digits and amounts that wrap to nothing have one printed form, which is read again."""
    assert str(parse(text)) == canonical
    assert str(parse(canonical)) == canonical


@pytest.mark.parametrize(
    ("text", "column", "expected", "found", "remedy"),
    [
        ("mark@c96", 6, "a class, 0 to 95", "'c96'", "the number is out of range"),
        ("mark@c" + "9" * 5000, 6, "a class, 0 to 95", "'c" + "9" * 39 + "'...", "the number is out of range"),
        ("mark@c0@48", 9, "a page, 0 to 47", "'48'", "the number is out of range"),
        ("mark@c0@-1", 9, "a page, 0 to 47", "'-'", "pages have no sign"),
        ("T+1000000000@ mark@c0", 3, "an amount, 0 to 999999999", "'1000000000'", "the number is out of range"),
        ("mark@c[5..5]", 11, "a class after c5", "'5'", "a range goes up, as in c[0..9]; write one class as c05"),
        ("mark@c[9..2]", 11, "a class after c9", "'2'", "a range goes up, as in c[0..9]; write one class as c05"),
        ("mark@c01 c02", 10, "or the end", "'c02'", "remove it, or complete what precedes"),
        ("mark@c01 $ junk", 10, "'||'", "'$'", "remove it, or complete what precedes"),
        ("mark@c1 | mark@c2", 9, "'||'", "'|'", "branches are separated by ||"),
        ("mark@c1 # note", 9, "'||'", "'#'", "a comment starts with //"),
        ("mark@c1; mark@c2", 8, "'||'", "';'", "a comment starts with //"),
        ("mark@c1\u2029", 8, "'||'", "the character U+2029", "remove it, or complete what precedes"),
        ("mark1@c00", 1, "a generator (mark, copy", "'mark1'", "did you mean mark?"),
        ("zzz@c00", 1, "a generator (mark, copy", "'zzz'", "write an operation as in mark@c05"),
        ("()", 2, "a generator", "')'", "remove it, or complete what precedes"),
        ("(mark@c01", 10, "')'", "the end of input", "complete the circuit"),
        ("", 1, "a generator", "the end of input", "complete the circuit"),
        ("R+ @ mark@c00", 4, "a number", "'@'", "remove it, or complete what precedes"),
        ("T+1 R+1@ mark@c0", 5, "something after T in R, D, T, ~", "'R'", "give each once, in that order"),
        ("mark@c0^1^2", 11, "something after T in R, D, T, ~", "'2'", "give each once, in that order"),
        ("mark@c0 . T+1@ mark@c1", 11, "a generator", "'T'", "a transform begins a phrase or a group, as in (T+1@"),
        ("mark@c0 . R+1@ mark@c1", 11, "a generator", "'R'", "a transform begins a phrase or a group, as in (R+1@"),
        ("mark@c0 . D+1@ mark@c1", 11, "a generator", "'D'", "a transform begins a phrase or a group, as in (D+1@"),
        ("mark@c0 . ~@ mark@c1", 11, "a generator", "'~'", "and a mirror comes last in it"),
        ("copy@c0 - c1", 9, "'->'", "'-'", "write amounts as in R-1 and destinations as in c00->c01"),
        ("merge.div@c0[c1,c2]", 7, "one of add, mul", "'div'", "write the variant after a dot, as in merge.mul"),
        ("mark.add@c0", 6, "'@': mark has no variants", "'add'", "write the variant after a dot"),
        ("reduce_sum.min@c0->c1", 12, "'@': reduce_sum has no variants", "'min'", "write the variant after a dot"),
        ("reduce@c0->c1", 1, "a variant of reduce (sum, min, max)", "'reduce'", "write it after a dot: reduce.sum"),
        ("reduce.sum@c0", 1, "operands like c00->c01 for reduce", "'reduce'", "write reduce@c00->c01"),
        ("mark@c0->c1", 1, "operands like c00 for mark", "'mark'", "write mark@c00"),
        ("softmax@c[0..3]", 1, "operands like c00->c01 for softmax", "'softmax'", "write softmax@c00->c01"),
        (
            "merge.exp@c0[c1,c2]",
            1,
            "exp with the source as its context",
            "context c01",
            "exp reads one class: name it twice, as in merge.exp@c00[c00,c02]",
        ),
    ],
)
def test_faults_are_refused_at_their_place(text: str, column: int, expected: str, found: str, remedy: str) -> None:
    """Nothing is skipped: each fault is named with its column, what may stand there, and what to do."""
    with pytest.raises(ParseError) as caught:
        parse(text, "a.circuit")
    error = caught.value
    assert (error.where.file, error.where.line, error.where.column) == ("a.circuit", 1, column)
    assert expected in error.expected
    assert error.found == found
    assert error.remedy.startswith(remedy) or remedy in error.remedy
    assert "\n" in str(error)


def test_places_are_counted_in_lines() -> None:
    """A fault in a later line has that line and the column in it."""
    with pytest.raises(ParseError) as caught:
        parse("mark@c0 . // one\n  mark@c99")
    assert (caught.value.where.line, caught.value.where.column) == (2, 8)
    assert caught.value.where.text == "  mark@c99"


def test_depth_is_bounded() -> None:
    """Groups stand in one another up to the limit, and the first one beyond it is refused, not climbed into."""
    deep = "(" * MAX_DEPTH + "mark@c1" + ")" * MAX_DEPTH
    assert str(parse(deep)) == deep.replace("c1", "c01")
    with pytest.raises(ParseError, match="expected at most 100 groups in one another") as caught:
        parse("(" * 100_000)
    assert caught.value.where.column == MAX_DEPTH + 1
    assert caught.value.remedy == "remove needless parentheses"
