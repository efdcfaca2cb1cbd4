"""Minimal edits of frontmatter text: one scalar at a time, the rest and the whole body byte for byte as it was."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias

from docflow.errors import DocflowError
from docflow.frontmatter import FrontmatterError, resolve
from docflow.read import head_range, parse_head

Change: TypeAlias = tuple[tuple[str, ...], "int | str"]
"""A path of mapping keys and the scalar to be there."""

_PLAIN: Final = re.compile(r"[A-Za-z_][\w./#-]*")
_YAML_1_1_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off"})
_INDENT: Final = "  "


def rewrite(path: str, data: bytes, edit: Callable[[str], str]) -> bytes:
    """Apply `edit` to the frontmatter of a file's bytes; it sees and returns text with LF line ends.

    Errors: `DocflowError` if the file is not UTF-8 or has no frontmatter that ends.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise DocflowError(f"{path} must be UTF-8 to be edited; save it as UTF-8 first") from None
    lines = text.split("\n")
    found = head_range(lines)
    if found is None:
        raise DocflowError(f"{path} must begin with frontmatter between two lines of --- to be edited")
    start, end = found
    newline = "\r\n" if lines[start - 1].endswith("\r") else "\n"
    head = "\n".join(line.removesuffix("\r") for line in lines[start:end])
    if "\r" in head:
        raise DocflowError(f"{path} has lone carriage returns in its frontmatter; save it with LF line ends first")
    edited = edit(head).split("\n")
    return ("\n".join([*lines[:start], *(line + newline[:-1] for line in edited), *lines[end:]])).encode()


def assign(path: str, head: str, changes: Sequence[Change]) -> str:
    """Return frontmatter with each change made and nothing else changed, proved by reading it again.

    A field whose layout cannot take the change in place is written anew as a block; so is a mapping in braces.
    Errors: `DocflowError` if a step on the way is not a mapping, or the frontmatter cannot be read.
    """
    before = _values(path, head)
    wanted = copy.deepcopy(before)
    for steps, value in changes:
        _assign_value(path, wanted, steps, value)
    lines = head.split("\n")
    for steps, value in changes:
        if not _assign_line(lines, steps, value):
            _emit_field(lines, steps[0], wanted[steps[0]])
    edited = "\n".join(lines)
    if _values(path, edited) == wanted:
        return edited
    if head.lstrip().startswith("{"):
        edited = "\n".join(line for field, value in wanted.items() for line in emit(field, value, 0))
    else:
        lines = head.split("\n")
        for field in dict.fromkeys(steps[0] for steps, _ in changes):
            _emit_field(lines, field, wanted[field])
        edited = "\n".join(lines)
    if _values(path, edited) != wanted:
        raise DocflowError(
            f"{path}: the frontmatter cannot be edited without changing more than was asked; edit it by hand"
        )
    return edited


def _values(path: str, head: str) -> dict[str, Any]:
    try:
        return parse_head(head).values
    except FrontmatterError as fault:
        raise DocflowError(
            f"{path}:{fault.line}: the frontmatter must be readable to be edited: {fault.message}"
        ) from None


def _assign_value(path: str, values: dict[str, Any], steps: Sequence[str], value: int | str) -> None:
    for depth, step in enumerate(steps[:-1], 1):
        if values.get(step) is None:
            values[step] = {}
        values = values[step]
        if not isinstance(values, dict):
            raise DocflowError(f"{path}: {'.'.join(steps[:depth])} must be a mapping; correct it first")
    values[steps[-1]] = value


def _assign_line(lines: list[str], steps: Sequence[str], value: int | str) -> bool:
    """Change one scalar in place, or add it to the block it belongs to; say whether the layout allowed it."""
    start, end, indent = 0, len(lines), 0
    for depth, step in enumerate(steps):
        at = next((n for n in range(start, end) if _key_at(lines[n], indent) == step), None)
        if at is None:
            if depth == 0:
                return False
            position = _last_content(lines, start, end)
            nested: Any = value
            for missing in reversed(steps[depth + 1 :]):
                nested = {missing: nested}
            lines[position:position] = list(emit(step, nested, indent))
            return True
        start, end = at + 1, _block_end(lines, at, indent, end)
        key, _, rest = lines[at].partition(":") if not _quoted_key(lines[at]) else _split_quoted(lines[at])
        if depth == len(steps) - 1:
            comment = re.search(r"\s+#.*$", rest) if re.match(r"\s*[-+\w]+\s+#", rest) else None
            lines[at:end] = [f"{key}: {scalar(value)}{comment[0] if comment else ''}"]
            return True
        if rest.strip():
            return _assign_flow(lines, at, steps[depth + 1 :], value)
        children = [n for n in range(start, end) if _is_content(lines[n])]
        if not children:
            return False
        indent = len(lines[children[0]]) - len(lines[children[0]].lstrip())
    return False


