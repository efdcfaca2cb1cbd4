"""prism.vm.arena.order: every order is a permutation of the frontier's slots, the same on NumPy and on JAX."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from prism.errors import UsageError
from prism.vm.arena.layout import Layout
from prism.vm.arena.morton import interleave
from prism.vm.arena.order import Rank, capacity_for, levels_of, nearness, order_of
from prism.vm.arena.permute import Cells, apply, inverse
from prism.vm.term.ops import ADD, MUL, NULL, SUC, ZERO

pytestmark = pytest.mark.m3

SLOTS = 64
LAYOUTS = {
    "no-sort": Layout(sort=False),
    "rank": Layout(),
    "morton": Layout(morton=True),
    "block": Layout(block=8),
    "block-morton": Layout(block=16, morton=True),
    "hierarchy": Layout(l2=8, l1=32),
    "hierarchy-morton": Layout(l2=8, l1=32, morton=True),
    "hierarchy-local": Layout(l2=8, l1=32, whole=False),
}


def frontier(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ranks and nearness of 64 random slots."""
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 1 << 20, (2, SLOTS)).astype(np.int32)
    return rng.integers(0, 3, SLOTS).astype(np.uint32), nearness(a, b, 1 << 20)


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.clause("ARENA-2")
def test_every_layout_permutes_the_slots_alike_on_numpy_and_jax(name: str) -> None:
    """Each slot is taken once, the array namespace changes nothing, and no slot leaves the largest block."""
    for seed in range(5):
        rank, near = frontier(seed)
        perm = order_of(LAYOUTS[name], rank, near, xp=np)
        assert sorted(perm.tolist()) == list(range(SLOTS))
        assert perm.tolist() == order_of(LAYOUTS[name], jnp.asarray(rank), jnp.asarray(near), xp=jnp).tolist()
        largest = max(levels_of(LAYOUTS[name], SLOTS), default=1)
        assert (perm // largest == np.arange(SLOTS) // largest).all()


def test_whole_orders_put_hot_first_and_free_last() -> None:
    """Ranks ascend after every order of the whole; within a rank, a rank order keeps the order of slots."""
    for name in ("rank", "morton", "hierarchy", "hierarchy-morton"):
        rank, near = frontier(3)
        perm = order_of(LAYOUTS[name], rank, near, xp=np)
        assert (np.diff(rank[perm].astype(int)) >= 0).all(), name
    perm = order_of(LAYOUTS["rank"], rank, near, xp=np)
    assert all((np.diff(perm[rank[perm] == each]) > 0).all() for each in Rank)


def test_blocks_sort_by_nearness_inside_themselves() -> None:
    """A Morton order of blocks leaves the keys of each block ascending, and moves something."""
    rank, near = frontier(4)
    perm = order_of(LAYOUTS["block-morton"], rank, near, xp=np)
    keys = (rank << 30 | near)[perm].reshape(-1, 16).astype(np.int64)
    assert (np.diff(keys, axis=1) >= 0).all()
    assert perm.tolist() != list(range(SLOTS))


def test_no_sort_is_no_order() -> None:
    """A layout that does not sort leaves the slots as they are."""
    assert order_of(LAYOUTS["no-sort"], *frontier(5), xp=np).tolist() == list(range(SLOTS))


def test_morton_interleaves_bits() -> None:
    """Bit i of x is bit 2i of the code, bit i of y is bit 2i + 1; rows beyond 15 bits give their high ones."""
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 1 << 16, (2, 50))
    expected = [
        sum((int(p) >> i & 1) << 2 * i | (int(q) >> i & 1) << 2 * i + 1 for i in range(16))
        for p, q in zip(x, y, strict=True)
    ]
    assert interleave(jnp.asarray(x), jnp.asarray(y)).tolist() == expected
    assert nearness(x << 2, y << 2, 1 << 17).tolist() == interleave(x & 0xFFFF, y & 0xFFFF).tolist()


def random_cells(seed: int, rows: int = 40) -> Cells:
    """Return a random shared graph in topological order."""
    rng = np.random.default_rng(seed)
    op = np.array([NULL.code, ZERO.code, *rng.choice([SUC.code, ADD.code, MUL.code], rows - 2)], np.uint8)
    a, b = np.zeros((2, rows), np.int32)
    for row in range(2, rows):
        a[row] = rng.integers(1, row)
        b[row] = rng.integers(1, row) if op[row] != SUC.code else 0
    return Cells(op, a, b, rng.integers(1, rows, 5).astype(np.int32))


def denotations(cells: Cells) -> list[int]:
    """Return the value of each root modulo a prime, whatever the order of rows."""
    value = {0: 0, 1: 0}

    def of(row: int) -> int:
        if row not in value:
            x, y = of(int(cells.a[row])), of(int(cells.b[row]))
            value[row] = {SUC.code: x + 1, ADD.code: x + y, MUL.code: x * y}[int(cells.op[row])] % 9973
        return value[row]

    return [of(root) for root in cells.roots.tolist()]


@pytest.mark.clause("ARENA-2")
def test_a_rearrangement_keeps_the_terms() -> None:
    """Any permutation that keeps rows 0 and 1 leaves every root meaning what it meant, and its inverse undoes it."""
    for seed in range(10):
        cells = random_cells(seed)
        perm = np.concatenate((np.arange(2), 2 + np.random.default_rng(seed).permutation(38))).astype(np.int32)
        moved = apply(cells, perm)
        assert (int(moved.op[0]), int(moved.op[1])) == (NULL.code, ZERO.code)
        assert denotations(moved) == denotations(cells)
        back = apply(moved, inverse(perm, 40))
        assert all(np.array_equal(one, other) for one, other in zip(cells, back, strict=True))


def test_a_root_that_was_not_remapped_means_something_else() -> None:
    """Planted bug: a rearrangement that moves the rows but leaves the roots behind changes what they mean."""
    cells = random_cells(1)
    perm = np.concatenate((np.arange(2), np.arange(39, 1, -1))).astype(np.int32)
    moved = apply(cells, perm)
    assert denotations(moved) == denotations(cells)
    assert moved.roots.tolist() != cells.roots.tolist()


@pytest.mark.parametrize("slots", [1, 8, 9, 16, 17])
def test_capacities_are_powers_of_two(slots: int) -> None:
    """The capacity for n slots is the least power of two from 8 on that holds them, so blocks always divide it."""
    assert capacity_for(slots) == next(2**k for k in range(3, 20) if 2**k >= slots)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"block": 3}, "block must be a power of two from 2 to 1073741824, or 0, got 3"),
        ({"block": 1 << 100}, f"block must be a power of two from 2 to 1073741824, or 0, got {1 << 100}; round it"),
        ({"l2": 1}, "l2 must be a power of two from 2 to 1073741824, or 0, got 1"),
        ({"l2": 64, "l1": 8}, "l1 must hold whole l2 blocks, got l2=64, l1=8; raise l1 or lower l2"),
        ({"block": 8, "l1": 8}, "block=8 excludes the hierarchy l2=0, l1=8; give one or the other"),
    ],
)
def test_layouts_that_mean_nothing_are_refused(sizes: dict[str, Any], message: str) -> None:
    """A layout names its mistake and the remedy."""
    with pytest.raises(UsageError, match=message):
        Layout(**sizes)
