"""Where a run stands: the kernel, the grid step and the line, for whoever has something to report."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from prism.pallas import dtypes
from prism.pallas.errors import UNKNOWN_SITE, KernelError, KernelSite, RaceError, RaceWarning, UninitializedReadError
from prism.pallas.params import InterpretParams


@dataclass(slots=True)
class Machine:
    """Where a run stands, for reports: the kernel, the grid step, and the sites of its accesses.

    `doubts` holds the first use of unwritten memory that a run saw, and `unsure` says that generated code saw one;
    whether it matters is judged after the run.
    `parallel` says whether two steps, given as numbers, may run in either order.
    """

    kernel: str
    params: InterpretParams
    grid: tuple[int, ...] = ()
    step: tuple[int, ...] = ()
    number: int = 0
    parallel: tuple[bool, ...] = ()
    site: KernelSite = UNKNOWN_SITE
    poison_flip: bool = False
    unsure: bool = False
    doubts: list[UninitializedReadError] = field(default_factory=list)

    def poison(self, dtype: np.dtype[Any]) -> Any:
        """Return the filler of unwritten memory; the second run of a doubtful kernel uses another one."""
        usual = dtypes.poison(dtype)
        if not self.poison_flip:
            return usual
        if dtype == np.bool_:
            return np.True_
        # The two fillers bracket the integers, so that a maximum or a comparison shows one of them.
        other = dtypes.integer_range(dtype)[1] if dtypes.is_integer(dtype) else 77
        return np.asarray(other).astype(dtype)[()]

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
        warnings.warn(RaceWarning(str(error)), stacklevel=2)
    elif machine.params.races == "raise":
        raise error
