"""Progress on a terminal, for work longer than a second."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Final

from prism.term.parse import ByteStream

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


@contextmanager
def progress_over(files: Iterable[str]) -> Iterator[Callable[[int], None]]:
    """Yield what to call with each number of bytes read; on a terminal, stderr shows a bar over the files."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    # Standard input and pipes have no size: the bar then only shows that work goes on.
    paths = [Path(file) for file in files]
    is_sized = all(path.is_file() for path in paths)
    progress = Progress(console=Console(stderr=True), transient=True)
    task = progress.add_task("normalising", total=sum(path.stat().st_size for path in paths) if is_sized else None)
    timer = Timer(DELAY_SECONDS, progress.start)
    timer.start()
    try:
        yield lambda size: progress.advance(task, size)
    finally:
        timer.cancel()
        timer.join()
        progress.stop()
