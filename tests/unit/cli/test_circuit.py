"""`prism circuit` [CIRCUIT-8, CIRCUIT-12, CIRCUIT-13]: what it prints, writes and refuses."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from prism.cli.main import main
from prism.kernels.exec.table import EXECUTORS

pytestmark = [pytest.mark.m8, pytest.mark.clause("CIRCUIT-12")]

H = "copy@c05->c06 . mark@c21"


def _run(*args: str | Path) -> int:
    """Return the exit code of `prism circuit`."""
    with pytest.raises(SystemExit) as end:
        main(["circuit", *map(str, args)])
    assert isinstance(end.value.code, int)
    return end.value.code


def test_canon_prints_the_form_and_what_it_saves(capsys: pytest.CaptureFixture[str]) -> None:
    """The first line is the canonical circuit, the last two the operations and the rules."""
    assert _run("canon", f"{H} . {H}", "--gates") == 0
    assert capsys.readouterr().out.splitlines() == [
        "mark@c00",
        "operations: 4 before, 1 after, 75.0 % fewer",
        "rules: HH = I",
    ]
    assert _run("canon", "merge@c00[c01,c02]") == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["operations: 1 before, 1 after, 0.0 % fewer", "rules: none"]


def test_canon_explains_each_step(capsys: pytest.CaptureFixture[str]) -> None:
    """--explain numbers the steps, each with its rule, before and after; rules used twice are counted."""
    assert _run("canon", "swap@c1<->c2 . mark@c1 . quote@c3 . quote@c4 . swap@c1<->c2", "--explain") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "mark@c02"
    assert lines[1] == "   1. notes do nothing: quote@c03 -> nothing"
    assert lines[3].startswith("   3. swaps go last: swap@c01<->c02 . mark@c01")
    assert lines[-1] == "rules: notes do nothing (2), swaps go last"


def test_canon_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    """--json is one object, with steps if they are asked for."""
    assert _run("canon", "mark@c1 . mark@c1", "--json", "--explain") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["canonical"], found["original_ops"], found["canonical_ops"]) == ("quote@c00", 2, 1)
    assert found["applied_rules"] == {"mark-mark": 1, "two marks are none": 1}
    assert [step["rule"] for step in found["steps"]] == list(found["applied_rules"])


def test_circuits_are_read_from_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """@FILE and - are read whole, and faults have their place in the file."""
    source = tmp_path / "a.circuit"
    source.write_text("mark@c1 // first\n . mark@c2")
    assert _run("canon", f"@{source}") == 0
    assert capsys.readouterr().out.splitlines()[0] == "mark@c[1..2]"
    source.write_text("mark@c1\n . mark@c99")
    assert _run("canon", f"@{source}") == 2
    assert f"{source}:2:9: expected a class, 0 to 95" in capsys.readouterr().err
    source.write_bytes(b"mark@c1 \xff")
    assert _run("canon", f"@{source}") == 2
    assert "a circuit must be UTF-8 text, got byte 8 of" in capsys.readouterr().err
    assert _run("canon", f"@{tmp_path}/none") == 2
    assert "No such file" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"mark@c7")))
    assert _run("canon", "-") == 0
    assert capsys.readouterr().out.splitlines()[0] == "mark@c07"


@pytest.mark.clause("CIRCUIT-13")
@pytest.mark.parametrize("executor", ["reference", *EXECUTORS])
@pytest.mark.slow
def test_run_prints_what_changed_and_saves(tmp_path: Path, capsys: pytest.CaptureFixture[str], executor: str) -> None:
    """Vectors come from arguments and files; those that changed are printed, those named are written."""
    np.save(tmp_path / "b.npy", np.arange(10, dtype=np.float32))
    out = tmp_path / "sum.npy"
    given = ["merge@c00[c01,c02] . reduce.sum@c02->c03", "c00=1,2,3", f"c01=@{tmp_path}/b.npy"]
    assert _run("run", *given, "--on", executor, "--save", f"c02={out}") == 0
    assert capsys.readouterr().out.splitlines() == [
        "c02 = 1 3 5 3 4 5 6 7 ... (10 elements)",
        "c03 = 51 0 0 0 0 0 0 0 ... (10 elements)",
    ]
    assert np.load(out).tolist() == [1, 3, 5, 3, 4, 5, 6, 7, 8, 9]
    assert _run("run", *given[:2], "-n", "2", "--type", "i32", "--on", executor) == 0
    assert capsys.readouterr().out.splitlines() == ["c02 = 1 2", "c03 = 3 0"]


@pytest.mark.clause("CIRCUIT-13")
@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["mark@c0", "c00=1,x"], "values must be numbers of type f32 with commas between, got '1,x'"),
        (["mark@c0", "c00=1.5", "--type", "i8"], "values must be numbers of type i8 with commas between"),
        (["mark@c0", "c00=300", "--type", "i8"], "values must be numbers of type i8 with commas between"),
        (["mark@c0", "x=1"], "a vector must be given as c01=1,2,3 or c01=@FILE.npy, got 'x=1'"),
        (["mark@c0", "c96=1"], "a class must be one of 0 to 95, got 96"),
        (["mark@c0", "--type", "f8"], "an element type must be one of i8, i16"),
        (["mark@c0", "--on", "abacus"], "an executor must be one of"),
        (["mark@c05", "--save", "c05"], "a vector must be given as c02=FILE.npy, got 'c05'"),
        (["copy@c5"], "expected all operands of copy"),
        (["mark@c95", "-n", "9999"], "end in class 95, got 9999 of f32 from c95"),
        (["split.div@c0[c1,c2]", "c00=1", "--type", "u8", "--on", "reference"], "an integer divisor must not be zero"),
    ],
)
def test_run_refuses_what_it_cannot_do(args: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each wrong argument ends with code 2 and a sentence."""
    assert _run("run", *args) == 2
    assert words in capsys.readouterr().err


