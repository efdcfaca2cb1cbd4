"""Edits of frontmatter text: what is asked, and nothing else; and `fmt`."""

from __future__ import annotations

import pytest

from docflow.edit import assign, emit, rewrite, scalar
from docflow.errors import DocflowError
from docflow.fmt import format_file, format_head
from docflow.frontmatter import parse, parse_yaml
from tests.unit.docflow.test_read import SEED_SHAPE
from tests.unit.docflow.tree import USER

pytestmark = pytest.mark.m5


@pytest.mark.clause("DOCFLOW-20")
@pytest.mark.parametrize(
    ("head", "path", "value", "edited"),
    [
        ("a: 1\nb: 2", ("a",), 3, "a: 3\nb: 2"),
        ("a: 1  # why\nb: 2", ("a",), 3, "a: 3  # why\nb: 2"),
        ("# top\na:\n  # in\n  b: 1\nc: 2", ("a", "b"), 9, "# top\na:\n  # in\n  b: 9\nc: 2"),
        ("a:\n    b: 1\n\nc: 2", ("a", "d"), 9, "a:\n    b: 1\n    d: 9\n\nc: 2"),
        ("a: {b: 1, ab: 1}\nc: 2", ("a", "b"), 9, "a: {b: 9, ab: 1}\nc: 2"),
        ("a: {b: 1}\nc: 2", ("a", "d"), 9, "a:\n  b: 1\n  d: 9\nc: 2"),
        ("a: {}\nc: 2", ("a", "d"), 9, "a:\n  d: 9\nc: 2"),
        ("a:\nc: 2", ("a", "d"), 9, "a:\n  d: 9\nc: 2"),
        ("c: 2", ("a", "b", "c d"), "x", 'c: 2\na:\n  b:\n    "c d": x'),
        ("", ("a",), 1, "a: 1\n"),
        ('"a b": 1\nc: 2', ("a b",), 3, '"a b": 3\nc: 2'),
        ("a:\n  b: long\n    text\n  c: 1", ("a", "b"), "new: text", 'a:\n  b: "new: text"\n  c: 1'),
        ("a:\n- x\n- y\nb: 1", ("b",), 2, "a:\n- x\n- y\nb: 2"),
        ("n: of: it\na: 1", ("a",), 2, "n: of: it\na: 2"),
        ("a:\n  b: &x 1\nc: 2", ("c",), 3, "a:\n  b: &x 1\nc: 3"),
    ],
)
def test_an_edit_changes_its_scalar_alone(head: str, path: tuple[str, ...], value: int | str, edited: str) -> None:
    """Order, comments and layout stay; a flow mapping that gains a key becomes a block."""
    assert assign("d.md", head, [(path, value)]) == edited


def test_an_edit_that_no_layout_allows_is_refused() -> None:
    """A step that is not a mapping, or frontmatter that cannot be read, stops the edit with the place."""
    with pytest.raises(DocflowError, match=r"d.md: a must be a mapping; correct it first"):
        assign("d.md", "a: 1", [(("a", "b"), 1)])
    with pytest.raises(DocflowError, match=r"d.md:2: the frontmatter must be readable to be edited: expected"):
        assign("d.md", "nothing", [(("a",), 1)])
    with pytest.raises(DocflowError, match=r"the frontmatter cannot be edited without changing more than was asked"):
        assign("d.md", "a:\n  b: 1\n  b: 2\n  c: 1\na:\n  b: 1", [(("a", "b"), 5)])


@pytest.mark.clause("DOCFLOW-20")
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_rewrite_keeps_the_body_and_the_line_ends(newline: str) -> None:
    """Whatever the line ends, only the edited line of the file differs, byte for byte."""
    data = (newline.join(["\ufeff---", "a: 1", "---", "body \t", "", "\x00 end"])).encode()
    assert rewrite("d.md", data, lambda head: assign("d.md", head, [(("a",), 2)])) == data.replace(b"a: 1", b"a: 2")


def test_only_sound_files_are_rewritten() -> None:
    """What is not UTF-8, or has no frontmatter, or ends its lines oddly, is refused."""
    with pytest.raises(DocflowError, match=r"d.md must be UTF-8 to be edited; save it as UTF-8 first"):
        rewrite("d.md", b"---\na: \xff\n---\n", str)
    with pytest.raises(DocflowError, match=r"d.md must begin with frontmatter between two lines of --- to be edited"):
        rewrite("d.md", b"---\na: 1\n", str)
    with pytest.raises(DocflowError, match=r"d.md has lone carriage returns in its frontmatter; save it with LF"):
        rewrite("d.md", b"---\na: 1\rb: 2\n---\n", str)


@pytest.mark.parametrize(
    "value", ["yes", "on", "3", "1.5", "", "null", "a: b", "x #y", "é", '"', "a\tb", "a.md#b-1", -1, None, True]
)
def test_a_scalar_is_read_back_as_it_was_written(value: object) -> None:
    """Every scalar that is written reads back equal, words that YAML 1.1 takes for booleans included."""
    assert parse_yaml(f"v: {scalar(value)}", 1).values == {"v": value}
    assert scalar("yes") == '"yes"'
    assert "\n".join(emit("k", {"a": [1, {"b": []}], "c": {}}, 0)) == 'k:\n  a:\n    - 1\n    - {"b": []}\n  c: {}'


@pytest.mark.clause("DOCFLOW-21")
def test_fmt_makes_the_dialect_yaml() -> None:
    """The seed's shape becomes YAML of the same values; the body, comments and all other lines stay."""
    data = SEED_SHAPE.replace("doc_id:", "# a comment\ndoc_id:").encode()
    done = format_file("d.md", data)
    head, old = (text.split(b"\n---\n")[0].removeprefix(b"---\n").decode() for text in (done, data))
    assert parse_yaml(head, 2).values == parse(old, 2).values
    assert done.split(b"\n---\n", 1)[1] == data.split(b"\n---\n", 1)[1]
    changed = [line for line in head.split("\n") if line not in old.split("\n")]
    assert [line.split(":")[0].strip() for line in changed] == ["reader_reintern", "words.md#terms", "note"]
    assert format_file("d.md", done) == done


@pytest.mark.clause("DOCFLOW-21")
@pytest.mark.parametrize(
    ("head", "done"),
    [
        ("a: b: c\nd:\n  - e: f\n  - plain # not a comment", 'a: "b: c"\nd:\n  - e: f\n  - "plain # not a comment"'),
        ("a: b: c\n  more", 'a: "b: c more"'),
        ("a:\n\t- x", "a:\n    - x"),
        ("a: [x] of y\nb:", 'a: "[x] of y"\nb:'),
        ("- : a: b\n", None),
    ],
)
def test_fmt_quotes_what_yaml_would_misread(head: str, done: str | None) -> None:
    """Colons, hashes, brackets, continued lines and tabs; frontmatter that no one can read is refused."""
    if done is None:
        with pytest.raises(DocflowError, match=r"d.md:2: the frontmatter must be readable to be formatted: "):
            format_head("d.md", head)
        return
    assert format_head("d.md", head).replace("    -", "  -") == done.replace("    -", "  -")
    assert parse_yaml(format_head("d.md", head), 1).values == parse(head.replace("\t", "  "), 1).values


def test_fmt_leaves_yaml_and_plain_files_alone() -> None:
    """A file that is YAML already, or has no frontmatter, comes back byte for byte."""
    for data in (USER.encode(), b"# Plain: text\n", b"\xef\xbb\xbf# Plain\r\n", b""):
        assert format_file("d.md", data) == data
