"""The table of engines: a name and a constructor, each engine imported only when it is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from prism.errors import UsageError
from prism.vm.engines.api import Engine, Limits
from prism.vm.engines.schedule import Schedule
from prism.vm.theory.library import load
from prism.vm.theory.model import Theory


def _baseline(limits: Limits, schedule: Schedule | None, theory: Theory) -> Engine:  # noqa: ARG001 (only bsp has one)
    from prism.vm.engines.baseline import BaselineEngine

    return BaselineEngine(limits, theory)


def _ledger(limits: Limits, schedule: Schedule | None, theory: Theory) -> Engine:  # noqa: ARG001 (only bsp has one)
    from prism.vm.engines.theory_engine import TheoryEngine

    return TheoryEngine(limits, theory)


def _bsp(limits: Limits, schedule: Schedule | None, theory: Theory) -> Engine:
    if theory != load(BUILT_IN):
        raise UsageError(f"engine bsp must run the theory {BUILT_IN}, got {theory.name!r}; use the engine ledger")
    from prism.vm.engines.bsp import BspEngine

    return BspEngine(limits, schedule or Schedule(), theory)


ENGINES: Final[Mapping[str, Callable[[Limits, Schedule | None, Theory], Engine]]] = {
    "ledger": _ledger,
    "baseline": _baseline,
    "bsp": _bsp,
}
"""Constructors by name; the first is the default."""
SCHEDULED: Final = frozenset({"bsp"})
"""The engines that a schedule is for."""


BUILT_IN: Final = "peano"
"""The theory that a session runs where none is named."""


def open_engine(name: str, limits: Limits, schedule: Schedule | None = None, theory: Theory | None = None) -> Engine:
    """Start a session of the engine called `name`, of the built-in theory unless another is given.

    It runs on the default schedule if it follows one.

    UsageError when there is none, or when it is given a schedule that it would not follow.
    """
    if name not in ENGINES:
        raise UsageError(f"an engine must be one of {', '.join(ENGINES)}, got {name!r}; choose one of them")
    if schedule is not None and name not in SCHEDULED:
        raise UsageError(f"a schedule must go to one of {', '.join(SCHEDULED)}, got engine {name!r}; leave it out")
    return ENGINES[name](limits, schedule, theory or load(BUILT_IN))
