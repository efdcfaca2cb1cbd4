"""Where the proofs lie, which modules they are, and how a line is printed."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Final

AGDA_ROOT: Final = Path(__file__).resolve().parent.parent
REPOSITORY: Final = AGDA_ROOT.parent


def modules(root: Path = AGDA_ROOT) -> list[str]:
    """Return the name of every Agda module under `root`, sorted."""
    paths = [root / "Everything.agda", *(root / "Prism").rglob("*.agda")]
    return sorted(".".join(path.relative_to(root).with_suffix("").parts) for path in paths)


def copy_sources(target: Path, source: Path = AGDA_ROOT) -> Path:
    """Copy the sources, without what an earlier check left, into the new folder `target` and return it."""
    shutil.copytree(source / "Prism", target / "Prism")
    for name in ("Everything.agda", "prism.agda-lib"):
        shutil.copy2(source / name, target / name)
    return target


def say(text: str | Exception, *, error: bool = False) -> None:
    """Print a line; with no package but Python's own, for the container check runs before anything is installed."""
    (sys.stderr if error else sys.stdout).write(f"{text}\n")
