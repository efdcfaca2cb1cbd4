"""`prism`: the table of subcommands, and how errors leave the program."""

from __future__ import annotations

import atexit
import importlib
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from prism.codegen.kept import guard_cache
from prism.errors import CapacityError, CorruptError, PrismError

COMMANDS: Final = {
    "run": ("prism.cli.run:run", "Normalise the expressions of program files."),
    "repl": ("prism.cli.repl:repl", "Evaluate expressions as you type them."),
    "compile": ("prism.cli.compile:compile_command", "Compile a Python kernel and print any stage."),
    "kernel": ("prism.cli.kernel:kernel", "Run kernels of Python files."),
    "show": ("prism.cli.show:show", "Draw the shared graph of a program."),
    "intern": ("prism.cli.intern:intern", "Give every node of large files its id."),
    "aig": ("prism.cli.aig:aig", "Hash, simplify and compare Boolean circuits in AIGER files."),
    "circuit": ("prism.cli.circuit:circuit", "Canonicalise, run and show circuits."),
    "build": ("prism.cli.build:build", "Compile kernels ahead of time."),
    "cache": ("prism.cli.cache:cache", "List, verify and prune compiled kernels."),
    "bench": ("prism.cli.bench:bench", "Measure Prism and its peers on equal work."),
    "theory": ("prism.cli.theory:theory", "Check what theories claim."),
    "isa": ("prism.cli.isa:isa", "Assemble, verify, run and step programs of the instruction set."),
    "conform": ("prism.cli.conform:conform", "Check conformance cases from a file."),
    "ring": ("prism.cli.ring:ring", "Look at a running ring, serve its metrics, put one under stress."),
    "telemetry": ("prism.cli.telemetry:telemetry", "Record what a run did, and summarise records."),
}
"""Subcommands: where each is defined, and its line in `prism --help`."""

USAGE, OOM, CORRUPT, STEPS, INTERRUPTED, PIPE_CLOSED = 2, 3, 4, 5, 130, 141
"""Exit codes besides 0 [TERMS-9]; the last two are what shells give a command that SIGINT or SIGPIPE ended."""

ENDED_AT_ONCE: Final = frozenset({"run"})
"""Commands that an interrupt ends by the signal itself, as SIGTERM does: they hold nothing but what is printed already,
and their loops, compiled or on a device, would let Python's own handler wait."""


class _LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 (click's signature)
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), name)
        if cmd_name not in ENDED_AT_ONCE and signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 (click's)
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            answer = super().invoke(ctx)
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            return answer
        except (BrokenPipeError, SystemExit) as error:
            # Nobody reads any more: no fault, and no one to tell. Rich makes an exit of code 1 of it.
            if not isinstance(error if isinstance(error, OSError) else error.__context__, BrokenPipeError):
                raise
            _discard_output()
            return ctx.exit(PIPE_CLOSED)
        except (KeyboardInterrupt, SystemError) as error:
            if not is_interrupt(error):
                raise
        click.echo("\ninterrupted", err=True)
        return ctx.exit(INTERRUPTED)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="prism-vm", prog_name="prism")
def prism() -> None:
    """Normalise expression graphs with exact sharing, and measure it."""


def main(args: list[str] | None = None) -> None:
    """Run the command line; errors that Prism raises on purpose go to stderr, with their exit code."""
    if args is None and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    guard_cache(_say_compiling)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller, who does not want what is written there
            stream = Path(os.devnull).open("w")  # noqa: SIM115 (as long as the process)
            atexit.register(stream.close)
            setattr(sys, name, stream)
    try:
        prism.main(args=args, prog_name="prism")
    except PrismError as error:
        _fail(str(error), exit_code(error))
    except MemoryError:
        _fail("a program must fit memory, but the machine has no more; split it", OOM)
    except OSError as error:
        _discard_output()
        what = error.filename or "what was printed"
        _fail(f"{what} must be readable or writable as asked, but: {error.strerror}; name another, or make room", USAGE)


def _say_compiling() -> None:
    """Say on a terminal why nothing happens: the first run on a machine compiles, which takes seconds a loop."""
    if sys.stderr is not None and sys.stderr.isatty():
        click.echo("compiling for this machine, once: later runs find it in Numba's cache", err=True)


def _discard_output() -> None:
    """Let what standard output still holds go nowhere: the end of the process would fail to write it once more."""
    with suppress(OSError, ValueError), Path(os.devnull).open("w") as nothing:
        os.dup2(nothing.fileno(), sys.stdout.fileno())


def _fail(message: str, code: int) -> NoReturn:
    with suppress(OSError):  # nobody reads what is said: the code still tells
        click.secho("error: ", fg="red", err=True, nl=False)
        click.echo(message, err=True)
    sys.exit(code)


def is_interrupt(error: BaseException) -> bool:
    """Whether an error is an interrupt, as it comes or as the cause of what calls into Numba's code make of it."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, KeyboardInterrupt):
        cause = cause.__cause__
    return cause is not None


def exit_code(error: PrismError) -> int:
    """Return the exit code of an error."""
    if isinstance(error, CapacityError):
        return OOM
    return CORRUPT if isinstance(error, CorruptError) else USAGE
