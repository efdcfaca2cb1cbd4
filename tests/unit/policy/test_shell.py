"""The shell reader: words, pipelines, nesting and lines; and no text that it cannot read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.remote_script import lines_that_run_fetched_code
from policy.shell import parse

pytestmark = [pytest.mark.m5, pytest.mark.clause("CHECKER-3")]


def outline(text: str) -> list[list[list[str]]]:
    """Return the words of each command of each pipeline."""
    return [[[word.text for word in command.words] for command in pipeline] for pipeline in parse(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b | c; d && e || f & g", [[["a", "b"], ["c"]], [["d"]], [["e"]], [["f"]], [["g"]]]),
        ("a 'b | c' \"d; e\" f\\ g", [[["a", "b | c", "d; e", "f g"]]]),
        ("a''b\"c\" ''", [[["abc", ""]]]),
        ("a # b | c\nd#e", [[["a"]], [["d#e"]]]),
        ("a \\\n b |\n c", [[["a", "b"], ["c"]]]),
        ("a >x 2>>y >&2 &", [[["a", ">", "x", "2", ">", "y", ">", "&2"]]]),
        ('a "$(b "c d")" `e` <(f) ${x | y} ${{ z }}', [[["a", "$()", "$()", "", "${x | y}", "${{ z }}"]]]),
        ("a <<E | b\nit's\nE\nc", [[["a", ""], ["b"]], [["c"]]]),
        ("a <<'E' <<-F\n1\nE\n2\n\tF\nc", [[["a", "", ""]], [["c"]]]),
        ("a <<< b", [[["a", "<<<", "b"]]]),
    ],
)
def test_each_text_has_its_words(text: str, expected: list[list[list[str]]]) -> None:
    """Quotes, escapes, comments, continuations, redirections and here-documents are read as a shell reads them."""
    assert outline(text) == expected


def test_what_is_nested_is_a_script_of_its_own() -> None:
    """A substitution keeps its commands, at any depth, with their lines."""
    [[command]] = parse('a \\\n "$(b | c $(\nd))"')
    [inner] = command.words[1].nested
    assert [[word.text for word in one.words] for one in inner[0]] == [["b"], ["c", "$()"]]
    [[[deepest]]] = [inner[0][1].words[1].nested]
    assert (command.line, inner[0][0].line, deepest[0].line) == (0, 1, 2)


@given(st.text(alphabet="ab \n'\"\\`$(){}<>|&;#E-", max_size=40))
def test_no_text_is_refused(text: str) -> None:
    """Whatever is not closed ends with the script; every line reported lies within the text."""
    assert all(0 <= line <= text.count("\n") for line in lines_that_run_fetched_code(text))
