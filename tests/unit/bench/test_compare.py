"""prism.bench.compare, suite and plots: every mode runs, rows are complete, plots can be read."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from prism.bench import suite as suites
from prism.bench.arenas import ArenaShape, arena_shapes, arena_terms
from prism.bench.compare import EXPRESSIONS, Matrix, compare, modes_of, to_csv
from prism.bench.plots import draw
from prism.cli import compare as command
from prism.cli.bench import bench
from prism.errors import PrismError, UsageError
from prism.vm.arena.order import capacity_for
from prism.vm.engines.api import Limits
from prism.vm.engines.table import open_engine
from prism.vm.term.denote import denote
from prism.vm.term.graph import numerals
from prism.vm.term.parse import read_text

pytestmark = pytest.mark.m4

SIZES = (300, 600)
TINY = Matrix(
    workloads=("expr_small", *(f"arena_{kind}_{n}" for kind in ("dense", "shatter") for n in SIZES)),
    arena_counts=SIZES,
    block_sizes=(16, 64),
)


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """Run a tiny matrix over two sizes and return its CSV as lines."""
    text = to_csv(list(compare(TINY, runs=2, cycles=2, tick=lambda _text, _share: None)))
    path = tmp_path_factory.mktemp("bench") / "bench.csv"
    path.write_text(text)
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_mode_runs_on_every_workload_that_fits_it(lines) -> None:
    """Each mode has its runs of each workload; engines without an arena run programs only."""
    names = [mode.name for mode in modes_of(TINY)]
    assert len(names) == len(set(names))
    for workload in ("expr_small", "arena_dense_300"):
        modes = [line["mode"] for line in lines if line["workload"] == workload]
        expected = [name for name in names if workload.startswith("expr") or name.startswith("bsp")]
        assert modes == expected * 2


@pytest.mark.clause("BENCH-4")
def test_a_row_describes_the_arena_and_the_layout(lines) -> None:
    """Counts add up, shares lie between 0 and 1, times are positive, and a program has no arena."""
    for line in lines:
        assert float(line["total_ms"]) == pytest.approx(float(line["parse_ms"]) + float(line["exec_ms"]), abs=1e-3)
        if line["workload_kind"] == "arena":
            assert int(line["cycles"]) == 2
            kept = sum(int(line[f"post_{rank}"]) for rank in ("hot", "warm", "cold"))
            assert kept == int(line["final_count"])
            assert 0 <= float(line["pre_crossing"]) <= 1
            assert int(line["steps"]) > 0
        else:
            assert line["post_cold"] == ""
    assert {line["block_size"] for line in lines} == {"0", "16", "64"}
    assert {line["l1_block_size"] for line in lines} == {"0", "64", "256"}


@pytest.mark.slow
def test_a_suite_that_measured_nothing_is_an_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Without a line from any platform it ends with what was wrong with each, and draws nothing."""
    with pytest.raises(
        PrismError, match=r"must compare on at least one platform, but cpu: .* status 2; gpu: .*; mend what"
    ):
        suites.run_suite(tmp_path, ["--workloads", "none"], tick=lambda _: None)
    assert "a workload must be one of" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_swizzles_multiply_the_modes() -> None:
    """Each swizzle has each layout that moves slots; one that JAX does not know is refused."""
    plain, swept = (modes_of(Matrix(swizzles=swizzles)) for swizzles in (("jax",), ("jax", "pallas", "triton")))
    assert len(swept) - 2 == 3 * (len(plain) - 2) - 2
    assert modes_of(Matrix(hierarchy_morton=True))[-1].layout.morton
    assert not modes_of(Matrix(whole=False))[-1].layout.whole
    with pytest.raises(UsageError, match="a swizzle must be one of host, jax, pallas, triton, got 'cuda'"):
        modes_of(Matrix(swizzles=("cuda",)))


