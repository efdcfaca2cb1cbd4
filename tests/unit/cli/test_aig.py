from __future__ import annotations

import json
from pathlib import Path

import pytest

from prism.aig.read import read
from prism.aig.strash import simplify, strash
from prism.aig.write import write
from prism.cli.main import main

pytestmark = pytest.mark.m7

# x and y, twice; x and not (x and y).
SMALL = b"aag 6 2 0 3 4\n2\n4\n6\n8\n12\n6 2 4\n8 4 2\n10 6 3\n12 2 7\ni0 x\ni1 y\no2 only x\n"
# The same, but the last output is x.
OTHER = SMALL.replace(b"12 2 7\n", b"12 2 2\n")


def run(*args: str | Path) -> int:
    """Return the exit code of `prism aig ...`."""
    with pytest.raises(SystemExit) as end:
        main(["aig", *(str(arg) for arg in args)])
    assert isinstance(end.value.code, int)
    return end.value.code


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Return a file of four ANDs, of which two are equal and one is simpler than it looks."""
    path = tmp_path / "small.aag"
    path.write_bytes(SMALL)
    return path


def test_stats(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sections, ANDs, levels and what hashing leaves; sections that no file has are left out of the table."""
    assert run("stats", "--json", small) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["inputs"], row["outputs"], row["ands"], row["levels"], row["hashed"]) == (2, 3, 4, 2, 2)
    assert run("stats", small, small) == 0
    out = capsys.readouterr().out
    assert out.count("small.aag") == 2
    assert "latches" not in out


@pytest.mark.clause("AIG-4")
def test_outputs_have_the_form_of_their_name(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The target's suffix says the form, --binary and --ascii outrank it, a folder takes several files, - is stdout."""
    hashed = strash(read(SMALL, "small"))
    binary, text = small.with_name("out.aig"), small.with_name("out.aag")
    assert run("strash", small, "-o", binary) == 0
    assert run("strash", small, "-o", text) == 0
    assert binary.read_bytes() == write(hashed, binary=True)
    assert text.read_bytes() == write(hashed, binary=False)
    assert run("strash", small, "--binary", "-o", text) == 0
    assert text.read_bytes() == binary.read_bytes()
    assert "small.aag: 4 -> 2 ands, 2 -> 2 levels" in capsys.readouterr().err
    folder = small.with_name("folder")
    assert run("simplify", small, binary, "-o", folder) == 0
    assert (folder / "small.aag").read_bytes() == write(simplify(hashed), binary=False)
    assert run("strash", small, "-o", "-") == 0
    assert capsys.readouterr().out.encode() == write(hashed, binary=False)


def test_simplification_up_to_a_level(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Level 1 keeps what substitution at level 3 saves; without -o nothing is written."""
    assert run("simplify", "--level", "1", small) == 0
    assert run("simplify", small) == 0
    assert capsys.readouterr().err.splitlines() == [
        f"{small}: 4 -> 2 ands, 2 -> 2 levels",
        f"{small}: 4 -> 2 ands, 2 -> 1 levels",
    ]
    assert sorted(path.name for path in small.parent.iterdir()) == ["small.aag"]


@pytest.mark.clause("AIG-6")
@pytest.mark.slow
def test_same(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Equal is code 0; different is code 1 and names the inputs, the place by its symbol, and both values."""
    other, hashed = small.with_name("other.aag"), small.with_name("hashed.aig")
    other.write_bytes(OTHER)
    run("strash", small, "-o", hashed)
    assert run("same", small, hashed) == 0
    assert "equal, identical after hashing and simplification" in capsys.readouterr().out
    assert run("same", small, hashed, other) == 1
    assert capsys.readouterr().out.splitlines()[1:] == [
        f"{small} {other}: different, told apart by a pattern",
        "  inputs  11",
        "  only x is 0 in the first, 1 in the second",
    ]
    assert run("same", "--json", small, other) == 1
    row = json.loads(capsys.readouterr().out)
    assert (row["verdict"], row["leaves"], row["place"], row["values"]) == ("different", "11", "o2", [0, 1])


def parity(order: list[int]) -> bytes:
    """Return the exclusive or of 20 inputs, taken in an order."""
    lines, acc, at = [], 2 * order[0], 42
    for one in order[1:]:
        lit = 2 * one
        lines += [f"{at} {acc} {lit}", f"{at + 2} {acc ^ 1} {lit ^ 1}", f"{at + 4} {at + 1} {at + 3}"]
        acc, at = at + 4, at + 6
    head = f"aag {20 + len(lines)} 20 0 1 {len(lines)}"
    return "\n".join([head, *(str(2 * k) for k in range(1, 21)), str(acc), *lines, ""]).encode()


@pytest.mark.clause("AIG-6")
def test_what_cannot_be_told_is_unknown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Parity taken in another order is not identical, has no difference, and has too many patterns: code 5."""
    one, other = tmp_path / "one.aag", tmp_path / "other.aag"
    one.write_bytes(parity(list(range(1, 21))))
    other.write_bytes(parity(list(range(20, 0, -1))))
    assert run("same", "--patterns", "2000", one, other) == 5
    assert "unknown, 2048 of 2^20 patterns give the same" in capsys.readouterr().out


@pytest.mark.clause("AIG-6")
@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        (SMALL, b"aag 1 1 0 0 0\n2\n", "must have equal interfaces, got 2 and 1 inputs; compare circuits that"),
        (
            b"aag 1 0 1 0 0\n2 2 1\n",
            b"aag 1 0 1 0 0\n2 2\n",
            "must start alike, but latch 0 differs; give it one reset",
        ),
        (
            b"aag 0 0 0 0 0 0 0 1\n1\n0\n",
            b"aag 0 0 0 0 0 0 0 1\n2\n0\n0\n",
            "must have justice properties of equal sizes, got (1,) and (2,); compare circuits that stand",
        ),
    ],
)
def test_unlike_circuits_are_not_compared(
    one: bytes, other: bytes, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Circuits of unlike interfaces or resets are refused, saying what differs."""
    (tmp_path / "one").write_bytes(one)
    (tmp_path / "other").write_bytes(other)
    assert run("same", tmp_path / "one", tmp_path / "other") == 2
    assert message in capsys.readouterr().err


def test_what_cannot_be_asked(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One file is not compared; several are not written to one stream, nor two to one name."""
    assert run("same", small) == 2
    assert "a comparison needs two files at least, got" in capsys.readouterr().err
    assert run("strash", small, small, "-o", "-") == 2
    assert "several files must be written to a folder, got -; name a folder" in capsys.readouterr().err
    assert run("strash", small, small, "-o", small.parent) == 2
    assert "each file must be written to a name of its own in" in capsys.readouterr().err
