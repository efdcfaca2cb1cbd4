"""Frontmatter text to plain values with line numbers: strict YAML first, else the colon-tolerant dialect."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from docflow.model import Defect

Path: TypeAlias = tuple[str | int, ...]

MAX_DEPTH: Final = 8
_INTEGER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT: Final = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_CONSTANTS: Final = {"": None, "~": None, "null": None, "Null": None, "NULL": None} | {
    spelling: value
    for word, value in (("true", True), ("false", False))
    for spelling in (word, word.title(), word.upper())
}
_ITEM_KEY: Final = re.compile(r"[A-Za-z_]\w*:(?:\s|$)")
_MAX_DIGITS: Final = 18


class FrontmatterError(Exception):
    """The text is not of the grammar that was tried; `line` counts from 1 in the frontmatter's file."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line, self.message = line, message


@dataclass(slots=True)
class Parsed:
    """Values by field, the line of each path of at most three steps, and what was noticed on the way."""

    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[Path, int] = field(default_factory=dict)
    defects: list[Defect] = field(default_factory=list)
    dialect: str = "yaml"
    is_foreign: bool = False

    def place(self, path: Path, line: int) -> None:
        """Remember where `path` was written; deeper paths are reported at their third step."""
        if len(path) <= 3:
            self.lines[path] = line


def parse(text: str, first_line: int) -> Parsed:
    """Read frontmatter in whichever of the two grammars accepts it, strict YAML before the dialect.

    Errors: `FrontmatterError` with both complaints if neither does. Aliases are reported and never expanded.
    """
    try:
        return parse_yaml(text, first_line)
    except FrontmatterError as strict:
        try:
            parsed = parse_dialect(text, first_line)
        except FrontmatterError as tolerant:
            message = f"{tolerant.message}; as YAML, line {strict.line}: {strict.message}"
            raise FrontmatterError(tolerant.line, message) from None
        parsed.defects.append(
            Defect(
                "dialect",
                strict.line,
                "frontmatter",
                f"not YAML ({strict.message}); read in the colon-tolerant dialect",
            )
        )
        return parsed


def resolve(text: str) -> Any:
    """Give a plain scalar its value: integer, float, boolean, null, else the text itself (no dates, no octals)."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text) and len(text) <= _MAX_DIGITS:
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


class _Frame:
    """A mapping or a sequence that is being filled; `key` is the mapping's pending key."""

    __slots__ = ("container", "has_key", "key", "path")

    def __init__(self, container: dict[str, Any] | list[Any], path: Path) -> None:
        self.container, self.path = container, path
        self.key, self.has_key = "", False


def parse_yaml(text: str, first_line: int) -> Parsed:
    """Read strict YAML from its event stream: iterative, so neither nesting nor aliases can exhaust anything."""
    import yaml

    parsed = Parsed()
    try:
        # From Python strings libyaml counts characters, so marks give lines directly.
        _build(parsed, yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)), first_line)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise FrontmatterError(first_line + (mark.line if mark else 0), str(error.problem)) from None
    except yaml.YAMLError as error:
        offset = getattr(error, "position", 0)
        raise FrontmatterError(first_line + text.count("\n", 0, offset), str(error).splitlines()[0]) from None
    return parsed


def _build(parsed: Parsed, events: Iterable[Any], first_line: int) -> None:
    """Turn YAML events into values; the root must be a mapping."""
    stack: list[_Frame] = []
    is_done = False
    for event in events:
        kind = type(event).__name__
        if kind in {"StreamStartEvent", "StreamEndEvent", "DocumentStartEvent", "DocumentEndEvent"}:
            continue
        line = first_line + event.start_mark.line
        if kind in {"MappingEndEvent", "SequenceEndEvent"}:
            stack.pop()
            is_done = not stack
            continue
        if is_done:
            raise FrontmatterError(line, "frontmatter must be one mapping, and this is a second document")
        value = _value(parsed, event, kind, line)
        if not stack:
            if not isinstance(value, dict):
                if value is None:
                    return
                raise FrontmatterError(line, f"frontmatter must be a mapping of fields, not a {_noun(value)}")
            parsed.values = value
            stack.append(_Frame(value, ()))
            continue
        path = _put(
            parsed,
            stack[-1],
            value,
            line,
            is_text=kind in {"ScalarEvent", "AliasEvent"},
            raw=getattr(event, "value", ""),
        )
        if isinstance(value, dict | list):
            if len(stack) >= MAX_DEPTH:
                raise FrontmatterError(line, f"frontmatter must not nest deeper than {MAX_DEPTH} levels")
            stack.append(_Frame(value, path))


def _value(parsed: Parsed, event: Any, kind: str, line: int) -> Any:
    if kind == "AliasEvent":
        parsed.defects.append(Defect("yaml_alias", line, f"*{event.anchor}", f"alias *{event.anchor} is not expanded"))
        return f"*{event.anchor}"
    if event.tag is not None and event.tag != "!":
        parsed.defects.append(Defect("yaml_tag", line, event.tag, f"tag {event.tag} is ignored"))
    if kind == "MappingStartEvent":
        return {}
    if kind == "SequenceStartEvent":
        return []
    return resolve(event.value) if event.implicit[0] else event.value


