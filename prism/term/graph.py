"""TermGraph: terms as one flat, shared, immutable graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class TermGraph:
    """Terms in topological order: row `i` applies `op[i]` to rows `a[i]` and `b[i]`, both below `i`.

    op: uint8[n], codes of `prism.ops`. a, b: int32[n], 0 where the op takes no such operand. Row 0 is NULL and row 1
    is ZERO, as in a ledger; other rows may repeat one another. roots: int32[k], the row of each of the k terms.
    """

    op: NDArray[np.uint8]
    a: NDArray[np.int32]
    b: NDArray[np.int32]
    roots: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.op)
