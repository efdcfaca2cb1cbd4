"""What the verbs share: the tree they are about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from docflow.errors import DocflowError

if TYPE_CHECKING:
    from docflow.corpus import Corpus

ROOT = click.option(
    "--root", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".", help="The tree to read [.]."
)


def load(root: Path) -> Corpus:
    """Read the tree below `root` with its settings."""
    from docflow import config, corpus
    from docflow.rules import IDS

    return corpus.load(root, config.load(root, IDS))


def relative(root: Path, path: Path) -> str:
    """Return a path that was typed, from the working directory or from the root, as one from the root.

    Errors: `DocflowError` if it is not below the root.
    """
    whole = path if path.is_absolute() or path.exists() else root / path
    try:
        return whole.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        raise DocflowError(f"{path} must be a file below {root}; name another --root") from None
