"""The bench harness: turns, agreement, rows, and what it prints."""

from __future__ import annotations

import json
import time

import pytest
from click.testing import CliRunner

from prism.bench.harness import Case, Contender, Missing, race, report
from prism.bench.intern import intern_bench
from prism.cli.bench import bench
from prism.errors import PrismError, UsageError

pytestmark = pytest.mark.m1


def contender(name: str, log: list[str], answer: int = 7, warm: bool = True) -> Contender:
    """Return a contender that logs each run."""

    def work() -> int:
        log.append(name)
        return answer

    return Contender(name, lambda: work, warm)


def test_contenders_run_in_turn_after_a_warm_up():
    """Whoever compiles runs once first; then all run one after the other, round by round."""
    log: list[str] = []
    race(Case("b", "c", 1, "items/s"), [contender("x", log), contender("y", log, warm=False)], runs=2)
    assert log == ["x", "x", "y", "x", "y"]


def test_rows_hold_the_measured_times():
    """A row has the bench, case, contender, its times, the number of runs and the rate at the median."""
    (row,) = race(Case("b", "c", 10, "items/s"), [contender("x", [])], runs=3)
    assert (row.bench, row.case, row.impl, row.runs, row.unit) == ("b", "c", "x", 3, "items/s")
    assert 0 < row.min_s <= row.median_s <= row.max_s
    assert row.rate == 10 / row.median_s


@pytest.mark.clause("BENCH-2")
def test_contenders_that_disagree_are_no_contest():
    """Two answers that differ stop the bench."""
    with pytest.raises(PrismError, match="must give one answer, but x gives 7 and y gives 8; fix the one"):
        race(Case("b", "c", 1, "items/s"), [contender("x", []), contender("y", [], 8)], runs=1)


def test_runs_must_be_positive():
    """No run, no median."""
    with pytest.raises(UsageError, match="at least one run of each contender, got runs=0; pass a positive number"):
        race(Case("b", "c", 1, "items/s"), [], runs=0)


def test_a_missing_peer_is_a_row_that_says_so(capsys):
    """A peer that is not installed stays in the table and in the JSON, with the reason."""
    rows = race(Case("b", "c", 1, "items/s"), [contender("x", []), Missing("peer", "install x[y]")], runs=1)
    report(rows, as_json=True)
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["impl"], last["runs"], last["median_s"], last["unit"]) == ("peer", 0, None, "missing: install x[y]")
    report(rows, as_json=False)
    assert "missing: install x[y]" in capsys.readouterr().out


@pytest.mark.slow
def test_intern_bench_runs_every_contender():
    """On a small batch ledgers and peers count the same distinct nodes, and each has a line with the agreed keys."""
    result = CliRunner().invoke(bench, ["intern", "--n", "300", "--runs", "1", "--json"], catch_exceptions=False)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    keys = ["bench", "case", "impl", "median_s", "min_s", "max_s", "runs", "rate", "unit"]
    assert all(list(row) == keys for row in rows)
    peers = {"python dict", "numpy unique", "polars unique", "duckdb distinct", "egglog"}
    assert {"prism host", "prism device (XLA)"} | peers <= {row["impl"] for row in rows}
    absent = [row["unit"] for row in rows if row["median_s"] is None]
    assert all(unit.endswith("is not installed; install prism-vm[bench]") for unit in absent)


@pytest.mark.parametrize("text", ["", "0", "1.5", "x", "-3", "1e3,", "inf"])
def test_sizes_are_checked(text):
    """Sizes are positive whole numbers; anything else is a usage error that shows it."""
    result = CliRunner().invoke(bench, ["intern", "--n", text])
    assert result.exit_code == 2
    assert f"got {text!r}" in result.stderr


@pytest.mark.parametrize("size", [1, 10**30])
def test_a_batch_has_a_duplicate_and_fits_a_ledger(size):
    """Half of one node is no duplicate, and a batch holds no more nodes than a ledger has ids."""
    with pytest.raises(UsageError, match=f"must have from 2 to 268435454 nodes, got {size}; change --n"):
        list(intern_bench([size], 1))


def test_a_steady_contender_is_called_back_to_back() -> None:
    """A run that must last repeats its function until then, and its time is that of one call."""
    calls = []

    def work() -> int:
        calls.append(time.perf_counter())
        time.sleep(0.002)
        return 1

    (row,) = race(Case("b", "c", 1, "items/s"), [Contender("x", lambda: work, warm=False, at_least_s=0.02)], runs=1)
    assert 2 <= len(calls) <= 10
    assert row.median_s is not None
    assert 0.002 <= row.median_s < 0.02
