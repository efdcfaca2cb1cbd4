"""What was computed from a file's content, kept in one JSON file; the key is the content itself, not a hash of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from docflow import files

FOLDER: Final = ".docflow_cache"
"""Where the cache stands in a tree outside git."""
_IN_GIT: Final = "docflow_cache"
_FORMAT: Final = 3


def path_of(root: Path) -> Path:
    """Return the cache file of a tree: in git's own folder, where no commit can put one, or else in the tree.

    A cache is believed, so one that came with a change could say what it liked of the change.
    """
    whole = root.resolve()
    for folder in (whole, *whole.parents):
        mark = folder / ".git"
        if mark.is_file():
            mark = folder / mark.read_text("utf-8", "replace").strip().removeprefix("gitdir: ")
        if mark.is_dir():
            name = whole.relative_to(folder).as_posix().replace("%", "%25").replace("/", "%2F")
            return mark / _IN_GIT / f"{'%2E' if name == '.' else name}.json"
    return root / FOLDER / "cache.json"


class Cache:
    """Results by kind and path, each valid only for the very bytes it was computed from.

    A cache that is absent, damaged, or written under other settings is empty. `save` writes only what was asked
    for since `load`, and only if something changed.
    """

    def __init__(self, root: Path, settings: str) -> None:
        self._path = path_of(root)
        self._settings = f"{_FORMAT}\n{settings}"
        self._old: dict[str, list[Any]] = {}
        self._new: dict[str, list[Any]] = {}
        self._is_changed = False
        try:
            stored = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return
        if (
            isinstance(stored, dict)
            and stored.get("settings") == self._settings
            and isinstance(stored.get("entries"), dict)
        ):
            self._old = stored["entries"]

    def get(self, kind: str, path: str, data: bytes, compute: Callable[[], Any], decode: Callable[[Any], Any]) -> Any:
        """Return `decode(stored)` for these bytes; `compute` gives what is stored, in JSON's types."""
        key, text = f"{kind}:{path}", data.decode("latin-1")
        stored = self._old.get(key)
        if isinstance(stored, list) and len(stored) == 2 and stored[0] == text:
            try:
                result = decode(stored[1])
            except (TypeError, ValueError, KeyError, IndexError, AttributeError):
                pass
            else:
                self._new[key] = stored
                return result
        self._is_changed = True
        self._new[key] = [text, compute()]
        return decode(self._new[key][1])

    def save(self) -> None:
        """Write the cache if it changed; a tree that cannot be written to is checked without one."""
        if not self._is_changed and self._new.keys() == self._old.keys():
            return
        payload = json.dumps({"settings": self._settings, "entries": self._new}, separators=(",", ":")).encode()
        try:
            if self._path.parent.name == FOLDER:
                files.replace(self._path.parent / ".gitignore", b"*\n", is_durable=False)
            files.replace(self._path, payload, is_durable=False)
        except OSError:
            return
