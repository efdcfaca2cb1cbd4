"""Run cycles to the fixpoint inside one device loop: no host round trip until it stops."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from prism.vm.arena.cycle import cycle
from prism.vm.arena.layout import Layout
from prism.vm.arena.order import order_of
from prism.vm.arena.permute import apply
from prism.vm.arena.store import Arena
from prism.vm.rewrite.candidates import Array


class Bounds(NamedTuple):
    """What bounds a run: slots in use, cycles and rewrites; int32[] each."""

    slots: Array
    cycles: Array
    rewrites: Array


class Run(NamedTuple):
    """A run so far.

    cycles, rewrites, made: int32[], the nodes that were made. active: bool[], whether there may be a redex left.
    landed: bool[], whether the last cycle landed; the run stops at one that does not, and `needed` (int32[]) is how
    many slots it asked for.
    """

    arena: Arena
    cycles: Array
    rewrites: Array
    made: Array
    active: Array
    landed: Array
    needed: Array


def start(arena: Arena) -> Run:
    """Return a run of no cycles."""
    nothing = np.int32(0)
    return Run(arena, nothing, nothing, nothing, np.bool_(True), np.bool_(True), arena.used)


def laid_out(arena: Arena, layout: Layout, swizzle: str) -> Arena:
    """Return the arena in its layout."""
    order = order_of(layout, arena.op.shape[0])
    return arena if order is None else apply(arena, order(arena), swizzle=swizzle)


def step(run: Run, bounds: Bounds, layout: Layout, swizzle: str) -> Run:
    """Bring the arena into its layout and run one cycle."""
    arena = laid_out(run.arena, layout, swizzle)
    done = cycle(arena, bounds.slots, bounds.rewrites - run.rewrites)
    return Run(
        arena=done.arena,
        cycles=run.cycles + (done.landed & (done.rewrites > 0)).astype(jnp.int32),
        rewrites=run.rewrites + jnp.where(done.landed, done.rewrites, 0),
        made=run.made + jnp.where(done.landed, done.needed - arena.used, 0),
        active=done.rewrites > 0,
        landed=done.landed,
        needed=done.needed,
    )


def goes_on(run: Run, bounds: Bounds) -> Array:
    """Whether a run may have work left and is allowed to do it."""
    return run.active & run.landed & (run.cycles < bounds.cycles)


def until_stop(run: Run, bounds: Bounds, layout: Layout, swizzle: str) -> Run:
    """Step until nothing is left to rewrite or a bound is met; `jax.jit` with static `layout` and `swizzle`."""
    return jax.lax.while_loop(lambda r: goes_on(r, bounds), lambda r: step(r, bounds, layout, swizzle), run)
