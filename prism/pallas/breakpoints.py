"""Stopping in a kernel: breakpoints at source lines, printing by line, single steps."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import numpy as np

from prism.pallas.dtypes import Numeric
from prism.pallas.params import TraceEvent

Trace = Callable[[TraceEvent], None]


def breakpoint_at(file: str, line: int, action: Callable[[TraceEvent], None] | None = None) -> Trace:
    """Return a `trace` that stops in the debugger whenever a value of `line` of `file` has been computed.

    `file` matches by its last path components. `action` replaces the debugger: it gets the event.
    """
    wanted = Path(file).parts

    def trace(event: TraceEvent) -> None:
        if event.site.line == line and Path(event.site.file).parts[-len(wanted) :] == wanted:
            (action or _stop)(event)

    return trace


def print_line(file: str, line: int, out: TextIO | None = None) -> Trace:
    """Return a `trace` that prints every value which `line` of `file` computes, with its grid step."""
    return breakpoint_at(file, line, lambda event: _show(event, out or sys.stdout))


def single_step(out: TextIO | None = None, read: Callable[[], str] | None = None) -> Trace:
    """Return a `trace` that shows every equation and waits for a line of input; `c` runs on to the end."""
    running = [True]

    def trace(event: TraceEvent) -> None:
        if not running[0]:
            return
        _show(event, out or sys.stdout)
        if (read or input)().strip() == "c":
            running[0] = False

    return trace


def _stop(event: TraceEvent) -> None:
    site, step, primitive, values = event.site, event.step, event.primitive, event.values
    del site, step, primitive, values
    breakpoint()


def _show(event: TraceEvent, out: TextIO) -> None:
    values = ", ".join(_brief(v) for v in event.values)
    out.write(f"{event.site.file}:{event.site.line} step {event.step} {event.primitive} -> {values}\n")


def _brief(value: Numeric) -> str:
    array = np.asarray(value)
    text = np.array2string(array, threshold=8, edgeitems=3, precision=6)
    return text if array.ndim == 0 else f"{array.dtype}{list(array.shape)} {text}"
