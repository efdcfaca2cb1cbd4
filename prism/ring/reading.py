"""Read a ring into memory of the caller: one pass over the slots, and no allocation at a poll [RINGTEL-2]."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numba import njit

from prism.ring import layout as at
from prism.ring.errors import MisalignedError, MissingWordError, QueueFullError
from prism.ring.layout import WORD, SlotStatus, Words
from prism.ring.publish import WINDOW_LOOKAHEAD, WINDOW_REQUIRED
from prism.ring.telemetry import (
    ControlSnapshot,
    RingOccupancy,
    RingSlotSnapshot,
    RingStatus,
    RingTelemetry,
    TelemetryDecodeCapacityEvidence,
    WindowTelemetry,
)
from prism.vm.ledger.radix import sort_pairs

# Columns of a decoded slot: status, tenant, opcode, and the first three arguments.
_SLOT_COLUMNS: Final = 6
# Columns of a decoded window: ticket, tenant, opcode, required, lookahead, then one for each status from PUBLISHED on.
_WINDOW_COLUMNS: Final = 12
_TICKET, _WHO, _OP, _REQUIRED, _LOOKAHEAD, _FIRST_STATUS = range(6)
_STATUSES: Final = len(SlotStatus)
_UNKNOWN: Final = _STATUSES
_BLOCKED: Final = _STATUSES + 1
_PUBLISHED: Final = int(SlotStatus.PUBLISHED)
_FULL: Final = -1
_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)


class TelemetryDecodeScratch:
    """Memory of the caller for one ring: outputs and accumulators, allocated once and written at each poll.

    slots: the most slots that it reads. window_opcodes: the opcodes whose slots are windows; windows: the most windows,
    by default as many as slots where there are such opcodes.
    """

    def __init__(self, slots: int, window_opcodes: Iterable[int] = (), windows: int | None = None) -> None:
        self.window_opcodes = np.unique(np.array(list(window_opcodes), WORD))
        room = (slots if windows is None else windows) if self.window_opcodes.size else 0
        self._slots = np.zeros((slots, _SLOT_COLUMNS), WORD)
        self._windows = np.zeros((room, _WINDOW_COLUMNS), WORD)
        self._control = np.zeros(at.CONTROL_WORDS, WORD)
        self._counts = np.zeros(_BLOCKED + 1, np.int64)
        self._index = np.zeros(1 << (2 * room).bit_length(), np.int32)
        self._keys, self._spare_keys = np.zeros(room, np.uint64), np.zeros(room, np.uint64)
        self._order, self._spare_order = np.zeros(room, np.int32), np.zeros(room, np.int32)
        self._sizes = np.zeros(2, np.int64)

    def clear(self) -> None:
        """Forget what was decoded; the memory stays."""
        for array in (self._slots, self._windows, self._control, self._counts, self._sizes):
            array[:] = 0

    def decode(self, control: Words, ring: Words) -> None:
        """Read a control buffer and a ring, flat words; cost: one pass, 30 us for 4,096 slots.

        Raises MisalignedError, MissingWordError, and QueueFullError where this memory is too small; what was decoded
        before is then gone.
        """
        if control.dtype != WORD or control.size < at.CONTROL_WORDS:
            raise MissingWordError(
                f"a control buffer has {at.CONTROL_WORDS} words at least, got {control.size} of {control.dtype}; "
                "read all of it"
            )
        if ring.dtype != WORD or ring.size % at.SLOT_WORDS:
            raise MisalignedError(
                f"a ring is whole slots of {at.SLOT_WORDS} words, got {ring.size} of {ring.dtype}; read all of it"
            )
        if ring.size > len(self._slots) * at.SLOT_WORDS:
            raise QueueFullError(
                f"this scratch reads {len(self._slots)} slots, got {ring.size // at.SLOT_WORDS}; make a larger one"
            )
        self._control[:] = control[: at.CONTROL_WORDS]
        read = _read(ring, self._control, self._slots, self._counts)
        found = 0
        if self.window_opcodes.size:
            found = _windows(self._slots[:read], self.window_opcodes, self._windows, self._index, self._keys)
        if found == _FULL:
            self._sizes[:] = 0
            raise QueueFullError(
                f"this scratch holds {len(self._windows)} windows, fewer than there are; make a larger one"
            )
        _rank(self._keys[:found], self._order[:found], self._spare_keys[:found], self._spare_order[:found])
        self._sizes[0], self._sizes[1] = read, found

    @property
    def slot_rows(self) -> Words:
        """The decoded slots, (n, 6): status, tenant, opcode, first three arguments; a view."""
        return self._slots[: self._sizes[0]]

    @property
    def status_counts(self) -> np.ndarray:
        """Slots by status 0 to 7, then of unknown status, then published ones that no worker may take; a view."""
        return self._counts

    def occupancy(self) -> RingOccupancy:
        """Return how many slots have each status."""
        return RingOccupancy(*map(int, self._counts[: _UNKNOWN + 1]))

    def control(self) -> ControlSnapshot:
        """Return the counters of the control buffer."""
        words = self._control
        metrics = words[at.METRICS_BASE : at.METRICS_BASE + at.METRICS]
        return ControlSnapshot(
            shutdown=bool(words[at.SHUTDOWN]),
            done_count=int(words[at.DONE_COUNT]),
            epoch=int(words[at.EPOCH]),
            metrics=tuple((int(opcode), int(metrics[opcode])) for opcode in np.flatnonzero(metrics)),
            tenant_fairness=tuple(map(int, words[at.TENANT_FAIRNESS : at.TENANT_FAIRNESS + at.QUOTA_WORDS])),
            priority_fairness=tuple(map(int, words[at.PRIORITY_FAIRNESS : at.PRIORITY_FAIRNESS + at.LEVELS])),
        )

    def windows(self) -> tuple[WindowTelemetry, ...]:
        """Return the windows, by ticket and opcode."""
        rows = self._windows[self._order[: self._sizes[1]]]
        return tuple(WindowTelemetry(*row) for row in rows.tolist())

    def telemetry(self, *, slots: bool = False) -> RingTelemetry:
        """Return the reading as records; with `slots`, one for each slot too, which takes about 2 us a slot."""
        listed = tuple(_snapshot(place, row) for place, row in enumerate(self.slot_rows.tolist())) if slots else ()
        return RingTelemetry(self.control(), self.occupancy(), self.windows(), listed, int(self._counts[_BLOCKED]))

    def capacity_evidence(self) -> TelemetryDecodeCapacityEvidence:
        """Return how much of this memory the last reading used."""
        return TelemetryDecodeCapacityEvidence(
            decoded_slot_count=int(self._sizes[0]),
            slot_output_capacity=len(self._slots),
            decoded_window_count=int(self._sizes[1]),
            window_output_capacity=len(self._windows),
            window_opcode_scratch_capacity=len(self.window_opcodes),
            window_accumulator_scratch_capacity=len(self._keys),
        )


def read_ring(control: Words, ring: Words, window_opcodes: Iterable[int] = ()) -> RingTelemetry:
    """Return a reading with all its slots, in memory of its own; raises MisalignedError or MissingWordError."""
    scratch = TelemetryDecodeScratch(ring.size // at.SLOT_WORDS, window_opcodes)
    scratch.decode(control, ring)
    return scratch.telemetry(slots=True)


def _snapshot(place: int, row: list[int]) -> RingSlotSnapshot:
    status, tenant, opcode, *args = row
    return RingSlotSnapshot(place, RingStatus(status), tenant, opcode, (args[0], args[1], args[2]))


@njit(cache=True)
def _read(ring, control, slots, counts):
    """Copy what is shown of each slot, and count statuses; return the number of slots."""
    counts[:] = 0
    n = len(ring) // at.SLOT_WORDS
    base = np.int64(control[at.TENANT_BASE])
    for slot in range(n):
        start = slot * at.SLOT_WORDS
        status, tenant = ring[start + at.STATUS], ring[start + at.TENANT]
        slots[slot, 0], slots[slot, 1], slots[slot, 2] = status, tenant, ring[start + at.OPCODE]
        for arg in range(3):
            slots[slot, 3 + arg] = ring[start + at.ARGS + arg]
        counts[status if status < _STATUSES else _UNKNOWN] += 1
        if status == _PUBLISHED and tenant < at.TENANTS:
            mask = base + np.int64(tenant)
            inside = at.TENANT_MASKS <= mask < at.TENANT_MASKS + at.TENANTS
            counts[_BLOCKED] += not inside or control[mask] == 0
    return n


@njit(cache=True)
def _windows(slots, opcodes, windows, index, keys):
    """Gather the slots of window opcodes by ticket and opcode; return the windows found, or _FULL."""
    index[:] = 0
    mask = np.uint64(len(index) - 1)
    found = 0
    for slot in range(len(slots)):
        opcode = slots[slot, 2]
        place = np.searchsorted(opcodes, opcode)
        if place == len(opcodes) or opcodes[place] != opcode:
            continue
        key = np.uint64(slots[slot, 3]) << np.uint64(32) | np.uint64(opcode)
        at_ = (key * _SPREAD) >> np.uint64(32) & mask
        while index[at_] != 0 and keys[index[at_] - 1] != key:
            at_ = (at_ + np.uint64(1)) & mask
        if index[at_] == 0:
            if found == len(windows):
                return _FULL
            keys[found] = key
            windows[found, :] = 0
            windows[found, _TICKET], windows[found, _WHO], windows[found, _OP] = slots[slot, 3], slots[slot, 1], opcode
            found += 1
            index[at_] = found
        row = index[at_] - 1
        windows[row, _REQUIRED] += slots[slot, 4] == WINDOW_REQUIRED
        windows[row, _LOOKAHEAD] += slots[slot, 4] == WINDOW_LOOKAHEAD
        status = slots[slot, 0]
        if _PUBLISHED <= status < _STATUSES:
            windows[row, _FIRST_STATUS + status - _PUBLISHED] += 1
    return found


@njit(cache=True)
def _rank(keys, order, spare_keys, spare_order):
    """Order the windows by ticket and opcode."""
    for place in range(len(keys)):
        order[place] = place
    sort_pairs(keys, order, spare_keys, spare_order)
