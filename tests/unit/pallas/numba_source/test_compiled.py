"""Compiled mode: loops from their own source, kept on disk, chosen only when they pay."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import pytest

import prism.pallas
from prism.pallas import OutOfBoundsError, fast
from prism.pallas.arrays import Arrays
from prism.pallas.cache import Loops, Planned
from prism.pallas.numba_source import compiled
from prism.pallas.plan import Plan
from tests.unit.pallas.kernels import count, double, every_other

pytestmark = pytest.mark.m6

VALUES = np.array([1, 7, 1, 1, 0, 7], np.int32)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """One folder of machine code for the module: Numba is slow."""
    kept = compiled.DIRECTORY
    compiled.DIRECTORY = tmp_path_factory.mktemp("loops")
    prism.pallas.clear_caches()
    yield compiled.DIRECTORY
    compiled.DIRECTORY = kept


@pytest.mark.clause("PALLAS-7")
def test_loops_are_compiled_once_and_kept(directory) -> None:
    """The first run leaves source and machine code; results are debug mode's; mistakes are still reported."""
    run = prism.pallas.run(count, mode="compiled")
    np.testing.assert_array_equal(run(VALUES), prism.pallas.run(count, mode="debug")(VALUES))
    (source,) = directory.glob("k*.py")
    assert compiled.is_stored(source.read_text(encoding="utf-8"))
    with pytest.raises(OutOfBoundsError, match=r"kernels\.py:\d+ .*index \[8\] is outside of o_ref"):
        run(np.array([1, 8, 1, 1, 0, 7], np.int32))


@pytest.mark.clause("PALLAS-7")
def test_auto_compiles_only_when_it_pays() -> None:
    """Seconds spent in NumPy decide; machine code that is on disk is worth loading much sooner."""
    loops = Loops("x", Arrays((), (), padded=False), ())
    assert not fast._pays(loops, _spent(1.0))
    assert fast._pays(loops, _spent(6.0))


@pytest.mark.clause("PALLAS-7")
def test_auto_looks_for_machine_code_at_doubled_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look costs as much as a small kernel, so there are few; what is found is loaded."""
    looks: list[str] = []
    monkeypatch.setattr(compiled, "is_stored", lambda source: bool(looks.append(source)) or len(looks) == 3)
    loops = Loops("x", Arrays((), (), padded=False), ())
    found = [tenths for tenths in range(2, 40) if fast._pays(loops, _spent(tenths / 10))]
    assert len(looks) == 5
    assert found == [8]


@pytest.mark.clause("PALLAS-7")
def test_auto_keeps_the_faster_form() -> None:
    """Loops that are loaded are tried; then they run only if their best run was shorter than fast mode's."""
    loops = Loops("x", Arrays((), (), padded=False), (), function=lambda: 0)
    spent = replace(_spent(6.0), best_s=2e-3)
    assert fast._pays(loops, spent)
    tried = replace(loops, tries=3, best_s=3e-3)
    assert not fast._pays(tried, spent)
    assert fast._pays(replace(tried, best_s=1e-3), spent)


@pytest.mark.clause("PALLAS-7")
def test_auto_writes_loops_of_any_kernel_once_it_has_run_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel without loops of its own is compiled too; until the time has come, its loops are not even written."""
    asked: list[object] = []
    monkeypatch.setattr(compiled, "written", lambda plan: asked.append(plan) or compiled.Written("", "asked"))
    x = np.ones(8, np.float32)
    run = prism.pallas.run(double)
    run(x)
    assert not asked
    monkeypatch.setattr(fast, "_LOAD_AFTER", 0.0)
    run(x)
    assert len(asked) == 1


def _spent(seconds: float) -> Planned:
    return Planned(cast(Plan, None), source_s=seconds)


@pytest.mark.clause("PALLAS-7")
def test_a_kernel_without_a_loop_form_runs_in_fast_mode() -> None:
    """bfloat16 has no scalar loops; the results are the same."""
    x = np.arange(8, dtype=np.float32).astype("bfloat16")
    np.testing.assert_array_equal(prism.pallas.run(double, mode="compiled")(x), x + x)


@pytest.mark.clause("PALLAS-7")
@pytest.mark.usefixtures("directory")
def test_a_computed_start_leaves_the_grid_index_alone() -> None:
    """Blocks stay where the grid puts them, in memory too, when a window starts at a multiple of the program's id."""
    x = np.arange(16, dtype=np.float32)
    np.testing.assert_array_equal(prism.pallas.run(every_other, mode="compiled")(x), x[::2])
