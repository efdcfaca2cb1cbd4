"""The body of a Markdown file: which of its text is code or comment, and the anchors, labels and links in the rest."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
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
_HIDDEN: Final = re.compile(
    r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)|<!--|<\?|<!\[CDATA\[|<(script|style|template|textarea|title|noscript|del|s|strike)\b[^<>]*>"
    r"|<(\w+)\b[^<>]*?(?:\shidden(?=[\s=>/])|display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0)[^<>]*>",
    re.IGNORECASE,
)
_ENDS: Final = {"<!--": "-->", "<?": "?>", "<![CDATA[": "]]>"}
_DEFINITION: Final = re.compile(r"^ {0,3}\[(\^)?[^\]]+\]:\s*(?:<[^<>]*>|\S*)")
_QUOTES: Final = {'"': '"', "'": "'", "(": ")"}
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


@dataclass(slots=True)
class _Hiding:
    """What hides the text that follows: `end` closes it; a tag named there is counted, for elements nest."""

    line: int
    end: str
    depth: int = 1

    def past(self, text: str, at: int) -> int:
        """Return where text is seen again, -1 if nowhere in this line."""
        if self.end.startswith(("-->", "?>", "]]>")):
            found = text.find(self.end, at)
            return found + len(self.end) if found >= 0 else -1
        for tag in re.finditer(rf"<(/?){self.end}\b[^<>]*>", text[at:], re.IGNORECASE):
            self.depth += -1 if tag[1] else 1
            if self.depth == 0:
                return at + tag.end()
        return -1


def visible(lines: Sequence[str], offset: int) -> Iterator[tuple[int, str | None]]:
    """Yield number and visible text of each line that has any; text None: what hides text begins here and never ends.

    Hidden: comments, instructions, elements that no browser shows or shows struck out, and those that say so.
    """
    hiding: _Hiding | None = None
    for number, line in outside_code(lines, offset):
        if hiding is None and "`" not in line and "<" not in line:
            yield number, line
            continue
        shown, at = "", 0
        while at >= 0:
            if hiding is not None:
                at = hiding.past(line, at)
                hiding = None if at >= 0 else hiding
                continue
            found = _HIDDEN.search(line, at)
            shown += line[at : found.start() if found else None]
            at = found.end() if found else -1
            if found and not found[1]:
                hiding = _Hiding(number, _ENDS.get(found[0]) or found[2] or found[3])
        yield number, shown
    if hiding is not None:
        yield hiding.line, None


def _stated(lines: Iterable[tuple[int, str | None]]) -> Iterator[tuple[int, str]]:
    """Yield the lines that state something: not the titles of link definitions, nor notes at the foot."""
    quote, is_note, was_definition = "", False, False
    for number, line in lines:
        if line is None:
            continue
        text = line.strip()
        if quote or (was_definition and text[:1] in _QUOTES):
            end = quote or _QUOTES[text[0]]
            quote = "" if not text or text.find(end, 0 if quote else 1) >= 0 else end
            was_definition = False
            continue
        found = _DEFINITION.match(line)
        is_note = bool(text) and (is_note or bool(found and found[1]))
        was_definition = bool(found) and not is_note
        if was_definition and found:
            title = line[found.end() :].strip()
            is_open = title[:1] in _QUOTES and _QUOTES[title[0]] not in title[1:]
            quote, was_definition = (_QUOTES[title[0]] if is_open else ""), not title
        elif not is_note:
            yield number, line


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
        seen = list(visible(self.lines, self.offset))
        for number, line in seen:
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
            if "](" in line or "]:" in line or "href" in line:
                links.extend((unquote("".join(found)), number) for found in _LINK.findall(line))
        for number, line in _stated(seen):
            if "<" in line:
                anchors.extend((found, number) for found in _ANCHOR.findall(line))
            if "**[" in line:
                labels.extend((found, number) for found in _LABEL.findall(line))
        anchors.sort(key=lambda one: one[1])
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
