"""TermProgram: expressions of one source, with the place of each, and what sources are read from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from prism.vm.term.graph import TermGraph


@dataclass(frozen=True, slots=True)
class TermProgram:
    """Complete expressions of one source, in order; lines, columns: int64[k], where each one begins, from 1."""

    graph: TermGraph
    file: str
    lines: NDArray[np.int64]
    columns: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.lines)

    def where(self, index: int) -> str:
        """Return FILE:LINE:COLUMN of the expression at `index`."""
        return f"{self.file}:{self.lines[index]}:{self.columns[index]}"


class ByteStream(Protocol):
    """What programs are read from: a binary file, standard input, a buffer."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, none at the end."""
        ...
