"""Key layouts: pack a node `(op, a, b)` into one uint64, the same in every layout that holds it, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from prism.status import Status

if TYPE_CHECKING:
    import jax

_Array = TypeVar("_Array", NDArray[Any], "jax.Array")
_ONE: Final = np.uint64(1)


OPERAND_BITS: Final = 28
"""The bits of an operand that have a place of their own in a key; those above share the byte of the op."""


@dataclass(frozen=True, slots=True)
class KeyLayout:
    """How many bits an id may have. A key is `op << 56 | a << 28 | b`, whatever the layout [LEDGER-2].

    Ids of more than 28 bits put bit `28 + j` of `a` at bit `63 - 2j` and of `b` at `62 - 2j`, where the codes of the
    fewer ops that such a layout takes are zero. The largest id is `2**id_bits - 2`: the all-ones pattern is never an
    id, so it can mark an empty slot.
    """

    name: str
    id_bits: int

    @property
    def op_bits(self) -> int:
        """The bits that the code of an op may have."""
        return 8 - 2 * max(self.id_bits - OPERAND_BITS, 0)

    @property
    def max_id(self) -> int:
        """The largest id that an operand may hold."""
        return (1 << self.id_bits) - 2

    def bound(self, capacity: int) -> tuple[int, Status]:
        """Return the most nodes a ledger of this layout and capacity holds, and the status if one more comes.

        The tighter bound decides; CORRUPT if both are reached at once [LEDGER-5].
        """
        ids = self.max_id + 1
        return (capacity, Status.OOM) if capacity < ids else (ids, Status.CORRUPT)

    def pack(self, op: _Array, a: _Array, b: _Array) -> _Array:
        """Pack nodes that fit into uint64 [LEDGER-2]; injective on them. Shapes: any, broadcast together."""
        bits, low = np.uint64(OPERAND_BITS), np.uint64((1 << OPERAND_BITS) - 1)
        a, b = a.astype(np.uint64), b.astype(np.uint64)
        key = (op.astype(np.uint64) << bits | (a & low)) << bits | (b & low)
        for at, place_a, place_b in self._shared_bits():
            key = key | (a >> at & _ONE) << place_a | (b >> at & _ONE) << place_b
        return key

    def unpack(self, key: NDArray[np.uint64]) -> tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.int32]]:
        """Return `(op, a, b)` of packed keys: uint8, int32, int32, each of the shape of `key`."""
        bits, low = np.uint64(OPERAND_BITS), np.uint64((1 << OPERAND_BITS) - 1)
        op, a, b = key >> bits >> bits & np.uint64((1 << self.op_bits) - 1), key >> bits & low, key & low
        for at, place_a, place_b in self._shared_bits():
            a, b = a | (key >> place_a & _ONE) << at, b | (key >> place_b & _ONE) << at
        return op.astype(np.uint8), a.astype(np.int32), b.astype(np.int32)

    def _shared_bits(self) -> list[tuple[np.uint64, np.uint64, np.uint64]]:
        """Return the bits of an operand that lie in the byte of the op, and where those of `a` and of `b` lie."""
        return [
            (np.uint64(OPERAND_BITS + j), np.uint64(63 - 2 * j), np.uint64(62 - 2 * j))
            for j in range(self.id_bits - OPERAND_BITS)
        ]


COMPACT: Final = KeyLayout("compact", 16)
WIDE: Final = KeyLayout("wide", 28)
LARGE: Final = KeyLayout("large", 30)
"""For ops with codes up to 15: 4 bits an op."""
LARGEST: Final = KeyLayout("largest", 31)
"""For ops with codes up to 3, which is NULL, ZERO and two more: 2 bits an op."""


def widest(last_code: int) -> KeyLayout:
    """Return the layout with the most ids that takes ops with codes up to `last_code`, which is below 256."""
    return next(layout for layout in (LARGEST, LARGE, WIDE) if not last_code >> layout.op_bits)


LAYOUTS: Final = {layout.name: layout for layout in (COMPACT, WIDE, LARGE, LARGEST)}
