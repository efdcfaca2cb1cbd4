"""`prism build`: compile kernels ahead of time into a folder of artefacts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Final

import click

from prism.errors import UsageError
from prism.files import require_writable
from prism.kernels.isa.program import Program

SUFFIXES: Final = (".isa", ".pisa", ".py")
"""What files of a folder may hold programs: assembly, bytes, Python kernels."""


@click.command()
@click.argument("sources", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--out", "directory", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder to write to."
)
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="[T=]TYPE",
    help="An element type to build for, of a type variable or of all that may stand for it; may be given often.",
)
def build(sources: tuple[Path, ...], directory: Path, types: tuple[str, ...]) -> None:
    """Compile programs for this machine's processor into artefacts that another process runs without compiling.

    SOURCES are files of Python kernels, which are read, not run, program files, as assembly or as bytes, and folders of
    them (*.py, *.isa, *.pisa). A kernel with type variables is built for each type that --type names. What the folder
    holds already is not compiled again.
    """
    from prism.kernels.exec import ahead

    require_writable(directory / "artefact")
    for program, path, fresh in ahead.build(_programs(sources, types), directory):
        name = ahead.full_name(program)
        click.echo(f"{name}: {'compiled' if fresh else 'up to date'}, {path.stat().st_size} bytes in {path}")


def _programs(sources: tuple[Path, ...], types: tuple[str, ...]) -> Iterator[Program]:
    from prism.cli.isa import read_program

    for source in sources:
        files = [source] if source.is_file() else sorted(one for one in source.rglob("*") if one.suffix in SUFFIXES)
        found = 0
        for file in files:
            programs = _kernels(file, types) if file.suffix == ".py" else (read_program(str(file)),)
            for program in programs:
                found += 1
                yield program
        if not found:
            raise UsageError(
                f"{source} must hold programs ({', '.join(SUFFIXES)}), but there is none; "
                "name another, or put @prism.kernel on a def"
            )


def _kernels(file: Path, types: tuple[str, ...]) -> Iterator[Program]:
    """Yield the kernels of a file for each choice of types; inline ones are part of those that call them."""
    from prism.kernels.lower.program import lower
    from prism.kernels.schema.inference import schema_of
    from prism.kernels.schema.source import definitions_of

    for definition in definitions_of(file).values():
        if not definition.inline:
            for chosen in _choices(definition.name, definition.type_variables(), types):
                yield lower(schema_of(definition, chosen))


def _choices(kernel: str, known: Mapping[str, tuple[str, ...]], types: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """Yield the types of a kernel's type variables that were asked for; UsageError if none is for one of them."""
    wanted = []
    for name, allowed in known.items():
        asked = {one.partition("=")[2] if "=" in one else one for one in types if one.partition("=")[0] in (name, one)}
        wanted.append([one for one in allowed if one in asked])
        if not wanted[-1]:
            raise UsageError(
                f"{name} of {kernel} must be one of {', '.join(allowed)}, but no --type says which; "
                f"add --type {name}={allowed[-1]}, or --type {allowed[-1]} for every kernel"
            )
    for chosen in product(*wanted):
        yield dict(zip(known, chosen, strict=True))
