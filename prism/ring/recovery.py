"""What to do after a launch failed: which failures a new device may cure, and trying once more [RING-17]."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Generic, TypeVar

from prism.ring.errors import DeviceLostError

_Result = TypeVar("_Result")


class Cure(Enum):
    """What may help against a failure."""

    REBUILD = "rebuild"
    """The device or its context is gone: build the program and the resident state anew, then launch again."""
    NONE = "none"


_MARKS: Final = (
    "device lost",
    "devicelost",
    "context lost",
    "lost device",
    "adapter lost",
    "gpu reset",
    "device_error_context_is_destroyed",
    "device_error_context_is_current",
    "device_error_deinitialized",
    "device_lost",
    "stale pipeline",
)
"""What drivers say when a device is gone, in lower case."""


def cure_for(failure: BaseException | str) -> Cure:
    """Return what may help: by the class of the failure first, and by the driver's words where there is no class."""
    if isinstance(failure, DeviceLostError):
        return Cure.REBUILD
    text = str(failure).lower()
    return Cure.REBUILD if any(mark in text for mark in _MARKS) else Cure.NONE


@dataclass(frozen=True, slots=True)
class Recovered(Generic[_Result]):
    """What a launch came to, and at what price."""

    result: _Result
    launches: int
    rebuilds: int


def launch(attempt: Callable[[], _Result], rebuild: Callable[[], None], *, retry: bool = True) -> Recovered[_Result]:
    """Launch; after a failure that REBUILD may cure, rebuild and launch once more.

    Any other failure, or a second, is raised. `rebuild` makes anew, from the host's last copy, what the device held:
    nothing resident is reused.
    """
    try:
        return Recovered(attempt(), 1, 0)
    except Exception as failure:
        if not retry or cure_for(failure) is Cure.NONE:
            raise
    rebuild()
    return Recovered(attempt(), 2, 1)
