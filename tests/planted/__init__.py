"""Forty kernels with one planted bug each, ten of each kind: the yardstick of what an interpreter reports."""

from tests.planted import indices, overlaps, specs, unwritten
from tests.planted.bug import Bug

KINDS: dict[str, tuple[Bug, ...]] = {
    "off-by-one index": indices.BUGS,
    "overlapping writes": overlaps.BUGS,
    "unwritten output": unwritten.BUGS,
    "wrong block or map": specs.BUGS,
}

__all__ = ["KINDS", "Bug"]
