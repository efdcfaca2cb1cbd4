"""Plots of a comparison: time by mode, by block size and by arena size, and locality before and after."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

Line = Mapping[str, str]

_MARKERS: Final = "osD^vP"


def standing(line: Line) -> str:
    """Return under which name a run stands: its workload, and where a bound stopped it, with that [BENCH-7]."""
    is_finished = line["is_finished"] == "True"
    return line["workload"] if is_finished else f"{line['workload']}, stopped at cycle {line['cycles']}"


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
            axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)
            for suffix in (".svg", ".png"):
                path = out_dir / f"{name}{suffix}"
                figure.savefig(path, dpi=120)
                written.append(path)
        pyplot.close(figure)
    return written


def _by_mode(axes: Any, lines: list[Line]) -> bool:
    """Dots: median time of each mode, a row for each workload."""
    lines = [{**line, "workload": standing(line)} for line in lines]
    name = _namer(lines)
    medians = _medians(lines, lambda line: (line["mode"], name(line, "workload")), "total_ms")
    modes, places = _firsts(medians, 0), _firsts(medians, 1)
    axes.figure.set_size_inches(10, 2 + 0.3 * len(places))
    for index, mode in enumerate(modes):
        at = [row for row, place in enumerate(places) if (mode, place) in medians]
        axes.plot([medians[mode, places[row]] for row in at], at, linestyle="", label=mode, **_style(index))
    axes.set_yticks(range(len(places)), places)
    axes.set(title=_title("Time by mode", lines), xlabel="total time (ms)", ylabel="workload", xscale="log")
    axes.invert_yaxis()
    _plain_numbers(axes.xaxis)
    axes.grid(visible=True, alpha=0.3)
    return bool(medians)


def _by_block_size(axes: Any, lines: list[Line]) -> bool:
    """Lines: median time of a cycle against the block size, a line for each kind of arena at its largest."""
    blocks = [line for line in _largest(lines) if int(line["block_size"])]
    name = _namer(lines)
    medians = _medians(blocks, lambda line: (name(line, "workload"), int(line["block_size"])), "ms_per_cycle")
    axes.set(title=_title("Cycle time by block size", lines), xlabel="block size (slots)", ylabel="time a cycle (ms)")
    return _curves(axes, medians)


def _by_arena_size(axes: Any, lines: list[Line]) -> bool:
    """Lines: median time of a cycle against the number of nodes, a line for each mode."""
    sized = _alike([line for line in lines if line["workload"].startswith("arena_dense_")])
    name = _namer(lines)
    medians = _medians(sized, lambda line: (name(line, "mode"), _count(line)), "ms_per_cycle")
    axes.set(title=_title("Cycle time by arena size, arena_dense", lines), xlabel="nodes", ylabel="time a cycle (ms)")
    return _curves(axes, medians)


def _locality(axes: Any, lines: list[Line]) -> bool:
    """Bars: share of reads that leave a tile, before and after the cycles, by mode, over the largest arenas."""
    swizzles = [line["swizzle_backend_requested"] for line in lines if line["workload_kind"] == "arena"]
    # No swizzle changes what is drawn, nor does the platform: one of each says it all.
    arenas = [line for line in _largest(lines) if line["swizzle_backend_requested"] == swizzles[0]]
    for offset, column, label in ((-0.2, "pre_crossing", "first cycle"), (0.2, "post_crossing", "after the last")):
        shares = _medians(arenas, lambda line: (line["mode"],), column)
        at = [i + offset for i in range(len(shares))]
        axes.bar(at, [100 * share for share in shares.values()], 0.4, label=label)
        axes.set_xticks(range(len(shares)), [mode for (mode,) in shares], rotation=30, ha="right")
    axes.set(
        title="Reads of sites that fire, share that leaves a tile of 256 rows (median over arenas)",
        xlabel="mode",
        ylabel="share of pointers (%)",
        ylim=(0, 100),
    )
    return bool(arenas)


_PLOTS: Mapping[str, Callable[[Any, list[Line]], bool]] = {
    "time_by_mode": _by_mode,
    "time_by_block_size": _by_block_size,
    "time_by_arena_size": _by_arena_size,
    "locality": _locality,
}


def _curves(axes: Any, medians: Mapping[tuple, float]) -> bool:
    """Draw a line for each name against size, on logarithmic axes; whether there is more than one size."""
    curves: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for (name, size), value in medians.items():
        curves[name].append((size, value))
    for index, (name, points) in enumerate(curves.items()):
        axes.plot(*zip(*sorted(points), strict=True), label=name, **_style(index))
    sizes = sorted({size for _, size in medians})
    axes.set(xscale="log", yscale="log")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.set_xticks([], minor=True)
    _plain_numbers(axes.yaxis)
    axes.grid(visible=True, which="both", alpha=0.3)
    return len(sizes) > 1


def _largest(lines: Sequence[Line]) -> list[Line]:
    """Return the lines of arenas, of each kind those that have the most nodes."""
    arenas = _alike([line for line in lines if line["workload_kind"] == "arena"])
    most: dict[str, int] = defaultdict(int)
    for line in arenas:
        most[_kind(line)] = max(most[_kind(line)], _count(line))
    return [line for line in arenas if _count(line) == most[_kind(line)]]


def _alike(lines: list[Line]) -> list[Line]:
    """Return the runs that a bound of cycles stopped, which did as many; all where it stopped none."""
    return [line for line in lines if line["is_finished"] != "True"] or lines


def _kind(line: Line) -> str:
    return line["workload"].removesuffix(f"_{_count(line)}")


def _count(line: Line) -> int:
    last = line["workload"].rsplit("_", 1)[1]
    return int(last) if last.isdecimal() else 0


def _medians(lines: Iterable[Line], key: Callable[[Line], tuple], column: str) -> dict[tuple, float]:
    values: dict[tuple, list[float]] = defaultdict(list)
    for line in lines:
        values[key(line)].append(float(line[column]))
    return {name: statistics.median(each) for name, each in values.items()}


def _firsts(medians: Mapping[tuple, float], part: int) -> list[str]:
    return list(dict.fromkeys(key[part] for key in medians))


def _namer(lines: Iterable[Line]) -> Callable[[Line, str], str]:
    """Return what names a column of a line, with the platform if there are several."""
    several = len({line["platform"] for line in lines}) > 1
    return lambda line, column: f"{line[column]} ({line['platform']})" if several else line[column]


def _title(text: str, lines: Sequence[Line]) -> str:
    return f"{text} ({', '.join(dict.fromkeys(line['platform'] for line in lines))}, median of runs)"


def _style(index: int) -> dict[str, Any]:
    """Return a colour and a hollow marker, neither that of the neighbours; thirty curves differ."""
    from matplotlib import colormaps

    return {"color": colormaps["tab10"](index % 10), "marker": _MARKERS[index % len(_MARKERS)], "fillstyle": "none"}


def _plain_numbers(axis: Any) -> None:
    """Label a logarithmic axis with numbers as people say them."""
    from matplotlib.ticker import FuncFormatter

    for formatter in (axis.set_major_formatter, axis.set_minor_formatter):
        formatter(FuncFormatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "125" else ""))
