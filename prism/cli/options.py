"""Options that commands share: which engine, and what bounds it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

import click

from prism.errors import UsageError
from prism.files import require_writable
from prism.vm.engines.api import MAX_STEPS, Limits
from prism.vm.engines.table import ENGINES
from prism.vm.ledger.key import LAYOUTS

_F = TypeVar("_F", bound=Callable[..., Any])
_DEFAULT = Limits()

SOURCE: Final = click.Path(exists=True, dir_okay=False, allow_dash=True)
"""A program file, or - for standard input."""


class OutputFile(click.Path):
    """A file to write; that it cannot be is found out before the command does anything else [TERMS-9]."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, readable=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; OSError, with the path as its file name, where it cannot be written."""
        path = Path(str(super().convert(value, param, ctx)))
        require_writable(path)
        return path


theory_option = click.option(
    "--theory",
    "theory_name",
    metavar="FILE",
    help="The theory of the programs: a .theory file, or the name of one that ships. [default: peano]",
)


@contextmanager
def opened(source: str) -> Iterator[tuple[BinaryIO, str]]:
    """Yield what a `SOURCE` holds, and what places in it are called; UsageError for an input that is closed."""
    if source != "-":
        with Path(source).open("rb") as stream:
            yield stream, source
    elif sys.stdin is None:
        raise UsageError("- reads standard input, which must be open, but it is closed; name a file")
    else:
        yield sys.stdin.buffer, "stdin"


def parse_sizes(_context: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[int, ...]:
    """Read an option of sizes, such as 64,128 or 1e5; none where it is not given."""
    if text is None:
        return ()
    try:
        numbers = [float(part) for part in text.split(",")]
        if all(number == int(number) >= 1 for number in numbers):
            return tuple(map(int, numbers))
    except (ValueError, OverflowError):
        pass
    raise click.BadParameter(f"expected positive whole numbers with commas between, such as 64,1e5, got {text!r}")


def engine_options(command: _F) -> _F:
    """Add --engine and the limits to a command; `limits_of` reads them."""
    for option in (
        click.option(
            "--key-layout",
            type=click.Choice(list(LAYOUTS)),
            default=_DEFAULT.layout.name,
            show_default=True,
            help="Width of ids: compact holds 65534 nodes.",
        ),
        click.option(
            "--capacity",
            type=click.IntRange(2),
            default=_DEFAULT.capacity,
            show_default=True,
            help="Most nodes in the store; beyond it a run ends with oom.",
        ),
        click.option(
            "--max-steps",
            type=click.IntRange(0, MAX_STEPS),
            default=_DEFAULT.max_steps,
            show_default=True,
            help="Most rule applications for one expression; beyond it that expression ends with timeout.",
        ),
        click.option(
            "--engine",
            "--mode",
            "engine",
            type=click.Choice(list(ENGINES)),
            default=next(iter(ENGINES)),
            show_default=True,
            help="Which evaluator to use; all give the same results.",
        ),
    ):
        command = option(command)
    return command


def limits_of(options: dict[str, Any]) -> Limits:
    """Return the limits that `engine_options` read."""
    return Limits(options["capacity"], options["max_steps"], LAYOUTS[options["key_layout"]])
