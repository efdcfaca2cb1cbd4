"""`prism build`: compile kernels ahead of time into a folder of artefacts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from prism.errors import UsageError
from prism.kernels.isa.program import Program

SUFFIXES: Final = (".isa", ".pisa")
"""What files of a folder are programs, as assembly or as bytes."""


@click.command()
@click.argument("sources", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--out", "directory", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder to write to."
)
def build(sources: tuple[Path, ...], directory: Path) -> None:
    """Compile programs for this machine's processor into artefacts that another process runs without compiling.

    SOURCES are program files, as assembly or as bytes, and folders of them (*.isa, *.pisa). What the folder holds
    already is not compiled again.
    """
    from prism.kernels.exec import ahead

    for program, path, fresh in ahead.build(_programs(sources), directory):
        click.echo(f"{program.name}: {'compiled' if fresh else 'up to date'}, {path.stat().st_size} bytes in {path}")


def _programs(sources: tuple[Path, ...]) -> Iterator[Program]:
    from prism.cli.isa import read_program

    for source in sources:
        files = [source] if source.is_file() else sorted(one for one in source.rglob("*") if one.suffix in SUFFIXES)
        if not files:
            raise UsageError(f"{source} must hold programs ({', '.join(SUFFIXES)}), but there is none; name another")
        for file in files:
            yield read_program(str(file))