def test_run_refuses_files_of_other_kinds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file must hold one vector of the type; nothing in it is executed."""
    for name, array, words in (
        ("a.npy", np.zeros((2, 2), np.float32), "a vector must be of one dimension and of type f32, got float32"),
        ("b.npy", np.zeros(2), "a vector must be of one dimension and of type f32, got float64"),
        ("c.npy", np.array([{}], object), "a vector must be in a .npy file of numbers"),
    ):
        np.save(tmp_path / name, array, allow_pickle=True)
        assert _run("run", "mark@c0", f"c00=@{tmp_path / name}") == 2
        assert words in capsys.readouterr().err
    (tmp_path / "d.npy").write_bytes(b"")
    assert _run("run", "mark@c0", f"c00=@{tmp_path}/d.npy") == 2
    assert "a vector must be in a .npy file of numbers" in capsys.readouterr().err


@pytest.mark.clause("CIRCUIT-8")
def test_show_lists_readings_calls_and_stages(capsys: pytest.CaptureFixture[str]) -> None:
    """Bytes, words, calls and stages are printed, with programs if asked for; a literal circuit has no calls."""
    assert _run("show", "merge@c00[c01,c02] . reduce_sum@c02->c03", "--isa") == 0
    out = capsys.readouterr().out
    assert out.startswith(
        "merge@c00[c01,c02] . reduce.sum@c02->c03\nbytes: 00 02 04 04 06\nwords: reduce.sum merge[d=0]\n"
    )
    assert "call: Merge src_class=0 context_class=1 dst_class=2 variant=Add\n" in out
    assert "stage 2: one block of 256 lanes, 27 instructions: reduce.sum@c02->c03" in out
    assert "add.f32 r18, r16, r17" in out
    assert _run("show", "mark@c42^+3~@17") == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "bytes: 5a",
        "addresses: 4442",
        "words: mark",
        "calls: none, for it has a literal reading only (circuit:1:1)",
    ]


@pytest.mark.clause("CIRCUIT-8")
def test_show_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--svg goes to standard output or a file, --png to a file, each whole."""
    assert _run("show", "merge@c00[c01,c02]", "--svg") == 0
    text = capsys.readouterr().out
    assert text.startswith("<svg")
    assert _run("show", "merge@c00[c01,c02]", "--svg", "-o", tmp_path / "a.svg") == 0
    assert (tmp_path / "a.svg").read_text() == text
    assert _run("show", "merge@c00[c01,c02]", "--png", "-o", tmp_path / "a.png") == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert _run("show", "mark@c00", "--png") == 2
    assert "--png must go to a file, since it is not text" in capsys.readouterr().err
    assert _run("show", "mark@c00", "--png", "-o", tmp_path / "none" / "b.png") == 2
    assert "a picture must go to a file that can be written" in capsys.readouterr().err
