"""Layout: the orders and swizzles a user can ask for, as values; free of JAX, so that asking costs nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from prism.errors import UsageError

SWIZZLES: Final = ("host", "jax", "pallas", "triton")
"""Swizzles by name: loops on the host, which then run whole cycles, no device; and on JAX's device XLA's gather, a
Pallas kernel as the platform lowers it, and the same through Triton."""
HOST: Final = SWIZZLES[0]

MAX_SLOTS: Final = 1 << 30
"""The largest block: slots are counted in int32, and an arena is a power of two of them."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Which order an arena is brought into each cycle.

    Slots are sorted by rank, then by `morton` code if asked for. `block` limits the sort to blocks of that many
    slots. `l2` and `l1` sort inside those block sizes in turn, then, with `whole`, inside doubling blocks up to the
    whole arena. Sizes are powers of two; 0 means unused.
    """

    sort: bool = True
    morton: bool = False
    block: int = 0
    l2: int = 0
    l1: int = 0
    whole: bool = True

    def __post_init__(self) -> None:
        for name in ("block", "l2", "l1"):
            size = getattr(self, name)
            if size and (not 2 <= size <= MAX_SLOTS or size & (size - 1)):
                raise UsageError(f"{name} must be a power of two from 2 to {MAX_SLOTS}, or 0, got {size}; round it")
        if self.l1 and self.l2 and self.l1 < self.l2:
            raise UsageError(f"l1 must hold whole l2 blocks, got l2={self.l2}, l1={self.l1}; raise l1 or lower l2")
        if self.block and (self.l2 or self.l1):
            raise UsageError(
                f"block={self.block} excludes the hierarchy l2={self.l2}, l1={self.l1}; give one or the other"
            )


BY_RANK: Final = Layout()
"""The default: the whole arena by rank."""
