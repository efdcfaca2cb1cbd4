from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from prism.cli import progress
from prism.cli.form import explain
from prism.cli.main import main
from prism.cli.progress import Counted, progress_over
from prism.vm.engines.api import Limits
from prism.vm.engines.report import StopReason
from prism.vm.engines.table import ENGINES
from prism.vm.ledger.key import COMPACT, WIDE
from prism.vm.term import write

pytestmark = pytest.mark.m1


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Write a program of three expressions."""
    path = tmp_path / "p.prism"
    path.write_text("(add 1 1)\n  (mul 2 3) zero\n")
    return path


def _run(*args: str | Path) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(arg) for arg in args])
    assert isinstance(end.value.code, int)
    return end.value.code


def test_numbers_are_the_default(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --format each result is one line in decimal."""
    assert _run("run", program) == 0
    assert capsys.readouterr() == ("2\n6\n0\n", "")


def test_terms(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--format term prints terms in full."""
    assert _run("run", "--format", "term", program) == 0
    assert capsys.readouterr().out.splitlines()[::2] == ["(suc (suc zero))", "zero"]


@pytest.mark.parametrize("option", ["--engine", "--mode"])
@pytest.mark.clause("TERMS-9")
def test_json(option: str, program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON is an object a line with exactly the documented keys; --mode is another word for --engine."""
    assert _run("run", option, "baseline", "--format", "json", program, program) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["index"] for row in rows] == list(range(6))
    assert rows[1]["source"] == f"{program}:2:3"
    assert {"status": "ok", "result": "(suc (suc zero))", "nat": 2}.items() <= rows[0].items()
    assert list(rows[0]) == ["index", "source", "status", "result", "nat", "steps", "nodes", "reused"]
    assert rows[0]["steps"] == 2


_DEEP = "(def x0 (add 0 1))" + "".join(f"(def x{i + 1} (mul x{i} x{i}))" for i in range(40)) + "(add 1 2) x40 4"


