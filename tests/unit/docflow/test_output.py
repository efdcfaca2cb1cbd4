"""The command's output: help that is whole, and files and pipes that cannot be written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from docflow import cli
from tests.unit.docflow import tree

pytestmark = pytest.mark.m5


def test_help_cuts_no_line_short() -> None:
    """On a terminal of 80 columns the list of commands shows every line whole."""
    shown = CliRunner().invoke(cli.main, ["--help"], terminal_width=80)
    assert "..." not in shown.output.partition("Commands:")[2]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends the command with status 2 and a remedy, and nothing is left beside it."""
    root = tree.write(tmp_path)
    monkeypatch.chdir(root)
    (root / "file").touch()
    before = sorted(root.rglob("*"))
    for command in (["graph", "-o", "file/g.html"], ["check", "--write-baseline", "--baseline", "file/b.txt"]):
        done = CliRunner().invoke(cli.main, command)
        assert done.exit_code == 2
        assert f"docflow: {command[-1]} must be readable or writable as asked, but: " in done.stderr
    assert sorted(root.rglob("*")) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device here is always full")
def test_a_full_disk_is_no_traceback_and_a_closed_pipe_no_message() -> None:
    """Output that cannot be written ends with status 2 and the reason; a reader that has gone is no error to report."""
    command = [sys.executable, "-c", "from docflow.cli import main; main()", "rules"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("docflow: what was printed must be readable or writable as asked, but: No space left")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        assert child.stderr.read() == b""


@pytest.mark.clause("DOCFLOW-6")
def test_a_check_of_nothing_is_no_success(tmp_path: Path) -> None:
    """Where no document is found, most likely by a wrong folder, the check ends with status 2 and says what to do."""
    (tmp_path / "notes.txt").touch()
    done = CliRunner().invoke(cli.main, ["check", "--root", str(tmp_path)])
    assert done.exit_code == 2
    assert f"docflow: a check must find a document, but {tmp_path} holds none; name another --root" in done.stderr
