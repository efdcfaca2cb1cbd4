"""The Pallas bench: its rows and ratios, the comparison with JAX's own tests, and the marks of the planted bugs."""

from __future__ import annotations

import json
import runpy
import textwrap
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from prism.bench import pallas
from prism.bench.harness import Row
from prism.cli.bench import bench
from prism.errors import UsageError
from tests import planted
from tests.jax_suite import compare as jax_suite
from tests.jax_suite.compare import Outcome
from tests.planted import KINDS
from tests.planted.bug import MARK

pytestmark = pytest.mark.m6


def _row(case: str, impl: str, median: float) -> Row:
    return Row("pallas", case, impl, median, median, median, 1, 1 / median, "elements/s")


@pytest.mark.slow
def test_json_rows_have_the_design_s_keys_and_every_contender() -> None:
    """One kernel gives a line for each contender of its first call and of its steady state, each checked by NumPy."""
    result = CliRunner().invoke(
        bench, ["pallas", "--kernel", "stencil", "--runs", "1", "--json"], catch_exceptions=False
    )
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert all(list(row) == [field.name for field in fields(Row)] for row in rows)
    impls = {
        case: [row["impl"] for row in rows if row["case"] == case]
        for case in ("stencil, first call", "stencil, steady")
    }
    assert impls["stencil, first call"] == ["prism auto", "prism fast", "prism debug", "stock rebuilt", "numpy"]
    assert {"prism fast", "prism compiled", "prism auto", "prism debug", "stock jitted", "numpy"} <= set(
        impls["stencil, steady"]
    )
    assert all(row["median_s"] > 0 for row in rows)


def test_an_unknown_kernel_is_refused_with_the_names() -> None:
    """A misspelt kernel is a usage error that lists what there is."""
    with pytest.raises(UsageError, match=r"no bench kernel is called 'vad'; choose among vadd, matmul"):
        list(pallas.pallas_bench(["vad"], 1))


def test_summary_is_the_geometric_mean_of_stock_over_ours() -> None:
    """Ratios 2 and 8 have the mean 4, by family and state; what was not run is left out."""
    rows = [
        _row("vadd, first call", "prism auto", 1.0),
        _row("vadd, first call", "stock rebuilt", 2.0),
        _row("softmax, first call", "prism auto", 1.0),
        _row("softmax, first call", "stock rebuilt", 8.0),
        _row("vadd, steady", "prism fast", 2.0),
        _row("vadd, steady", "stock jitted", 1.0),
    ]
    assert pallas.summary(rows) == pytest.approx(
        {"first call, all kernels": 4.0, "steady, block kernels, prism fast": 0.5}
    )


def test_answers_are_equal_within_the_tolerance_and_the_shape() -> None:
    """An answer equals another of its shape whose values are close."""
    one = pallas.Answer(np.ones(3), 1e-3)
    assert one == pallas.Answer(np.full(3, 1.0005), 1e-3)
    assert one != pallas.Answer(np.full(3, 1.1), 1e-3)
    assert one != pallas.Answer(np.ones((1, 3)), 1e-3)


def test_every_planted_bug_bears_one_mark_in_its_own_source() -> None:
    """The expected line is the marked one, so moving code moves the expectation."""
    for bug in (bug for bugs in KINDS.values() for bug in bugs):
        file, line = bug.place
        (source,) = Path(planted.__file__).parent.rglob(file)
        assert MARK in source.read_text(encoding="utf-8").splitlines()[line - 1]
        assert not bug.is_named_by(None)


def _outcome(test: str, outcome: str, reached: int, reason: str = "") -> Outcome:
    return Outcome(test, outcome, reached, 0.1, reason)


def test_only_tests_whose_kernels_reached_us_count() -> None:
    """A pass without an interpreted kernel is not ours; a report that leniency lifts is no remainder."""
    stock = [_outcome(name, "passed", 1) for name in "abcd"] + [_outcome("e", "passed", 0), _outcome("f", "skipped", 0)]
    strict = [
        _outcome("a", "passed", 2),
        _outcome("b", "passed", 0),
        _outcome("c", "failed", 1, "RaceError: k.py:3 twice"),
        _outcome("e", "passed", 0),
        _outcome("f", "skipped", 0),
    ]
    report = jax_suite.compare("x_test", stock, strict, [_outcome("c", "passed", 1)])
    assert (report.collected, report.stock_passed, report.with_kernel, report.strict, report.lenient) == (6, 5, 4, 1, 2)
    assert report.reports == {"c": "RaceError: k.py:3 twice"}
    assert report.remainder == {"b": "passed, but no kernel reached our interpreter", "d": "not run: the time was up"}
    assert "| x_test | 6 | 5 | 4 | 1 | 2 | 2 |" in jax_suite.table([report])
    assert "- x_test, reported: 1 x RaceError: k.py:N twice" in jax_suite.table([report])
    assert json.loads(jax_suite.as_json(report))["remainder"] == report.remainder


def test_a_test_with_subtests_fails_with_the_worst_of_them() -> None:
    """Of several outcomes of one test a failure stands, and the kernels of any of them count."""
    stock = [_outcome("a", "passed", 2), _outcome("a", "passed", 0)]
    strict = [_outcome("a", "failed", 0, "AssertionError: 1 != 2"), _outcome("a", "passed", 2)]
    report = jax_suite.compare("x_test", stock, strict)
    assert (report.collected, report.with_kernel, report.strict) == (1, 1, 0)
    assert report.remainder == {"a": "AssertionError: 1 != 2"}


