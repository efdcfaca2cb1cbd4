"""One Markdown file's bytes to a Document: frontmatter, sections, anchors, labels, and what is wrong with them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from docflow import frontmatter, schema
from docflow.body import Body, fingerprint, outside_code
from docflow.frontmatter import FrontmatterError, Parsed
from docflow.mapping import Fields, mapped
from docflow.model import Defect, Document, Edge, Link, Mention, Review, Section

PREFIX: Final = "doc_"
"""How the names of our fields begin."""
_WHOLE: Final = (".yml", ".yaml")
_OWN: Final = Fields()
_DASHES: Final = "---"
_COMMENT: Final = "<!-- docflow"
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Source:
    """A file's text with LF line ends, cut at the frontmatter; the lines are those where head and body begin."""

    head: str | None
    body: str
    body_line: int
    defects: tuple[Defect, ...]
    head_line: int = 2


def split(data: bytes) -> Source:
    """Decode a file and cut off its frontmatter; what had to be forgiven on the way is a defect."""
    defects: list[Defect] = []
    data = data.removeprefix(_BOM)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        defects.append(Defect("not_utf8", line, "encoding", f"byte {data[error.start]:#04x} is not UTF-8"))
        text = data.decode("utf-8", errors="replace")
    if "\r" in text:
        line = text.count("\n", 0, text.index("\r")) + 1
        defects.append(Defect("crlf", line, "line ends", "a carriage return ends or splits this line"))
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    found = head_range(lines)
    defects.extend(_stray_comment(lines, found))
    if found is None:
        if lines[0].rstrip() == _DASHES:
            defects.append(Defect("unterminated", 1, "frontmatter", "the opening --- has no closing ---"))
        return Source(None, text, 1, tuple(defects))
    start, end = found
    head = "\n".join(lines[start:end])
    if "\t" in head:
        line = start + 1 + head.count("\n", 0, head.index("\t"))
        defects.append(Defect("tab", line, "frontmatter", "a tab in frontmatter; read as two spaces"))
    if start == 1:
        return Source(head, "\n".join(lines[end + 1 :]), end + 2, tuple(defects))
    return Source(head, "\n".join(lines[: start - 1]), 1, tuple(defects), start + 1)


def head_range(lines: Sequence[str]) -> tuple[int, int] | None:
    """Return where the frontmatter stands, as a range of lines: at the start, or in a comment that ends the file.

    At the start it stands between two lines of three dashes; a comment begins with the line `<!-- docflow` and ends
    with the line `-->`.
    """
    if lines[0].removeprefix("\ufeff").rstrip() == _DASHES:
        end = next((n for n, line in enumerate(lines[1:], 1) if line.rstrip() in {_DASHES, "..."}), None)
        return None if end is None else (1, end)
    last = next((n for n in range(len(lines) - 1, 0, -1) if lines[n].strip()), 0)
    if last and lines[last].rstrip() == "-->":
        start = next((n for n in range(last - 1, -1, -1) if lines[n].startswith("<!--")), None)
        if start is not None and lines[start].rstrip() == _COMMENT:
            return start + 1, last
    return None


def _stray_comment(lines: Sequence[str], found: tuple[int, int] | None) -> Iterator[Defect]:
    """Yield a defect if frontmatter stands in a comment that does not end the file, or beside other frontmatter."""
    if not any(line.startswith(_COMMENT) for line in lines):
        return
    for number, line in outside_code(lines, 1):
        if line.rstrip() == _COMMENT and (found is None or number != found[0]):
            message = f"the comment {_COMMENT} must be the only frontmatter, and end the file with a line -->"
            yield Defect("unterminated", number, "frontmatter", message)


def parse_head(head: str, first_line: int = 2) -> Parsed:
    """Read frontmatter that `split` cut off; it starts on `first_line` of its file."""
    return frontmatter.parse(head.replace("\t", "  "), first_line)