def _assign_flow(lines: list[str], at: int, steps: Sequence[str], value: int | str) -> bool:
    """Change one integer of a one-line flow mapping such as `{ledger: 1}`."""
    pattern = rf"(?<![\w.#/-])({re.escape(steps[-1])}:\s*)[0-9]+(?=\s*[,}}])"
    if len(steps) != 1 or not isinstance(value, int) or len(re.findall(pattern, lines[at])) != 1:
        return False
    lines[at] = re.sub(pattern, lambda found: f"{found[1]}{value}", lines[at])
    return True


def _is_content(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _quoted_key(line: str) -> bool:
    return line.lstrip()[:1] in {'"', "'"}


def _split_quoted(line: str) -> tuple[str, str, str]:
    quote = line.lstrip()[0]
    at = line.find(f"{quote}:", line.index(quote) + 1) + 1
    return (line[:at], ":", line[at + 1 :]) if at else (line, "", "")


def _key_at(line: str, indent: int) -> str | None:
    """Return the key that a line at this indentation begins with."""
    if not _is_content(line) or len(line) - len(line.lstrip()) != indent:
        return None
    if _quoted_key(line):
        return _split_quoted(line)[0].strip()[1:-1]
    key, separator, _ = line.strip().partition(": ")
    return key.strip() if separator else key.removesuffix(":") if key.endswith(":") else None


def _block_end(lines: Sequence[str], at: int, indent: int, end: int) -> int:
    """Return the line after the last one that belongs to the key on line `at`."""
    last = at
    for number in range(at + 1, end):
        line = lines[number]
        if not _is_content(line):
            continue
        depth = len(line) - len(line.lstrip())
        if depth < indent or (depth == indent and not line.lstrip().startswith("-")):
            break
        last = number
    return last + 1


def _last_content(lines: Sequence[str], start: int, end: int) -> int:
    return max((n + 1 for n in range(start, end) if _is_content(lines[n])), default=start)


def _emit_field(lines: list[str], field: str, value: Any) -> None:
    """Write a whole field anew, in its place or at the end."""
    at = next((n for n, line in enumerate(lines) if _key_at(line, 0) == field), None)
    if at is None:
        position = _last_content(lines, 0, len(lines))
        lines[position:position] = list(emit(field, value, 0))
    else:
        lines[at : _block_end(lines, at, 0, len(lines))] = list(emit(field, value, 0))


def emit(key: str, value: Any, indent: int) -> Iterator[str]:
    """Yield a key and its value as lines of block YAML."""
    blank = " " * indent
    name = key if _PLAIN.fullmatch(key) and scalar(key) == key else json.dumps(key, ensure_ascii=False)
    if isinstance(value, dict) and value:
        yield f"{blank}{name}:"
        for child, nested in value.items():
            yield from emit(child, nested, indent + len(_INDENT))
    elif isinstance(value, list) and value:
        yield f"{blank}{name}:"
        for item in value:
            yield from _emit_item(item, indent + len(_INDENT))
    else:
        yield f"{blank}{name}: {scalar(value)}"


def _emit_item(item: Any, indent: int) -> Iterator[str]:
    if isinstance(item, dict | list) and item:
        # A nested collection in a list is rare; JSON is YAML.
        yield f"{' ' * indent}- {json.dumps(item, ensure_ascii=False)}"
    else:
        yield f"{' ' * indent}- {scalar(item)}"


def scalar(value: Any) -> str:
    """Write a scalar, or an empty collection, so that YAML 1.1 and 1.2 read it alike."""
    if (
        isinstance(value, str)
        and _PLAIN.fullmatch(value)
        and isinstance(resolve(value), str)
        and value.lower() not in _YAML_1_1_WORDS
    ):
        return value
    return json.dumps(value, ensure_ascii=False)
