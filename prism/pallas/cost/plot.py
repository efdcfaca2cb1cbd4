"""Kernels under the roofline of a chip (Williams, Waterman and Patterson 2009), and the bytes that each moves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True)
class Point:
    """One kernel: operations a byte, the rate that the chip allows, and the bytes that its operands move."""

    name: str
    intensity: float
    rate: float
    moved: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Roof:
    """A chip's bandwidth in bytes a second, and its peak in operations a second."""

    chip: str
    bandwidth: float
    peak: float


def draw(points: Sequence[Point], roof: Roof, path: Path) -> Path:
    """Write the picture; the suffix of the path chooses the format. Needs matplotlib."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(12, 5), layout="constrained")
    _roofline(left, points, roof)
    _moved(right, points)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    return path


def _roofline(axes: Axes, points: Sequence[Point], roof: Roof) -> None:
    shown = [point for point in points if 0 < point.intensity < math.inf]
    ridge = roof.peak / roof.bandwidth
    low = min([ridge / 100, *(point.intensity / 4 for point in shown)])
    high = max([ridge * 100, *(point.intensity * 4 for point in shown)])
    xs = [low, ridge, high]
    axes.plot(xs, [min(roof.peak, roof.bandwidth * x) for x in xs], color="black", label=f"roofline of {roof.chip}")
    for number, point in enumerate(shown):
        marker = "osD^vP*X"[number % 8]
        # Matplotlib leaves labels that begin with an underscore out of its legends.
        axes.plot([point.intensity], [point.rate], marker, markersize=8, label=point.name.lstrip("_"))
        axes.vlines(point.intensity, 0, point.rate, color="grey", alpha=0.3)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="operations a byte of main memory",
        ylabel="operations a second at most",
        title=f"Kernels on {roof.chip}: ridge at {ridge:.0f} operations a byte",
    )
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(loc="lower right", fontsize=8)


def _moved(axes: Axes, points: Sequence[Point]) -> None:
    bars = [(f"{point.name}: {name}", size) for point in points for name, size in point.moved.items()]
    axes.barh([label for label, _ in bars], [size / 2**20 for _, size in bars])
    axes.invert_yaxis()
    axes.set(xlabel="bytes moved to and from main memory (MiB)", title="What the grid's pipeline moves")
    axes.grid(visible=True, axis="x", alpha=0.3)
    for place, (_, size) in enumerate(bars):
        axes.annotate(f" {size:,}", (size / 2**20, place), va="center", fontsize=8)
    axes.margins(x=0.25)
