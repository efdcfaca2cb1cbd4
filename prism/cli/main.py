"""`prism`: the table of subcommands, and how errors leave the program."""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import version
from typing import Final

import click

from prism.errors import CapacityError, CorruptError, PrismError

COMMANDS: Final = {
    "run": ("prism.cli.run:run", "Normalise the expressions of program files."),
    "repl": ("prism.cli.repl:repl", "Evaluate expressions as you type them."),
    "show": ("prism.cli.show:show", "Draw the shared graph of a program."),
    "bench": ("prism.cli.bench:bench", "Measure Prism and its peers on equal work."),
    "telemetry": ("prism.cli.telemetry:telemetry", "Record what a run did, and summarise records."),
}
"""Subcommands: where each is defined, and its line in `prism --help`."""

USAGE, OOM, CORRUPT, STEPS = 2, 3, 4, 5
"""Exit codes besides 0 [TERMS-9]."""


class _LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 (click's signature)
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        return getattr(importlib.import_module(module), name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 (click's)
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("prism-vm"), prog_name="prism")
def prism() -> None:
    """Normalise expression graphs with exact sharing, and measure it."""


def main(args: list[str] | None = None) -> None:
    """Run the command line; errors that Prism raises on purpose go to stderr, with their exit code."""
    try:
        prism.main(args=args, prog_name="prism")
    except PrismError as error:
        click.secho("error: ", fg="red", err=True, nl=False)
        click.echo(error, err=True)
        sys.exit(exit_code(error))
    except MemoryError:
        click.echo("error: a program must fit memory, but the machine has no more; split it", err=True)
        sys.exit(OOM)


def exit_code(error: PrismError) -> int:
    """Return the exit code of an error."""
    if isinstance(error, CapacityError):
        return OOM
    return CORRUPT if isinstance(error, CorruptError) else USAGE
