"""A batch job: many independent expressions go through in bounded memory, and come out in order."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from prism.vm.engines.api import Limits
from prism.vm.engines.program import evaluate
from prism.vm.engines.table import ENGINES, open_engine
from prism.vm.term.parse import read_programs

pytestmark = pytest.mark.m3

_RUN = """
import resource, sys
from prism.cli.main import main
try:
    main(["run", *sys.argv[1:]])
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def write(path: Path, count: int) -> list[int]:
    """Write so many sums, a line each and a kilobyte of them alike, and return what they are."""
    pairs = [(i // 7 % 10, i % 7) for i in range(count)]
    path.write_text("".join(f"(add {m} {n}) ; {'-' * 20}\n" for m, n in pairs))
    return [m + n for m, n in pairs]


@pytest.mark.clause("TERMS-7")
@pytest.mark.parametrize("engine", ["ledger", "bsp"])
@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_expressions(engine: str, tmp_path: Path) -> None:
    """Three hundred thousand expressions need about the memory of fifty thousand, and print their results in order."""
    peaks = []
    for count in (50_000, 300_000):
        path = tmp_path / f"{count}.prism"
        expected = write(path, count)
        done = subprocess.run(
            [sys.executable, "-c", _RUN, "--engine", engine, str(path)], check=True, capture_output=True, text=True
        )
        assert list(map(int, done.stdout.split())) == expected
        peaks.append(int(done.stderr.split()[-1]) / 1024)
    assert peaks[1] - peaks[0] < 64, f"MiB: {peaks}"


@pytest.mark.parametrize("engine", ENGINES)
def test_graphs_come_one_at_a_time(engine: str) -> None:
    """A result is there before the rest of the stream is read."""
    read = 0

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            nonlocal read
            block = super().read(size)
            read += len(block)
            return block

    text = b"(add 2 3)\n" * 4000
    parts = evaluate(open_engine(engine, Limits()), read_programs(Slow(text), "stream", block_bytes=4096))
    first = next(parts)
    assert read < len(text) / 4
    rest = list(parts)
    assert rest[0].first == len(first.program)
    assert sum(len(part.program) for part in (first, *rest)) == 4000


@pytest.mark.clause("TERMS-9")
@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--theory", "peano", "--explain"]])
def test_memory_is_bounded_by_the_largest_result(options: list[str], tmp_path: Path) -> None:
    """A block of four thousand results of 24 KB in full needs about the memory of one of them."""
    peaks = []
    for count in (1, 4000):
        path = tmp_path / f"{count}.prism"
        path.write_text("4000\n" * count)
        command = [sys.executable, "-c", _RUN, "--format", "json", *options, str(path)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        rows = done.stdout.splitlines()
        assert len(rows) == count
        assert {len(json.loads(row)["result"]) for row in rows} == {4000 * 6 + 4}
        peaks.append(int(done.stderr.split()[-1]) / 1024)
    assert peaks[1] - peaks[0] < 64, f"MiB: {peaks}"
