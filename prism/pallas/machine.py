"""Where a run stands: the kernel, the grid step and the line, for whoever has something to report."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from prism.pallas import dtypes
from prism.pallas.dtypes import DType, Numeric
from prism.pallas.errors import UNKNOWN_SITE, KernelError, KernelSite, RaceError, RaceWarning, UninitializedReadError
from prism.pallas.lanes import Lanes
from prism.pallas.params import InterpretParams

Step = tuple[int, ...]
Use = tuple[KernelSite, str]
"""A line that uses a reference, and the reference's name."""


Element = tuple[tuple[int, ...], tuple[int, ...]]
"""An element's index and the shape of its array."""


@dataclass(slots=True)
class Machine:
    """Where a run stands, for reports: the kernel, the grid step, and the sites of its accesses.

    `doubts` holds the first use of unwritten memory at each line that a run saw, and `unsure` says that generated code
    saw one; whether it matters is judged after the run, by other runs: `filler` says as what unwritten memory is read,
    and `culprit`, if there is one, which line and reference alone read it so.
    `parallel` says along which axes steps may run in either order; `lanes`, of a run whose steps may wait for one
    another, what they know of each other. `maps` has the sites of the index maps that cut outputs into blocks.
    `late` is the first race of a load in the current step. `draws` has the key of each core's generator of random bits
    and how often it was asked.
    """

    kernel: str
    params: InterpretParams
    grid: tuple[int, ...] = ()
    step: tuple[int, ...] = ()
    number: int = 0
    parallel: tuple[bool, ...] = ()
    site: KernelSite = UNKNOWN_SITE
    filler: int = 0
    culprit: Use | None = None
    unsure: bool = False
    maps: dict[str, KernelSite] = field(default_factory=dict)
    doubts: dict[Use, UninitializedReadError] = field(default_factory=dict)
    lanes: Lanes | None = None
    late: RaceError | None = None
    draws: dict[int, tuple[Numeric, int]] = field(default_factory=dict)

    def poison(self, dtype: DType, name: str = "") -> Numeric:
        """Return what the reference `name` holds, at the current line, where nobody wrote."""
        if not self.filler or (self.culprit is not None and self.culprit != (self.site, name)):
            return dtypes.poison(dtype)
        return dtypes.fillers(dtype)[self.filler]

    def doubt(self, text: str, ref: str, element: tuple[int, ...], shape: tuple[int, ...], *, remedy: str) -> None:
        """Note that unwritten memory is used at the current line."""
        use = (self.site, ref)
        if use not in self.doubts:
            self.doubts[use] = self.problem(UninitializedReadError, text, ref, element, shape, remedy=remedy)

    def problem(
        self,
        kind: type[KernelError],
        text: str,
        ref: str,
        index: tuple[object, ...],
        shape: tuple[int, ...],
        *,
        remedy: str,
    ) -> Numeric:
        """Build a report of `kind` at the current site and step."""
        return kind(
            text,
            kernel=self.kernel,
            site=self.site,
            step=self.step,
            ref=ref,
            index=index,
            shape=shape,
            remedy=remedy,
        )

    def end_step(self) -> None:
        """Report a race of the step's loads, of which its stores could have told more."""
        late, self.late = self.late, None
        if late is not None:
            warn_race(self, late)

    @property
    def stamp(self) -> int:
        """The mark of what is written now: the step's number, and when, if steps wait for one another."""
        return self.number if self.lanes is None else self.lanes.stamp(self.number)

    def step_stamped(self, stamp: int) -> tuple[int, ...]:
        """Return the step of a mark; () is a copy in flight."""
        number = stamp if self.lanes is None else self.lanes.step_number(stamp)
        return () if number is None else step_at(self.grid, number)

    def beside(self, stamps: Numeric) -> Numeric:
        """Return which marks are of steps that may run beside the current one; -1 is no mark."""
        stamps = np.asarray(stamps)
        known = (stamps >= 0) & (stamps != self.stamp)
        if not known.any():
            return known
        if self.lanes is not None:
            marks, places = np.unique(stamps, return_inverse=True)
            unseen = [mark >= 0 and self.lanes.unseen(mark) for mark in marks.tolist()]
            return known & np.asarray(unseen)[places].reshape(stamps.shape)
        apart = np.zeros(stamps.shape, np.bool_)
        steps = np.unravel_index(np.where(known, stamps, 0), self.grid)
        for parallel, theirs, own in zip(self.parallel, steps, self.step, strict=True):
            if parallel:
                apart |= theirs != own
        return known & apart

    def wait(self, ready: Callable[[], bool]) -> bool:
        """Let other steps run until `ready()` holds; return whether it does."""
        if self.lanes is not None:
            self.lanes.wait(ready)
        return ready()


def step_at(grid: Step, number: int) -> Step:
    """Return the grid indices of a step from its row-major number."""
    return tuple(int(k) for k in np.unravel_index(number, grid)) if grid else ()


def race(machine: Machine, earlier: tuple[int, ...], what: str, name: str, element: Element) -> RaceError:
    """Build the report that what the current step and `earlier` do to an element may happen in either order."""
    remedy = "give each parallel step its own block, accumulate on consecutive steps, or use an atomic"
    if machine.lanes is not None and not earlier:
        remedy = "wait for the copy before, on a semaphore that counts it alone or together with all that it counts"
    chosen = machine.maps.get(name)
    error = machine.problem(
        RaceError,
        f"{what}, and may run in either order",
        name,
        *element,
        remedy=remedy if chosen is None else f"{remedy}; the index map at {chosen} chooses the blocks",
    )
    error.other_step = earlier
    return error


def warn_race(machine: Machine, error: RaceError) -> None:
    """Raise a race, or warn of it, as the parameters ask."""
    if machine.params.races == "warn":
        if machine.filler:
            return  # The run repeats another one, which warned.
        warnings.warn(RaceWarning(str(error)), stacklevel=2)
    elif machine.params.races == "raise":
        raise error
