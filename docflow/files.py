"""Files: which of a tree are documents, and how one is replaced atomically."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

_FOREIGN_NAMES: Final = frozenset({".git", ".hg", ".svn", ".nox", ".tox", "node_modules"})
_FOREIGN_MARKS: Final = frozenset({"pyvenv.cfg", "CACHEDIR.TAG"})


def find(root: Path, include: Iterable[str], exclude: Iterable[str]) -> Iterator[str]:
    """Yield the matching files below `root` as sorted POSIX paths.

    A pattern without a slash matches the name at any depth, `**` matches any folders, `folder/` all below it. Not
    entered: version control, installed packages, virtual environments, and folders that declare themselves caches.
    """
    wanted, unwanted = _matcher(include), _matcher(exclude)
    found: list[str] = []
    for folder, names, files in os.walk(root):
        if not _FOREIGN_MARKS.isdisjoint(files):
            names.clear()
            continue
        prefix = Path(folder).relative_to(root).as_posix()
        prefix = "" if prefix == "." else f"{prefix}/"
        names[:] = [name for name in names if name not in _FOREIGN_NAMES and not unwanted.match(f"{prefix}{name}/")]
        found.extend(path for name in files if wanted.match(path := prefix + name) and not unwanted.match(path))
    yield from sorted(found)


def matching(paths: Iterable[str], include: Iterable[str], exclude: Iterable[str]) -> list[str]:
    """Return which of these POSIX paths `find` would yield, by their names alone."""
    wanted, unwanted = _matcher(include), _matcher(exclude)
    return sorted(
        path
        for path in paths
        if wanted.match(path)
        and not unwanted.match(path)
        and not any(part in _FOREIGN_NAMES or unwanted.match(f"{part}/") for part in _folders(path))
    )


def _folders(path: str) -> Iterator[str]:
    parts = path.split("/")[:-1]
    yield from ("/".join(parts[:length]) for length in range(1, len(parts) + 1))


def _matcher(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(_regex, patterns)) or r"(?!)")


def _regex(pattern: str) -> str:
    """Translate one glob; anchored at both ends."""
    prefix = "" if "/" in pattern.rstrip("/") else r"(?:.*/)?"
    out = ""
    for part in re.findall(r"\*\*/|\*\*|\*|\?|\[[^\]]+\]|[^*?\[]+|\[", pattern.removeprefix("./")):
        out += {"**/": r"(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(part) or (
            part if part[0] == "[" and len(part) > 1 else re.escape(part)
        )
    return rf"{prefix}{out}{'.*' if pattern.endswith('/') else ''}\Z"


def replace(path: Path, data: bytes, *, is_durable: bool = True) -> None:
    """Give `path` new content: whoever reads it, even after a crash, finds the old bytes or the new, nothing else.

    The permission bits stay. A failure before the last step leaves the old file and no other. What is not durable
    is not forced to the disk: when the machine itself stops, the new file may be lost.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, data, is_durable=is_durable)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path.as_posix()) from error


def _replace(path: Path, data: bytes, *, is_durable: bool) -> None:
    import tempfile

    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            if is_durable:
                os.fsync(file.fileno())
        Path(temporary).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        os.replace(temporary, path)  # noqa: PTH105 (the one call that tests interrupt)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
