"""docflow.lock: the present texts and what each review saw, one line each, sorted, so that merges rarely conflict."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from docflow.model import Defect

FILE_NAME: Final = "docflow.lock"
_HEADER: Final = (
    "# docflow.lock: texts and what reviews saw, as version:sha256. Written by `docflow bump` and `docflow review`;\n"
    "# after a merge conflict keep the lines of both sides and run `docflow bump`, then `docflow check`.\n"
)
_SEEN: Final = r"(\d{1,18}):([0-9a-f]{64})"
_REVIEW: Final = re.compile(rf"(?P<key>\S.* -> \S.*?)(?: self={_SEEN})? dep={_SEEN}(?: (\w+): (\S.*))?")
_ACCEPTED: Final = re.compile(r"(?P<key>\S.*?) accepted: (\S.*)")
_TEXT: Final = re.compile(rf"(?P<key>\S.*?) text={_SEEN}")


class Seen(NamedTuple):
    """One text as it was seen: its version and its whole fingerprint."""

    version: int
    fingerprint: str


class Entry(NamedTuple):
    """What a review saw: both sides of an edge; of a light document also what the review concluded and said."""

    dep: Seen
    self: Seen | None
    line: int = 0
    outcome: str = ""
    note: str = ""


class Text(NamedTuple):
    """One locked text, `path` or `path#section`."""

    seen: Seen
    line: int = 0


@dataclass(frozen=True, slots=True)
class Lock:
    """Reviews by edge key, texts by name, and what is wrong with the file.

    A defect `lock_repeated` is one that any rewrite settles; `lock_syntax` is for people.
    """

    entries: Mapping[str, Entry] = field(default_factory=dict)
    texts: Mapping[str, Text] = field(default_factory=dict)
    accepted: Mapping[str, str] = field(default_factory=dict)
    """What was dropped, demoted or adopted on purpose -> the note that says why."""
    defects: tuple[Defect, ...] = ()


def parse(data: bytes) -> Lock:
    """Read a lock; lines that are not of it are defects and add nothing. Of two lines for one thing the later counts.

    The later one is that with the higher versions, or else the one that stands below.
    """
    entries: dict[str, Entry] = {}
    texts: dict[str, Text] = {}
    accepted: dict[str, str] = {}
    defects: list[Defect] = []
    for number, line in enumerate(data.decode("utf-8", errors="replace").split("\n"), 1):
        line = line.rstrip()
        if not line or line.startswith("#"):
            continue
        row = _row(line, number)
        if row is None:
            decided = _ACCEPTED.fullmatch(line)
            if decided:
                accepted[decided["key"]] = decided[2]
                continue
            defects.append(Defect("lock_syntax", number, line[:60], f"not a line of {FILE_NAME}: {line[:60]!r}"))
            continue
        key, value = row
        before = texts.get(key) if isinstance(value, Text) else entries.get(key)
        if before is not None and _without_line(before) != _without_line(value):
            defects.append(Defect("lock_repeated", number, key, f"{key} is locked twice; the higher version counts"))
        if before is None or _versions(before) <= _versions(value):
            if isinstance(value, Text):
                texts[key] = value
            else:
                entries[key] = value
    return Lock(entries, texts, accepted, tuple(defects))


def _row(line: str, number: int) -> tuple[str, Entry | Text] | None:
    is_review = " -> " in line
    found = (_REVIEW if is_review else _TEXT).fullmatch(line)
    if found is None:
        return None
    if not is_review:
        return found[1], Text(Seen(int(found[2]), found[3]), number)
    key, self_version, self_text, dep_version, dep_text, outcome, note = found.groups()
    own = Seen(int(self_version), self_text) if self_version else None
    return key, Entry(Seen(int(dep_version), dep_text), own, number, outcome or "", note or "")


def _without_line(value: Entry | Text) -> tuple[object, ...]:
    return (value.seen,) if isinstance(value, Text) else (value.dep, value.self, value.outcome, value.note)


def _versions(value: Entry | Text) -> tuple[int, int]:
    if isinstance(value, Text):
        return value.seen.version, 0
    return value.dep.version, value.self.version if value.self else 0


def render(entries: Mapping[str, Entry], texts: Mapping[str, Seen], accepted: Mapping[str, str]) -> bytes:
    """Write a lock: header, then one line a text, an edge or a decision, in the order of the keys."""
    rows = sorted(
        [*_entry_rows(entries), *_text_rows(texts), *((f"{k}", f" accepted: {v}") for k, v in accepted.items())]
    )
    return (_HEADER + "".join(f"{key}{rest}\n" for key, rest in rows)).encode()


def _entry_rows(entries: Mapping[str, Entry]) -> Iterator[tuple[str, str]]:
    for key, entry in entries.items():
        own = f" self={entry.self.version}:{entry.self.fingerprint}" if entry.self else ""
        said = f" {entry.outcome}: {entry.note}" if entry.outcome else ""
        yield key, f"{own} dep={entry.dep.version}:{entry.dep.fingerprint}{said}"


def _text_rows(texts: Mapping[str, Seen]) -> Iterator[tuple[str, str]]:
    for name, seen in texts.items():
        yield name, f" text={seen.version}:{seen.fingerprint}"
