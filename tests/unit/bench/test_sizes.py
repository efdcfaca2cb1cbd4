"""The bench of sizes: its points come from runs, and its plot holds a line for each engine."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from click.testing import CliRunner

from prism.bench import sizes
from prism.bench.sizes import ENGINES, Point, save, sizes_bench, to_csv
from prism.bench.workloads import wide
from prism.cli.bench import bench
from prism.errors import PrismError, UsageError
from prism.vm.term.denote import denote

pytestmark = [pytest.mark.m1, pytest.mark.slow]


@pytest.mark.clause("BENCH-8")
def test_a_point_is_a_run_in_a_process_of_its_own() -> None:
    """Each engine has a point for each size, with what the run took; a size that cannot be had is an error."""
    points = list(sizes_bench([4000]))
    assert [(point.engine, point.nodes) for point in points] == [(engine, 4000) for engine in ENGINES]
    assert all(point.seconds > 0 for point in points)
    with pytest.raises(PrismError, match=r"ledger must normalise -1 nodes, but: .*; give fewer with --n"):
        list(sizes_bench([-1]))


def test_the_terms_are_sums_that_differ() -> None:
    """As many sums as asked for, each of another pair."""
    values = denote(wide(64))
    assert len(values) == 64
    assert values[:9] == [10, 11, 12, 13, 14, 15, 16, 17, 11]


@pytest.mark.clause("BENCH-8")
def test_points_are_kept_and_drawn(tmp_path: Path) -> None:
    """The CSV holds every point, and the picture a line and a name for each engine, by time and by memory."""
    points = [Point(engine, n, n * 1e-7, 50 * n) for engine in ENGINES for n in (10_000, 100_000)]
    names = [path.name for path in save(points, tmp_path)]
    assert names == ["sizes.csv", "sizes.svg", "sizes.png"]
    rows = list(csv.DictReader(io.StringIO(to_csv(points))))
    assert [(row["engine"], int(row["nodes"])) for row in rows] == [(point.engine, point.nodes) for point in points]
    drawn = (tmp_path / "sizes.svg").read_text()
    assert all(f"<!-- {text} -->" in drawn for text in (*ENGINES, "CPU seconds", "peak memory (MiB)", "in proportion"))


def test_what_cannot_be_drawn_is_said_before_the_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without matplotlib no size is run."""
    monkeypatch.setattr(sizes, "find_spec", lambda _: None)
    done = CliRunner().invoke(bench, ["sizes", "--n", "1e9", "--out-dir", str(tmp_path)])
    assert isinstance(done.exception, UsageError)
    assert "a plot is drawn with matplotlib, which must be installed" in str(done.exception)
