"""From a reading of the ring to a request for its next launch [RING-17]."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from prism.ring.policy import Request
from prism.ring.telemetry import RingTelemetry

HOT_WINDOW_SLOTS: Final = 4


def request_from(reading: RingTelemetry, base: Request) -> Request:
    """Return `base` with what the reading knows: hot opcodes and windows, requeues, and the graph where it has none."""
    counters = reading.counters
    hot = sum(window.required_slots + window.lookahead_slots >= HOT_WINDOW_SLOTS for window in reading.windows)
    return replace(
        base,
        graph_nodes=base.graph_nodes or counters.total_slots,
        graph_edges=base.graph_edges or counters.queue_depth,
        density_bps=base.density_bps or counters.frontier_density_bps,
        hot_opcodes=len(reading.control.metrics),
        hot_windows=hot,
        requeues=base.requeues + counters.requeue_slots,
    )
