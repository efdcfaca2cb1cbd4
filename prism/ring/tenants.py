"""Tenants on the host: opcode windows, what each may have outstanding, who runs beside whom, how long to wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from prism.ring.errors import QueueFullError
from prism.ring.opcodes import SYSTEM_BIT

OPCODE_BASE: Final = 0x4000_0000
FIRST_TENANT: Final = 1
"""Ids that are dealt out begin here; 0 is the host."""
OPCODES: Final = 1 << 20
"""Opcodes in the window of one tenant."""
_UNBOUNDED: Final = (1 << 64) - 1
_SPIN_POLLS: Final = 64
_MIN_PARK_US: Final = 2
_MAX_PARK_US: Final = 50


class RegistryFullError(QueueFullError):
    """No opcode window is left for another tenant."""


class OpcodeRangeError(QueueFullError):
    """A tenant's own opcode is outside its window, or its window outside what may be published."""


class BackpressureError(QueueFullError):
    """A tenant has as many slots outstanding as it may."""


class QuiesceError(QueueFullError):
    """A tenant's slots did not all end within the polls that were allowed."""


@dataclass(frozen=True, slots=True)
class OpcodeWindow:
    """The opcodes `base` to `base + OPCODES - 1` of one tenant; `publishable` if a worker takes them.

    An original registry deals windows out up to id 3070, but from id 1024 on they have the high bit, which no slot may
    carry: such a tenant is named, and refused when it publishes.
    """

    tenant: int
    base: int

    @property
    def publishable(self) -> bool:
        """Whether a slot may carry the opcodes of this window."""
        return self.base + OPCODES <= SYSTEM_BIT

    def opcode(self, local: int) -> int:
        """Return the opcode on the wire of the tenant's own opcode `local`; raises OpcodeRangeError."""
        if not 0 <= local < OPCODES:
            raise OpcodeRangeError(f"an opcode of a tenant must be 0 to {OPCODES - 1}, got {local}; renumber it")
        if not self.publishable:
            raise OpcodeRangeError(
                f"the window of tenant {self.tenant} begins at {self.base:#x}, but the high bit is reserved; "
                "use tenants below 1024"
            )
        return self.base + local


def opcode_window(tenant: int) -> OpcodeWindow:
    """Return the window of a tenant id, from 1 on; raises RegistryFullError where it would leave 32 bits."""
    base = OPCODE_BASE + tenant * OPCODES
    if base + OPCODES - 1 >= 0xFFFF_FFFF:
        raise RegistryFullError(f"tenant {tenant} has no opcode window left below 2**32; release other tenants first")
    return OpcodeWindow(tenant, base)


@dataclass(slots=True)
class Outstanding:
    """What one tenant has published and not seen end, against its cap; a cap of 0 counts as 1."""

    cap: int = _UNBOUNDED
    published: int = 0
    drained: int = 0
    quiesce_calls: int = 0
    quiesce_timeouts: int = 0

    def __post_init__(self) -> None:
        self.cap = max(1, self.cap)

    @property
    def outstanding(self) -> int:
        """Slots published and not drained."""
        return max(0, self.published - self.drained)

    def reserve(self) -> None:
        """Count one more as published; raises BackpressureError, with nothing counted, at the cap."""
        if self.outstanding >= self.cap:
            raise BackpressureError(
                f"a tenant may have {self.cap} slots outstanding, and has {self.outstanding}; wait for some to end"
            )
        self.published += 1

    def quiesce(self, polls: int) -> None:
        """Count one wait of at most `polls` looks; raises QuiesceError unless one saw nothing outstanding."""
        self.quiesce_calls += 1
        if polls and not self.outstanding:
            return
        self.quiesce_timeouts += 1
        raise QuiesceError(f"{self.outstanding} slots were outstanding after {polls} looks; drain first or look longer")


def quiesce_park_us(poll: int) -> int:
    """Return the microseconds to sleep at a poll: 2 up to poll 64, then doubled each time up to 50.

    >>> [quiesce_park_us(poll) for poll in (0, 64, 65, 66, 70)]
    [2, 2, 4, 8, 50]
    """
    doublings = min(max(poll - _SPIN_POLLS, 0), 5)
    return min(_MAX_PARK_US, _MIN_PARK_US << doublings)


def select_tenants(active: Sequence[int], conflicts: Sequence[int]) -> list[int]:
    """Return the tenants that may run side by side: ids in the order given, each kept if it conflicts with none kept.

    conflicts: the rows of a square matrix; one of another size, or of zeros, says that all may.
    """
    size = len(active)
    if len(conflicts) != size * size or not any(conflicts):
        return list(active)
    kept: list[int] = []
    for row in range(size):
        if not any(conflicts[row * size + other] or conflicts[other * size + row] for other in kept):
            kept.append(row)
    return [active[row] for row in kept]
