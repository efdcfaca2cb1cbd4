"""How a kernel is interpreted: one frozen dataclass with safe defaults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from prism.errors import UsageError
from prism.pallas.chip.table import CHIPS
from prism.pallas.errors import KernelSite

Mode = Literal["auto", "debug", "fast", "compiled"]
OutOfBounds = Literal["raise", "clamp"]
Uninitialized = Literal["raise", "warn", "nan"]
Races = Literal["raise", "warn", "off"]
Dma = Literal["eager", "on_wait", "random"]
Legality = Literal["off", "warn", "raise"]
GridOrder = Literal["sequential", "shuffled", "reversed"]


@dataclass(frozen=True, slots=True)
class TraceEvent:
    """One evaluated equation of a kernel: where, in which grid step, which primitive, and its results as arrays."""

    site: KernelSite
    step: tuple[int, ...]
    primitive: str
    values: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class InterpretParams:
    """Parameters of the NumPy interpreter; hashable, so that they can be an option of one `pallas_call` [PALLAS-2].

    * `mode`: `debug` evaluates equation by equation, `fast` runs generated NumPy source, `compiled` runs scalar loops
      through Numba, `auto` chooses between the last two by what pays over the life of the process.
    * `out_of_bounds`: `raise` reports, `clamp` does what XLA's dynamic slices do.
    * `uninitialized`: `raise` reports a use of memory that nobody wrote, `warn` (`UninitializedWarning`) goes on, and
      `nan` lets the poison through without a word.
    * `races`: `raise`, `warn` (`RaceWarning`) or `off`.
    * `grid_order`: the order of steps along axes whose steps are independent; a kernel without races cannot tell.
    * `dma`: when asynchronous copies land: at once, when a wait needs them (`on_wait`: as late as may be, the last one
      first), or at `random` by `seed`; a kernel without races cannot tell.
    * `chip`: the name of a chip in `chip.table` that the machine pretends to have [CHIP-1].
    * `legality`: what the chip's compiler would refuse, JAX's lowering for it included: `off`, `warn`
      (`LegalityWarning`) or `raise`; it needs a `chip`.
    * `trace`: called with a `TraceEvent` after every equation; it implies `mode="debug"`.
    """

    mode: Mode = "auto"
    out_of_bounds: OutOfBounds = "raise"
    uninitialized: Uninitialized = "raise"
    races: Races = "raise"
    grid_order: GridOrder = "sequential"
    dma: Dma = "eager"
    seed: int = 0
    chip: str | None = None
    legality: Legality = "off"
    trace: Callable[[TraceEvent], None] | None = None

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            got = getattr(self, name)
            if got not in allowed:
                raise UsageError(f"InterpretParams.{name} must be one of {allowed}, got {got!r}")
        if self.legality != "off" and self.chip is None:
            raise UsageError(f"legality={self.legality!r} asks what a chip takes, and none is named: add chip='v5e'")


_CHOICES = {
    "mode": get_args(Mode),
    "out_of_bounds": get_args(OutOfBounds),
    "uninitialized": get_args(Uninitialized),
    "races": get_args(Races),
    "grid_order": get_args(GridOrder),
    "dma": get_args(Dma),
    "legality": get_args(Legality),
    "chip": (None, *CHIPS),
}