def read(
    path: str,
    data: bytes,
    *,
    required: Sequence[str] = (),
    allowed: Sequence[str] = (),
    fields: Fields = _OWN,
) -> Document:
    """Read one file; anything wrong with it becomes a defect of the document, never an exception.

    A document is governed if its frontmatter has a `doc_*` field, be it otherwise readable or not.
    """
    source = split(data) if not fields or not path.endswith(_WHOLE) else _whole(data)
    if source.head is None:
        defects = tuple(one for one in source.defects if one.rule == "unterminated" and _has_field(source.body))
        return _ungoverned(path, source, source.defects) if defects else _ungoverned(path, source, ())
    try:
        parsed = parse_head(source.head, source.head_line)
    except FrontmatterError as fault:
        defect = Defect("syntax", fault.line, "frontmatter", fault.message)
        return _ungoverned(path, source, (*source.defects, defect) if _has_field(source.head) else ())
    if not any(name.startswith(PREFIX) for name in parsed.values):
        theirs = mapped(parsed, fields)
        return _document(path, source, theirs, ()) if theirs else _ungoverned(path, source, ())
    defects = (*source.defects, *parsed.defects, *schema.validate(parsed, required=required, allowed=allowed))
    return _document(path, source, parsed, defects)


def _whole(data: bytes) -> Source:
    """Take a file that is nothing but fields: all of it is frontmatter, and all of it is text."""
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    return Source(text, text, 1, (), 1)


def _has_field(text: str) -> bool:
    """Say whether a line of frontmatter that cannot be read names one of our fields."""
    return any(line.lstrip(" \t\"'").startswith(PREFIX) for line in text.split("\n\n")[0].split("\n"))


def _ungoverned(path: str, source: Source, defects: tuple[Defect, ...]) -> Document:
    """Return a document of which only its anchors count; with defects it is one of ours that cannot be read."""
    body = Body(source.body, source.body_line)
    return Document(path, "none", bool(defects), anchors=body.anchors, slugs=body.slugs, defects=defects)


def _document(path: str, source: Source, parsed: Parsed, defects: tuple[Defect, ...]) -> Document:
    values, body = parsed.values, Body(source.body, source.body_line)
    if body.unclosed:
        message = "this comment is never closed, so that all that follows is hidden"
        defects = (*defects, Defect("unclosed_comment", body.unclosed, "comment", message))
    turned = _TURNED.search(source.body)
    if turned:
        line = source.body_line + source.body.count("\n", 0, turned.start())
        message = (
            f"character U+{ord(turned[0]):04X} turns the text around it, so that it reads otherwise than it is stored"
        )
        defects = (*defects, Defect("turned_text", line, "text", message))
    revision = values.get("doc_revision")
    requires = tuple(_edges(parsed))
    return Document(
        path,
        parsed.dialect,
        True,
        fields={name: value for name, value in values.items() if name in _KEPT},
        field_lines={name: parsed.lines.get((name,), 1) for name in values if name in _KEPT},
        revision=revision if schema.is_version(revision) else None,
        sections=tuple(_sections(parsed, body)),
        edges=requires,
        reviews=tuple(_reviews(parsed)),
        anchors=body.anchors,
        slugs=body.slugs,
        links=tuple(_links(path, body)),
        labels=body.labels,
        mentions=tuple(_mentions(path, source, body, _to_name(path, parsed, requires))),
        defects=defects,
        fingerprint=fingerprint(source.body),
        is_light=schema.is_light(values),
    )


def _to_name(path: str, parsed: Parsed, edges: Sequence[Edge]) -> set[str]:
    """Return the references that the body must name: those of the document, or, if it sums up none, of its sections."""
    if parsed.is_foreign:
        return set()
    summed = {edge.ref for edge in edges if not edge.section}
    return summed if "doc_requires" in parsed.values else {e.ref for e in edges if e.ref.partition("#")[0] != path}


_KEPT: Final = frozenset(
    {"doc_id", "doc_authority", "doc_role", "doc_change_protocol", "doc_commutes_with", "doc_requires"}
)
"""Fields that rules read as they were written; all others become typed rows."""


