"""The table of engines: a name and a constructor, each engine imported only when it is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from prism.errors import UsageError
from prism.vm.api import Engine, Limits


def _baseline(limits: Limits) -> Engine:
    from prism.vm.baseline import BaselineEngine

    return BaselineEngine(limits)


def _ledger(limits: Limits) -> Engine:
    from prism.vm.memo import LedgerEngine

    return LedgerEngine(limits)


ENGINES: Final[Mapping[str, Callable[[Limits], Engine]]] = {"ledger": _ledger, "baseline": _baseline}
"""Constructors by name; the first is the default."""


def open_engine(name: str, limits: Limits) -> Engine:
    """Start a session of the engine called `name`; UsageError when there is none."""
    if name not in ENGINES:
        raise UsageError(f"an engine must be one of {', '.join(ENGINES)}, got {name!r}; choose one of them")
    return ENGINES[name](limits)
