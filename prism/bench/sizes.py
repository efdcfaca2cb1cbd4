"""Bench of sizes: time and peak memory of each engine by the number of nodes, every point in its own process."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from prism.errors import PrismError, UsageError
from prism.files import write_bytes, write_text

ENGINES: Final = ("ledger", "bsp")
_STATUS: Final = Path("/proc/self/status")


@dataclass(frozen=True, slots=True)
class Point:
    """One run: `nodes` given, CPU seconds from a graph to normal forms, peak memory above what the process held before.

    The bytes are those of the graph, the store, the loop's own and the result; 0 where the system does not say.
    """

    engine: str
    nodes: int
    seconds: float
    peak_bytes: int


def sizes_bench(sizes: Sequence[int], *, tick: Callable[[str], None] = lambda _: None) -> Iterator[Point]:
    """Yield the points of every engine: sums that all fire at once, half a gigabyte at 10^7 nodes."""
    for nodes in sizes:
        for engine in ENGINES:
            tick(f"sizes: {engine}, {nodes} nodes")
            code = f"from prism.bench.sizes import measure; measure({engine!r}, {nodes})"
            done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
            if done.returncode:
                last = done.stderr.strip().rpartition("\n")[2]
                raise PrismError(f"{engine} must normalise {nodes} nodes, but: {last}; give fewer with --n")
            yield Point(**json.loads(done.stdout))


def require_drawing() -> None:
    """Raise UsageError where there is nothing to draw with."""
    if find_spec("matplotlib") is None:
        raise UsageError("a plot is drawn with matplotlib, which must be installed, but is not; add prism-vm[bench]")


def measure(engine: str, nodes: int) -> None:
    """Run an engine once in this process and print its point as JSON."""
    from prism.bench.workloads import wide
    from prism.vm.arena.layout import HOST
    from prism.vm.engines.api import Limits
    from prism.vm.engines.schedule import Schedule
    from prism.vm.engines.table import SCHEDULED, open_engine

    schedule = Schedule(swizzle=HOST) if engine in SCHEDULED else None
    open_engine(engine, Limits(), schedule).normalise(wide(64))  # whatever compiles or loads
    before = _held("VmRSS")
    terms = wide(nodes)
    session = open_engine(engine, Limits(capacity=1 << 28), schedule)
    began = time.process_time()
    outcome = session.normalise(terms)
    seconds = time.process_time() - began
    assert len(outcome.result)
    sys.stdout.write(json.dumps(asdict(Point(engine, nodes, seconds, max(0, _held("VmHWM") - before)))))


def _held(name: str) -> int:
    """Return the bytes of a line of the process's status, 0 where the system has none."""
    if not _STATUS.is_file():
        return 0
    found = [line.split() for line in _STATUS.read_text().splitlines() if line.startswith(f"{name}:")]
    return int(found[0][1]) * 1024 if found else 0


def to_csv(points: Sequence[Point]) -> str:
    """Return points as CSV, a header line first."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Point)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(point) for point in points)
    return text.getvalue()


def save(points: Sequence[Point], folder: Path) -> list[Path]:
    """Write points as CSV and their plot as SVG and PNG into a folder; returns the files."""
    table = folder / "sizes.csv"
    write_text(table, to_csv(points))
    return [table, *_drawn(points, folder)]


def _drawn(points: Sequence[Point], folder: Path) -> Iterator[Path]:
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
    _panel(left, points, lambda point: point.seconds, "CPU seconds")
    _panel(right, points, lambda point: point.peak_bytes / (1 << 20), "peak memory (MiB)")
    figure.suptitle("Sums that all fire at once: from a graph to normal forms")
    for suffix in (".svg", ".png"):
        path, drawn = folder / f"sizes{suffix}", io.BytesIO()
        figure.savefig(drawn, format=suffix[1:], dpi=110)
        write_bytes(path, drawn.getvalue())
        yield path
    pyplot.close(figure)


def _panel(axes: Any, points: Sequence[Point], value: Callable[[Point], float], label: str) -> None:
    for engine, marker in zip(ENGINES, "os", strict=True):
        line = [(point.nodes, value(point)) for point in points if point.engine == engine]
        axes.plot(*zip(*line, strict=True), marker=marker, label=engine)
    last = [point for point in points if point.engine == ENGINES[0]][-1]
    ends = [points[0].nodes, last.nodes]
    axes.plot(ends, [value(last) * end / last.nodes for end in ends], ":", color="grey", label="in proportion")
    axes.set(xlabel="nodes", ylabel=label, xscale="log", yscale="log")
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend()
