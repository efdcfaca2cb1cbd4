"""Nodes: what a caller hands to a ledger, as the arrays and bounds that both engines work on."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prism.errors import UsageError
from prism.vm.ledger.key import KeyLayout
from prism.vm.ledger.optable import NO_OP, OpTable, last_code
from prism.vm.term.ops import NULL, ZERO

RESERVED: Final = (np.array([NULL.code, ZERO.code], np.uint8), np.zeros(2, np.int32), np.zeros(2, np.int32))
"""The nodes of every ledger from the start: ids 0 and 1."""

_NO_ID: Final = -1
_SMALLEST_BATCH: Final = 1 << 8


def padded_size(items: int, shards: int = 1) -> int:
    """Return a power of two that a batch is padded to, at least one item a shard: few lengths, so few traces."""
    return max(_SMALLEST_BATCH, shards, 1 << max(items - 1, 0).bit_length())


def require_capacity(capacity: int) -> None:
    """Raise UsageError unless a ledger of `capacity` nodes can hold the reserved ones."""
    if capacity < len(RESERVED[0]):
        raise UsageError(f"ledger capacity must be at least 2, for ids 0 and 1 are reserved, got {capacity}; raise it")


def require_ops(layout: KeyLayout, ops: OpTable) -> None:
    """Raise UsageError unless a layout has room for the code of every op [LEDGER-2]."""
    code = last_code(ops)
    if code >> layout.op_bits:
        raise UsageError(
            f"the key layout {layout.name} takes ops with codes up to {(1 << layout.op_bits) - 1}, but an op has code "
            f"{code}; take a layout with fewer bits an id, or give ops smaller codes"
        )


def nodes_of(
    op: ArrayLike, a: ArrayLike, b: ArrayLike
) -> tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.int32]]:
    """Return a batch as uint8[n], int32[n], int32[n]; numbers that do not fit become ones that no ledger accepts.

    Raises UsageError unless the three are integer vectors of one length. Arrays of the right dtype are not copied.
    """
    columns = [np.asarray(column) for column in (op, a, b)]
    shapes = {column.shape for column in columns}
    integers = all(column.size == 0 or column.dtype.kind in "iu" for column in columns)
    if len(shapes) != 1 or columns[0].ndim != 1 or not integers:
        got = ", ".join(f"{column.dtype}{list(column.shape)}" for column in columns)
        raise UsageError(f"a batch must be three integer vectors (op, a, b) of one length, got {got}; reshape or cast")
    return (
        _narrowed(columns[0], np.uint8, NO_OP),
        _narrowed(columns[1], np.int32, _NO_ID),
        _narrowed(columns[2], np.int32, _NO_ID),
    )


def _narrowed(column: NDArray, dtype: type[np.integer], otherwise: int) -> NDArray:
    if column.dtype == dtype:
        return np.ascontiguousarray(column)
    info = np.iinfo(dtype)
    narrow = column.astype(dtype)
    narrow[(column < info.min) | (column > info.max)] = otherwise
    return narrow
