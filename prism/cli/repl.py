"""`prism repl`: read, normalise, print, with what each line cost."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from prism.cli.main import USAGE, is_interrupt
from prism.cli.options import engine_options, limits_of, opened, theory_option
from prism.cli.schedule import layout_options, schedule_of
from prism.cli.session import Session
from prism.errors import PrismError
from prism.vm.engines.table import BUILT_IN
from prism.vm.theory.library import load

if TYPE_CHECKING:
    from prompt_toolkit.completion import Completer

_WORD_BACKWARDS: Final = re.compile(r"[\w.'-]+[:(]?|[:(]")
"""What is completed, a command, the head of an expression or a name, as it is met going back from the cursor."""


@click.command()
@engine_options
@theory_option
@layout_options
def repl(engine: str, theory_name: str | None, **options: Any) -> None:
    """Evaluate expressions as you type them; :help lists the commands.

    A line continues while parentheses are open. On a terminal there is history and editing; otherwise lines are read
    from standard input, and the exit code is 2 if one of them failed. The options from --cycles to --swizzle-backend
    are for the engine bsp alone.
    """
    schedule = schedule_of(engine, options)
    session = Session(engine, limits_of(options), load(theory_name or BUILT_IN), schedule)
    is_terminal = bool(sys.stdin and sys.stdout and sys.stdin.isatty() and sys.stdout.isatty())
    has_failed = False
    for text in _typed(session, engine) if is_terminal else _piped(session):
        try:
            for line in session.answer(text):
                click.echo(line)
        except EOFError:
            break
        except PrismError as error:
            has_failed = True
            click.secho(f"error: {error}", fg="red", err=True)
        except (KeyboardInterrupt, SystemError) as error:
            if not (is_terminal and is_interrupt(error)):
                raise
            session.interrupt()
            click.secho("interrupted: the store is empty again, what was defined stays", fg="red", err=True)
    if has_failed and not is_terminal:
        sys.exit(USAGE)


def _piped(session: Session) -> Iterator[str]:
    """Yield complete inputs of standard input; what is left open at its end is yielded as it is."""
    text = ""
    with opened("-") as (stream, _):
        for line in stream:
            # A byte that is no UTF-8 stays what it is, for the reader to find its place.
            text += line.decode(errors="surrogateescape")
            if not session.is_open(text):
                yield text
                text = ""
    if text:
        yield text


def completer(session: Session) -> Completer:
    """Return what completes the word at the cursor by what a session knows at that time."""
    from prompt_toolkit.completion import WordCompleter

    return WordCompleter(session.words, pattern=_WORD_BACKWARDS)


def _typed(session: Session, engine: str) -> Iterator[str]:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.filters import Condition
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    click.echo(f"Prism, engine {engine}. :help lists commands, :quit or end of input leaves.")
    path = _history_path()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.open("ab").close()
        history = FileHistory(str(path))
    except OSError as error:
        click.echo(f"history must be kept in {path}, but: {error.strerror}; it ends with this session", err=True)
        history = InMemoryHistory()
    prompt: PromptSession[str] = PromptSession(
        history=history,
        completer=completer(session),
        multiline=Condition(lambda: session.is_open(prompt.default_buffer.text)),
        prompt_continuation="   ",
    )
    while True:
        try:
            yield prompt.prompt("λ> ")
        except KeyboardInterrupt:
            continue
        except EOFError:
            return


def _history_path() -> Path:
    """Return where the lines typed are kept: $XDG_STATE_HOME/prism/history."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "prism" / "history"
