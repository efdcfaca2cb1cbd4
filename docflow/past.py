"""Texts as they were when a review saw them, found again in the history of git, to show what went stale."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path
from typing import Final

from docflow import git
from docflow.body import Body, fingerprint
from docflow.corpus import Corpus, EdgeView
from docflow.lock import Seen
from docflow.read import read, split

_REVISIONS: Final = 40
_TEXTS: Final = 60


def stale_diffs(corpus: Corpus) -> dict[str, str]:
    """Return, for each text that a review saw otherwise, the difference since then, by name of the text.

    At most 60 texts, and 40 revisions of each file, are looked at; what is not found is left out.
    """
    seen: dict[str, Seen] = {}
    for view in corpus.edges:
        for name, was, now in _sides(view):
            if was is not None and now is not None and was.fingerprint != now.fingerprint:
                seen.setdefault(name, was)
    found: dict[str, str] = {}
    for name, was in list(seen.items())[:_TEXTS]:
        old = _text_then(corpus.root, name, was.fingerprint)
        if old is not None:
            new = _section((corpus.root / name.partition("#")[0]).read_bytes(), name.partition("#")[2]) or []
            lines = unified_diff(old, new, f"reviewed, version {was.version}", "now", lineterm="", n=2)
            found[name] = "\n".join(lines)
    return found


def _sides(view: EdgeView) -> Iterator[tuple[str, Seen | None, Seen | None]]:
    if view.locked is not None:
        yield view.edge.ref, view.locked.dep, view.dep
        yield view.own_name, view.locked.self, view.own


def _text_then(root: Path, name: str, wanted: str) -> list[str] | None:
    path, _, anchor = name.partition("#")
    log = git.git(root, "log", f"-{_REVISIONS}", "--format=%H", "--", path) or b""
    for revision in log.decode().split():
        data = git.contents(root, revision, [path]).get(path)
        lines = _section(data, anchor) if data is not None else None
        if lines is not None and fingerprint("\n".join(lines)) == wanted:
            return lines
    return None


def _section(data: bytes, anchor: str) -> list[str] | None:
    """Return the lines of a declared section, or of the whole body; None if there is no such section."""
    source = split(data)
    body = Body(source.body, source.body_line)
    if not anchor:
        return body.lines
    starts = sorted(section.start for section in read("x.md", data).sections if section.start)
    at = next((line for name, line in body.anchors if name == anchor), 0)
    if at not in starts:
        return None
    end = next((start for start in starts if start > at), body.offset + len(body.lines))
    return body.lines[at - body.offset : end - body.offset]
