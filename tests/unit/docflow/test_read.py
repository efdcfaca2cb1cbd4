"""Bytes to a document: decoding, sections, anchors, fingerprints, mentions, and the seed's shape of frontmatter."""

from __future__ import annotations

import pytest

from docflow import schema
from docflow.model import Document
from docflow.read import fingerprint, read

pytestmark = pytest.mark.m5

SEED_SHAPE = """---
doc_revision: 2
reader_reintern: For readers: fetch the text again when doc_revision is new.
doc_change_protocol: RULES.md#changes
doc_requires:
  - RULES.md#rules
  - words.md#terms
  - WORK.md#working
doc_reviewed_as_of:
  RULES.md#rules: 12
  words.md#terms: 7
  WORK.md#working: 30
doc_review_notes:
  RULES.md#rules: Read again (hosts, pins, reviews) and found nothing that this text would have to say otherwise.
  words.md#terms: Read again: no term is used here in another sense.
  WORK.md#working: Read again; the steps are still only linked from here.
doc_id: front_page
doc_role: readme
doc_scope:
  - repo
doc_authority: informative
doc_sections:
  front: 2
doc_section_requires:
  front:
    - RULES.md#rules
    - words.md#terms
    - WORK.md#working
doc_section_reviews:
  front:
    RULES.md#rules:
      dep_version: 1
      self_version_at_review: 2
      outcome: no_change
      note: The rules still cover both runs: local and hosted.
    words.md#terms:
      dep_version: 1
      self_version_at_review: 2
      outcome: no_change
      note: The terms are the ones meant.
    WORK.md#working:
      dep_version: 1
      self_version_at_review: 2
      outcome: no_change
      note: The steps are linked, not repeated.
---

<a id="front"></a>

# Front page

See RULES.md#rules, words.md#terms and WORK.md#working.
"""


def body(text: str, sections: str = "{one: 1, two: 1}") -> Document:
    """Read a document with these sections and this body."""
    return read("d.md", f"---\ndoc_id: d\ndoc_sections: {sections}\n---\n{text}".encode())


@pytest.mark.clause("DOCFLOW-1")
def test_the_shape_of_the_seed_is_read() -> None:
    """Frontmatter like the seed's is read in the dialect: its 3 required edges, 3 section edges, pins and reviews."""
    document = read("front.md", SEED_SHAPE.encode())
    refs = ["RULES.md#rules", "words.md#terms", "WORK.md#working"]
    assert document.dialect == "colon-tolerant"
    assert [edge.ref for edge in document.edges if not edge.section] == refs
    assert [edge.ref for edge in document.edges if edge.section == "front"] == refs
    pins = [review for review in document.reviews if not review.section]
    ledger = [review for review in document.reviews if review.section]
    assert [(review.ref, review.dep_version) for review in pins] == list(zip(refs, [12, 7, 30], strict=True))
    assert [(review.ref, review.dep_version, review.self_version, review.outcome) for review in ledger] == [
        (ref, 1, 2, "no_change") for ref in refs
    ]
    assert ledger[0].note == "The rules still cover both runs: local and hosted."
    assert [(defect.rule, defect.line) for defect in document.defects] == [("dialect", 3)]
    assert (document.revision, document.sections[0].version, document.sections[0].start) == (2, 2, 48)


@pytest.mark.clause("DOCFLOW-4")
def test_sections_begin_at_anchors_and_at_headings_with_ids() -> None:
    """Both spellings of an anchor begin a section, which ends where the next declared one begins."""
    document = body('<a id="one"></a>\n# One\ntext\n## Two {#two}\nmore\n<h3 id="three">Three</h3>\nlast\n')
    assert [(section.anchor, section.start) for section in document.sections] == [("one", 5), ("two", 8)]
    assert document.anchors == (("one", 5), ("two", 8), ("three", 10))
    assert document.sections[0].fingerprint == fingerprint('<a id="one"></a>\n# One\ntext')
    assert document.sections[1].fingerprint == fingerprint('## Two {#two}\nmore\n<h3 id="three">Three</h3>\nlast')


