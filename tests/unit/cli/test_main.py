from __future__ import annotations

import importlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from prism.cli import main as cli
from prism.cli.main import COMMANDS, exit_code, is_interrupt, main
from prism.errors import CapacityError, CorruptError, PrismError, UsageError
from tests.interrupts import ended

pytestmark = pytest.mark.m1


@pytest.mark.parametrize(
    ("error", "code"), [(UsageError("x"), 2), (PrismError("x"), 2), (CapacityError("x"), 3), (CorruptError("x"), 4)]
)
@pytest.mark.clause("TERMS-9")
def test_errors_have_the_code_of_their_kind(error: PrismError, code: int) -> None:
    """An error that reaches the command line ends it with the code of what it means."""
    assert exit_code(error) == code


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`prism --help` lists the table, without importing what it lists."""
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_exists(name: str) -> None:
    """What the table names is there, and is a command with a help text."""
    module, _, attribute = COMMANDS[name][0].partition(":")
    assert getattr(importlib.import_module(module), attribute).help


def test_memory_that_runs_out_is_oom(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """When the machine has no more memory the command ends with code 3 and a remedy, not with a traceback."""

    def exhausted(**_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(cli.prism, "main", exhausted)
    with pytest.raises(SystemExit) as end:
        main([])
    assert end.value.code == 3
    assert capsys.readouterr().err == "error: a program must fit memory, but the machine has no more; split it\n"


@pytest.mark.parametrize("name", [(), ("bench",), ("telemetry",)])
def test_help_cuts_no_line_short(name: tuple[str, ...]) -> None:
    """On a terminal of 80 columns the list of commands shows every line whole."""
    shown = CliRunner().invoke(cli.prism, [*name, "--help"], terminal_width=80)
    assert "..." not in shown.stdout.partition("Commands:")[2]


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ("run file --engine bsp --telemetry {}", "file/record.json"),
        ("telemetry host --iterations 1 --json-out {}", "file/record.json"),
        ("bench compare --workloads expr_small --runs 1 --out {}", "file/lines.csv"),
    ],
)
@pytest.mark.clause("TERMS-9")
def test_a_file_that_cannot_be_written_is_named(
    arguments: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ends the command with code 2 and a remedy; nothing is left where it should have been."""
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(arguments.format(path).split())
    assert end.value.code == 2
    assert f"error: {path} must be readable or writable as asked, but: " in capsys.readouterr().err
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


PRINTING = {
    "run": ["run", "{program}"],
    "run as a theory": ["run", "--explain", "{program}"],
    "show": ["show", "--program", "{program}"],
    "compile": ["compile", "{kernel}"],
    "compile to bytes": ["compile", "{kernel}", "--emit", "artefact"],
    "aig": ["aig", "strash", "{circuit}", "-o", "-"],
    "aig in a table": ["aig", "stats", "{circuit}"],
    "an error": ["run", "{wrong}"],
}
"""Commands that print, by what they print."""


@pytest.fixture
def printing(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """Return a command line whose files are there."""
    files = {name: tmp_path / name for name in ("program", "wrong", "circuit")}
    files["program"].write_text("(add 1 2)\n" * 3)
    files["wrong"].write_text("(add 1")
    files["circuit"].write_text("aag 1 1 0 1 0\n2\n2\n")
    kernel = Path(__file__).parents[3] / "examples" / "vector_add.py"
    words = [word.format(kernel=kernel, **files) for word in PRINTING[request.param]]
    return [sys.executable, "-m", "prism", *words]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device here is always full")
@pytest.mark.parametrize("printing", PRINTING, indirect=True)
@pytest.mark.clause("TERMS-9")
@pytest.mark.slow
def test_a_full_output_has_a_code_and_no_traceback(printing: list[str], request: pytest.FixtureRequest) -> None:
    """Output that cannot be written ends the command with code 2, and one line says why."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(printing, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    if "an error" not in request.node.callspec.id:
        said = done.stderr.splitlines()[-1]
        assert said.startswith("error: what was printed must be readable or writable as asked, but: No space left")
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("printing", PRINTING, indirect=True)
@pytest.mark.clause("TERMS-9")
@pytest.mark.slow
def test_a_closed_pipe_has_a_code_and_nothing_is_said(printing: list[str], request: pytest.FixtureRequest) -> None:
    """A command whose output nobody reads any more ends with 141 and in silence; an error keeps its own code."""
    is_error = "an error" in request.node.callspec.id
    reader, writer = os.pipe()
    os.close(reader)
    try:
        streams = {"stdout": writer, "stderr": writer if is_error else subprocess.PIPE}
        done = subprocess.run(printing, check=False, text=True, **streams)
    finally:
        os.close(writer)
    assert done.returncode == (2 if is_error else 141)
    said = (done.stderr or "").splitlines()
    assert not [line for line in said if not re.match(r".*ands, .* levels$", line)]


@pytest.mark.slow
def test_the_head_of_a_long_output_is_enough(tmp_path: Path) -> None:
    """`prism run | head -1` prints one line; the run ends with 141."""
    path = tmp_path / "long.prism"
    path.write_text("(add 1 2)\n" * 200_000)
    with subprocess.Popen(
        [sys.executable, "-m", "prism", "run", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as done:
        assert done.stdout is not None
        assert done.stderr is not None
        assert done.stdout.readline() == "3\n"
        done.stdout.close()
        assert done.stderr.read() == ""
    assert done.returncode == 141


@pytest.mark.parametrize("command", ["run -", "show -", "telemetry host -", "repl"])
@pytest.mark.slow
def test_standard_input_that_is_closed_is_explained(command: str) -> None:
    """A command that reads it ends with code 2 and a remedy."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; sys.stdin = None; from prism.cli import main; main.main({command.split()})",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: - reads standard input, which must be open, but it is closed; name a file\n"


@pytest.mark.clause("TERMS-9")
def test_an_interrupt_ends_a_run_with_its_own_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it comes as it is or out of a call into compiled code, an interrupt is code 130, and no traceback."""
    for depth in range(3):

        @click.command()
        def busy(depth: int = depth) -> None:
            error: BaseException = KeyboardInterrupt()
            for _ in range(depth):
                outer = SystemError("returned a result with an exception set")
                outer.__cause__ = error
                error = outer
            raise error

        monkeypatch.setattr(cli._LazyGroup, "get_command", lambda *_, busy=busy: busy)
        ended = CliRunner().invoke(cli.prism, ["run"])
        assert (ended.exit_code, ended.stderr) == (130, "\ninterrupted\n")
    assert not is_interrupt(SystemError("another"))


@pytest.mark.clause("TERMS-9")
@pytest.mark.parametrize("engine", ["ledger", "bsp"])
@pytest.mark.slow
def test_a_signal_ends_a_run_at_once(engine: str) -> None:
    """At start-up and in the middle of a long term, SIGINT and SIGTERM end the process by themselves, silently."""
    for number in (signal.SIGINT, signal.SIGTERM):
        for after in (0.5, 4.0):
            assert ended(engine, number, after) == []


@pytest.mark.parametrize("is_shown", [True, False])
def test_the_first_compilation_is_said_on_a_terminal(
    is_shown: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever waits at a terminal is told that the machine compiles; where nobody sees it, nothing is written."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_shown)
    cli._say_compiling()
    assert ("compiling for this machine, once" in capsys.readouterr().err) == is_shown
