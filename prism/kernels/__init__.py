"""Kernels: Python kernels and circuits compiled to one portable program form, and the executors that run it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from prism.kernels.exec.ahead import Library
    from prism.kernels.exec.graph import Graph


def graph(*, independent: bool = False) -> Graph:
    """Return an empty launch graph; in its `with` block, bound launches that are called are recorded instead of run.

    independent: refuse launches of which one writes what another touches. Cost: the first graph of a machine compiles
    the loop over launches, about 1 s.
    """
    from prism.kernels.exec.graph import Graph

    return Graph(independent=independent)


def load(directory: Path | str) -> Library:
    """Return the programs that `prism build` left in a folder, as functions by name.

    UsageError where there is none; what was built for another machine is compiled again, and logged.
    """
    from prism.kernels.exec import ahead

    return ahead.load(directory)
