"""Frontmatter text: strict YAML, the colon-tolerant dialect, and texts that are neither."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from docflow.frontmatter import FrontmatterError, Parsed, parse, parse_dialect, parse_yaml

pytestmark = pytest.mark.m5

BOTH = """doc_id: one
doc_revision: 3
doc_scope:
  - a
  - b
doc_sections:
  s: 1
doc_section_reviews:
  s:
    x.md#y:
      dep_version: 2
      note: "with: colon # and hash"
"""


@pytest.mark.clause("DOCFLOW-1")
def test_both_readers_agree_on_plain_frontmatter() -> None:
    """Text of both grammars has the same values and lines in both, and counts as YAML."""
    strict, tolerant = parse_yaml(BOTH, 2), parse_dialect(BOTH, 2)
    assert strict.values == tolerant.values
    assert strict.lines == tolerant.lines
    assert strict.lines["doc_section_reviews", "s", "x.md#y"] == 11
    assert parse(BOTH, 2).dialect == "yaml"


@pytest.mark.clause("DOCFLOW-1")
@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("note: Only for readers: read it", {"note": "Only for readers: read it"}),
        ("note: a: b # c", {"note": "a: b # c"}),
        ("a: b: c\nn: 3 # three", {"a": "b: c", "n": 3}),
        ("a: b: c\nd:\n- x: y z\n- p: q: r", {"a": "b: c", "d": [{"x": "y z"}, {"p": "q: r"}]}),
        ("a: b: c\nd:\n  - one\n    more\n  - 'two: 2'", {"a": "b: c", "d": ["one more", "two: 2"]}),
        ("a: b: c\nd: [1, two, 'x: y']\ne: {f: 1}", {"a": "b: c", "d": [1, "two", "x: y"], "e": {"f": 1}}),
        ("a: b: c\nd: |\n  first\n  second\ne:", {"a": "b: c", "d": "first second", "e": None}),
        ("a: b: c\n'k: l': 1\nd: [not closed", {"a": "b: c", "'k": "l': 1", "d": "[not closed"}),
        ("a: b: c\n# all: of it\nd:\n  - e:\n      f: 1", {"a": "b: c", "d": [{"e": {"f": 1}}]}),
    ],
)
def test_the_dialect_keeps_the_rest_of_the_line(text: str, values: dict[str, object]) -> None:
    """What is not YAML is read line by line, and the reader says that it was, and where YAML gave up."""
    parsed = parse(text, 2)
    assert parsed.values == values
    assert parsed.dialect == "colon-tolerant"
    assert [defect.rule for defect in parsed.defects] == ["dialect"]
    assert "read in the colon-tolerant dialect" in parsed.defects[0].message


@pytest.mark.clause("DOCFLOW-2")
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-3", -3),
        ("0o17", "0o17"),
        ("017", "017"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("yes", "yes"),
        ("true", True),
        ("1.5", 1.5),
        ("~", None),
        ("'3'", "3"),
        ('"\\u00e9"', "é"),
        ("9" * 30, "9" * 30),
    ],
)
def test_scalars_have_few_types(text: str, value: object) -> None:
    """Integers are decimal; dates, octals, sexagesimals and yes stay text, so a version never comes from a surprise."""
    assert parse_yaml(f"v: {text}", 1).values == {"v": value}


@pytest.mark.clause("DOCFLOW-3")
def test_aliases_are_never_expanded() -> None:
    """A bomb of nine levels of nine aliases each is as small as its text, and each alias is reported."""
    bomb = "a0: &a0 [x, x]\n" + "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10))
    parsed = parse(bomb, 1)
    assert parsed.values["a9"] == ["*a8"] * 9
    assert len([defect for defect in parsed.defects if defect.rule == "yaml_alias"]) == 81
    assert parsed.defects[0].message == "alias *a0 is not expanded"


@pytest.mark.clause("DOCFLOW-3")
def test_tags_build_no_objects() -> None:
    """A tag that asks for a Python object is reported and the scalar stays text."""
    parsed = parse("a: !!python/object/apply:os.system [ls]\nb: !!int '3'", 1)
    assert parsed.values == {"a": ["ls"], "b": "3"}
    assert [defect.rule for defect in parsed.defects] == ["yaml_tag", "yaml_tag"]


def test_a_key_that_occurs_twice_is_reported() -> None:
    """In both grammars the second line of the key is named, and the last value counts."""
    for text in ("a: 1\nb:\n  c: 1\n  c: 2", "z: y: x\nb:\n  c: 1\n  c: 2"):
        parsed = parse(text, 1)
        (defect,) = [defect for defect in parsed.defects if defect.rule == "duplicate_key"]
        assert (defect.line, defect.subject, parsed.values["b"]) == (4, "b.c", {"c": 2})
        assert defect.message == "key 'c' occurs twice here; the last one counts"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (
            "just words",
            1,
            "expected `key: value` or `- item`; as YAML, line 1: frontmatter must be a mapping of fields",
        ),
        ("- a\n- b", 1, "frontmatter must be a mapping of fields, not a list; as YAML"),
        ("a:\n    b: 1\n  c: x: y", 3, "this line is indented more than the block it belongs to; as YAML, line 3"),
        ("  a: b: c\nd: 1", 2, "this line is indented less than the block it continues; as YAML, line 1"),
        ("a: 1\n--- \nb: 2", 2, "as YAML, line 3: frontmatter must be one mapping, and this is a second document"),
        ("? [a]\n: b", 1, "as YAML, line 1: a key must be plain text"),
        ("[" * 500, 1, "as YAML, line 1: frontmatter must be a mapping of fields"),
    ],
)
def test_what_is_neither_is_refused_with_a_line(text: str, line: int, message: str) -> None:
    """Text of neither grammar raises one error, which has the dialect's line and both complaints."""
    with pytest.raises(FrontmatterError) as caught:
        parse(text, 1)
    assert caught.value.line == line
    assert message in caught.value.message


@pytest.mark.clause("DOCFLOW-3")
@pytest.mark.parametrize(
    ("text", "read"), [("\n".join(f"{'  ' * n}k{n}:" for n in range(3000)), parse), ("a: " + "{b: " * 3000, parse_yaml)]
)
def test_deep_nesting_is_refused_before_it_costs_anything(text: str, read: Callable[[str, int], Parsed]) -> None:
    """Frontmatter deeper than eight levels is an error, not a full stack."""
    with pytest.raises(FrontmatterError, match="frontmatter must not nest deeper than 8 levels"):
        read(text, 1)


def test_empty_frontmatter_has_no_fields() -> None:
    """Nothing, blanks and comments are empty frontmatter in both grammars."""
    for text in ("", "\n\n", "# only a comment"):
        assert parse(text, 2).values == parse_dialect(text, 2).values == {}
