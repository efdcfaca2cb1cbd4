"""A folder of artefacts: found by full key, written whole, bounded in bytes, safe for processes side by side."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prism.files import write_bytes
from prism.kernels.cache.artefact import SUFFIX, Artefact, ArtefactError, Key

MAX_BYTES: Final = 1 << 28
"""How much a folder holds, by default."""

_log = logging.getLogger("prism")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the folder: `used_s` is when it was last read or written, in seconds since the epoch."""

    path: Path
    size: int
    used_s: float


@dataclass(frozen=True, slots=True)
class Store:
    """Artefacts below `directory`, at most `max_bytes` of them; what was used longest ago goes first.

    Files are written whole and renamed into place, so a reader in any process sees an artefact or none. A folder that
    cannot be read or written holds nothing and keeps nothing: that is logged, in one line, and is no error.
    """

    directory: Path
    max_bytes: int = MAX_BYTES

    def get(self, key: Key) -> bytes | None:
        """Return the payload kept for a key; None where there is none, and a logged reason where a file is no good."""
        path = self.directory / key.file_name
        try:
            found = Artefact.from_bytes(path.read_bytes())
            if found.key != key:
                raise ArtefactError("an artefact must hold the key that it is looked up by, but it holds another")
        except FileNotFoundError:
            return None
        except (OSError, ArtefactError) as error:
            _log.warning("the cache entry %s is a miss: %s", path, _reason(error))
            return None
        with contextlib.suppress(OSError):  # a folder that is only read: nothing will be dropped from it either
            os.utime(path)
        return found.payload

    def put(self, key: Key, payload: bytes) -> bool:
        """Keep a payload, dropping what was used longest ago; False where it cannot be kept."""
        found = Artefact(key, payload)
        size = len(found.to_bytes())
        if size > self.max_bytes:
            _log.warning("an artefact of %d bytes is not kept: %s may hold %d", size, self.directory, self.max_bytes)
            return False
        try:
            self.write(found)
            self.prune(self.max_bytes)
        except OSError as error:
            _log.warning("compiled kernels are kept in %s, but not now: %s", self.directory, _reason(error))
            return False
        return True

    def write(self, artefact: Artefact) -> None:
        """Write an artefact, whole; OSError where that cannot be."""
        write_bytes(self.directory / artefact.key.file_name, artefact.to_bytes())

    def entries(self) -> list[Entry]:
        """Return the artefact files, the one used last first; a folder that does not exist has none."""
        found = [entry for path in self.directory.glob(f"*{SUFFIX}") if (entry := _entry(path))]
        return sorted(found, key=lambda entry: (-entry.used_s, entry.path))

    def verify(self) -> Iterator[tuple[Entry, Artefact | str]]:
        """Yield each file with the artefact it holds, or with what is wrong with it."""
        for entry in self.entries():
            try:
                found = Artefact.from_bytes(entry.path.read_bytes())
                if found.key.file_name != entry.path.name:
                    raise ArtefactError(f"an artefact of this key must be named {found.key.file_name}; rename it")
            except (OSError, ArtefactError) as error:
                yield entry, _reason(error)
            else:
                yield entry, found

    def prune(self, max_bytes: int, *, damaged: bool = False) -> list[Entry]:
        """Remove what was used longest ago until `max_bytes` are left, first what is `damaged`; return what went."""
        bad = [entry for entry, found in self.verify() if isinstance(found, str)] if damaged else []
        kept, gone = 0, list(bad)
        for entry in self.entries():
            if entry in bad:
                continue
            kept += entry.size
            if kept > max_bytes:
                gone.append(entry)
        for entry in gone:
            entry.path.unlink(missing_ok=True)
        return gone


def _entry(path: Path) -> Entry | None:
    try:
        known = path.stat()
    except OSError:  # another process has just removed it
        return None
    return Entry(path, known.st_size, known.st_mtime)


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
