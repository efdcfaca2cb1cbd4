"""The data of docflow: documents, sections, edges, reviews and findings; no behaviour beyond their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias

Severity: TypeAlias = Literal["error", "warning", "note", "off"]
SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "note", "off")
"""Only `error` blocks; `off` silences the rule."""

OUTCOMES: Final = ("no_change", "changed")
"""What a reviewer may conclude about the dependent text."""


class Fault(NamedTuple):
    """What a rule yields: a place, what it is about, and what is wrong. `subject` never holds a line number."""

    path: str
    line: int
    subject: str
    message: str


class Finding(NamedTuple):
    """A fault with its rule, severity and remedy; lines count from 1."""

    path: str
    line: int
    rule: str
    severity: Severity
    subject: str
    message: str
    remedy: str


class Defect(NamedTuple):
    """Something the reader noticed while it read one document."""

    rule: str
    line: int
    subject: str
    message: str


class Section(NamedTuple):
    """A declared section: `line` is its declaration, `start` its anchor in the body (0 if there is none)."""

    anchor: str
    version: int | None
    line: int
    start: int
    fingerprint: str


class Edge(NamedTuple):
    """One requirement: `section` of the document (empty: the whole document) rests on `ref`."""

    section: str
    ref: str
    line: int


class Review(NamedTuple):
    """One recorded review as it was written; the values are checked by rules, so they may be of any type.

    A document pin has `section` empty, and neither `self_version` nor `outcome`.
    """

    section: str
    ref: str
    dep_version: object
    self_version: object
    outcome: object
    note: object
    line: int


class Mention(NamedTuple):
    """How the body names a required reference: `literal`, or only by its bare name at `line` (0: not at all)."""

    ref: str
    literal: bool
    line: int


class Link(NamedTuple):
    """A link to a file of the tree, as `path` or `path#anchor`, and its line."""

    target: str
    line: int


@dataclass(frozen=True, slots=True)
class Document:
    """One Markdown file: its frontmatter as typed rows, and what the graph needs to know of its body.

    `dialect` says how the frontmatter was read: `yaml`, `colon-tolerant`, or `none` if there is none.
    """

    path: str
    dialect: str
    is_governed: bool
    fields: Mapping[str, object] = field(default_factory=dict)
    field_lines: Mapping[str, int] = field(default_factory=dict)
    revision: int | None = None
    sections: tuple[Section, ...] = ()
    edges: tuple[Edge, ...] = ()
    reviews: tuple[Review, ...] = ()
    anchors: tuple[tuple[str, int], ...] = ()
    labels: tuple[tuple[str, int], ...] = ()
    mentions: tuple[Mention, ...] = ()
    defects: tuple[Defect, ...] = ()
    fingerprint: str = ""
    is_light: bool = False
    """The frontmatter states no version: versions, reviews and notes of the document stand in docflow.lock."""
    slugs: tuple[str, ...] = ()
    """Anchors that a forge makes of the headings."""
    links: tuple[Link, ...] = ()


def edge_key(path: str, section: str, ref: str) -> str:
    """Return the name of an edge: `a.md::section -> b.md#anchor`, or `a.md -> b.md#anchor` for the whole document."""
    return f"{path}::{section} -> {ref}" if section else f"{path} -> {ref}"
