"""Summarise folders of records as Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from prism.bench.records.record import Record, find
from prism.bench.records.trace import FAMILIES
from prism.errors import UsageError

Columns = Mapping[str, Callable[[Record], Any]]

_DAMAGE: Final[Columns] = {
    "tile": lambda r: r["tile"],
    "cycles": lambda r: len(r["edges"]),
    "hot": lambda r: sum(r["hot"]),
    "edges": lambda r: sum(r["edges"]),
    "crossing": lambda r: sum(r["crossing"]),
    "rate": lambda r: f"{sum(r['crossing']) / max(1, sum(r['edges'])):.2%}",
}
_RUN: Final[Columns] = {
    "engine": lambda r: r["engine"],
    "workload": lambda r: r["workload"],
    "runs": lambda r: r["iterations"],
}
_HOST: Final[Columns] = {
    **_RUN,
    "median ms": lambda r: f"{r['median_s'] * 1e3:.3f}",
    "min ms": lambda r: f"{r['min_s'] * 1e3:.3f}",
    "p95 ms": lambda r: f"{r['p95_s'] * 1e3:.3f}",
}
_MEMORY: Final[Columns] = {
    **_RUN,
    "growth B/run": lambda r: f"{r['growth_bytes']:+.0f}",
    "RSS B": lambda r: r["rss_bytes"][-1],
}
_TRACE: Final[Columns] = {
    "duty": lambda r: f"{r['duty']:.1%}",
    **{family: lambda r, family=family: f"{r['share'][family]:.1%}" for family in (*FAMILIES, "other")},
}


def damage_summary(base: Path) -> str:
    """Return a line for each damage record under `base`: how many pointers cross a tile."""
    return _heading("Damage metrics", base) + _table(base, "damage", _DAMAGE)


def host_summary(base: Path) -> str:
    """Return the wall-time and the memory records under `base` as two tables."""
    return "\n".join(
        (
            _heading("Host telemetry", base),
            "## Performance\n" + _table(base, "host_performance", _HOST),
            "## Memory stability\n" + _table(base, "memory_stability", _MEMORY),
        )
    )


def baselines(base: Path, summaries: Iterable[Path]) -> str:
    """Return the trace records under `base`, then earlier summaries as its sections."""
    sections = (re.sub(r"^#", "##", _text(path), flags=re.MULTILINE) for path in summaries)
    return "\n".join((_heading("Telemetry baselines", base) + _table(base, "trace", _TRACE), *sections))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path}: a summary must be UTF-8 text, but: {error}; make it with `prism telemetry`"
        ) from error


def _heading(title: str, base: Path) -> str:
    return f"# {title}\n\nRecords under `{base}`: observed, not judged.\n"


def _table(base: Path, kind: str, columns: Columns) -> str:
    rows = [
        (path.relative_to(base), *(cell(record) for cell in columns.values()))
        for path, record in find(base, frozenset({kind}))
    ]
    if not rows:
        return f"\nNo `{kind}` records.\n"
    lines: list[Sequence[Any]] = [("record", *columns), ["---"] * (1 + len(columns)), *rows]
    return "\n" + "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"
