"""`docflow check --watch`: check again whenever a document, the settings, the lock or a marked test changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from docflow import config, files, lock, witness
from docflow.config import Config
from docflow.errors import ConfigError

INTERVAL_S: Final = 0.5


def stamps(root: Path, settings: Config) -> dict[str, tuple[int, int]]:
    """Return modification time and size of everything that a check reads."""
    paths = [*files.find(root, settings.include, settings.exclude), config.FILE_NAME, lock.FILE_NAME]
    if settings.trace:
        paths.append(settings.trace.commitments)
        paths.extend(witness.sources(root, settings.trace))
    found: dict[str, tuple[int, int]] = {}
    for path in paths:
        try:
            status = (root / path).stat()
        except FileNotFoundError:
            continue
        found[path] = (status.st_mtime_ns, status.st_size)
    return found


def changes(root: Path, load: Callable[[], Config], sleep: Callable[[float], None] = time.sleep) -> Iterator[list[str]]:
    """Yield the paths that changed since the last yield, first all of them; polls, so it works on every file system.

    While docflow.toml is unusable the last usable settings say what to look at.
    """
    settings, before = Config(), {}
    while True:
        with suppress(ConfigError):
            settings = load()
        now = stamps(root, settings)
        changed = sorted(path for path in now.keys() | before.keys() if now.get(path) != before.get(path))
        if changed or not before:
            before = now
            yield changed
        sleep(INTERVAL_S)
