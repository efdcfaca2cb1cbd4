"""`docflow fmt`: the colon-tolerant dialect rewritten as YAML, line by line; the body stays byte for byte."""

from __future__ import annotations

import json
import re
from typing import Any

from docflow import edit
from docflow.errors import DocflowError
from docflow.frontmatter import FrontmatterError, parse, parse_dialect, parse_yaml
from docflow.read import split


def format_file(path: str, data: bytes) -> bytes:
    """Return a file's bytes with frontmatter that every YAML reader accepts; without frontmatter, the bytes as given.

    Errors: `DocflowError` if the frontmatter cannot be read at all.
    """
    if not data.removeprefix(b"\xef\xbb\xbf").startswith(b"---") and split(data).head is None:
        return data
    return edit.rewrite(path, data, lambda head: format_head(path, head))


def format_head(path: str, head: str) -> str:
    """Quote what YAML would misread and expand tabs; comments and order stay. YAML stays as it is."""
    head = "\n".join(line.replace("\t", "  ").rstrip() for line in head.split("\n")) if "\t" in head else head
    try:
        if parse(head, 2).dialect == "yaml":
            return head
    except FrontmatterError as fault:
        raise DocflowError(
            f"{path}:{fault.line}: the frontmatter must be readable to be formatted: {fault.message}"
        ) from None
    wanted = parse_dialect(head, 2).values
    quoted = "\n".join(map(_quote_line, head.split("\n")))
    if _yaml_values(quoted) == wanted:
        return quoted
    return "\n".join(line for field, value in wanted.items() for line in edit.emit(field, value, 0))


def _yaml_values(text: str) -> Any:
    try:
        return parse_yaml(text, 2).values
    except FrontmatterError:
        return None


def _quote_line(line: str) -> str:
    """Quote the scalar of a line if YAML reads it otherwise than the dialect does."""
    stripped = line.strip()
    if not stripped or stripped.startswith("#"):
        return line
    try:
        item, _, text = ("- ", "", stripped[2:].lstrip()) if stripped.startswith("- ") else ("", "", stripped)
        key, separator, rest = text.partition(": ")
        is_pair = bool(separator) and (not item or re.fullmatch(r"[A-Za-z_]\w*", key) is not None)
        rest = rest.strip() if is_pair else text
        if not is_pair and (not item or text.endswith(":")):
            return line
        value = parse_dialect(f"value: {rest}", 1).values["value"]
        if _yaml_values(f"value: {rest}") == {"value": value}:
            return line
        prefix = line[: len(line) - len(line.lstrip())] + item + (f"{key}: " if is_pair else "")
        return prefix + json.dumps(value, ensure_ascii=False)
    except FrontmatterError:
        return line