def test_an_unknown_workload_is_refused_with_the_names() -> None:
    """A misspelt workload is a usage error that lists what there is."""
    with pytest.raises(UsageError, match=r"a workload must be one of expr_small, .*, got arena_dens"):
        list(compare(Matrix(workloads=("arena_dens",)), runs=1, cycles=1, tick=print))


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_programs_mean_what_they_say(name: str) -> None:
    """Each program has a normal form on every engine, the one that it denotes."""
    terms = read_text(EXPRESSIONS[name]()).graph
    for engine in ("baseline", "ledger", "bsp"):
        result = open_engine(engine, Limits()).normalise(terms).result
        assert numerals(result)[result.roots].tolist() == denote(terms)


def test_arenas_have_the_density_and_reach_that_were_asked_for() -> None:
    """Rows are as many and as hot as asked, no add reaches farther than it may, and few nodes are equal."""
    shape = ArenaShape(4000, 0.3, 64)
    terms = arena_terms(shape)
    assert len(terms) == 4000 <= capacity_for(4000)
    assert len(terms.roots) == pytest.approx(0.3 * 4000, rel=0.1)
    distance = terms.roots - terms.a[terms.roots]
    assert distance.min() > 0
    assert distance.mean() <= 64
    assert set(arena_shapes((), 128, 512)) == {
        "arena_dense",
        "arena_sparse",
        "arena_shatter",
        "arena_hierarchy_l2128_l1512",
    }
    assert len(set(zip(terms.op, terms.a, terms.b, strict=True))) > 0.9 * len(terms)


@pytest.mark.parametrize("count", [1, (1 << 28) + 1])
def test_an_arena_has_its_reserved_slots_and_fits_int32(count: int) -> None:
    """A workload without room for NULL and ZERO, or with more slots than int32 counts, is refused."""
    with pytest.raises(UsageError, match=f"must have from 2 to 268435456 nodes, got {count}; change its size"):
        arena_shapes((count,), 256, 1024)


def test_plots_have_labels_units_and_legends(lines, tmp_path: Path) -> None:
    """All four plots are drawn, as PNG and as SVG whose text names axes with units, modes and platform."""
    written = draw(lines, tmp_path)
    assert sorted(path.name for path in written) == sorted(
        f"{name}.{kind}"
        for name in ("time_by_mode", "time_by_block_size", "time_by_arena_size", "locality")
        for kind in ("png", "svg")
    )
    labels = {
        "time_by_mode": [
            "total time (ms)",
            "workload",
            "bsp-morton",
            "baseline",
            "arena_dense_300, stopped at cycle 2",
        ],
        "time_by_block_size": ["block size (slots)", "time a cycle (ms)", "arena_dense_600", "64"],
        "time_by_arena_size": ["nodes", "time a cycle (ms)", "bsp-block16", "600"],
        "locality": ["mode", "share of pointers (%)", "first cycle", "after the last"],
    }
    for name, expected in labels.items():
        # matplotlib writes each text as a comment before its glyphs.
        source = (tmp_path / f"{name}.svg").read_text()
        ElementTree.fromstring(source)
        assert [label for label in expected if f"<!-- {label} -->" not in source] == [], name
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_plots_without_data_are_not_drawn(lines, tmp_path: Path) -> None:
    """One program on one size gives the plot by mode alone."""
    few = [line for line in lines if line["workload"] == "expr_small"]
    assert {path.stem for path in draw(few, tmp_path)} == {"time_by_mode"}


def test_the_summary_finds_the_fastest(lines) -> None:
    """The fastest mode is the one of least median, with the factor to the next."""
    runs = {("cpu", "w", "slow"): [4.0, 6.0, 50.0], ("cpu", "w", "fast"): [1.0, 2.0, 9.0], ("cpu", "v", "only"): [1.0]}
    assert suites.best_modes(runs) == {("cpu", "w"): ("fast", 3.0), ("cpu", "v"): ("only", 1.0)}
    assert all(len(values) == 2 and values == sorted(values) for values in suites.summarise(lines).values())


