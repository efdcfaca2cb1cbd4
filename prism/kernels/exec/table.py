"""The table of executors: a name and a constructor, each back end imported only when it is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from prism.errors import UsageError
from prism.kernels.exec.launch import Launch


class Executor(Protocol):
    """Makes launches ready to run; one object serves any number of them."""

    name: str

    def bind(self, launch: Launch) -> Callable[[], None]:
        """Return what runs the launch, as often as it is called: it writes the buffers in place.

        Calling it raises FaultError where a lane faults [ISA-11].
        """
        ...


def _numpy() -> Executor:
    from prism.kernels.exec.numpy import NumpyExecutor

    return NumpyExecutor()


def _cpu() -> Executor:
    from prism.kernels.exec.cpu import CpuExecutor

    return CpuExecutor()


def _xla() -> Executor:
    from prism.kernels.exec.xla import XlaExecutor

    return XlaExecutor()


def _pallas() -> Executor:
    from prism.kernels.exec.pallas import PallasExecutor

    return PallasExecutor()


EXECUTORS: Final[Mapping[str, Callable[[], Executor]]] = {"numpy": _numpy, "cpu": _cpu, "xla": _xla, "pallas": _pallas}
"""Constructors by name; the first is the living definition."""


def open_executor(name: str) -> Executor:
    """Return an executor by name; UsageError when there is none."""
    if name not in EXECUTORS:
        raise UsageError(f"an executor must be one of {', '.join(EXECUTORS)}, got {name!r}; choose one of them")
    return EXECUTORS[name]()
