"""docflow.lock: the fingerprints that each review saw, one line an edge, sorted, so that merges rarely conflict."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from docflow.model import Defect

FILE_NAME: Final = "docflow.lock"
_HEADER: Final = (
    "# docflow.lock: what each review saw, as version:sha256. Written by `docflow review`; after a merge\n"
    "# conflict keep the lines of both sides, then run `docflow check`.\n"
)
_LINE: Final = re.compile(r"(?P<key>\S.* -> \S.*?)(?: self=(\d{1,18}):([0-9a-f]{64}))? dep=(\d{1,18}):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Seen:
    """One side of an edge as a review saw it."""

    version: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What a review saw; `self` is None for an edge of a whole document, whose pin holds no version of its own."""

    dep: Seen
    self: Seen | None
    line: int = 0


@dataclass(frozen=True, slots=True)
class Lock:
    """All entries by edge key, and what is wrong with the file."""

    entries: Mapping[str, Entry] = field(default_factory=dict)
    defects: tuple[Defect, ...] = ()


def parse(data: bytes) -> Lock:
    """Read a lock; lines that are not entries are defects and add nothing."""
    entries: dict[str, Entry] = {}
    defects: list[Defect] = []
    for number, line in enumerate(data.decode("utf-8", errors="replace").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            defects.append(Defect("lock_syntax", number, line[:60], f"not a line of {FILE_NAME}: {line[:60]!r}"))
            continue
        key, self_version, self_text, dep_version, dep_text = found.groups()
        if key in entries:
            defects.append(Defect("lock_syntax", number, key, f"{key} is locked twice; the last line counts"))
        own = Seen(int(self_version), self_text) if self_version else None
        entries[key] = Entry(Seen(int(dep_version), dep_text), own, number)
    return Lock(entries, tuple(defects))


def render(entries: Mapping[str, Entry]) -> bytes:
    """Write a lock: header, then one line an edge, in the order of the keys."""
    return (_HEADER + "".join(f"{line}\n" for line in _rows(sorted(entries.items())))).encode()


def _rows(items: Iterable[tuple[str, Entry]]) -> Iterable[str]:
    for key, entry in items:
        own = f" self={entry.self.version}:{entry.self.fingerprint}" if entry.self else ""
        yield f"{key}{own} dep={entry.dep.version}:{entry.dep.fingerprint}"
