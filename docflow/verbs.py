"""What the verbs share: the tree they are about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

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
