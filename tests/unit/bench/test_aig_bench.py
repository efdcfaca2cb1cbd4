"""The benches of circuits and subexpressions: their workloads mean what they say, and contenders are checked."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from prism.aig.read import read
from prism.aig.simulate import all_patterns, simulate
from prism.aig.strash import strash
from prism.aig.write import write
from prism.bench import aig as bench_aig
from prism.bench.aig import aig_bench, multiplier, side_by_side
from prism.bench.cse import cse_bench, expressions, value
from prism.cli.bench import bench
from prism.errors import PrismError, UsageError

pytestmark = pytest.mark.m7


def test_the_multiplier_multiplies() -> None:
    """Three bits by three, all 64 products."""
    words = simulate(multiplier(3), all_patterns(6))
    for pattern in range(64):
        product = sum((int(word) >> pattern & 1) << k for k, word in enumerate(words[:, 0]))
        assert product == (pattern & 7) * (pattern >> 3)


def test_copies_do_not_touch() -> None:
    """Each of three copies computes its own product from its own inputs."""
    one = multiplier(2)
    three = side_by_side(one, 3)
    patterns = np.random.default_rng(0).integers(0, 1 << 64, (12, 2), np.uint64)
    expected = np.concatenate([simulate(one, patterns[4 * k : 4 * k + 4]) for k in range(3)])
    assert np.array_equal(simulate(three, patterns), expected)
    assert len(strash(three).rows) == 3 * len(one.rows)


@pytest.mark.clause("BENCH-1")
def test_rows_hold_every_contender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder's circuit and its copies give a line for ours, mockturtle and ABC, a missing peer with its reason."""
    monkeypatch.setattr(bench_aig, "ABC", ("no-such-command",))
    (tmp_path / "small.aig").write_bytes(write(multiplier(3), binary=True))
    arguments = ["aig", "--folder", str(tmp_path), "--copies", "1,2", "--runs", "1", "--json"]
    result = CliRunner().invoke(bench, arguments, catch_exceptions=False)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(row["case"], row["impl"]) for row in rows] == [
        (case, impl) for case in ("small", "small x 2") for impl in ("prism", "mockturtle", "ABC")
    ]
    assert rows[2]["unit"] == "missing: no command no-such-command; install Debian's berkeley-abc"
    with pytest.raises(
        UsageError, match=r"a circuit must be one of small, got big; choose among them, or name a folder"
    ):
        list(aig_bench(tmp_path, ["big"], [1], 1))
    with pytest.raises(UsageError, match=r"a circuit must be one of none, got none; choose among them, or name a"):
        list(aig_bench(tmp_path / "nothing", [], [1], 1))


def test_copies_are_of_combinational_circuits() -> None:
    """A circuit with a latch is refused."""
    with pytest.raises(UsageError, match=r"copies are made of circuits of inputs and outputs alone, got Interface"):
        side_by_side(read(b"aag 1 0 1 0 0\n2 2\n", "x"), 2)


@pytest.mark.parametrize("says", ["Networks are NOT EQUIVALENT.", "Networks are equivalent."])
def test_a_wrong_result_is_not_timed(says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ABC does not call equivalent stops the bench with what it said."""
    fake = tmp_path / "abc"
    fake.write_text(f"#!{shutil.which('sh')}\necho '{says}'\n")
    fake.chmod(0o755)
    monkeypatch.setattr(bench_aig, "ABC", (str(fake),))
    path = tmp_path / "x.aig"
    path.write_bytes(write(multiplier(2), binary=True))
    if "NOT" not in says:
        bench_aig.require_equivalence(path)
        return
    with pytest.raises(
        PrismError, match=r"must call the hashed circuit equivalent to x[.]aig, but it said: Networks are NOT"
    ):
        bench_aig.require_equivalence(path)


def test_the_expressions_are_as_many_as_asked() -> None:
    """A graph of 300 sums and products is reached from its unused ones; its values are those of plain evaluation."""
    roots = expressions(300)
    seen, stack = set(), list(roots)
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack += node.args
    assert len([node for node in seen if node.args]) == 300
    point = {name: random.Random(name.name).randrange(99) for name in roots[0].free_symbols}
    small = min(roots, key=lambda root: len(str(root)))
    assert value(small, point) == small.subs(point) % ((1 << 61) - 1)


@pytest.mark.clause("BENCH-1")
def test_subexpressions_are_timed_beside_sympy() -> None:
    """Ours and three ways of SymPy agree on every value; beyond the peers' size they are missing, with the reason."""
    rows = list(cse_bench([30, 30_000], 1))
    assert [row.runs for row in rows] == [1, 1, 1, 1, 1, 0, 0, 0]
    assert rows[-1].unit == "missing: not run beyond 20000 nodes, for it takes minutes"
