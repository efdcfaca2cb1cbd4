"""The body of a Markdown file: which of its text is code or comment, and the anchors, labels and links in the rest."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

_ANCHOR: Final = re.compile(r"""<(?:a|h[1-6])\b[^>]*?\s(?:id|name)\s*=\s*["']([^"']+)["']""", re.IGNORECASE)
_HEADING: Final = re.compile(r"^ {0,3}#{1,6}\s+(.*?)(?:\s+#+)?\s*$")
_HEADING_ID: Final = re.compile(r"\s*\{#([^\s}]+)\}$")
_UNDERLINE: Final = re.compile(r"^ {0,3}(?:=+|-+)\s*$")
_LABEL: Final = re.compile(r"\*\*\[([A-Z][A-Z0-9]*-[0-9]+)\]\*\*")
_LINK: Final = re.compile(r"""\]\(\s*<?([^)\s>]+)|^\s{0,3}\[[^\]]+\]:\s*<?([^\s>]+)|href\s*=\s*["']([^"']+)["']""")
_FENCE: Final = re.compile(r"^(`{3,}|~{3,})")
_MARKER: Final = re.compile(r"(?:[-*+]|[0-9]{1,9}[.)])(?: {1,4}(?=\S)| *$)")
_QUOTE: Final = re.compile(r"^(?: {0,3}> ?)+")
_HIDDEN: Final = re.compile(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)|<!--.*?-->")
_NOT_OF_A_SLUG: Final = re.compile(r"[^\w\- ]")
_CODE_INDENT: Final = 4


def fingerprint(text: str) -> str:
    """Return the whole SHA-256 of the normalised text.

    Normalised: Unicode NFC, no blanks at line ends, no blank lines at either end, runs of blank lines as one.
    """
    lines: list[str] = []
    for line in unicodedata.normalize("NFC", text).split("\n"):
        stripped = line.rstrip()
        if stripped or (lines and lines[-1]):
            lines.append(stripped)
    return hashlib.sha256("\n".join(lines).rstrip("\n").encode()).hexdigest()


@dataclass(slots=True)
class _State:
    """Where a reader of lines is: in which fence, in which list items, behind a blank line or a line of code."""

    fence: str = ""
    fence_at: int = 0
    items: list[int] = field(default_factory=list)
    """Columns at which the contents of the open list items begin."""
    is_after_gap: bool = True


def outside_code(lines: Sequence[str], offset: int) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line that is not code: fenced, in lists and quotations too, or indented.

    A fence ends with its list item. Source: CommonMark 0.31, sections 4.4, 4.5 and 5.2.
    """
    state = _State()
    for number, line in enumerate(lines, offset):
        if not line.strip():
            state.is_after_gap = True
            if not state.fence:
                yield number, ""
            continue
        text = _QUOTE.sub("", line.expandtabs(4)) if line.lstrip().startswith(">") else line.expandtabs(4)
        indent = len(text) - len(text.lstrip())
        if state.fence and indent >= state.fence_at and not _closes(state, text):
            continue
        if state.fence:
            is_end, state.fence = _closes(state, text), ""
            if is_end:
                continue
        at = _enter_items(state, text, indent)
        found = _FENCE.match(text[at:].lstrip())
        inset = len(text[at:]) - len(text[at:].lstrip())
        if found and inset < _CODE_INDENT and not (found[1][0] == "`" and "`" in text[at + inset + found.end() :]):
            state.fence, state.fence_at = found[1], state.items[-1] if state.items else 0
            continue
        if state.is_after_gap and inset >= _CODE_INDENT:
            continue
        state.is_after_gap = False
        yield number, line


def _closes(state: _State, text: str) -> bool:
    stripped = text.strip()
    return stripped.startswith(state.fence) and not stripped.strip(state.fence[0])