def test_reasons_that_mean_the_stock_interpreter_itself_are_counted_together() -> None:
    """Its options, its words and its own refusals are each one reason; anything else loses its numbers only."""
    failures = {
        "a": "asks stock for its skip_floating_point_ops; AssertionError: Arrays are not equal",
        "b": "asks stock for its skip_floating_point_ops; AssertionError: 3 != 4",
        "c": 'AssertionError: "Out-of-bounds read" does not match "k.py:3 in k: index [5] is outside"',
        "d": "AssertionError: ValueError not raised",
        "e": "AssertionError: 0 != 5",
    }
    assert jax_suite.reasons(failures) == [
        (2, "asks stock for its skip_floating_point_ops"),
        (1, "expects the words of stock's own report; ours has others"),
        (1, "expects stock's own ValueError, which ours does not raise"),
        (1, "AssertionError: N != N"),
    ]


def test_files_that_need_a_device_share_one_line() -> None:
    """A file of which stock passes nothing has no row of its own, and is named all the same."""
    report = jax_suite.compare("chip_test", [_outcome("a", "skipped", 0)], [_outcome("a", "skipped", 0)])
    text = jax_suite.table([report])
    assert "| chip_test" not in text
    assert "- stock passes no test of these files on this machine: chip_test" in text


def test_the_files_are_those_of_the_checkout_s_folder(tmp_path: Path) -> None:
    """Every test file is found, those of subfolders last; other modules are not."""
    for name in ("pipelining/b_test.py", "z_test.py", "a_test.py", "helper.py"):
        path = tmp_path / "tests" / "pallas" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert jax_suite.files(tmp_path) == ("a_test", "z_test", "pipelining/b_test")


_TESTS = """
import jax, numpy as np, prism.pallas, unittest
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jax._src.only_in_checkout import VALUE
from jax._src.pallas.mosaic.interpret import interpret_pallas_call as stock

def call(kernel, interpret=True):
    x = np.ones(4, np.float32)
    return pl.pallas_call(kernel, out_shape=jax.ShapeDtypeStruct(x.shape, x.dtype), interpret=interpret)(x)

def race(kernel):
    x = jax.ShapeDtypeStruct((4,), np.float32)
    specs = [pl.BlockSpec((4,), lambda i: (0,))]
    return pl.pallas_call(kernel, grid=(2,), in_specs=specs, out_specs=specs[0], out_shape=x,
        compiler_params=pltpu.CompilerParams(dimension_semantics=("parallel",)),
        interpret=pltpu.InterpretParams(detect_races=True, num_cores_or_threads=2))(np.ones(4, np.float32))

class Tests(unittest.TestCase):
    def test_double(self):
        def kernel(x_ref, o_ref):
            o_ref[...] = x_ref[...] * VALUE
        self.assertEqual(call(kernel).sum(), 8)

    def test_forgets_a_part(self):
        def kernel(x_ref, o_ref):
            o_ref[:2] = x_ref[:2]
        self.assertEqual(call(kernel)[:2].sum(), 2)

    def test_insists_on_stock(self):
        def kernel(x_ref, o_ref):
            o_ref[...] = x_ref[...]
        before = prism.pallas.kernels_run()
        call(kernel)
        self.assertEqual(prism.pallas.kernels_run(), before)

    def test_of_the_tpu_interpreter(self):
        def kernel(x_ref, o_ref):
            o_ref[...] = x_ref[...] * VALUE
        self.assertEqual(call(kernel, pltpu.InterpretParams()).sum(), 8)

    def test_asks_about_races(self):
        def kernel(x_ref, o_ref):
            o_ref[...] = x_ref[...]
        self.assertEqual(race(kernel).sum(), 4)
        self.assertTrue(stock.races is not None and stock.races.races_found)

    def test_does_not_ask_about_races(self):
        def kernel(x_ref, o_ref):
            o_ref[...] = x_ref[...]
        self.assertEqual(race(kernel).sum(), 4)

    def test_asks_for_zeros(self):
        def kernel(x_ref, o_ref):
            o_ref[:2] = x_ref[:2]
        self.assertEqual(call(kernel, pltpu.InterpretParams(uninitialized_memory="zero")).sum(), 2)

    def test_without_a_kernel(self):
        self.assertEqual(VALUE, 2)
"""


@pytest.mark.slow
def test_a_checkout_s_tests_run_under_both_interpreters(tmp_path: Path, monkeypatch, capsys) -> None:
    """A checkout lends its tests and the modules that the wheel lacks; each test runs stock, strict and lenient."""
    folder = tmp_path / "tests" / "pallas"
    folder.mkdir(parents=True)
    (folder / "tiny_test.py").write_text(textwrap.dedent(_TESTS), encoding="utf-8")
    (tmp_path / "jax" / "_src").mkdir(parents=True)
    (tmp_path / "jax" / "_src" / "only_in_checkout.py").write_text("VALUE = 2\n", encoding="utf-8")
    script = Path(__file__).parents[3] / "scripts" / "run_jax_pallas_tests.py"
    monkeypatch.setattr("sys.argv", [str(script), str(tmp_path), "--files", "tiny_test", "--json", "--timeout", "120"])
    runpy.run_path(str(script), run_name="__main__")
    report = json.loads(capsys.readouterr().out)
    assert {key: report[key] for key in ("collected", "stock_passed", "with_kernel", "strict", "lenient")} == {
        "collected": 8,
        "stock_passed": 8,
        "with_kernel": 7,
        "strict": 3,
        "lenient": 5,
    }
    assert [name.split("::")[-1] for name in report["reports"]] == [
        "test_does_not_ask_about_races",
        "test_forgets_a_part",
    ]
    assert [name.split("::")[-1] for name in report["remainder"]] == ["test_asks_for_zeros", "test_insists_on_stock"]
    assert "asks stock for its uninitialized_memory; AssertionError: " in next(iter(report["remainder"].values()))