def _put(parsed: Parsed, frame: _Frame, value: Any, line: int, *, is_text: bool, raw: str) -> Path:
    """Store one value, or a mapping's key, in the frame; return the path of what was stored."""
    if isinstance(frame.container, list):
        path = (*frame.path, len(frame.container))
        frame.container.append(value)
        parsed.place(path, line)
        return path
    if not frame.has_key:
        if not is_text:
            raise FrontmatterError(line, "a key must be plain text")
        frame.key, frame.has_key = raw or str(value), True
        path = (*frame.path, frame.key)
        if frame.key in frame.container:
            parsed.defects.append(_duplicate(path, line))
        parsed.place(path, line)
        return path
    frame.has_key = False
    frame.container[frame.key] = value
    return (*frame.path, frame.key)


def _duplicate(path: Path, line: int) -> Defect:
    return Defect(
        "duplicate_key", line, ".".join(map(str, path)), f"key {path[-1]!r} occurs twice here; the last one counts"
    )


def _noun(value: object) -> str:
    return "list" if isinstance(value, list) else "scalar"


@dataclass(frozen=True, slots=True)
class _Line:
    indent: int
    text: str
    number: int


def parse_dialect(text: str, first_line: int) -> Parsed:
    """Read the line-oriented dialect: in `key: rest of line`, the rest may hold colons and hashes of its own."""
    parsed = Parsed(dialect="colon-tolerant")
    reader = _DialectReader(list(_lines(text, first_line)), parsed)
    if reader.lines:
        value = reader.block(0, ())
        if not isinstance(value, dict):
            raise FrontmatterError(reader.lines[0].number, "frontmatter must be a mapping of fields, not a list")
        if reader.at < len(reader.lines):
            raise FrontmatterError(
                reader.lines[reader.at].number, "this line is indented less than the block it continues"
            )
        parsed.values = value
    return parsed


def _lines(text: str, first_line: int) -> Iterator[_Line]:
    for number, raw in enumerate(text.split("\n"), first_line):
        stripped = raw.strip()
        if stripped and not stripped.startswith("#"):
            yield _Line(len(raw) - len(raw.lstrip()), stripped, number)


class _DialectReader:
    """Recursive descent over lines; `at` is the next line, depth is bounded by `MAX_DEPTH`."""

    def __init__(self, lines: list[_Line], parsed: Parsed) -> None:
        self.lines, self.parsed, self.at = lines, parsed, 0

    def block(self, depth: int, path: Path) -> Any:
        line = self.lines[self.at]
        if depth >= MAX_DEPTH:
            raise FrontmatterError(line.number, f"frontmatter must not nest deeper than {MAX_DEPTH} levels")
        return self._items(line.indent, depth, path) if _is_item(line) else self._mapping(line.indent, depth, path)

    def _next(self, indent: int) -> _Line | None:
        """Return the next line if it belongs to a block at `indent`."""
        line = self.lines[self.at] if self.at < len(self.lines) else None
        if line is not None and line.indent > indent:
            raise FrontmatterError(line.number, "this line is indented more than the block it belongs to")
        return line if line is not None and line.indent == indent else None

    def _mapping(self, indent: int, depth: int, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while (line := self._next(indent)) is not None and not _is_item(line):
            key, rest = _split_key(line)
            here = (*path, key)
            if key in values:
                self.parsed.defects.append(_duplicate(here, line.number))
            self.parsed.place(here, line.number)
            self.at += 1
            values[key] = self._rest(rest, indent, depth, here)
        return values

    def _rest(self, rest: str, indent: int, depth: int, path: Path) -> Any:
        """Read what follows `key:`: a scalar with its continuation lines, or a nested block."""
        if rest and rest not in {"|", ">", "|-", ">-"}:
            return self._scalar(rest, indent)
        following = self.lines[self.at] if self.at < len(self.lines) else None
        if rest:
            return self._scalar("", indent)
        if following is not None and (
            following.indent > indent or (following.indent == indent and _is_item(following))
        ):
            return self.block(depth + 1, path)
        return None

    def _items(self, indent: int, depth: int, path: Path) -> list[Any]:
        values: list[Any] = []
        while (line := self._next(indent)) is not None and _is_item(line):
            here = (*path, len(values))
            self.parsed.place(here, line.number)
            rest = line.text[1:].lstrip()
            if _ITEM_KEY.match(rest):
                self.lines[self.at] = _Line(indent + len(line.text) - len(rest), rest, line.number)
                values.append(self.block(depth + 1, here))
            else:
                self.at += 1
                values.append(self._rest(rest, indent, depth, here))
        return values

    def _scalar(self, text: str, indent: int) -> Any:
        parts = [text] if text else []
        while self.at < len(self.lines) and self.lines[self.at].indent > indent:
            parts.append(self.lines[self.at].text)
            self.at += 1
        joined = " ".join(parts)
        if joined[:1] in {'"', "'", "[", "{"}:
            try:
                return parse_yaml(f"value: {joined}", 1).values["value"]
            except FrontmatterError:
                return joined
        bare = joined.split(" #")[0].rstrip()
        return resolve(bare) if _INTEGER.fullmatch(bare) else resolve(joined)


def _is_item(line: _Line) -> bool:
    return line.text == "-" or line.text.startswith("- ")


def _split_key(line: _Line) -> tuple[str, str]:
    key, separator, rest = line.text.partition(": ")
    if not separator:
        if not line.text.endswith(":"):
            raise FrontmatterError(line.number, "expected `key: value` or `- item`")
        key, rest = line.text[:-1], ""
    key = key.strip()
    return (key[1:-1] if len(key) > 1 and key[0] == key[-1] and key[0] in "\"'" else key), rest.strip()
