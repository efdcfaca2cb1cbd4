"""Where generated source and machine code are kept: the user's cache directory."""

from __future__ import annotations

import os
from pathlib import Path


def cache_directory(part: str) -> Path:
    """Return the folder of a part of Prism below `$XDG_CACHE_HOME`, which is `~/.cache` where it is not set.

    As the XDG base directory specification asks, a relative path in the variable counts as not set.
    """
    chosen = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not chosen.is_absolute():
        try:
            chosen = Path.home() / ".cache"
        except RuntimeError:  # a process without a home directory: a path that cannot be written, so nothing is kept
            chosen = Path(os.devnull)
    return chosen / "prism" / part
