"""prism.vm.arena.run: cycles reach the normal form whatever the layout, and a cycle that does not fit does not land."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism.vm.arena import run as running
from prism.vm.arena.cycle import cycle
from prism.vm.arena.layout import Layout
from prism.vm.arena.run import Bounds, start, until_stop
from prism.vm.arena.store import Arena, load
from prism.vm.arena.swizzle import gather
from prism.vm.arena.unload import unload
from prism.vm.term.graph import TermGraph
from prism.vm.term.ops import MUL, NULL, SUC, ZERO

pytestmark = pytest.mark.m3

LAYOUTS = [
    Layout(sort=False),
    Layout(),
    Layout(morton=True),
    Layout(block=8),
    Layout(l2=8, l1=32),
    Layout(l2=8, l1=32, morton=True, whole=False),
]


def product(m: int, n: int) -> TermGraph:
    """Return the graph of `(mul m n)`, numerals sharing their chain."""
    longest = max(m, n)
    op = np.array([NULL.code, ZERO.code, *[SUC.code] * longest, MUL.code], np.uint8)
    a = np.array([0, 0, *range(1, 1 + longest), 1 + m], np.int32)
    b = np.array([0, 0, *[0] * longest, 1 + n], np.int32)
    return TermGraph(op, a, b, np.array([2 + longest], np.int32))


def bounds(slots: int = 1 << 20, cycles: int = 1 << 20, rewrites: int = 1 << 30) -> Bounds:
    """Return bounds as arrays."""
    return Bounds(jnp.int32(slots), jnp.int32(cycles), jnp.int32(rewrites))


@pytest.mark.clause("ARENA-1")
@pytest.mark.slow
def test_every_layout_reaches_the_same_normal_form_and_traces_once() -> None:
    """(mul 4 5) becomes twenty sucs in every layout; a second program of the same shape is not traced again."""
    for layout in LAYOUTS:
        traces = []

        def traced(run, limit, layout=layout, traces=traces):
            traces.append(None)
            return until_stop(run, limit, layout, "jax")

        jitted = jax.jit(traced)
        for m, n in ((4, 5), (5, 3), (0, 5)):
            done = jitted(start(load(product(m, n), 256)), bounds())
            result = unload(done.arena)
            assert not done.active
            assert result.op.tolist() == [NULL.code, ZERO.code] + [SUC.code] * (m * n), layout
            assert result.roots.tolist() == [1 + m * n]
        assert len(traces) == 1, layout


@pytest.mark.clause("ARENA-3")
@pytest.mark.slow
def test_a_cycle_that_does_not_fit_does_not_land() -> None:
    """Too small an arena stops the run with what it needed; the slots are those from before the cycle."""
    run = jax.jit(partial(until_stop, layout=Layout(sort=False), swizzle="jax"))
    stuck = run(start(load(product(4, 5), 16)), bounds(slots=12))
    assert stuck.active
    assert int(stuck.needed) > 12
    again = jax.jit(cycle)(stuck.arena, jnp.int32(12), jnp.int32(1 << 30))
    for before, after in zip(stuck.arena, again.arena, strict=True):
        assert before.tolist() == after.tolist()
    assert not again.landed


def test_a_cycle_that_exceeds_the_budget_does_not_land() -> None:
    """A run of at most six rewrites stops before the cycle that would be the seventh, and does them all with seven."""
    run = jax.jit(partial(until_stop, layout=Layout(sort=False), swizzle="jax"))
    spent = {budget: int(run(start(load(product(4, 5), 256)), bounds(rewrites=budget)).rewrites) for budget in (6, 7)}
    assert spent[6] <= 6
    assert spent == {6: 6, 7: 6} or spent[7] == 7


def test_bounds_stop_a_run_on_their_exact_count() -> None:
    """A run of three cycles has run three cycles, and is still active."""
    done = jax.jit(partial(until_stop, layout=Layout(), swizzle="jax"))(
        start(load(product(4, 5), 256)), bounds(cycles=3)
    )
    assert int(done.cycles) == 3
    assert done.active
    assert not running.goes_on(done, bounds(cycles=3))


@pytest.mark.parametrize("swizzle", ["pallas", "triton"])
def test_swizzles_agree_to_the_bit(swizzle: str) -> None:
    """A Pallas gather returns what XLA's gather returns, for bytes and for words."""
    rng = np.random.default_rng(2)
    at = jnp.asarray(rng.integers(0, 2048, 2048), jnp.int32)
    for source in (rng.integers(0, 12, 2048).astype(np.uint8), rng.integers(0, 2048, 2048).astype(np.int32)):
        assert gather(jnp.asarray(source), at, swizzle=swizzle).tolist() == source[np.asarray(at)].tolist()


def test_replacements_are_followed_to_their_end() -> None:
    """(add 0 (add 0 (add 0 1))) is replaced through a chain of three in a single cycle."""
    ops = [NULL.code, ZERO.code, SUC.code, 10, 10, 10, 0, 0]
    arena = load(
        TermGraph(
            np.array(ops, np.uint8),
            np.array([0, 0, 1, 1, 1, 1, 0, 0], np.int32),
            np.array([0, 0, 0, 2, 3, 4, 0, 0], np.int32),
            np.array([5], np.int32),
        ),
        8,
    )
    done: Arena = jax.jit(cycle)(arena, jnp.int32(8), jnp.int32(8)).arena
    assert unload(done).op.tolist() == [NULL.code, ZERO.code, SUC.code]
