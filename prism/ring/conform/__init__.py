"""Conformance of the ring with a file of vectors: each group a check, each intended difference a rule [RING-16]."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from prism.conform import Case, Verdict, judge
from prism.ring.conform import around, observed, wire, worker

NOT_CASES: Final = frozenset({"meta", "constants"})


def recognises(data: Any) -> bool:
    """Whether parsed JSON is a file of vectors of the ring."""
    return isinstance(data, Mapping) and "SLOT_WORDS" in data.get("constants", {})


def cases(data: Mapping[str, Any]) -> Iterator[Case]:
    """Yield every case of a file, in its order."""
    for area, listed in data.items():
        if area not in NOT_CASES:
            for case in listed:
                yield Case(case["id"], area, case)


def verdicts(data: Mapping[str, Any]) -> Iterator[Verdict]:
    """Yield the verdict on every case of a file."""
    checks = {**wire.CHECKS, **observed.CHECKS, **around.CHECKS, **worker.CHECKS}
    deviations = (*observed.DEVIATIONS, *around.DEVIATIONS, *worker.DEVIATIONS)
    return judge(cases(data), checks, deviations)
