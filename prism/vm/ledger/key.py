"""Key layouts: pack a node `(op, a, b)` into one uint64, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from prism.status import Status

if TYPE_CHECKING:
    import jax

_Array = TypeVar("_Array", NDArray[Any], "jax.Array")


@dataclass(frozen=True, slots=True)
class KeyLayout:
    """A key is `op << 2*id_bits | a << id_bits | b`; the op takes 8 bits.

    The largest id is `2**id_bits - 2`: the all-ones pattern is never an id, so it can mark an empty slot.
    """

    name: str
    id_bits: int

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
        """Pack nodes whose operands fit into uint64 [LEDGER-2]; injective on them. Shapes: any, broadcast together."""
        bits = np.uint64(self.id_bits)
        word = op.astype(np.uint64) << bits | a.astype(np.uint64)
        return word << bits | b.astype(np.uint64)

    def unpack(self, key: NDArray[np.uint64]) -> tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.int32]]:
        """Return `(op, a, b)` of packed keys: uint8, int32, int32, each of the shape of `key`."""
        bits, mask = np.uint64(self.id_bits), np.uint64((1 << self.id_bits) - 1)
        return (
            (key >> bits >> bits).astype(np.uint8),
            (key >> bits & mask).astype(np.int32),
            (key & mask).astype(np.int32),
        )


COMPACT: Final = KeyLayout("compact", 16)
WIDE: Final = KeyLayout("wide", 28)
LAYOUTS: Final = {layout.name: layout for layout in (COMPACT, WIDE)}
