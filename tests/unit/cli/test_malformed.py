"""Malformed input: exit code 2 and a located message, whatever it is; never a traceback, never much memory."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from prism.cli.main import main
from tests.unit.cli.corpus import ACCEPTED, HAND, damaged

pytestmark = pytest.mark.m1

DAMAGED = damaged(120)
_PLACE = re.compile(r"^error: .*bad\.prism:\d+:\d+: expected .+, found .+\n  .*\n +\^", re.DOTALL)
_LIMIT_BYTES = 2 << 30


def _run(path: Path, source: bytes, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    path.write_bytes(source)
    with pytest.raises(SystemExit) as end:
        main(["run", "--format", "json", str(path)])
    captured = capsys.readouterr()
    assert isinstance(end.value.code, int)
    return end.value.code, captured.out, captured.err


def test_the_corpus_is_large() -> None:
    """There are at least 200 distinct malformed inputs besides the heavy ones."""
    assert len({*HAND, *DAMAGED}) >= 200


@pytest.mark.clause("TERMS-2")
@pytest.mark.parametrize("source", [*HAND, *DAMAGED], ids=lambda source: repr(source[:24]))
@pytest.mark.slow
def test_malformed(source: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A malformed input ends with code 2 and its place, the line and a caret."""
    code, _, err = _run(tmp_path / "bad.prism", source, capsys)
    assert code == 2
    assert _PLACE.match(err), err
    assert "Traceback" not in err
    assert max(map(len, err.splitlines())) < 300


@pytest.mark.clause("TERMS-1")
@pytest.mark.parametrize("source", ACCEPTED, ids=repr)
def test_a_program_without_expressions(source: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A program without expressions prints nothing and succeeds."""
    assert _run(tmp_path / "empty.prism", source, capsys) == (0, "", "")


def test_what_precedes_a_fault_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The expressions before a fault are evaluated and printed, those after it are not."""
    code, out, err = _run(tmp_path / "bad.prism", b"(add 1 1)\n2\n(oops 1)\n3\n", capsys)
    assert code == 2
    assert out.count('"status": "ok"') == 2
    assert "bad.prism:3:2: expected suc, add, mul or def after '(', found 'oops'" in err


DEPTH = 10**6
_HEAVY = {
    "deep_unclosed": ("b'(suc ' * {n}", 2),
    "deep_unopened": ("b')' * {n}", 2),
    "deep_open": ("b'(' * {n}", 2),
    "deep_unknown": ("b'(suc ' * {n} + b'oops' + b')' * {n}", 2),
    "deep_extra": ("b'(suc ' * {n} + b'1' + b')' * ({n} + 1)", 2),
    "one_line_of_junk": ("b'@' * 50_000_000", 2),
    "one_word": ("b'9' * 50_000_000", 2),
    "a_gigabyte_claimed": ("b'(add 1073741824 1073741824)'", 2),
    "many_large_numerals": ("b'(add 16777216 16777217)' * 1000", 2),
    "deep_fine": ("b'(suc ' * {n} + b'zero' + b')' * {n}", 0),
    "fifty_megabytes_fine": ("b'; comment ' * 5_000_000 + b'\\n1'", 0),
}
_CHILD = """
import resource, sys, io
from prism.cli.main import main
path = sys.argv[1]
open(path, "wb").write({source})
try:
    main(["run", path])
finally:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print("peak", peak, file=sys.stderr)
"""


@pytest.mark.clause("TERMS-7")
@pytest.mark.parametrize("name", _HEAVY)
@pytest.mark.slow
def test_heavy(name: str, tmp_path: Path) -> None:
    """A huge input is read or refused within 2 GB, a million levels deep included."""
    source, code = _HEAVY[name]
    child = _CHILD.format(source=source.format(n=DEPTH))
    done = subprocess.run(
        [sys.executable, "-c", child, str(tmp_path / "bad.prism")], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    assert int(re.findall(r"peak (\d+)", done.stderr)[0]) < _LIMIT_BYTES
    if code:
        assert _PLACE.match(done.stderr), done.stderr[:500]
    else:
        assert done.stdout == {"deep_fine": f"{DEPTH}\n", "fifty_megabytes_fine": "1\n"}.get(name)
