"""Whether a faster variant has earned its place: a verdict on two samples of measured launches [RING-17]."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

MIN_LAUNCHES: Final = 8
MIN_SAVING_BPS: Final = 1500


class Verdict(Enum):
    """What to do with the variant."""

    KEEP_RACING = "KeepRacing"
    ADOPT = "Adopt"
    REJECT = "Reject"


@dataclass(frozen=True, slots=True)
class Sample:
    """Launches that were measured: how many, and their mean in nanoseconds, floor."""

    launches: int
    mean_ns: int


def verdict(base: Sample, variant: Sample, compile_ns: int) -> Verdict:
    """Return whether to adopt a variant, whose compilation took `compile_ns` in all, over the base.

    Fewer than MIN_LAUNCHES on a side decide nothing. The compilation is spread over the variant's launches; what then
    is no faster is rejected, and what saves MIN_SAVING_BPS is adopted.
    """
    if min(base.launches, variant.launches) < MIN_LAUNCHES or not base.mean_ns:
        return Verdict.KEEP_RACING
    effective = variant.mean_ns + compile_ns // variant.launches
    if effective >= base.mean_ns:
        return Verdict.REJECT
    saving = (base.mean_ns - effective) * 10_000 // base.mean_ns
    return Verdict.ADOPT if saving >= MIN_SAVING_BPS else Verdict.KEEP_RACING
