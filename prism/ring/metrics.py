"""What a ring did, as one sample: for a line of JSON, a table, and metrics under OpenMetrics names.

Reading takes nothing from the ring: every word is looked at while workers go on, so counters of one sample may be a few
jobs apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from prism.ring import layout as at
from prism.ring.layout import Priority, Reason, SlotStatus
from prism.ring.memory import SPAN_BUCKETS, SPANS, WORKER_JOBS, WORKER_STATE, Block

_STATES: Final = ("absent", "running", "sleeping", "ended", "lost")
_ACCOUNTS: Final = {name.lower(): at.BOOKS_TENANT.at(name) for name in ("CLAIMED", "DONE", "FAULTED", "HELD")}
_REASON: Final = at.BOOKS_SLOT.at("REASON")


@dataclass(frozen=True, slots=True)
class Sample:
    """A ring at a moment; counters count modulo 2^32.

    statuses: slots by status. tenants: by id, jobs claimed, done, faulted and held, and its slots that are in flight.
    levels: claims by level. faults: slots that are faults now, by reason. spans: waits by the power of two of
    microseconds that they took at most. workers: state and jobs of each.
    """

    ended: int
    epoch: int
    shutdown: bool
    log_drops: int
    statuses: dict[str, int]
    tenants: list[dict[str, int]]
    levels: dict[str, int]
    faults: dict[str, int]
    spans: list[int]
    workers: list[dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """Return the sample as JSON holds it."""
        return asdict(self)


def sample(block: Block) -> Sample:
    """Read a block. Cost: some array operations over its slots."""
    state, spec = block.state, block.shape.spec
    statuses = state.slots[:, at.STATUS].copy()
    flying = np.isin(statuses, _ACTIVE)
    tenants = []
    for tenant in range(spec.tenants):
        row = {name: int(state.tenants[tenant, word]) for name, word in _ACCOUNTS.items()}
        row["in_flight"] = int(np.count_nonzero(flying[block.owned(tenant)]))
        tenants.append(row)
    reasons = np.bincount(state.entries[statuses == SlotStatus.FAULT, _REASON], minlength=len(Reason))
    control = state.control
    return Sample(
        ended=int(control[at.DONE_COUNT]),
        epoch=int(control[at.EPOCH]),
        shutdown=bool(control[at.SHUTDOWN]),
        log_drops=int(state.head[at.BOOKS_HEAD.at("LOG_DROPS")]),
        statuses={status.name.lower(): int(np.count_nonzero(statuses == status)) for status in SlotStatus},
        tenants=tenants,
        levels={level.name.lower(): int(control[at.PRIORITY_FAIRNESS + level]) for level in Priority},
        faults={reason.name.lower(): int(reasons[reason]) for reason in Reason if reasons[reason]},
        spans=[int(count) for count in block.words[SPANS : SPANS + SPAN_BUCKETS]],
        workers=[
            {"state": _STATES[min(int(row[WORKER_STATE]), len(_STATES) - 1)], "jobs": int(row[WORKER_JOBS])}
            for row in block.workers
        ],
    )


_ACTIVE: Final = np.array(sorted(at.ACTIVE), np.uint32)


class Collector:
    """A ring's metrics for prometheus-client; counters go on where the ring's words wrap."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self._totals: dict[tuple[str, ...], tuple[int, int]] = {}

    def collect(self) -> Iterator[Any]:
        """Yield the families of one scrape."""
        now = sample(self._block)
        yield CounterMetricFamily("prism_ring_jobs_ended", "Jobs that ended.", value=self._total(now.ended, "ended"))
        yield CounterMetricFamily("prism_ring_fences", "Fences that passed.", value=self._total(now.epoch, "epoch"))
        drops = self._total(now.log_drops, "drops")
        yield CounterMetricFamily("prism_ring_log_drops", "Records that the full log dropped.", value=drops)
        slots = GaugeMetricFamily("prism_ring_slots", "Slots by status.", labels=["status"])
        for status, count in now.statuses.items():
            slots.add_metric([status], count)
        yield slots
        jobs = CounterMetricFamily(
            "prism_ring_tenant_jobs", "Jobs that ended, by tenant.", labels=["tenant", "outcome"]
        )
        flying = GaugeMetricFamily("prism_ring_tenant_in_flight", "Jobs in flight, by tenant.", labels=["tenant"])
        for number, tenant in enumerate(now.tenants):
            for outcome in ("done", "faulted"):
                jobs.add_metric([str(number), outcome], self._total(tenant[outcome], str(number), outcome))
            flying.add_metric([str(number)], tenant["in_flight"])
        yield jobs
        yield flying
        claims = CounterMetricFamily("prism_ring_level_claims", "Claims by level.", labels=["level"])
        for level, count in now.levels.items():
            claims.add_metric([level], self._total(count, "level", level))
        yield claims
        faults = GaugeMetricFamily("prism_ring_fault_slots", "Slots that are faults, by reason.", labels=["reason"])
        for reason, count in now.faults.items():
            faults.add_metric([reason], count)
        yield faults
        yield self._spans(now.spans)

    def _spans(self, spans: list[int]) -> HistogramMetricFamily:
        """Return the waits as a histogram in seconds; its sum is the buckets' upper ends, so it is an upper bound."""
        buckets, seen, most = [], 0, 0.0
        for power, count in enumerate(spans):
            seen += self._total(count, "span", str(power))
            most += count * 2.0**power / 1e6
            buckets.append((repr(2.0**power / 1e6) if power + 1 < len(spans) else "+Inf", seen))
        name = "prism_ring_wait_seconds"
        return HistogramMetricFamily(name, "From submission to the end of a wait.", buckets=buckets, sum_value=most)

    def _total(self, word: int, *key: str) -> int:
        total, last = self._totals.get(key, (word, word))
        total += (word - last) & at.WORD_MASK
        self._totals[key] = total, word
        return total