@pytest.mark.clause("DOCFLOW-4")
def test_code_and_comments_hold_no_anchors() -> None:
    """Anchors in fences of either kind, in code spans and in comments are text."""
    document = body(
        '```md\n<a id="one"></a>\n~~~\n```\n~~~~\n<a id="one"></a>\n~~~\n~~~~\n`<a id="two">`\n<!-- <a id="two"> -->\n'
    )
    assert document.anchors == ()
    assert body('```\n```md\n<a id="one"></a>\n```\n<a id="two"></a>\n').anchors == (("two", 9),)
    assert [section.start for section in document.sections] == [0, 0]


@pytest.mark.clause("DOCFLOW-4")
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('<!--\n<a id="one"></a>\n-->\n<a id="two"></a>', ["two"]),
        ('<!-- a --> <a id="one"></a> <!-- b\n<a id="two"></a>\n--> <a id="three"></a>', ["one", "three"]),
        ('a `<!--` b <a id="one"></a>\n``<!-- ` ``\n<a id="two"></a>', ["one", "two"]),
        ('- item\n\n  ```\n  <a id="one"></a>\n  ```\n  <a id="two"></a>', ["two"]),
        ('1. item\n     ```\n     <a id="one"></a>\n     ```\n<a id="two"></a>', ["two"]),
        ('- ```\n  <a id="one"></a>\n  ```\n<a id="two"></a>', ["two"]),
        ('- a\n  - b\n\n    ~~~\n    <a id="one"></a>\n\nout <a id="two"></a>', ["two"]),
        ('> ```\n> <a id="one"></a>\n> ```\n<a id="two"></a>', ["two"]),
        ('text\n\n    <a id="one"></a>\n\n<a id="two"></a>', ["two"]),
        ('text\n    <a id="one"></a>', ["one"]),
        ('```\n<!--\n```\n<a id="one"></a>', ["one"]),
        ('    ```\n<a id="one"></a>', ["one"]),
        ('``` `\n<a id="one"></a>', ["one"]),
    ],
)
def test_comments_and_code_hide_over_lines_and_in_lists(text: str, found: list[str]) -> None:
    """Comments of several lines, fences in lists and quotations, and indented code hold no anchors; the rest does."""
    assert [name for name, _ in body(text).anchors] == found


@pytest.mark.clause("DOCFLOW-4")
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('<div hidden>\n\n<a id="one"></a>\n\n</div><a id="two"></a>', ["two"]),
        ('<div hidden><div></div><a id="one"></a></div>\n<a id="two"></a>', ["two"]),
        ('<p style="x: y; display : none">\n<a id="one"></a></p>\n<a id="two"></a>', ["two"]),
        ('<TEMPLATE><a id="one"></a></TEMPLATE>\n<a id="two"></a>', ["two"]),
        ('<script>`<a id="one"></a>`</script>\n<a id="two"></a>', ["two"]),
        ('<?x <a id="one"></a> ?><a id="two"></a>', ["two"]),
        ('<![CDATA[\n<a id="one"></a>\n]]>\n<a id="two"></a>', ["two"]),
        ('a `<del>` b\n<a id="one"></a>\n<del><a id="two"></a></del>', ["one"]),
        ('<a id="one" class="a hidden"></a><a id="two" hidden></a>', ["one"]),
        ('<details>\n<a id="one"></a>\n</details>', ["one"]),
        ('[x]: # \'<a id="one"></a>\'\n<a id="two"></a>', ["two"]),
        ("[x]: #\n  (a\n<a id='one'></a>\nb) \n<a id='two'></a>", ["two"]),
        ('[x]: page.md\n<a id="one"></a>', ["one"]),
        ('[^1]: note\n<a id="one"></a>\n\n<a id="two"></a>', ["two"]),
        ('a [^1]: <a id="one"></a>', ["one"]),
    ],
)
def test_what_no_reader_sees_holds_no_anchors(text: str, found: list[str]) -> None:
    """Elements that are hidden, struck out or never shown, instructions, titles of links and notes state nothing."""
    assert [name for name, _ in body(text).anchors] == found


