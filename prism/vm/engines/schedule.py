"""Schedule: how the engine `bsp` runs; free of JAX."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from prism.errors import UsageError
from prism.vm.arena.layout import BY_RANK, SWIZZLES, Layout

MAX_COUNT: Final = (1 << 30) - 1
"""The most cycles, and the most rewrites, of one call: both are counted in int32."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How the arena is laid out, which swizzle moves it, and after how many cycles to stop; values only.

    Without a swizzle it is `host` where JAX has no accelerator, else `jax`.
    """

    layout: Layout = BY_RANK
    swizzle: str | None = None
    cycles: int = MAX_COUNT

    def __post_init__(self) -> None:
        if self.swizzle not in (None, *SWIZZLES):
            raise UsageError(
                f"a swizzle must be one of {', '.join(SWIZZLES)}, got {self.swizzle!r}; choose one of them"
            )
        if not 0 <= self.cycles <= MAX_COUNT:
            raise UsageError(f"cycles must be from 0 to {MAX_COUNT}, got {self.cycles}; leave it out to run to the end")
