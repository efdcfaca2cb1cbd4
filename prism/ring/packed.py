"""Several small operations in the arguments of one slot: one format, and one limit for writer and worker [RING-8]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from prism.ring import layout as at
from prism.ring.errors import QueueFullError
from prism.ring.layout import WORD, Words

Operation: TypeAlias = tuple[int, Sequence[int]]
"""An inner operation: its opcode, one byte, and its arguments."""


def pack(operations: Sequence[Operation]) -> Words:
    """Return the 12 argument words of a packed slot; raises QueueFullError where the operations do not fit it."""
    count, total = len(operations), sum(len(args) for _, args in operations)
    metadata = at.packed_metadata_words(count)
    if metadata + total > at.ARGS_PER_SLOT:
        raise QueueFullError(
            f"a packed slot holds {at.ARGS_PER_SLOT} words, but {count} operations take {metadata} and their arguments "
            f"{total}; use several slots"
        )
    raw = np.zeros(at.PACKED_BYTES, np.uint8)
    raw[at.PACKED_COUNT], raw[at.PACKED_TOTAL] = count, total
    words = raw.view(WORD)
    offset = 0
    for place, (opcode, args) in enumerate(operations):
        if not 0 <= opcode <= 0xFF:
            raise QueueFullError(f"an opcode in a packed slot is one byte, got {opcode:#x}; give it a slot of its own")
        pair = at.PACKED_PAIRS + 2 * place
        raw[pair : pair + 2] = opcode, offset
        words[metadata + offset : metadata + offset + len(args)] = args
        offset += len(args)
    return words


def unpack(args: Words) -> tuple[Operation, ...] | None:
    """Return the operations in the 12 argument words of a packed slot; None where its bytes contradict each other.

    They do unless the counts fit the slot, and the offsets begin at 0, ascend and stay within the total. An operation
    has the arguments from its offset to the next one's.
    """
    raw = np.ascontiguousarray(args).view(np.uint8)
    count, total = int(raw[at.PACKED_COUNT]), int(raw[at.PACKED_TOTAL])
    metadata = at.packed_metadata_words(count)
    if metadata + total > at.ARGS_PER_SLOT:
        return None
    pairs = raw[at.PACKED_PAIRS : at.PACKED_PAIRS + 2 * count].reshape(-1, 2)
    offsets = [*map(int, pairs[:, 1]), total]
    if offsets != sorted(offsets) or offsets[0] != 0:
        return None
    inner = [int(word) for word in args[metadata : metadata + total]]
    return tuple((int(pairs[i, 0]), inner[offsets[i] : offsets[i + 1]]) for i in range(count))