@pytest.mark.clause("BENCH-7")
def test_what_a_bound_stopped_is_ranked_with_no_other() -> None:
    """A run that met its cycles stands under its own name, with the bound; the engines that finish are ranked alone."""
    programs = replace(TINY, workloads=("expr_small",))
    text = to_csv(list(compare(programs, runs=1, cycles=1, tick=lambda _text, _share: None)))
    one = list(csv.DictReader(io.StringIO(text)))
    stopped = {line["mode"] for line in one if line["is_finished"] == "False"}
    assert stopped == {line["mode"] for line in one if line["mode"].startswith("bsp")}
    ranks = suites.summarise(one)
    assert {mode for _, name, mode in ranks if name == "expr_small"} == {"baseline", "ledger"}
    assert {mode for _, name, mode in ranks if name == "expr_small, stopped at cycle 1"} == stopped
    assert suites.best_modes(ranks)["cpu", "expr_small"][0] in ("baseline", "ledger")


@pytest.mark.clause("BENCH-7")
def test_a_suite_that_cannot_draw_says_so_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without matplotlib nothing is measured, and nothing is written."""
    monkeypatch.setattr(suites, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match="the suite draws with matplotlib, which must be installed"):
        suites.run_suite(tmp_path, [], tick=lambda _: None)
    assert not list(tmp_path.iterdir())


@pytest.mark.clause("BENCH-3")
@pytest.mark.clause("BENCH-4")
@pytest.mark.slow
def test_the_suite_writes_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CSV, summary, plots and a report that names the platform that is absent, with the reason JAX gives."""
    monkeypatch.setattr(suites, "PLATFORMS", ("cpu", "nosuch"))
    arguments = "--workloads expr_small,arena_sparse_200 --arena-counts 200 --runs 1 --cycles 1 --block-sizes 16,32"
    done = CliRunner().invoke(bench, ["suite", *arguments.split(), "--out-dir", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert {"bench_cpu.csv", "summary.csv", "report.md", "time_by_mode.png", "time_by_block_size.svg"} <= names
    assert all(f"wrote {tmp_path / name}" in done.stdout for name in names)
    report = (tmp_path / "report.md").read_text()
    assert "Absent: nosuch: RuntimeError: Unknown backend" in report
    assert "| cpu | expr_small | ledger | 1 |" in report
    assert "![time_by_mode](time_by_mode.svg)" in report
    assert (tmp_path / "summary.csv").read_text().startswith("platform,workload,mode,runs,mean_ms,median_ms")


def test_the_comparison_command_writes_its_csv(tmp_path: Path) -> None:
    """One line a run, in a file that appears whole."""
    out = tmp_path / "deep" / "compare.csv"
    arguments = f"compare --workloads expr_reuse --runs 2 --cycles 3 --out {out}"
    done = CliRunner().invoke(bench, arguments.split(), catch_exceptions=False)
    assert done.stdout == f"wrote 14 runs to {out}\n"
    assert len(out.read_text().splitlines()) == 1 + 14


def test_progress_is_shown_with_an_estimate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal a bar names what runs and how long the rest takes."""
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(command.sys, "stderr", terminal)
    arguments = f"compare --workloads expr_small --runs 1 --cycles 1 --out {tmp_path / 'x.csv'}"
    command.compare.main(arguments.split()[1:], standalone_mode=False)
    assert "expr_small: bsp" in terminal.getvalue()
    assert "0:00:0" in terminal.getvalue()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--block-sizes 64,x", "expected positive whole numbers with commas between, such as 64,1e5, got '64,x'"),
        ("--cycles 9999999999", "9999999999 is not in the range 1<=x<=1073741823"),
        ("--arena-counts 0", "expected positive whole numbers with commas between, such as 64,1e5, got '0'"),
        ("--platform tpu", "--platform tpu needs such a device, but JAX finds none"),
    ],
)
def test_wrong_options_are_usage_errors(options: str, message: str) -> None:
    """They end with code 2 and say what is wrong."""
    done = CliRunner().invoke(bench, ["compare", *options.split()])
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())
