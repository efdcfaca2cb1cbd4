"""Progress on a terminal, for work longer than a second."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import Final

import click

from prism.vm.term.program import ByteStream

DELAY_SECONDS: Final = 1.0
"""How long work runs before a bar appears."""


class Counted:
    """A stream that reports how many bytes are read of it."""

    def __init__(self, stream: ByteStream, report: Callable[[int], None]) -> None:
        self._stream, self._report = stream, report

    def read(self, size: int, /) -> bytes:
        """Read at most `size` bytes."""
        block = self._stream.read(size)
        self._report(len(block))
        return block


@dataclass(frozen=True, slots=True)
class Progress:
    """What a run reports to: `read` takes the number of bytes of each read, `write` the lines that answer them."""

    read: Callable[[int], None]
    write: Callable[[str], None]


@contextmanager
def progress_over(files: Iterable[str]) -> Iterator[Progress]:
    """Yield what writes results to stdout; on a terminal, stderr shows how many bytes of the files they answer."""
    if not sys.stderr.isatty():
        yield Progress(lambda _: None, click.echo)
        return
    from rich import progress as bars
    from rich.console import Console

    # On a terminal that shows both, results go through the console that draws the bar, which puts them above it.
    is_shared = sys.stdout.isatty()
    console = Console(stderr=not is_shared)
    columns = (bars.TextColumn("normalising"), bars.BarColumn(), bars.TaskProgressColumn(), bars.TimeElapsedColumn())
    bar = bars.Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False)
    # Standard input and pipes have no size: the bar then only shows that work goes on.
    paths = [Path(file) for file in files]
    is_sized = all(path.is_file() for path in paths)
    task = bar.add_task("", total=sum(path.stat().st_size for path in paths) if is_sized else None)
    n_read = 0

    def read(size: int) -> None:
        nonlocal n_read
        n_read += size

    def write(text: str) -> None:
        if is_shared:
            console.out(text, highlight=False)
        else:
            click.echo(text)
        bar.update(task, completed=n_read)

    def show() -> None:
        bar.start()
        # A run that a signal ends cannot bring the cursor back.
        console.show_cursor(True)

    timer = Timer(DELAY_SECONDS, show)
    timer.start()
    try:
        yield Progress(read, write)
    finally:
        timer.cancel()
        timer.join()
        bar.stop()
