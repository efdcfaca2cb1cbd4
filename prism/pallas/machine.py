"""Where a run stands: the kernel, the grid step and the line, for whoever has something to report."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from prism.pallas import dtypes
from prism.pallas.errors import UNKNOWN_SITE, KernelError, KernelSite, RaceError, RaceWarning, UninitializedReadError
from prism.pallas.params import InterpretParams

Use = tuple[KernelSite, str]
"""A line that uses a reference, and the reference's name."""


@dataclass(slots=True)
class Machine:
    """Where a run stands, for reports: the kernel, the grid step, and the sites of its accesses.

    `doubts` holds the first use of unwritten memory at each line that a run saw, and `unsure` says that generated code
    saw one; whether it matters is judged after the run, by other runs: `filler` says as what unwritten memory is read,
    and `culprit`, if there is one, which line and reference alone read it so.
    `parallel` says whether two steps, given as numbers, may run in either order.
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
    doubts: dict[Use, UninitializedReadError] = field(default_factory=dict)

    def poison(self, dtype: np.dtype[Any], name: str = "") -> Any:
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
    ) -> Any:
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

    def step_of(self, number: int) -> tuple[int, ...]:
        """Return the grid indices of step `number`."""
        return tuple(int(k) for k in np.unravel_index(number, self.grid)) if self.grid else ()

    def concurrent(self, earlier: tuple[int, ...]) -> bool:
        """Whether the step `earlier` may run at the same time as the current one: they differ on a parallel axis."""
        return any(p and a != b for p, a, b in zip(self.parallel, earlier, self.step, strict=True))


def report_race(
    machine: Machine, earlier: tuple[int, ...], name: str, element: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    """Raise or warn that the current step and `earlier` both wrote `element`."""
    if machine.params.races == "off":
        return
    error = machine.problem(
        RaceError,
        f"grid steps {earlier} and {machine.step} both write element {element} of {name}, and may run in either order",
        name,
        element,
        shape,
        remedy="give each parallel step its own block, accumulate on consecutive steps, or use an atomic",
    )
    error.other_step = earlier
    warn_race(machine, error)


def warn_race(machine: Machine, error: RaceError) -> None:
    """Raise a race, or warn of it, as the parameters ask."""
    if machine.params.races == "warn":
        if machine.filler:
            return  # The run repeats another one, which warned.
        warnings.warn(RaceWarning(str(error)), stacklevel=2)
    elif machine.params.races == "raise":
        raise error
