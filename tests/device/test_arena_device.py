"""The arena on a GPU: swizzles gather what NumPy gathers, and every run has the report of the host's."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism.cli.watch import check
from prism.vm.arena.layout import SWIZZLES
from prism.vm.arena.store import rules_of
from prism.vm.arena.swizzle import gather
from prism.vm.engines.api import Limits
from prism.vm.engines.bsp import BspEngine
from prism.vm.engines.project import project
from prism.vm.engines.schedule import Schedule
from prism.vm.engines.table import open_engine
from prism.vm.term.parse import read_text
from prism.vm.theory.library import load
from tests.bsp_reports import LAYOUTS, report
from tests.strategies import random_programs

pytestmark = pytest.mark.m3

on_device = pytest.mark.parametrize("swizzle", SWIZZLES[1:])


@pytest.fixture(autouse=True)
def _gpu():
    if jax.default_backend() != "gpu":
        pytest.skip("needs a GPU that JAX supports")


@on_device
@pytest.mark.clause("ARENA-2")
@pytest.mark.parametrize("n", [8, 1024, 1 << 20])
def test_gathers_are_those_of_numpy(swizzle: str, n: int) -> None:
    """Bytes and words come from where the index says, from less than a block to a million slots."""
    random = np.random.default_rng(n)
    at = random.integers(0, n, n, dtype=np.int32)
    for source in (random.integers(0, 12, n).astype(np.uint8), random.integers(0, n, n).astype(np.int32)):
        got = jax.jit(partial(gather, swizzle=swizzle))(jnp.asarray(source), jnp.asarray(at))
        assert np.array_equal(got, source[at])


@on_device
@pytest.mark.clause("ARENA-7")
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_reports_are_those_of_the_host(swizzle: str, layout) -> None:
    """Value, stop, steps, nodes, reuse and cycles are the host's, also where limits stop the run."""
    for seed, limits, cycles in ((11, Limits(), 1 << 20), (12, Limits(max_steps=3), 1 << 20), (13, Limits(), 4)):
        terms = random_programs(seed, 60)
        ours, theirs = (report(terms, limits, Schedule(layout, where, cycles)) for where in ("host", swizzle))
        assert ours == theirs


@pytest.mark.clause("ARENA-6")
def test_cycles_have_no_violation() -> None:
    """Every cycle of a hundred programs keeps the promises of the arena and of the strata."""
    peano = load("peano")
    engine = BspEngine(Limits(), Schedule(swizzle="jax"), peano, [partial(check, rules_of(peano))])
    assert not engine.normalise(random_programs(14, 100)).stop.any()


@on_device
@pytest.mark.clause("ARENA-1")
def test_results_are_those_of_baseline(swizzle: str) -> None:
    """A thousand programs at once, and one that grows the arena many times over, have the image of `baseline`'s."""
    for terms in (random_programs(5, 1000), read_text("(mul 64 64) (add 900 (mul 7 200))").graph):
        expected, got = (
            project(open_engine(*arguments).normalise(terms).result)
            for arguments in (("baseline", Limits()), ("bsp", Limits(), Schedule(swizzle=swizzle)))
        )
        assert got.agrees(expected)


def test_a_gpu_runs_cycles_itself() -> None:
    """Without a swizzle that was asked for, JAX gathers, not the host."""
    assert BspEngine(Limits(), Schedule(), load("peano"))._swizzle == "jax"
