"""The report with which every run of an engine ends, and why it ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from prism.status import Status


class StopReason(Enum):
    """Why a run ended; the value is the `status` word of `prism run --format json`."""

    NORMAL_FORM = "ok"
    STEP_LIMIT = "timeout"
    OOM = "oom"
    CORRUPT = "corrupt"

    @staticmethod
    def of(status: Status) -> StopReason:
        """Return the reason with which a run ends that finished its work in `status`."""
        return _STOP_OF[status]


_STOP_OF = {
    Status.OK: StopReason.NORMAL_FORM,
    Status.OOM: StopReason.OOM,
    Status.CORRUPT: StopReason.CORRUPT,
}


@dataclass(frozen=True, slots=True)
class Report:
    """What one run did.

    `steps` counts rule applications, `nodes` the nodes this run added, `reused` the interns that found their
    node already there.
    """

    stop: StopReason
    steps: int
    nodes: int
    reused: int
