"""Processes of this machine: which one this is, and whether another still lives."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from prism.ring.layout import WORD_MASK

_GONE: Final = frozenset({"Z", "X"})
_STATE, _BEGAN = 0, 19
"""Fields of /proc/PID/stat after the name: the state, and when the process began, in ticks since the machine did."""


def began(process: int) -> int:
    """Return when a process began, 32 bits that tell it from another of the same number; 0 where nothing says so."""
    fields = _fields(process)
    return int(fields[_BEGAN]) & WORD_MASK if fields else 0


def this_process() -> tuple[int, int]:
    """Return the number of this process, and when it began."""
    return os.getpid(), began(os.getpid())


def process_lives(process: int, since: int = 0) -> bool:
    """Return whether a process is there and no zombie; with `since` not 0, the one that began then."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    fields = _fields(process)
    return not fields or (fields[_STATE] not in _GONE and since in (0, int(fields[_BEGAN]) & WORD_MASK))


def state_of(process: int) -> str:
    """Return the letter for what a process does, "T" while it is stopped, "Z" once it is gone."""
    fields = _fields(process)
    return fields[_STATE] if fields else "Z"


def _fields(process: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the name; none where the system has no such file."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()
