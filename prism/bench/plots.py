"""Plots of a comparison: time by mode, by block size and by arena size, and locality before and after."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

Line = Mapping[str, str]


def draw(lines: Iterable[Line], out_dir: Path) -> list[Path]:
    """Draw every plot that the lines have data for, as SVG and PNG; returns the files."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    lines = list(lines)
    written = []
    for name, fill in _PLOTS.items():
        figure, axes = pyplot.subplots(figsize=(10, 5.5), layout="constrained")
        if fill(axes, lines):
            for suffix in (".svg", ".png"):
                path = out_dir / f"{name}{suffix}"
                figure.savefig(path, dpi=120)
                written.append(path)
        pyplot.close(figure)
    return written


def _by_mode(axes: Any, lines: list[Line]) -> bool:
    """Bars: median time of each mode on each workload."""
    medians = _medians(lines, lambda line: (line["mode"], _where(line)), "total_ms")
    modes = list(dict.fromkeys(mode for mode, _ in medians))
    places = list(dict.fromkeys(place for _, place in medians))
    width = 0.8 / max(1, len(modes))
    for index, mode in enumerate(modes):
        at = [p + (index - (len(modes) - 1) / 2) * width for p in range(len(places))]
        heights = [medians.get((mode, place), 0) for place in places]
        axes.bar(at, heights, width, label=mode, color=_colour(index))
    axes.set_xticks(range(len(places)), places, rotation=30, ha="right")
    axes.set(title="Time by mode (median of runs)", ylabel="total time (ms)", yscale="log")
    _plain_numbers(axes)
    _legend_outside(axes)
    return bool(medians)


def _by_block_size(axes: Any, lines: list[Line]) -> bool:
    """Lines: median time of a cycle against the block size, a line for each arena workload."""
    blocks = [line for line in lines if line["workload_kind"] == "arena" and int(line["block_size"])]
    medians = _medians(blocks, lambda line: (_where(line), int(line["block_size"])), "ms_per_cycle")
    _curves(axes, medians)
    axes.set(title="Cycle time by block size (median of runs)", xlabel="block size (slots)", ylabel="time a cycle (ms)")
    return len({size for _, size in medians}) > 1


def _by_arena_size(axes: Any, lines: list[Line]) -> bool:
    """Lines: median time of a cycle against the number of slots asked for, a line for each mode."""
    medians = _medians(
        [line for line in lines if line["workload"].startswith("arena_dense_")],
        lambda line: (f"{line['platform']} {line['mode']}", int(line["workload"].rsplit("_", 1)[1])),
        "ms_per_cycle",
    )
    _curves(axes, medians)
    axes.set(title="Cycle time by arena size, arena_dense (median of runs)", xlabel="nodes", ylabel="time a cycle (ms)")
    return len({size for _, size in medians}) > 1


def _locality(axes: Any, lines: list[Line]) -> bool:
    """Bars: share of hot pointers that leave a tile, before and after the cycles, by mode."""
    arenas = [line for line in lines if line["post_crossing"] and line["swizzle_backend_requested"] == "jax"]
    for offset, column, label in ((-0.2, "pre_crossing", "before"), (0.2, "post_crossing", "after")):
        shares = _medians(arenas, lambda line: (line["mode"],), column)
        axes.bar(
            [i + offset for i in range(len(shares))],
            [100 * share for share in shares.values()],
            0.4,
            label=label,
            color=_colour(offset > 0),
        )
        axes.set_xticks(range(len(shares)), [mode for (mode,) in shares], rotation=30, ha="right")
    axes.set(
        title="Pointers of hot slots that leave a tile of 256 slots", ylabel="share of pointers (%)", ylim=(0, 100)
    )
    axes.legend()
    return bool(arenas)


_PLOTS: Mapping[str, Callable[[Any, list[Line]], bool]] = {
    "time_by_mode": _by_mode,
    "time_by_block_size": _by_block_size,
    "time_by_arena_size": _by_arena_size,
    "locality": _locality,
}


def _curves(axes: Any, medians: Mapping[tuple, float]) -> None:
    curves: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for (name, size), value in medians.items():
        curves[name].append((size, value))
    for index, (name, points) in enumerate(curves.items()):
        axes.plot(*zip(*sorted(points), strict=True), marker="o", label=name, color=_colour(index))
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    _plain_numbers(axes)
    axes.grid(visible=True, which="both", alpha=0.3)
    _legend_outside(axes)


def _medians(lines: Iterable[Line], key: Callable[[Line], tuple], column: str) -> dict[tuple, float]:
    values: dict[tuple, list[float]] = defaultdict(list)
    for line in lines:
        values[key(line)].append(float(line[column]))
    return {name: statistics.median(each) for name, each in values.items()}


def _where(line: Line) -> str:
    return f"{line['workload']} ({line['platform']})"


def _colour(index: int) -> Any:
    # Twenty colours in two shades; more modes than that repeat, and are then told apart by their order.
    from matplotlib import colormaps

    return colormaps["tab20"](index % 20)


def _plain_numbers(axes: Any) -> None:
    """Label a logarithmic time axis with numbers as people say them."""
    from matplotlib.ticker import FuncFormatter

    for formatter in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        formatter(FuncFormatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "125" else ""))


def _legend_outside(axes: Any) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)