@pytest.mark.clause("DOCFLOW-4")
def test_a_comment_that_never_ends_is_a_defect() -> None:
    """What follows an unclosed comment is hidden, and that is said at the line where it begins."""
    document = body('<a id="one"></a>\n<!-- here\n<a id="two"></a>\n')
    assert [(one.rule, one.line) for one in document.defects if one.subject == "comment"] == [("unclosed_comment", 6)]
    assert [name for name, _ in document.anchors] == ["one"]


@pytest.mark.clause("DOCFLOW-5")
@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("a\nb", "a  \nb\t\n\n", True),
        ("a\n\nb", "\n\na\n\n\n\nb", True),
        ("caf\u00e9", "cafe\u0301", True),
        ("a b", "a\nb", False),
        ("- a\n- b", "- a\n  - b", False),
        ("a", "A", False),
        ("a\n\nb", "a\nb", False),
    ],
)
def test_a_fingerprint_ignores_only_blanks_at_ends_and_spelling_of_characters(
    one: str, other: str, *, is_same: bool
) -> None:
    """Trailing blanks, extra blank lines and Unicode composition do not count; everything else does."""
    assert (fingerprint(one) == fingerprint(other)) is is_same
    assert len(fingerprint(one)) == 64


@pytest.mark.clause("DOCFLOW-6")
@pytest.mark.parametrize(
    ("data", "rule", "line"),
    [
        (b"---\ndoc_id: x\n---\n\xff", "not_utf8", 4),
        (b"---\r\ndoc_id: x\r\n---\r\n", "crlf", 1),
        (b"---\ndoc_id: x\n---\nold\rmac", "crlf", 4),
        (b"---\ndoc_id:\n\t- x\n---\n", "tab", 3),
        (b"---\ndoc_id: x\n", "unterminated", 1),
        (b"---\ndoc_id\n---\n", "syntax", 2),
    ],
)
def test_damage_is_a_defect_with_its_line(data: bytes, rule: str, line: int) -> None:
    """A damaged file is still a document, with a defect at the line of the damage."""
    document = read("d.md", data)
    assert document.is_governed
    assert (rule, line) in {(defect.rule, defect.line) for defect in document.defects}


def test_a_byte_order_mark_is_no_content() -> None:
    """A file with a byte order mark is read like the file without it."""
    data = SEED_SHAPE.encode()
    assert read("d.md", b"\xef\xbb\xbf" + data) == read("d.md", data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"# Plain\r\nwith \xff\r\n",
        b"---\ntitle: A page\nlayout: post\n---\n# Post\n",
        b"---\n- a: b: c\n---\n",
        b"---\nA rule opens this page, as doc_id would not.\n",
        b"---\r\n\r\ndoc_id: in the text\r\n",
    ],
)
def test_other_peoples_documents_are_not_governed(data: bytes) -> None:
    """A file without frontmatter, with someone else's or a leading rule has no edges and no defect."""
    document = read("d.md", data)
    assert (document.edges, document.is_governed, document.defects) == ((), False, ())


@pytest.mark.clause("DOCFLOW-8")
@pytest.mark.parametrize(
    ("text", "is_literal"),
    [
        ("as ../base.md#law says", False),
        ("as base.md#law says", True),
        ("as base.md#lawful says", False),
        ("as base.md#law-2 and base.md#law.", True),
        ("see [it](../doc/base.md#law)", False),
        ("see [it](base.md#law)", True),
        ("see [it][1]\n\n[1]: base.md#law", True),
        ('see <a href="base.md#law">it</a>', True),
        ("the base says", False),
    ],
)
def test_a_reference_is_named_literally_or_by_a_link(text: str, *, is_literal: bool) -> None:
    """A longer name does not count; a link is resolved from the document's folder."""
    document = read("base.md", f"---\ndoc_id: d\ndoc_requires: [base.md#law]\n---\n{text}".encode())
    assert [mention.literal for mention in document.mentions] == [is_literal]


