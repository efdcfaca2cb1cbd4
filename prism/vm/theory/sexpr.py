"""S-expressions with their places: the text of a theory file as words and groups, read without recursion."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NoReturn

from prism.errors import Location, ParseError

MAX_BYTES: Final = 1 << 24
"""The longest theory file."""
MAX_WORD: Final = 255
"""The longest word, in characters, as in programs."""

_TOKEN: Final = re.compile(
    r"[ \t\r\n\ufeff]+|[;#][^\n]*|(?P<open>\()|(?P<close>\))|(?P<text>\"[^\"\n]*\")|(?P<word>[!$-'*-:<-~]+)"
)


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A word (`text`) or a group (`items`, text "("), `at` characters into the source; a text keeps its quotes."""

    text: str
    items: tuple[Node, ...]
    at: int

    @property
    def is_group(self) -> bool:
        """Whether it is a group."""
        return self.text == "("


@dataclass(frozen=True, slots=True)
class Source:
    """A text and what it is called, for errors with their place."""

    text: str
    file: str

    def fail(self, at: int, expected: str, found: str, remedy: str) -> NoReturn:
        """Raise the ParseError at a place."""
        start = self.text.rfind("\n", 0, at) + 1
        end = self.text.find("\n", at)
        line = self.text[start : end if end >= 0 else len(self.text)].rstrip("\r")
        where = Location(self.file, self.text.count("\n", 0, at) + 1, at - start + 1, line)
        raise ParseError(where, expected, found, remedy)

    def refuse(self, node: Node, expected: str, remedy: str) -> NoReturn:
        """Raise the ParseError at a node that should be something else."""
        self.fail(node.at, expected, "an expression" if node.is_group else repr(node.text[:40]), remedy)


def decoded(data: bytes, file: str) -> Source:
    """Return the source that bytes hold; ParseError for a byte that is no UTF-8, and for a file too long."""
    if len(data) > MAX_BYTES:
        Source("", file).fail(0, f"a file of at most {MAX_BYTES} bytes", f"one of {len(data)}", "split the theory")
    try:
        return Source(data.decode(), file)
    except UnicodeDecodeError as error:
        text = data[: error.start].decode()
        Source(text, file).fail(
            len(text), "UTF-8 text", f"the byte 0x{data[error.start]:02x}", "save the file as UTF-8"
        )


def tokens(source: Source) -> Iterator[tuple[str, str, int]]:
    """Yield (kind, text, place) of each parenthesis, word and quoted text: open, close, word, text."""
    at = 0
    while at < len(source.text):
        token = _TOKEN.match(source.text, at)
        if token is None:
            _refuse_character(source, at)
        start, at = at, token.end()
        if token.lastgroup == "word" and at - start > MAX_WORD:
            found = repr(token.group()[:40])
            source.fail(start, f"a word of at most {MAX_WORD} characters", found, "separate words with spaces")
        if token.lastgroup is not None:
            yield token.lastgroup, token.group(), start


def read_groups(source: Source) -> Iterator[Node]:
    """Yield the expressions of a source in order; ParseError at the first fault."""
    opened: list[tuple[int, list[Node]]] = []
    for kind, text, start in tokens(source):
        if kind == "open":
            opened.append((start, []))
            continue
        if kind == "close":
            if not opened:
                source.fail(start, "an expression", "')'", "remove the parenthesis, or open it earlier")
            begun, items = opened.pop()
            node = Node("(", tuple(items), begun)
        else:
            node = Node(text, (), start)
        if opened:
            opened[-1][1].append(node)
        else:
            yield node
    if opened:
        source.fail(opened[-1][0], "')' for this parenthesis", "the end of the file", "close it")


def _refuse_character(source: Source, at: int) -> NoReturn:
    character = source.text[at]
    if character == '"':
        source.fail(at, "a closing quote on the same line", "the end of the line", 'write "text" on one line')
    found = f"{character!r} (U+{ord(character):04X})" if character.isprintable() else f"U+{ord(character):04X}"
    source.fail(at, "a parenthesis or a word of ASCII", found, "write ASCII outside comments; ; starts a comment")
