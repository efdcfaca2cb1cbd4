"""Run cycles to the fixpoint inside one device loop: no host round trip until it stops."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from prism.arena.cycle import cycle
from prism.arena.order import Layout, order_of
from prism.arena.permute import apply
from prism.arena.store import Arena


class Bounds(NamedTuple):
    """What bounds a run: slots in use, cycles and rewrites; int32[] each."""

    slots: Array
    cycles: Array
    rewrites: Array


class Run(NamedTuple):
    """A run so far.

    cycles, rewrites: int32[]. active: bool[], whether the last cycle left anything to do. needed: int32[], the slots
    that the last cycle asked for; more than the bound means that it did not land, and the run has stopped [ARENA-3].
    """

    arena: Arena
    cycles: Array
    rewrites: Array
    active: Array
    needed: Array


def start(arena: Arena) -> Run:
    """Return a run of no cycles."""
    zero = jnp.int32(0)
    return Run(arena, zero, zero, jnp.bool_(True), arena.used)


def step(run: Run, bounds: Bounds, layout: Layout, swizzle: str) -> Run:
    """Bring the arena into its layout and run one cycle."""
    arena = run.arena
    order = order_of(layout, arena.op.shape[0])
    if order is not None:
        arena = apply(arena, order(arena), swizzle=swizzle)
    done = cycle(arena, bounds.slots)
    landed = done.needed <= bounds.slots
    return Run(
        done.arena,
        run.cycles + landed.astype(jnp.int32),
        run.rewrites + done.rewrites,
        (done.rewrites > 0) | ~landed,
        done.needed,
    )


def goes_on(run: Run, bounds: Bounds) -> Array:
    """Whether a run has work left and may do it."""
    may = (run.cycles < bounds.cycles) & (run.rewrites < bounds.rewrites) & (run.needed <= bounds.slots)
    return run.active & may


def until_stop(run: Run, bounds: Bounds, layout: Layout, swizzle: str) -> Run:
    """Step until nothing is left to rewrite or a bound is met; `jax.jit` with static `layout` and `swizzle`."""
    return jax.lax.while_loop(lambda r: goes_on(r, bounds), lambda r: step(r, bounds, layout, swizzle), run)
