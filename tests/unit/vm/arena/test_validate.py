"""prism.vm.arena.validate: a sound arena has no violation, and each planted fault is named with its slot."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from prism.vm.arena import host
from prism.vm.arena.layout import Layout
from prism.vm.arena.order import partition
from prism.vm.arena.permute import apply
from prism.vm.arena.run import Bounds, start
from prism.vm.arena.store import Arena, load
from prism.vm.arena.validate import cycle_violations, violations

from .test_order import random_terms

pytestmark = [pytest.mark.m3, pytest.mark.clause("ARENA-6")]


def sound() -> Arena:
    """Return an arena with 24 slots in use."""
    return load(random_terms(1, rows=24), 64)


def test_sound_arenas_have_no_violation() -> None:
    """Neither a loaded nor a swizzled arena breaks a promise."""
    arena = sound()
    assert violations(arena) == []
    assert violations(apply(arena, partition(64)(arena))) == []


@pytest.mark.parametrize(
    ("field", "slot", "value", "message"),
    [
        ("op", 0, 1, "slots 0 and 1 must hold NULL and ZERO, got ops 1 and 1"),
        ("op", 5, 77, "slot 5 must hold an op of the table, got 77"),
        ("op", 40, 2, "slot 40 must be free from `used` on, got 2"),
        ("b", 40, 3, "slot 40 must have operand b 0 if its op takes none, got 3"),
        ("a", 7, 50, "slot 7 must have a slot in use as operand a if its op takes one, got 50"),
        ("a", 7, 1000, "slot 7 must have a slot in use as operand a if its op takes one, got 1000"),
        ("roots", 2, 60, "every root must be a slot in use, got 60 for root 2"),
    ],
)
def test_each_fault_is_named(field: str, slot: int, value: int, message: str) -> None:
    """A fault planted in one slot is reported with that slot and what it holds."""
    arena = sound()
    broken = np.asarray(getattr(arena, field)).copy()
    broken[slot] = value
    assert message in violations(arena._replace(**{field: jnp.asarray(broken)}))


def test_a_size_that_is_no_power_of_two_is_named() -> None:
    """Blocks divide an arena only if its size is a power of two."""
    arena = sound()
    short = Arena(arena.op[:40], arena.a[:40], arena.b[:40], arena.used, arena.roots)
    assert "the number of slots must be a power of two, got 40" in violations(short)


def test_a_root_that_was_not_remapped_is_caught() -> None:
    """Planted bug: a swizzle that moves the slots but leaves the roots behind points a root at a free slot."""
    arena = sound()
    moved = apply(arena, jnp.concatenate([jnp.arange(2), jnp.arange(63, 1, -1)]).astype(jnp.int32))
    assert violations(moved._replace(roots=arena.roots)) != []


def test_a_null_that_moved_is_caught() -> None:
    """Planted bug: a permutation that takes NULL from slot 0 breaks the reserved slots and every NULL pointer."""
    arena = sound()
    moved = apply(arena, jnp.roll(jnp.arange(64, dtype=jnp.int32), 1))
    found = violations(moved)
    assert any("slots 0 and 1 must hold NULL and ZERO" in each for each in found)
    assert any("operand b 0 if its op takes none" in each for each in found)


def one_cycle() -> tuple[Arena, Arena]:
    """Return the arena that a cycle met and what it left, with new nodes at the end."""
    met = sound()
    after = host.step(start(met), Bounds(*(np.int32(64) for _ in range(3))), Layout(sort=False)).arena
    assert int(after.used) > int(met.used)
    return met, after


def test_a_sound_cycle_has_no_violation() -> None:
    """What the engine's own cycle leaves is what the rules give."""
    assert cycle_violations(*one_cycle()) == []


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("op", "slot {at} must hold the op that the cycle's rules give it, got {value}"),
        ("a", "slot {at} must hold the a that the cycle's rules give it, got {value}"),
        ("b", "slot {at} must hold the b that the cycle's rules give it, got {value}"),
    ],
)
def test_a_slot_that_the_rules_do_not_give_is_named(field: str, message: str) -> None:
    """Another op or another pointer in a new node is reported with its slot, also if the arena is sound as such."""
    met, after = one_cycle()
    at = int(after.used) - 1
    wrong = getattr(after, field).copy()
    wrong[at] = wrong[at] + 1
    found = cycle_violations(met, after._replace(**{field: wrong}))
    assert found == [message.format(at=at, value=wrong[at])]


def test_a_root_that_does_not_follow_its_site_is_named() -> None:
    """A root at a site that was rewritten must move to what it was rewritten to."""
    met, after = one_cycle()
    wrong = np.where(np.arange(len(after.roots)) == 0, after.roots[0] + 1, after.roots)
    expected = f"root 0 must follow its site, got {wrong[0]}"
    assert cycle_violations(met, after._replace(roots=wrong)) == [expected]