_EMPTY: Final = fingerprint("")
_TURNED: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""What sets the direction of text against that of its letters. Source: Unicode Standard Annex 9."""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: Any) -> Iterator[tuple[int, str]]:
    for index, item in enumerate(value if isinstance(value, list) else ()):
        if isinstance(item, str) and item.strip():
            yield index, item.strip()


def _sections(parsed: Parsed, body: Body) -> Iterator[Section]:
    value = parsed.values.get("doc_sections")
    listed = {anchor: (("doc_sections", index), None) for index, anchor in _texts(value)}
    declared = listed or {anchor: (("doc_sections", anchor), number) for anchor, number in _mapping(value).items()}
    found = body.fingerprints(list(declared))
    for anchor, (place, version) in declared.items():
        start, text = found.get(anchor, (0, _EMPTY))
        line = schema.line_of(parsed, place)
        yield Section(anchor, version if schema.is_version(version) else None, line, start, text)


def _edges(parsed: Parsed) -> Iterator[Edge]:
    """Yield each requirement once; a repeated entry of a list adds nothing."""
    seen: set[tuple[str, str]] = set()
    lists = {"": ("doc_requires",)} | {
        section: ("doc_section_requires", section) for section in _mapping(parsed.values.get("doc_section_requires"))
    }
    for section, path in lists.items():
        refs: Any = parsed.values
        for step in path:
            refs = _mapping(refs).get(step)
        for index, ref in _texts(refs):
            if (section, ref) not in seen:
                seen.add((section, ref))
                yield Edge(section, ref, schema.line_of(parsed, (*path, index)))


def _reviews(parsed: Parsed) -> Iterator[Review]:
    pins, notes = (_mapping(parsed.values.get(name)) for name in ("doc_reviewed_as_of", "doc_review_notes"))
    for ref in dict.fromkeys((*pins, *notes)):
        field = "doc_reviewed_as_of" if ref in pins else "doc_review_notes"
        yield Review("", ref, pins.get(ref), None, None, notes.get(ref), schema.line_of(parsed, (field, ref)))
    for path, review in schema.reviews_in(parsed.values):
        dep_version, self_version, outcome, note = (review.get(key) for key in schema.REVIEW_KEYS)
        line = schema.line_of(parsed, path)
        yield Review(path[1], path[2], dep_version, self_version, outcome, note, line)


def _mentions(path: str, source: Source, body: Body, refs: set[str]) -> Iterator[Mention]:
    if not refs:
        return
    links = {link.target for link in _links(path, body)}
    linked_files = {link.partition("#")[0] for link in links}
    lowered = source.body.lower()
    for ref in sorted(refs):
        if ref in links or ("#" not in ref and ref in linked_files) or _occurs(source.body, ref):
            yield Mention(ref, True, 0)
            continue
        stem = posixpath.splitext(posixpath.basename(ref.partition("#")[0]))[0].lower()
        at = lowered.find(stem) if stem else -1
        yield Mention(ref, False, source.body_line + lowered.count("\n", 0, at) if at >= 0 else 0)


def _links(path: str, body: Body) -> Iterator[Link]:
    """Yield the links to files of the tree, resolved from the document's folder; the document's own anchors too."""
    folder = posixpath.dirname(path)
    for target, line in body.links:
        file, mark, anchor = target.partition("#")
        file = file.partition("?")[0]
        if ":" in file or file.startswith("/") or (mark and not anchor and not file):
            continue
        here = posixpath.normpath(posixpath.join(folder, file)) if file else path
        if not here.startswith("../"):
            yield Link(here + mark + anchor, line)


def _occurs(text: str, ref: str) -> bool:
    """Say whether `ref` occurs in `text` on its own, not as a part of a longer path or name."""
    at = text.find(ref)
    while at >= 0:
        before, after = text[max(0, at - 1) : at], text[at + len(ref) : at + len(ref) + 1]
        if not (before.isalnum() or before in _OF_A_PATH or after.isalnum() or after in _OF_A_NAME):
            return True
        at = text.find(ref, at + 1)
    return False


_OF_A_NAME: Final = ("_", "-")
_OF_A_PATH: Final = ("_", "-", ".", "/")
