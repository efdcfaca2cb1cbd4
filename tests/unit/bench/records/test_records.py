"""prism.bench.records: records measure real work, and summaries show every record."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from prism.bench.records import collect, record
from prism.bench.records.measure import host_performance, memory_stability
from prism.bench.records.trace import analyse, newest
from prism.errors import UsageError
from prism.files import write_text

pytestmark = [pytest.mark.m4, pytest.mark.clause("TELEMETRY-2")]

RUN = {"engine": "ledger", "workload": "expr_small"}


def test_warmup_runs_do_not_count() -> None:
    """The work runs warmup + iterations times, and the figures order as statistics must."""
    calls = []
    measured = host_performance(lambda: calls.append(None), iterations=5, warmup=2, progress=iter)
    assert len(calls) == 7
    assert 0 < measured["min_s"] <= measured["median_s"] <= measured["p95_s"] <= measured["max_s"]


@pytest.mark.slow
def test_a_leak_shows_as_its_size_per_run() -> None:
    """Work that keeps 100 kB a run is reported to grow by about that; work that keeps nothing by next to none."""
    kept: list[bytearray] = []
    leaking = memory_stability(lambda: kept.append(bytearray(100_000)), iterations=6, warmup=1, progress=iter)
    steady = memory_stability(lambda: bytearray(100_000), iterations=6, warmup=1, progress=iter)
    assert leaking["growth_bytes"] == pytest.approx(100_000, rel=0.05)
    assert abs(steady["growth_bytes"]) < 5_000


@pytest.mark.parametrize(("iterations", "warmup"), [(0, 0), (1, -1)])
def test_a_run_without_iterations_is_refused(iterations: int, warmup: int) -> None:
    """There is no figure without a run."""
    with pytest.raises(UsageError, match="iterations must be at least 1 and warmup at least 0, got"):
        host_performance(lambda: None, iterations=iterations, warmup=warmup, progress=iter)


def test_a_record_survives_writing_and_a_foreign_file_is_refused(tmp_path: Path) -> None:
    """What is written is read back equal; JSON that is no record names what a record must be."""
    path = tmp_path / "deep" / "r.json"
    record.write(path, {"kind": "damage", "tile": 4})
    assert record.read(path) == {"kind": "damage", "tile": 4}
    assert [p.name for p in path.parent.iterdir()] == ["r.json"]
    (tmp_path / "other.json").write_text('{"kind": "x"}')
    with pytest.raises(UsageError, match="must be a JSON object whose `kind` is one of damage"):
        record.read(tmp_path / "other.json")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(UsageError, match="must be a readable JSON file, but"):
        record.read(tmp_path / "broken.json")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    """A record that cannot be encoded changes nothing on disk."""
    path = tmp_path / "r.json"
    record.write(path, {"kind": "damage"})
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "\ud800")
    assert record.read(path) == {"kind": "damage"}
    assert [p.name for p in tmp_path.iterdir()] == ["r.json"]


@pytest.mark.slow
def test_summaries_show_each_record_once(tmp_path: Path) -> None:
    """Every record of its kind is a line, records of other kinds and other JSON are not."""
    record.write(
        tmp_path / "d.json", {"kind": "damage", "tile": 8, "hot": [2, 2], "edges": [10, 10], "crossing": [5, 0]}
    )
    timed = host_performance(lambda: None, iterations=2, warmup=0, progress=iter)
    held = memory_stability(lambda: None, iterations=2, warmup=0, progress=iter)
    record.write(tmp_path / "h.json", {**timed, **RUN})
    record.write(tmp_path / "m.json", {**held, **RUN})
    (tmp_path / "unrelated.json").write_text("[]")
    assert "| d.json | 8 | 2 | 4 | 20 | 5 | 25.00% |" in collect.damage_summary(tmp_path)
    summary = collect.host_summary(tmp_path)
    assert summary.count("| h.json | ledger | expr_small | 2 |") == 1
    assert summary.count("| m.json | ledger | expr_small | 2 |") == 1
    with pytest.raises(UsageError, match="the folder of records must exist; record something first"):
        collect.damage_summary(tmp_path / "nowhere")


def _trace(path: Path, events: list[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt") as file:
        json.dump({"traceEvents": events}, file)
    return path


def _op(name: str, start: float, duration: float) -> dict:
    return {"ph": "X", "name": name, "ts": start, "dur": duration, "args": {"hlo_op": name}}


def test_duty_counts_moments_and_shares_count_op_time(tmp_path: Path) -> None:
    """Overlapping ops are busy once, a gap is idle, a loop counts without its body, families share the op time."""
    host_only = {"ph": "X", "name": "python", "ts": 0, "dur": 900, "args": {}}
    elsewhere = {**_op("sort.2", 10, 20), "tid": 2}
    ops = [_op("scatter.1", 0, 30), elsewhere, _op("while.4", 50, 50), _op("fusion.3", 50, 40), host_only]
    report = analyse(_trace(tmp_path / "t.trace.json.gz", ops))
    assert report["span_us"] == 100
    assert report["op_us"] == 100
    assert report["duty"] == pytest.approx(0.8)
    assert report["share"] == pytest.approx(
        {"scatter": 0.3, "gather": 0, "sort": 0.2, "loop": 0.1, "copy": 0, "other": 0.4}
    )
    record.write(tmp_path / "t.json", report)
    (tmp_path / "host.md").write_text("# Host telemetry\n\n## Performance\n")
    page = collect.baselines(tmp_path, [tmp_path / "host.md"])
    assert "| t.json | 80.0% | 30.0% | 0.0% | 20.0% | 10.0% | 0.0% | 40.0% |" in page
    assert "\n## Host telemetry\n\n### Performance\n" in page


def test_traces_without_ops_or_files_are_refused(tmp_path: Path) -> None:
    """A trace with nothing compiled, a broken file and an empty folder are errors with a remedy."""
    with pytest.raises(UsageError, match="must contain compiled ops, but has none; profile the engine bsp"):
        analyse(_trace(tmp_path / "t.trace.json.gz", []))
    (tmp_path / "b.trace.json.gz").write_bytes(b"no gzip")
    with pytest.raises(UsageError, match="must be a gzipped trace-event file"):
        analyse(tmp_path / "b.trace.json.gz")
    with pytest.raises(UsageError, match=r"must hold a \*.trace.json.gz file"):
        newest(tmp_path / "empty")