@pytest.mark.parametrize(
    "options",
    ["--engine bsp --cycles 0", "--theory {}"],
)
@pytest.mark.clause("TERMS-9")
def test_a_result_too_long_to_print_costs_only_its_own_place(
    options: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others are printed, stderr has a remedy that exists, and the exit code is 2; in JSON its result is null."""
    program, inert = tmp_path / "p.prism", tmp_path / "inert.theory"
    program.write_text(_DEEP)
    inert.write_text(
        "(theory inert) (op zero 0) (op suc 1) (op add 2) (op mul 2) (numerals zero suc) (claim terminating)"
    )
    for form in ("nat", "json"):
        assert _run("run", "--format", form, *options.format(inert).split(), program) == 2
        out, err = capsys.readouterr()
        if form == "nat":
            assert out.splitlines() == ["(add 1 2)", "too-long", "4"]
        else:
            rows = [json.loads(line) for line in out.splitlines()]
            assert [row["result"] is None for row in rows] == [False, True, False]
        assert "too long: a result must unfold to at most 1073741824 characters to be printed" in err
    assert "write_program of prism.vm.term.write" in err
    assert callable(write.write_program)


def test_files_share_a_store_and_not_their_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What one file built is reused by the next, but a definition ends with its file."""
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("(def x 5) (mul x x)")
    second.write_text("(mul 5 5) x")
    assert _run("run", "--format", "json", first, second) == 2
    out, err = capsys.readouterr()
    assert json.loads(out.splitlines()[1])["nodes"] == 0
    assert f"{second}:1:11: expected zero, a numeral or a defined name, found 'x'" in err


@pytest.mark.parametrize(
    ("args", "code", "stops", "remedy"),
    [
        (["--capacity", "20"], 3, ["ok", "oom", "oom"], "oom: the store must fit memory and 20 nodes, but needs more"),
        (
            ["--max-steps", "2"],
            5,
            ["ok", "timeout", "ok"],
            "timeout: an expression may take 2 steps",
        ),
        (["--key-layout", "compact"], 4, ["ok", "corrupt", "corrupt"], "corrupt: an id must be at most 65534"),
    ],
)
@pytest.mark.clause("TERMS-9")
def test_limits(
    args: list[str], code: int, stops: list[str], remedy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that hits a limit says which and what to do, and its code is that of its worst expression."""
    path = tmp_path / "p.prism"
    path.write_text("(add 1 1) (mul 300 300) 3")
    assert _run("run", "--format", "json", *args, path) == code
    out, err = capsys.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["status"] for row in rows] == stops
    assert all((row["result"] is None) == (row["status"] != "ok") for row in rows)
    assert err.startswith(remedy)


def test_a_worse_stop_wins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run with a timeout and an oom ends with the code of oom."""
    path = tmp_path / "p.prism"
    path.write_text("(add 3 3) 50")
    assert _run("run", "--max-steps", "1", "--capacity", "30", path) == 3
    out, err = capsys.readouterr()
    assert out == "timeout\noom\n"
    assert "raise --capacity" in err
    assert "raise --max-steps" in err


@pytest.mark.parametrize(("layout", "remedy"), [(COMPACT, "use --key-layout wide"), (WIDE, "split the program")])
def test_corrupt_has_a_remedy(layout, remedy: str) -> None:
    """What to do about corrupt depends on whether a wider layout exists."""
    assert explain(StopReason.CORRUPT, Limits(layout=layout)).endswith(
        remedy + (" into several runs" * (layout is WIDE))
    )


def test_stats_go_to_stderr(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--stats adds one line on stderr and leaves the results alone."""
    assert _run("run", "--stats", program) == 0
    out, err = capsys.readouterr()
    assert out == "2\n6\n0\n"
    assert err.startswith("ledger: 3 expressions, ")


@pytest.mark.parametrize(
    "args", [["run"], ["run", "missing.prism"], ["run", "."], ["nosuch"], ["run", "--engine", "nosuch", "-"]]
)
def test_usage(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong command line ends with code 2 and says what is wrong."""
    assert _run(*args) == 2
    assert "Error: " in capsys.readouterr().err


def test_help_lists_engines(capsys: pytest.CaptureFixture[str]) -> None:
    """Every engine of the table is offered."""
    assert _run("run", "--help") == 0
    assert f"[{'|'.join(ENGINES)}]" in capsys.readouterr().out


@pytest.mark.slow
def test_standard_input_without_jax_or_rich() -> None:
    """`prism run -` reads standard input, and imports neither JAX nor rich nor prompt_toolkit."""
    code = (
        "import sys\nfrom prism.cli.main import main\n"
        "try: main(['run', '-'])\n"
        "finally: print(sorted({'jax', 'rich', 'prompt_toolkit'} & sys.modules.keys()), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input="(add 2 2) (oops)", capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "4\n")
    assert "error: stdin:1:12: expected" in done.stderr
    assert done.stderr.endswith("[]\n")


@pytest.mark.slow
@pytest.mark.parametrize("is_shared", [True, False])
def test_progress_counts_bytes_on_a_terminal(is_shared: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal a bar shows the share of bytes that are answered, once work lasts; results stay whole lines."""
    terminal, out = io.StringIO(), io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(progress.sys, "stderr", terminal)
    monkeypatch.setattr(progress.sys, "stdout", terminal if is_shared else out)
    monkeypatch.setattr(progress, "DELAY_SECONDS", 0.0)
    path = tmp_path / "p"
    path.write_bytes(b"x" * 100)
    with path.open("rb") as stream, progress_over([str(path)]) as shown:
        counted = Counted(stream, shown.read)
        assert counted.read(60) == b"x" * 60
        time.sleep(0.3)
        assert "normalising" in terminal.getvalue()
        assert "60%" not in terminal.getvalue()
        shown.write("[bold]")
        time.sleep(0.3)
        assert "60%" in terminal.getvalue()
        assert counted.read(60) == b"x" * 40
        shown.write("2")
    assert "100%" in terminal.getvalue()
    if is_shared:
        # Above the bar, at the start of a line that was erased.
        assert "\x1b[2K[bold]\n" in terminal.getvalue()
    else:
        assert out.getvalue() == "[bold]\n2\n"


@pytest.mark.slow
def test_a_closed_stream_is_no_traceback(program: Path) -> None:
    """A run whose caller closed stdout or stderr does its work and forgets what was for them."""
    for stream, shown in (("stdout", ""), ("stderr", "2\n6\n0\n")):
        code = f"import sys; sys.{stream} = None; from prism.cli.main import main; main(['run', {str(program)!r}])"
        done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, shown, "")
