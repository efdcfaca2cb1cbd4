"""What a ring looked like when it was read: snapshots, and the integer formulas on them [RINGTEL-1].

Shares are in parts per million (ppm) or basis points (bps), rounded down, and 0 where there is nothing to share.
Counters are those of the wire, modulo 2**32.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from prism.ring.layout import ACTIVE, LEVELS, QUOTA_WORDS, WORD_MASK, SlotStatus

PPM: Final = 1_000_000
BPS: Final = 10_000
_KNOWN: Final = {int(status): status for status in SlotStatus}
RUNTIME_IO_EVIDENCE_SCHEMA_VERSION: Final = 1
TELEMETRY_DECODE_CAPACITY_SCHEMA_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class RingStatus:
    """The status word of a slot; `known` is None for a value that the wire does not define."""

    raw: int

    @property
    def known(self) -> SlotStatus | None:
        """The status, if the wire defines it."""
        return _KNOWN.get(self.raw)

    @property
    def is_active(self) -> bool:
        """Whether the slot was submitted and has not ended; an unknown status is not."""
        return self.raw in ACTIVE

    def __str__(self) -> str:
        return self.known.name.lower() if self.known is not None else f"unknown({self.raw})"


@dataclass(frozen=True, slots=True)
class RingSlotSnapshot:
    """One slot: its index, status, tenant, opcode and first three arguments."""

    slot_idx: int
    status: RingStatus
    tenant_id: int
    opcode: int
    args_prefix: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class WindowTelemetry:
    """The slots of one ticket and opcode, by class and by status; `tenant_id` is that of the first."""

    ticket: int
    tenant_id: int
    opcode: int
    required_slots: int = 0
    lookahead_slots: int = 0
    published: int = 0
    claimed: int = 0
    done: int = 0
    wait_io: int = 0
    yield_count: int = 0
    requeue: int = 0
    fault: int = 0

    @property
    def is_active(self) -> bool:
        """Whether some slot of it has not ended."""
        return any((self.published, self.claimed, self.wait_io, self.yield_count, self.requeue))


@dataclass(frozen=True, slots=True)
class RingOccupancy:
    """How many slots have each status."""

    empty: int = 0
    published: int = 0
    claimed: int = 0
    done: int = 0
    wait_io: int = 0
    yield_count: int = 0
    requeue: int = 0
    fault: int = 0
    unknown: int = 0

    @property
    def queue_depth(self) -> int:
        """Slots that are neither empty nor done, at most 2**32 - 1."""
        active = self.published + self.claimed + self.wait_io + self.yield_count + self.requeue
        return min(active + self.fault + self.unknown, WORD_MASK)

    @property
    def total_slots(self) -> int:
        """All slots, at most 2**32 - 1."""
        return min(self.queue_depth + self.empty + self.done, WORD_MASK)


class RuntimeEvidenceMetricFamily(Enum):
    """What evidence about a run must cover; the value is the word that reports print."""

    RING = "ring"
    CONTROL = "control"
    COPY = "copy"
    RESIDENCY = "residency"


@dataclass(frozen=True, slots=True)
class RuntimeEvidenceMetricCoverage:
    """Which families evidence covers."""

    ring: bool = False
    control: bool = False
    copy: bool = False
    residency: bool = False

    @classmethod
    def complete(cls) -> RuntimeEvidenceMetricCoverage:
        """Return the coverage of every family."""
        return cls(*(True for _ in RuntimeEvidenceMetricFamily))

    def missing_families(self) -> list[RuntimeEvidenceMetricFamily]:
        """Return the families that are not covered, in the order of the enumeration."""
        return [family for family in RuntimeEvidenceMetricFamily if not getattr(self, family.value)]


@dataclass(frozen=True, slots=True)
class RuntimeEvidence:
    """What a run kept on the device, copied, and took to be looked at; bytes and nanoseconds."""

    resident_device_bytes: int
    host_copy_bytes: int
    host_copy_avoided_bytes: int
    ring_occupancy: RingOccupancy
    control_decode_ns: int
    ring_decode_ns: int
    coverage: RuntimeEvidenceMetricCoverage
    schema_version: int = RUNTIME_IO_EVIDENCE_SCHEMA_VERSION

    def missing_metric_families(self) -> list[RuntimeEvidenceMetricFamily]:
        """Return the families that this evidence does not cover."""
        return self.coverage.missing_families()

    @property
    def is_complete(self) -> bool:
        """Whether it is of this schema and covers every family."""
        return self.schema_version == RUNTIME_IO_EVIDENCE_SCHEMA_VERSION and not self.missing_metric_families()

    @property
    def host_copy_avoidance_bps(self) -> int:
        """The share of copies that residency avoided, in bps."""
        total = self.host_copy_bytes + self.host_copy_avoided_bytes
        return self.host_copy_avoided_bytes * BPS // total if total else 0


@dataclass(frozen=True, slots=True)
class ControlSnapshot:
    """The counters of the control buffer; `metrics` are (opcode, executions) of the opcodes that ran."""

    shutdown: bool = False
    done_count: int = 0
    epoch: int = 0
    metrics: tuple[tuple[int, int], ...] = ()
    tenant_fairness: tuple[int, ...] = (0,) * QUOTA_WORDS
    priority_fairness: tuple[int, ...] = (0,) * LEVELS


@dataclass(frozen=True, slots=True)
class RuntimeCounters:
    """What follows from one reading."""

    total_slots: int
    queue_depth: int
    gpu_idle_slots: int
    gpu_idle_ppm: int
    frontier_density_bps: int
    occupancy_proxy_bps: int
    drained_slots: int
    unreclaimed_done_slots: int
    tenant_fairness_total: int
    tenant_fairness_skew: int
    priority_fairness_total: int
    requeue_slots: int
    fault_slots: int


def counters(control: ControlSnapshot, occupancy: RingOccupancy) -> RuntimeCounters:
    """Return the counters of one reading; the skew is the largest less the smallest of the tenants that were served."""
    total, depth = occupancy.total_slots, occupancy.queue_depth
    served = [count for count in control.tenant_fairness if count]
    whole = max(total, 1)
    return RuntimeCounters(
        total_slots=total,
        queue_depth=depth,
        gpu_idle_slots=occupancy.empty,
        gpu_idle_ppm=occupancy.empty * PPM // whole,
        frontier_density_bps=depth * BPS // whole,
        occupancy_proxy_bps=(total - occupancy.empty) * BPS // whole,
        drained_slots=control.done_count,
        unreclaimed_done_slots=occupancy.done,
        tenant_fairness_total=sum(control.tenant_fairness),
        tenant_fairness_skew=max(served) - min(served) if served else 0,
        priority_fairness_total=sum(control.priority_fairness),
        requeue_slots=occupancy.requeue,
        fault_slots=occupancy.fault,
    )


@dataclass(frozen=True, slots=True)
class WatchdogSnapshot:
    """What two readings say about progress; `blocked_slots` wait for the host to allow their tenant."""

    done_delta: int
    queue_depth: int
    fault_slots: int
    requeue_slots: int
    gpu_idle_ppm: int
    blocked_slots: int
    suspected_stall: bool


@dataclass(frozen=True, slots=True)
class RingTelemetry:
    """One reading of a ring: control, occupancy, windows, and how many published slots no worker may take.

    `slots` are there only where they were asked for.
    """

    control: ControlSnapshot
    occupancy: RingOccupancy
    windows: tuple[WindowTelemetry, ...] = ()
    slots: tuple[RingSlotSnapshot, ...] = ()
    blocked_slots: int = 0

    @property
    def counters(self) -> RuntimeCounters:
        """What follows from this reading."""
        return counters(self.control, self.occupancy)

    @property
    def active_windows(self) -> int:
        """Windows with slots that have not ended."""
        return sum(window.is_active for window in self.windows)

    def health_since(self, done_count: int) -> WatchdogSnapshot:
        """Compare with the done count of an earlier reading, modulo 2**32 [RINGTEL-3].

        A stall is suspected where nothing ended although something could: slots that are neither at fault nor blocked.
        """
        delta = (self.control.done_count - done_count) & WORD_MASK
        depth = self.occupancy.queue_depth
        waiting = depth - self.occupancy.fault - self.blocked_slots
        return WatchdogSnapshot(
            done_delta=delta,
            queue_depth=depth,
            fault_slots=self.occupancy.fault,
            requeue_slots=self.occupancy.requeue,
            gpu_idle_ppm=self.counters.gpu_idle_ppm,
            blocked_slots=self.blocked_slots,
            suspected_stall=delta == 0 and waiting > 0,
        )


@dataclass(frozen=True, slots=True)
class TelemetryDecodeCapacityEvidence:
    """How much of the caller's memory a reading used, and how much there was."""

    decoded_slot_count: int
    slot_output_capacity: int
    decoded_window_count: int
    window_output_capacity: int
    window_opcode_scratch_capacity: int
    window_accumulator_scratch_capacity: int
    uses_caller_owned_scratch: bool = True
    schema_version: int = TELEMETRY_DECODE_CAPACITY_SCHEMA_VERSION

    @property
    def is_complete(self) -> bool:
        """Whether it is of this schema, and the caller's memory held all that was decoded."""
        return (
            self.schema_version == TELEMETRY_DECODE_CAPACITY_SCHEMA_VERSION
            and self.uses_caller_owned_scratch
            and self.slot_output_capacity >= self.decoded_slot_count
            and self.window_output_capacity >= self.decoded_window_count
            and self.window_accumulator_scratch_capacity >= self.decoded_window_count
        )
