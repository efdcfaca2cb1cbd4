"""Vectors of what is observed: telemetry, the watchdog, and the sketch."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

import numpy as np

from prism.conform import Case, Check, Deviation, require_equal
from prism.ring import codec
from prism.ring import layout as at
from prism.ring.conform.buffers import dense, ragged, require_error
from prism.ring.layout import WORD
from prism.ring.reading import read_ring
from prism.ring.sketch import CountMinSketch
from prism.ring.telemetry import RingStatus, RingTelemetry, WatchdogSnapshot

_NAMES: Final = {
    at.SlotStatus.EMPTY: "Empty",
    at.SlotStatus.PUBLISHED: "Published",
    at.SlotStatus.CLAIMED: "Claimed",
    at.SlotStatus.DONE: "Done",
    at.SlotStatus.WAIT_IO: "WaitIo",
    at.SlotStatus.YIELD: "Yield",
    at.SlotStatus.REQUEUE: "Requeue",
    at.SlotStatus.FAULT: "Fault",
}
"""How the original writes a status."""


def _status(status: RingStatus) -> str:
    return f"Unknown({status.raw})" if status.known is None else _NAMES[status.known]


def _plain(value: Any) -> Any:
    """Return records, tuples and statuses as JSON has them."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, tuple | list) else value


def _shown(reading: RingTelemetry) -> dict[str, Any]:
    """Return a reading as a file writes it."""
    occupancy = asdict(reading.occupancy)
    occupancy |= {"total_slots": reading.occupancy.total_slots, "queue_depth": reading.occupancy.queue_depth}
    slots = [asdict(slot) | {"status": _status(slot.status)} for slot in reading.slots]
    windows = [asdict(window) | {"is_active": window.is_active} for window in reading.windows]
    return _plain(
        {
            "control": asdict(reading.control),
            "occupancy": occupancy,
            "counters": asdict(reading.counters),
            "slots": slots,
            "windows": windows,
            "active_windows": reading.active_windows,
        }
    )


def _telemetry(case: Case) -> None:
    data = case.data
    control = ragged(dense(data["control"]), data.get("control_extra_bytes", 0))
    ring = ragged(np.array(data["ring_words"], WORD), data.get("ring_extra_bytes", 0))

    def call() -> RingTelemetry:
        return read_ring(codec.words_of(control), codec.words_of(ring), data["window_opcodes"])

    if "expect_error" in data:
        return require_error(data["expect_error"], call)
    got = _shown(call())
    for part, expected in data["expect"].items():
        require_equal(expected, got[part], part)
    return None


def _health(case: Case) -> WatchdogSnapshot:
    reading = read_ring(dense(case.data["current_control"]), np.array(case.data["current_ring_words"], WORD))
    return reading.health_since(case.data["previous_done_count"])


def _without_blocked(health: WatchdogSnapshot) -> dict[str, Any]:
    shown = asdict(health)
    shown.pop("blocked_slots")
    return shown


def _watchdog(case: Case) -> None:
    require_equal(case.data["expect"], _without_blocked(_health(case)))


def _is_backwards(case: Case) -> bool:
    return case.area == "watchdog" and "expect_error" in case.data


def _counts_over_the_wrap(case: Case) -> None:
    """Require that the increase is that modulo 2**32, and that whatever ended is progress."""
    now = case.data["current_control"]["nonzero"].get(str(at.DONE_COUNT), 0)
    health = _health(case)
    require_equal((now - case.data["previous_done_count"]) % 2**32, health.done_delta, "increase")
    require_equal(False, health.suspected_stall, "stall")


def _stall_is_about_others(case: Case) -> bool:
    """Whether no slot is active but published ones that no worker may take, or a fault hides one that is."""
    if case.area != "watchdog" or "expect" not in case.data:
        return False
    rows = np.array(case.data["current_ring_words"], WORD).reshape(-1, at.SLOT_WORDS)
    control = dense(case.data["current_control"])
    masks = control[at.TENANT_MASKS : at.TENANT_MASKS + at.TENANTS]
    blocked = sum(row[at.STATUS] == 1 and row[at.TENANT] < at.TENANTS and not masks[row[at.TENANT]] for row in rows)
    idle = sum(row[at.STATUS] in (0, 3, 7) for row in rows)
    stuck = case.data["expect"]["done_delta"] == 0 and len(rows) > blocked + idle
    return bool(stuck) != case.data["expect"]["suspected_stall"]


def _judges_by_what_could_end(case: Case) -> None:
    """Require every figure of the file but the suspicion, which is its opposite."""
    expected = dict(case.data["expect"])
    expected["suspected_stall"] = not expected["suspected_stall"]
    require_equal(expected, _without_blocked(_health(case)))


def _sketch(case: Case) -> None:
    data = case.data
    if "expect_error" in data:
        return require_error(data["expect_error"], lambda: CountMinSketch(data["depth"], data["width"]))
    sketch = CountMinSketch(data["depth"], data["width"])
    keys, amounts = np.array(data["adds"], np.uint64).reshape(-1, 2).T
    for key, amount in zip(keys, amounts, strict=True):
        sketch.add(np.array([key]), np.array([amount]))
    flat = sketch.counters.reshape(-1)
    counters = {str(i): int(flat[i]) for i in np.flatnonzero(flat)}
    require_equal(data["expect"]["nonzero_counters"], counters, "counters")
    estimates = sketch.estimate(np.array(data["query"], np.uint64))
    return require_equal(data["expect"]["estimates"], estimates.tolist(), "estimates")


CHECKS: Final[dict[str, Check]] = {"telemetry": _telemetry, "watchdog": _watchdog, "count_min_sketch": _sketch}
DEVIATIONS: Final = (
    Deviation("the watchdog counts over the wrap", "RINGTEL-3", _is_backwards, _counts_over_the_wrap),
    Deviation("the watchdog minds what could end", "RINGTEL-3", _stall_is_about_others, _judges_by_what_could_end),
)