def test_links_are_resolved_from_the_folder_of_the_document() -> None:
    """A relative link in doc/x.md names doc/y.md, and ../z.md names z.md."""
    head = "---\ndoc_id: d\ndoc_requires: [doc/y.md#a, z.md]\n---\n"
    document = read("doc/x.md", f"{head}[y](y.md#a) [z](../z.md#anything)".encode())
    assert all(mention.literal for mention in document.mentions)


@pytest.mark.clause("DOCFLOW-7")
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("doc_requires: base.md", "doc_requires must be a list, got 'base.md'"),
        ("doc_sections: a", "doc_sections must be a mapping, got 'a'"),
        ("doc_sections: [a, 1]", "doc_sections.1 must be non-empty text, got 1"),
        ("doc_revision: -1", "doc_revision must be an integer >= 1, got -1"),
        ("doc_revision: true", "doc_revision must be an integer >= 1, got True"),
        ('doc_revision: "3"', "doc_revision must be an integer, got the quoted text '3'; remove the quotes"),
        ("doc_authority: holy", "doc_authority must be one of normative, informative, operational, got 'holy'"),
        ("doc_id: ''", "doc_id must be non-empty text, got ''"),
        ("doc_scope: [a, [b]]", "doc_scope.1 must be non-empty text, got a list of 1"),
        ("doc_section_requires: {s: x}", "doc_section_requires.s must be a list, got 'x'"),
        ("doc_section_reviews: {s: {x.md: ok}}", "doc_section_reviews.s.x.md must be a mapping, got 'ok'"),
        ("doc_id: [" + "x, " * 99 + "]", "doc_id must be non-empty text, got a list of 99"),
        ("doc_authority: " + "x" * 99, "got '" + "x" * 36 + "..."),
    ],
)
def test_types_are_checked_with_what_was_got(line: str, message: str) -> None:
    """A value of the wrong type is a defect that says what it must be and briefly what it is."""
    document = read("d.md", f"---\n{line}\n---\n".encode())
    wrong = [defect for defect in document.defects if defect.rule == "wrong_type"]
    assert message in wrong[0].message
    assert wrong[0].line == 2


@pytest.mark.clause("DOCFLOW-7")
@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("doc_require", "; did you mean doc_requires?"),
        ("doc-scope", "; did you mean doc_scope?"),
        ("doc_section_review", "; did you mean doc_section_reviews?"),
        ("zzz", ""),
    ],
)
def test_unknown_fields_come_with_the_nearest_known_one(name: str, hint: str) -> None:
    """A typo is reported with a suggestion; a name like nothing known is reported without."""
    document = read("d.md", f"---\ndoc_id: x\n{name}: 1\n---\n".encode())
    (unknown,) = [defect for defect in document.defects if defect.rule == "unknown_field"]
    assert (unknown.message, unknown.line) == (f"unknown field {name}{hint}", 3)


@pytest.mark.clause("DOCFLOW-7")
def test_unknown_keys_of_a_review_are_reported() -> None:
    """A typo inside a review cannot hide a value that a rule would check."""
    document = read("d.md", b"---\ndoc_id: x\ndoc_section_reviews:\n  s:\n    y.md:\n      dep_versio: 1\n---\n")
    messages = [defect.message for defect in document.defects if defect.rule == "unknown_field"]
    assert messages == ["unknown key dep_versio in a review; did you mean dep_version?"]


@pytest.mark.clause("DOCFLOW-7")
def test_required_fields_come_from_the_table_and_from_settings() -> None:
    """What the table or the caller requires and the text lacks is a defect each; allowed fields are not unknown."""
    document = read("d.md", b"---\ndoc_id: x\ntitle: y\n---\n", required=["doc_owner"], allowed=["title"])
    missing = {defect.subject for defect in document.defects if defect.rule == "missing_field"}
    assert missing == {field.name for field in schema.FIELDS if field.is_required} - {"doc_id"} | {"doc_owner"}
    assert "unknown_field" not in {defect.rule for defect in document.defects}
    assert {field.name for field in schema.FIELDS if not field.doc} == set()
