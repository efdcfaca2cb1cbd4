"""The arena on a GPU: swizzles gather what NumPy gathers, and every slot of every cycle is what the host has."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism.vm.arena import host
from prism.vm.arena.layout import SWIZZLES, Layout
from prism.vm.arena.run import Bounds, start, step
from prism.vm.arena.store import load
from prism.vm.arena.swizzle import gather
from prism.vm.engines.api import Limits
from prism.vm.engines.bsp import BspEngine
from prism.vm.engines.project import project
from prism.vm.engines.schedule import Schedule
from prism.vm.engines.table import open_engine
from tests.strategies import random_programs

pytestmark = pytest.mark.m3

LAYOUTS = {
    "no-sort": Layout(sort=False),
    "rank": Layout(),
    "morton": Layout(morton=True),
    "block": Layout(block=16),
    "hierarchy": Layout(l2=8, l1=32, morton=True),
}

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
def test_cycles_leave_the_slots_of_the_host(swizzle: str, layout: Layout) -> None:
    """After each of ten cycles every slot, pointer, root and count is the host's."""
    bounds = Bounds(*(np.int32(bound) for bound in (2048, 1 << 20, 1 << 20)))
    cycle = jax.jit(partial(step, layout=layout, swizzle=swizzle))
    device = ours = start(load(random_programs(11, 40), 2048)._replace(roots=np.arange(64, dtype=np.int32)))
    for _ in range(10):
        device, ours = cycle(device, bounds), host.step(ours, bounds, layout)
        pairs = zip(jax.tree.leaves(device), jax.tree.leaves(ours), strict=True)
        assert all(np.array_equal(theirs, mine) for theirs, mine in pairs)
    assert int(ours.rewrites) > 100


@on_device
@pytest.mark.clause("ARENA-1")
def test_results_are_those_of_baseline(swizzle: str) -> None:
    """A thousand programs at once, growing on the way, have the image of what `baseline` finds."""
    terms = random_programs(5, 1000)
    expected, got = (
        project(engine.normalise(terms).result)
        for engine in (open_engine("baseline", Limits()), BspEngine(Limits(), Schedule(swizzle=swizzle)))
    )
    assert got.agrees(expected)


def test_a_gpu_runs_cycles_itself() -> None:
    """Without a swizzle that was asked for, JAX gathers, not the host."""
    assert BspEngine(Limits(), Schedule())._swizzle == "jax"
