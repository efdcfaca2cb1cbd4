"""Where the proofs lie, and how a generated file is written."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

AGDA_ROOT: Final = Path(__file__).resolve().parent.parent
REPOSITORY: Final = AGDA_ROOT.parent


def write_atomically(target: Path, text: str) -> None:
    """Replace `target` by `text` at once; a reader sees the old file or the new one."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=target.parent, delete=False) as stream:
        stream.write(text)
    os.replace(stream.name, target)
