"""Bench suite: `compare` on every platform there is, as CSV, Markdown and plots in one folder."""

from __future__ import annotations

import csv
import os
import platform
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from prism.bench.plots import draw, standing
from prism.errors import PrismError, UsageError
from prism.files import write_text

Line = Mapping[str, str]
"""A line of a CSV that `prism bench compare` wrote, by column."""

PLATFORMS: Final = ("cpu", "gpu")


def run_suite(out_dir: Path, options: Sequence[str], *, tick: Callable[[str], None]) -> list[Path]:
    """Run `prism bench compare` with `options` on each platform, in a process of its own; returns what was written.

    A platform that cannot be had is reported as absent, with the reason; PrismError when none is left. UsageError,
    before anything is measured, where there is nothing to draw with.
    """
    if find_spec("matplotlib") is None:
        raise UsageError(
            "the suite draws with matplotlib, which must be installed, but is not; install prism-vm[bench]"
        )
    absent, lines = {}, []
    for name in PLATFORMS:
        missing = _missing(name)
        if missing:
            absent[name] = missing
            continue
        tick(f"comparing on {name}")
        path = out_dir / f"bench_{name}.csv"
        command = [sys.executable, "-m", "prism", "bench", "compare", "--platform", name, "--out", str(path), *options]
        # stderr is the terminal's, so that the progress bar of each platform shows.
        done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
        if done.returncode:
            absent[name] = f"`bench compare --platform {name}` ended with status {done.returncode}"
            continue
        with path.open(newline="", encoding="utf-8") as file:
            lines += list(csv.DictReader(file))
    if not lines:
        why = "; ".join(f"{name}: {reason}" for name, reason in absent.items())
        raise PrismError(f"the suite must compare on at least one platform, but {why}; mend what was reported above")
    tick("drawing")
    written = [out_dir / f"bench_{name}.csv" for name in PLATFORMS if name not in absent]
    medians = summarise(lines)
    write_text(out_dir / "summary.csv", _summary_csv(medians))
    plots = draw(lines, out_dir)
    write_text(out_dir / "report.md", _report(medians, absent, plots))
    return [*written, out_dir / "summary.csv", *plots, out_dir / "report.md"]


def _missing(name: str) -> str | None:
    """Return why JAX has no such platform, None if it has; asked in another process, which holds no device after."""
    probe = subprocess.run(
        [sys.executable, "-c", f"import jax; jax.devices({name!r})"], check=False, capture_output=True, text=True
    )
    return probe.stderr.strip().rpartition("\n")[2] if probe.returncode else None


Key = tuple[str, str, str]
"""Platform, workload and mode."""


def summarise(lines: Iterable[Line]) -> dict[Key, list[float]]:
    """Return the total milliseconds of every run, sorted, by platform, standing and mode [BENCH-7]."""
    runs: dict[Key, list[float]] = defaultdict(list)
    for line in lines:
        runs[line["platform"], standing(line), line["mode"]].append(float(line["total_ms"]))
    return {key: sorted(values) for key, values in runs.items()}


def best_modes(runs: Mapping[Key, Sequence[float]]) -> dict[tuple[str, str], tuple[str, float]]:
    """Return, by platform and workload, the mode with the least median, and how many times slower the next one is."""
    medians: dict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)
    for (where, workload, mode), values in runs.items():
        medians[where, workload].append((statistics.median(values), mode))
    best = {}
    for key, ranked in medians.items():
        ranked.sort()
        best[key] = (ranked[0][1], ranked[1][0] / ranked[0][0] if len(ranked) > 1 else 1.0)
    return best


def _summary_csv(runs: Mapping[Key, Sequence[float]]) -> str:
    header = "platform,workload,mode,runs,mean_ms,median_ms,min_ms,max_ms"
    rows = (
        (*key, len(v), f"{statistics.mean(v):.4f}", f"{statistics.median(v):.4f}", f"{v[0]:.4f}", f"{v[-1]:.4f}")
        for key, v in runs.items()
    )
    return "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"


def _report(runs: Mapping[Key, Sequence[float]], absent: Mapping[str, str], plots: Sequence[Path]) -> str:
    parts = [
        "# Bench suite",
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}.",
        *(f"Absent: {name}: {why}." for name, why in absent.items()),
        "## Fastest mode",
        _table(
            ("platform", "workload", "fastest", "next one is slower by"),
            [(where, name, mode, f"{ratio:.2f}x") for (where, name), (mode, ratio) in best_modes(runs).items()],
        ),
        "## Total milliseconds",
        _table(
            ("platform", "workload", "mode", "runs", "median", "min", "max"),
            [(*key, len(v), f"{statistics.median(v):.3f}", f"{v[0]:.3f}", f"{v[-1]:.3f}") for key, v in runs.items()],
        ),
        "## Plots",
        *(f"![{path.stem}]({path.name})" for path in plots if path.suffix == ".svg"),
    ]
    return "\n\n".join(parts) + "\n"


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