def _enter_items(state: _State, text: str, indent: int) -> int:
    """Leave the list items that a line is not in, enter those that it begins; return where its own text begins."""
    if state.is_after_gap or _MARKER.match(text.lstrip()) or _FENCE.match(text.lstrip()):
        while state.items and indent < state.items[-1]:
            state.items.pop()
    at = min(indent, state.items[-1]) if state.items else 0
    while len(text[at:]) - len(text[at:].lstrip()) < _CODE_INDENT:
        rest = text[at:].lstrip()
        found = _MARKER.match(rest)
        if found is None:
            break
        at = len(text) - len(rest) + found.end()
        state.items.append(at)
        if not text[at:].strip():
            break
    return at


def visible(lines: Sequence[str], offset: int) -> Iterator[tuple[int, str | None]]:
    """Yield number and visible text of each line that has any; text None: a comment begins here and never ends."""
    comment = 0
    for number, line in outside_code(lines, offset):
        if comment:
            _, mark, line = line.partition("-->")
            if not mark:
                continue
            comment = 0
        if "`" in line or "<!--" in line:
            line = _HIDDEN.sub("", line)
            line, mark, _ = line.partition("<!--")
            comment = number if mark else 0
        yield number, line
    if comment:
        yield comment, None


class Body:
    """Anchors, clause labels, headings and links of a body, outside code and comments; lines count from 1 in the file.

    `unclosed` is the line of a comment that never ends, else 0.
    """

    __slots__ = ("anchors", "labels", "lines", "links", "offset", "slugs", "unclosed")

    def __init__(self, text: str, first_line: int) -> None:
        self.lines, self.offset = text.split("\n"), first_line
        anchors: list[tuple[str, int]] = []
        labels: list[tuple[str, int]] = []
        links: list[tuple[str, int]] = []
        titles: list[str] = []
        before = ""
        self.unclosed = 0
        for number, line in visible(self.lines, self.offset):
            if line is None:
                self.unclosed = number
                continue
            raw = self.lines[number - self.offset]  # the code in a heading is of its name
            heading = _HEADING.match(raw) if line.lstrip().startswith("#") else None
            title = heading[1] if heading else before if before.strip() and _UNDERLINE.match(line) else ""
            if title:
                named = _HEADING_ID.search(title)
                if named and heading:
                    anchors.append((named[1], number))
                titles.append(_HEADING_ID.sub("", title))
            before = line
            if "<" in line:
                anchors.extend((found, number) for found in _ANCHOR.findall(line))
            if "**[" in line:
                labels.extend((found, number) for found in _LABEL.findall(line))
            if "](" in line or "]:" in line or "href" in line:
                links.extend((unquote("".join(found)), number) for found in _LINK.findall(line))
        self.anchors, self.labels, self.links = tuple(anchors), tuple(labels), tuple(links)
        self.slugs = tuple(_slugs(titles))

    def fingerprints(self, names: Sequence[str]) -> dict[str, tuple[int, str]]:
        """Return start line and fingerprint of each named section: from its anchor to the next named one's."""
        wanted = frozenset(names)
        starts: dict[str, int] = {}
        for anchor, line in self.anchors:
            if anchor in wanted and anchor not in starts:
                starts[anchor] = line
        ends = [*starts.values(), self.offset + len(self.lines)][1:]
        return {
            anchor: (start, fingerprint("\n".join(self.lines[start - self.offset : end - self.offset])))
            for (anchor, start), end in zip(starts.items(), ends, strict=True)
        }


def _slugs(titles: Sequence[str]) -> Iterator[str]:
    """Yield the anchors that a forge gives to headings: lower case, words joined by dashes, a number if repeated."""
    count: dict[str, int] = {}
    for title in titles:
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title.lstrip("# ").rstrip("# "))
        slug = _NOT_OF_A_SLUG.sub("", plain.replace("`", "").lower().strip()).replace(" ", "-")
        seen = count[slug] = count.get(slug, -1) + 1
        yield f"{slug}-{seen}" if seen else slug
