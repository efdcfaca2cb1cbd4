"""YAML as immutable nodes that know their line; `on` stays a word, and a file that means two things is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml


@dataclass(frozen=True, slots=True)
class Scalar:
    """A YAML scalar as written, never a boolean, a number or null; `is_block` marks a `|` block, text below `line`."""

    text: str
    line: int
    is_block: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    """A YAML sequence."""

    items: tuple[Node, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Mapping:
    """A YAML mapping; `entries` keep the order of the file, and no key occurs twice."""

    entries: tuple[tuple[Scalar, Node], ...]
    line: int

    def get(self, key: str) -> Node | None:
        """Return the value of `key`, or None when the key is absent."""
        return next((value for name, value in self.entries if name.text == key), None)

    def line_of(self, key: str) -> int:
        """Return the line of `key`, or that of the mapping when the key is absent."""
        return next((name.line for name, _ in self.entries if name.text == key), self.line)


Node = Scalar | Sequence | Mapping


class DocumentError(ValueError):
    """A file is not one unambiguous YAML document; carries the line."""

    def __init__(self, line: int, message: str) -> None:
        self.line = line
        super().__init__(message)


def read(path: Path) -> Node:
    """Read one YAML file.

    Raises: DocumentError for bytes that are not UTF-8, a syntax error, several documents, a duplicate or non-scalar
    key, a merge key, and an alias inside its own anchor.
    """
    try:
        return parse(path.read_bytes().decode("utf-8"))
    except UnicodeDecodeError as error:
        raise DocumentError(1, f"the file must be UTF-8, got byte {error.object[error.start]:#04x}") from error


def parse(text: str) -> Node:
    """Parse one YAML document; see `read` for what is refused."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "a character that YAML forbids"
        raise DocumentError(
            mark.line + 1 if mark else 1, f"the file must be one YAML document, got {problem}"
        ) from error
    if root is None:
        raise DocumentError(1, "the file must be one YAML document, got nothing")
    return _convert(root, frozenset())


def scalars(node: Node) -> Iterator[Scalar]:
    """Yield every scalar under `node`, keys left out, in the order of the file."""
    match node:
        case Scalar():
            yield node
        case Sequence(items=items):
            for item in items:
                yield from scalars(item)
        case Mapping(entries=entries):
            for _, value in entries:
                yield from scalars(value)


def _convert(node: yaml.Node, above: frozenset[int]) -> Node:
    line = node.start_mark.line + 1
    if id(node) in above:
        raise DocumentError(line, "an alias must not lie inside the node that it names")
    inside = above | {id(node)}
    if isinstance(node, yaml.ScalarNode):
        return Scalar(node.value, line, is_block=node.style == "|")
    if isinstance(node, yaml.SequenceNode):
        return Sequence(tuple(_convert(item, inside) for item in node.value), line)
    return Mapping(tuple(_entries(node, inside)), line)


def _entries(node: yaml.Node, inside: frozenset[int]) -> Iterator[tuple[Scalar, Node]]:
    seen: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise DocumentError(line, "a key must be a scalar")
        if key.value == "<<":
            raise DocumentError(line, "the merge key << must not be used: the host and YAML disagree on it")
        if key.value in seen:
            raise DocumentError(line, f"key {key.value!r} must occur once, got a first one at line {seen[key.value]}")
        seen[key.value] = line
        yield Scalar(key.value, line), _convert(value, inside)
