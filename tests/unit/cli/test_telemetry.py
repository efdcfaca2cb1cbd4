"""`prism telemetry`: each command of the seed's eight scripts reads and writes what its counterpart did."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from prism.bench.records import record
from prism.cli import telemetry as commands
from prism.cli.main import prism
from prism.errors import UsageError

pytestmark = [pytest.mark.m4, pytest.mark.clause("TELEMETRY-1")]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def telemetry(arguments: str) -> Result:
    """Run a telemetry command in an empty folder; it must not fail."""
    result = CliRunner().invoke(prism, ["telemetry", *arguments.split()], catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    return result


@pytest.mark.clause("TELEMETRY-2")
@pytest.mark.parametrize(("command", "kind"), [("host", "host_performance"), ("memory", "memory_stability")])
@pytest.mark.parametrize("engine", ["ledger", "bsp"])
@pytest.mark.slow
def test_measurements_are_records(command: str, kind: str, engine: str) -> None:
    """`host` and `memory` write a record of the runs asked for, with the engine, the workload and the machine."""
    Path("p.prism").write_text("(mul 3 3) (add 2 2)")
    result = telemetry(f"{command} p.prism --engine {engine} --iterations 3 --warmup 1 --json-out deep/r.json")
    assert result.stdout == "wrote deep/r.json\n"
    found = record.read(Path("deep/r.json"))
    assert (found["kind"], found["iterations"], found["warmup"]) == (kind, 3, 1)
    assert (found["engine"], found["workload"]) == (engine, "p.prism")
    assert found["host"]["python"]


def test_without_a_program_a_product_is_measured() -> None:
    """Defaults write under out/telemetry, and measure the product that is built in."""
    telemetry("host --iterations 2 --warmup 0")
    assert record.read(Path("out/telemetry/host.json"))["workload"] == "(mul 64 64)"


@pytest.mark.slow
def test_traces_are_captured_and_analysed() -> None:
    """`trace` profiles an engine on JAX and says where time went; `trace-analyze` says the same of the files again."""
    Path("p.prism").write_text("(add 1 1)")
    telemetry("trace p.prism --iterations 1 --warmup 1 --out-dir t --json-out t.json")
    first = record.read(Path("t.json"))
    assert 0 < first["duty"] <= 1
    assert sum(first["share"].values()) == pytest.approx(1)
    telemetry("trace-analyze t --report-only --json-out again.json")
    assert record.read(Path("again.json"))["share"] == first["share"]


@pytest.mark.slow
def test_summaries_of_the_records_of_a_run() -> None:
    """Damage, host and baselines gather what other commands wrote, as tables on one page."""
    Path("p.prism").write_text("(mul 5 5)")
    run = CliRunner().invoke(
        prism, ["run", "--engine", "bsp", "--block-size", "4", "--telemetry", "raw/d.json", "p.prism"]
    )
    assert (run.exit_code, run.stdout) == (0, "25\n")
    telemetry("memory p.prism --iterations 2 --json-out raw/m.json")
    telemetry("damage --base raw --out damage.md")
    telemetry("host --base raw --out host.md")
    telemetry("baselines --base raw --damage-summary damage.md --host-summary host.md --out all.md")
    page = Path("all.md").read_text()
    assert "| d.json | 4 |" in page
    assert "| m.json | ledger | p.prism | 2 |" in page
    assert "No `trace` records." in page
    assert "observed, not judged" in page


@pytest.mark.clause("TELEMETRY-3")
def test_archives_are_unpacked_or_refused_whole() -> None:
    """A report archive becomes a folder; one beyond the bounds leaves nothing, and the message names the option."""
    with zipfile.ZipFile("a.zip", "w") as archive:
        archive.writestr("raw/d.json", "{}")
        archive.writestr("x.txt", "1")
    assert telemetry("unpack --zip a.zip --out-dir report").stdout == "unpacked 2 files into report\n"
    refused = CliRunner().invoke(
        prism, ["telemetry", "unpack", "--zip", "a.zip", "--out-dir", "other", "--max-files", "1"]
    )
    assert "may hold at most 1 files, holds 2; raise --max-files" in str(refused.exception)
    assert not Path("other").exists()


def test_iterations_are_shown_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal a bar counts the runs; elsewhere nothing is added."""
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    assert list(commands._shown(range(3))) == [0, 1, 2]
    monkeypatch.setattr("sys.stderr", terminal)
    assert list(commands._shown(range(3))) == [0, 1, 2]
    assert "measuring" in terminal.getvalue()


def test_a_summary_that_is_no_text_is_refused() -> None:
    """It is named, with what makes one; nothing is written."""
    Path("raw").mkdir()
    Path("s.md").write_bytes(b"\xff")
    with pytest.raises(UsageError, match=r"s\.md: a summary must be UTF-8 text, but: .*make it with `prism telemetry`"):
        telemetry("baselines --base raw --host-summary s.md --out all.md")
    assert not Path("all.md").exists()


@pytest.mark.parametrize("options", ["--iterations 0", "--warmup -1", "missing.prism"])
def test_wrong_options_are_usage_errors(options: str) -> None:
    """They end with code 2."""
    assert CliRunner().invoke(prism, ["telemetry", "host", *options.split()]).exit_code == 2


def test_records_are_json_with_one_object(tmp_path: Path) -> None:
    """A record is what any JSON reader reads."""
    telemetry("host --iterations 1 --warmup 0 --json-out r.json")
    assert json.loads((tmp_path / "r.json").read_text())["kind"] in record.KINDS
