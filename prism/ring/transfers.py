"""Transfers: bytes between an open file and memory, all of them or the reason why not [RINGRUN-11]."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple


class IngestFault(Enum):
    """Why an io request ended as ERROR."""

    REQUEST = "it asks for nothing that there is, names what is not registered, or does not fit its buffer"
    OPEN = "the file cannot be opened, or is no regular file"
    READ = "the system refused to read"
    SHORT = "the file ended before the read did, or took no more bytes"
    WRITE = "the system refused to write"
    SYNC = "the system refused to sync"


class Moved(NamedTuple):
    """What became of a transfer: the bytes that were moved, why not all, and the system's words."""

    came: int
    kind: IngestFault | None = None
    detail: str = ""


def fill(path: str | Path, place: memoryview[Any], offset: int) -> Moved:
    """Read as many bytes as a place has from a regular file."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # A pipe must not hold a thread.
    except (OSError, ValueError) as error:
        return Moved(0, IngestFault.OPEN, str(error))
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return Moved(0, IngestFault.OPEN, "no regular file")
        return _move(lambda came: os.preadv(file, [place[came:]], offset + came), len(place), IngestFault.READ)
    finally:
        os.close(file)


def drain(file: int, place: memoryview[Any], offset: int) -> Moved:
    """Write all bytes of a place to an open file; one that cannot be written at an offset refuses."""
    return _move(lambda came: os.pwritev(file, [place[came:]], offset + came), len(place), IngestFault.WRITE)


def _move(some: Callable[[int], int], size: int, refused: IngestFault) -> Moved:
    """Move until all bytes are: the system may move fewer than it was asked to."""
    came = 0
    try:
        while came < size:
            got = some(came)
            if not got:
                return Moved(came, IngestFault.SHORT)
            came += got
    except (OSError, OverflowError) as error:
        return Moved(came, refused, str(error))
    return Moved(came)


def sync(file: int) -> Moved:
    """Have the system put a file's bytes on its device."""
    try:
        os.fsync(file)
    except OSError as error:
        return Moved(0, IngestFault.SYNC, str(error))
    return Moved(0)
