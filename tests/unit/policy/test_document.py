"""YAML keeps its words and its lines, and what is ambiguous is refused with its line."""

from __future__ import annotations

import pytest

from policy.document import DocumentError, Mapping, Scalar, Sequence, parse, scalars

pytestmark = [pytest.mark.m5, pytest.mark.clause("POLICY-1")]


def test_words_stay_words_and_lines_are_kept() -> None:
    """`on`, `off`, numbers and null are text; each node knows its line; a block scalar says that it is one."""
    root = parse("on: off\nn: 010\nrun: |\n  a\n  b\nlist: [x, ~]\n")
    assert isinstance(root, Mapping)
    assert root.get("on") == Scalar("off", 1)
    assert root.get("n") == Scalar("010", 2)
    assert root.get("run") == Scalar("a\nb\n", 3, is_block=True)
    assert root.get("list") == Sequence((Scalar("x", 6), Scalar("~", 6)), 6)
    assert (root.get("none"), root.line_of("list"), root.line_of("none")) == (None, 6, 1)
    assert [scalar.text for scalar in scalars(root)] == ["off", "010", "a\nb\n", "x", "~"]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "the file must be one YAML document, got nothing"),
        ("a: [\nb", 2, "the file must be one YAML document, got expected ',' or ']', but got '<stream end>'"),
        ("a: \x00", 1, "the file must be one YAML document, got a character that YAML forbids"),
        ("a: 1\nb: 2\na: 3", 3, "key 'a' must occur once, got a first one at line 1"),
        ("x: &x {a: 1}\ny: {<<: *x}", 2, "the merge key << must not be used: the host and YAML disagree on it"),
        ("? [a]\n: b", 1, "a key must be a scalar"),
        ("a: &a\n  - *a", 1, "an alias must not lie inside the node that it names"),
    ],
)
def test_an_ambiguous_document_is_refused_with_its_line(text: str, line: int, message: str) -> None:
    """The message says what must hold and what was got; the error carries the line."""
    with pytest.raises(DocumentError) as refused:
        parse(text)
    assert (refused.value.line, str(refused.value)) == (line, message)
