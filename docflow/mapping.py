"""Trees with frontmatter of their own: their fields, as docflow.toml maps them, read as ours."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docflow.frontmatter import Parsed


@dataclass(frozen=True, slots=True)
class Fields:
    """How another project's frontmatter is read.

    `names`: which of its fields holds `id`, `requires`, `status`; without `id` a document is called like its file,
    if no other is.
    `normative`: the values of `status` that make a document bind; all others are informative.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    normative: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.names)


def mapped(parsed: Parsed, fields: Fields) -> Parsed | None:
    """Return the frontmatter with our names for their fields, None if it has none of them.

    Fields that are not mapped are left out, so that nothing is asked of them.
    """
    from docflow.frontmatter import Parsed

    values = parsed.values
    if not any(theirs in values for theirs in fields.names.values()):
        return None
    own: dict[str, Any] = {"doc_authority": "informative"}
    lines: dict[tuple[str | int, ...], int] = {}
    for ours, theirs in fields.names.items():
        value, name = values.get(theirs), f"doc_{ours}"
        if theirs not in values or value is None:
            continue
        line = parsed.lines.get((theirs,), 1)
        if ours == "status":
            name, value = "doc_authority", "normative" if str(value) in fields.normative else "informative"
        elif ours == "requires":
            refs = list(_references(value))
            lines |= {(name, n): parsed.lines.get((theirs, n), line) for n, _ in enumerate(refs)}
            value = refs
        else:
            value = str(value)
        own[name] = value
        lines[(name,)] = line
    return Parsed(own, lines, parsed.defects, parsed.dialect, is_foreign=True)


def _references(value: Any) -> Iterator[str]:
    """Yield references out of a number, text with commas or blanks between them, a list, or a mapping's keys."""
    if isinstance(value, list | dict):
        for item in value:
            yield from _references(item)
    elif value is not None:
        yield from (part for part in re.split(r"[,\s]+", str(value)) if part)
