"""Capture a profiler trace of a JAX run, and say where its time went."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from prism.errors import UsageError

FAMILIES: Final = {
    "scatter": ("scatter",),
    "gather": ("gather",),
    "sort": ("sort",),
    "loop": ("while", "conditional"),
    "copy": ("copy", "transpose", "bitcast"),
}
"""Op families whose share is reported; an event belongs to the first family whose word its name contains."""

_OP_ARGUMENT = "hlo_op"
"""An event that the compiler's code emitted names its operation under this argument."""


def capture(work: Callable[[], object], out_dir: Path, *, iterations: int, warmup: int) -> Path:
    """Profile `iterations` runs of `work` after `warmup` unprofiled ones; returns the trace file."""
    import jax

    out_dir.mkdir(parents=True, exist_ok=True)
    for _ in range(warmup):
        work()
    with jax.profiler.trace(str(out_dir)):
        for _ in range(iterations):
            work()
    return newest(out_dir)


def newest(out_dir: Path) -> Path:
    """Return the newest trace file below `out_dir`."""
    traces = sorted(out_dir.rglob("*.trace.json.gz"), key=lambda path: path.stat().st_mtime)
    if not traces:
        raise UsageError(f"{out_dir}: must hold a *.trace.json.gz file; make one with `prism telemetry trace`")
    return traces[-1]


def analyse(path: Path) -> dict[str, Any]:
    """Return the busy share of the trace's span and the share of each op family in its op time.

    `duty` counts moments at which at least one op ran. Shares count an op's own time, without the ops it contains (a
    loop contains its body); ops that run in parallel count each.
    """
    ops = [event for event in _events(path) if _OP_ARGUMENT in event.get("args", {})]
    if not ops:
        raise UsageError(f"{path}: the trace must contain compiled ops, but has none; profile the engine bsp")
    by_name: dict[str, float] = defaultdict(float)
    for event, own in _own_times(ops):
        by_name[event["name"]] += own
    total = sum(by_name.values())
    by_family: dict[str, float] = defaultdict(float)
    for name, duration in by_name.items():
        by_family[_family(name)] += duration
    intervals = sorted((event["ts"], event["ts"] + event["dur"]) for event in ops)
    span = max(end for _, end in intervals) - intervals[0][0]
    return {
        "kind": "trace",
        "trace": path.name,
        "span_us": span,
        "op_us": total,
        "duty": _covered(intervals) / span if span else 1.0,
        "share": {family: by_family[family] / total for family in (*FAMILIES, "other")},
        "top": dict(sorted(by_name.items(), key=lambda item: -item[1])[:10]),
    }


def _events(path: Path) -> list[dict[str, Any]]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            events = json.load(file)["traceEvents"]
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: must be a gzipped trace-event file, but: {error!r}") from error
    return [event for event in events if event.get("ph") == "X" and event.get("dur", 0) > 0]


def _own_times(events: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], float]]:
    """Yield each event with its time outside the events it contains; events of one thread nest."""
    own = {id(event): event["dur"] for event in events}
    open_events: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for event in sorted(events, key=lambda e: (e["ts"], -e["dur"])):
        above = open_events[event.get("tid")]
        while above and above[-1]["ts"] + above[-1]["dur"] <= event["ts"]:
            above.pop()
        if above:
            own[id(above[-1])] -= event["dur"]
        above.append(event)
    return ((event, max(0.0, own[id(event)])) for event in events)


def _family(name: str) -> str:
    return next((family for family, words in FAMILIES.items() if any(word in name for word in words)), "other")


def _covered(intervals: list[tuple[float, float]]) -> float:
    covered, reach = 0.0, intervals[0][0]
    for start, end in intervals:
        covered += max(0.0, end - max(start, reach))
        reach = max(reach, end)
    return covered
