"""`prism cache`: list, verify and prune the folder of compiled kernels."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from prism.codegen.directory import cache_directory
from prism.errors import PrismError
from prism.kernels.cache.artefact import Artefact
from prism.kernels.cache.store import Store
from prism.kernels.isa.codec import decode

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}


def _bytes(_context: click.Context, _parameter: click.Parameter, text: str) -> int:
    unit = text[-1:] if text[-1:] in _UNITS else ""
    number = text.removesuffix(unit)
    if not number.isdigit():
        raise click.BadParameter(f"expected a number of bytes such as 50000, 100k or 2G, got {text!r}")
    return int(number) * _UNITS[unit]


folder_option = click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Another folder, such as that of `prism build`.",
)


@click.group()
def cache() -> None:
    """Look after compiled kernels, which lie below $XDG_CACHE_HOME/prism or ~/.cache/prism."""


def _store(directory: Path | None) -> Store:
    return Store(directory or cache_directory("kernels"))


@cache.command()
@folder_option
def ls(directory: Path | None) -> None:
    """List compiled kernels, the one used last first."""
    store, now, total, number = _store(directory), time.time(), 0, 0
    for entry, found in store.verify():
        total, number = total + entry.size, number + 1
        what = found if isinstance(found, str) else f"{_name(found)} for {found.key.back_end}"
        click.echo(f"{entry.path.stem[:12]}  {entry.size:>9}  {_ago(now - entry.used_s):>8}  {what}")
    click.echo(f"{number} artefacts, {total} bytes in {store.directory}")


@cache.command()
@folder_option
def verify(directory: Path | None) -> None:
    """Check every artefact; the exit code is 1 if one is damaged."""
    store = _store(directory)
    found = list(store.verify())
    wrong = [(entry, why) for entry, why in found if isinstance(why, str)]
    for entry, why in wrong:
        click.echo(f"{entry.path}: {why}")
    click.echo(f"{len(found) - len(wrong)} artefacts are whole, {len(wrong)} are damaged")
    if wrong:
        sys.exit(1)


@cache.command()
@folder_option
@click.option(
    "--max-bytes",
    callback=_bytes,
    default="256M",
    show_default=True,
    help="How much may stay: 50000, 100k, 2G; 0 is none.",
)
def prune(directory: Path | None, max_bytes: int) -> None:
    """Remove damaged artefacts, then those used longest ago, until the rest fits."""
    gone = _store(directory).prune(max_bytes, damaged=True)
    click.echo(f"removed {len(gone)} artefacts, {sum(entry.size for entry in gone)} bytes")


def _name(found: Artefact) -> str:
    try:
        return decode(found.key.program).name
    except PrismError:
        return f"{len(found.key.program)} bytes"


def _ago(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
