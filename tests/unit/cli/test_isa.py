"""`prism isa` and `prism conform`: what users type and see."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from prism.cli.conform import conform
from prism.cli.isa import isa
from prism.cli.main import main
from prism.errors import UsageError
from tests.repo.source import ROOT

pytestmark = pytest.mark.m8

TEXT = """.program scale
.buffer x f32 readwrite 1
.scalar a f32 r20
mov_imm.u64 r1, 1
mov_imm.u32 r2, 2
shl.u64 r3, r255, r2
ldg.f32 r4, [r1 + r3]
mul.f32 r5, r4, r20
stg.f32 [r1 + r3], r5
"""


@pytest.fixture
def prog(tmp_path: Path) -> Path:
    """Write the program to a file."""
    path = tmp_path / "scale.pisa"
    path.write_text(TEXT)
    return path


def call(*args: object, given: str = "") -> Result:
    """Call `prism isa`; what Prism raises comes as the result's exception."""
    return CliRunner().invoke(isa, [str(one) for one in args], input=given)


def test_assemble_show_verify_run(prog: Path, tmp_path: Path) -> None:
    """Both forms run alike; a file of numbers is an array."""
    assert "6 instructions, sha256" in call("asm", prog, "-o", tmp_path / "s.bin").output
    assert call("dis", tmp_path / "s.bin").output == call("dis", prog).output
    assert call("dis", prog, "-o", tmp_path / "t.pisa").output == ""
    assert "scale: may run; 6 instructions, 6 steps" in call("verify", tmp_path / "t.pisa").output
    np.save(tmp_path / "x.npy", np.array([1, 2], np.float32))
    for buffer in ("x=1,2", f"x=@{tmp_path / 'x.npy'}", "x=iota:2"):
        shown = call("run", prog, "--block", 2, "-b", buffer, "-s", "a=3").output
        assert shown == f"  numpy  x = {'[0.0, 3.0]' if 'iota' in buffer else '[3.0, 6.0]'}\n"
    assert "... (20 in all)" in call("run", prog, "-b", "x=zeros:20", "-s", "a=3").output
    assert "fma" in call("table").output


def test_a_debugger_session(prog: Path) -> None:
    """Steps, registers, memory, an unknown word, and to the end."""
    at = ("step", prog, "--lane", 1, "--grid", "2x1x1", "-b", "x=1,2", "-s", "a=3")
    shown = call(*at, given="\nr\nm x\nm y\nhelp\nc\n").output
    assert "mov_imm.u64 r1, 1" in shown
    assert "r1:u64=1" in shown
    assert "[1. 2.]" in shown
    assert "memory must be one of x, got 'y'" in shown
    assert "stg.f32 [r1 + r3], r5               r1=1  r3=4  r5=6.0  ->  x[1]=6.0" in shown
    assert shown.rstrip().endswith("lane 1 has stopped")
    assert call(*at, given="q\n").exit_code == 0
    traced = call(*at[:3], 0, "--trace", "-b", "x=", "-s", "a=1")
    assert isinstance(traced.exception, UsageError)
    assert (
        "fault: an access must lie inside its buffer"
        in call("step", prog, "--trace", "-b", "x=zeros:0", "-s", "a=1").output
    )


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("-b", "x=1", "-b", "x=2"), "a buffer must be given once, as NAME=VALUE, got 'x=2'"),
        (("-b", "x=one"), "buffer x must be numbers with commas, iota:N, zeros:N or @FILE.npy"),
        (("-b", "x=@gone.npy"), "buffer x must be numbers with commas"),
        (("-b", "x=1", "-s", "a=b"), "scalar a must be a number, got 'b'"),
    ],
)
def test_what_a_run_refuses(prog: Path, args: tuple[str, ...], words: str) -> None:
    """Buffers and scalars that are no numbers, or come twice."""
    got = call("run", prog, *args)
    assert isinstance(got.exception, UsageError)
    assert words in str(got.exception)


def test_a_size_and_a_file_that_are_none(tmp_path: Path) -> None:
    """Sizes are numbers with x between; a program's file is bytes of one or text."""
    (tmp_path / "x").write_bytes(b"\xff\xfe")
    assert "expected sizes such as 4, 8x8 or 2x2x1, got '2xx'" in call("run", tmp_path / "x", "--grid", "2xx").output
    assert "must be a program's bytes or assembly in UTF-8" in str(call("verify", tmp_path / "x").exception)


def test_errors_leave_the_program_without_a_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 2 and the caret is shown."""
    (tmp_path / "x").write_text("exit @now\n")
    with pytest.raises(SystemExit) as caught:
        main(["isa", "verify", str(tmp_path / "x")])
    assert caught.value.code == 2
    assert "expected exit with nothing" in capsys.readouterr().err


def test_the_readme_shows_what_is_printed() -> None:
    """Each line below a command of the README is printed by it."""
    shown = re.findall(
        r"^    \$ prism isa (.*)\n((?:    .*\n)+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.M
    )
    assert len(shown) == 2
    for command, lines in shown:
        said = call(*command.replace("examples/", f"{ROOT}/examples/").split()).output.splitlines()
        assert {line.strip() for line in lines.splitlines()} <= {line.strip() for line in said}


@pytest.mark.clause("ISA-21")
def test_conform_prints_failures_and_counts(tmp_path: Path) -> None:
    """A line for each failed case, the counts, and an exit code that says whether any failed."""
    cases = [
        {"id": "a", "area": "program", "input": {"type_size_shift": "F64"}, "expected": 3},
        {"id": "b", "area": "program", "input": {"type_size_shift": "F64"}, "expected": 4},
        {
            "id": "c",
            "area": "program",
            "input": {"loop": {"counter_register_u32": 1}},
            "expected": {"body_executions": 2},
        },
    ]
    path = tmp_path / "cases.json"
    path.write_text(json.dumps({"format": "hologram_vectors/1", "cases": cases}))
    got = CliRunner().invoke(conform, [str(path), "-v"])
    assert got.output.splitlines() == [
        "failed: b: Mismatch: result must be 4, got 3",
        "deviates: c: a loop runs its body as often as its count says [ISA-9]",
        "1 passed, 1 failed, 1 declared deviations",
    ]
    assert got.exit_code == 1
    for text, words in (("{", "must be JSON in UTF-8"), ("{}", "must be cases of a known format")):
        path.write_text(text)
        assert words in str(CliRunner().invoke(conform, [str(path)]).exception)
