"""The table of engines: a name and a constructor, each engine imported only when it is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from prism.errors import UsageError
from prism.vm.engines.api import Engine, Limits
from prism.vm.engines.schedule import Schedule


def _baseline(limits: Limits, schedule: Schedule | None) -> Engine:  # noqa: ARG001 (only bsp has one)
    from prism.vm.engines.baseline import BaselineEngine

    return BaselineEngine(limits)


def _ledger(limits: Limits, schedule: Schedule | None) -> Engine:  # noqa: ARG001 (only bsp has one)
    from prism.vm.engines.ledger import LedgerEngine

    return LedgerEngine(limits)


def _bsp(limits: Limits, schedule: Schedule | None) -> Engine:
    from prism.vm.engines.bsp import BspEngine

    return BspEngine(limits, schedule or Schedule())


ENGINES: Final[Mapping[str, Callable[[Limits, Schedule | None], Engine]]] = {
    "ledger": _ledger,
    "baseline": _baseline,
    "bsp": _bsp,
}
"""Constructors by name; the first is the default."""
SCHEDULED: Final = frozenset({"bsp"})
"""The engines that a schedule is for."""


def open_engine(name: str, limits: Limits, schedule: Schedule | None = None) -> Engine:
    """Start a session of the engine called `name`, on the default schedule if it follows one.

    UsageError when there is none, or when it is given a schedule that it would not follow.
    """
    if name not in ENGINES:
        raise UsageError(f"an engine must be one of {', '.join(ENGINES)}, got {name!r}; choose one of them")
    if schedule is not None and name not in SCHEDULED:
        raise UsageError(f"a schedule must go to one of {', '.join(SCHEDULED)}, got engine {name!r}; leave it out")
    return ENGINES[name](limits, schedule)
