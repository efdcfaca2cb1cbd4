"""prism.vm.arena: every order is a permutation that keeps NULL and ZERO, and swizzling changes no term."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prism.errors import UsageError
from prism.vm.arena.layout import Layout
from prism.vm.arena.morton import interleave
from prism.vm.arena.order import compose, order_of, partition, sort
from prism.vm.arena.permute import apply, inverse
from prism.vm.arena.store import Arena, Rank, capacity_for, load, ranks
from prism.vm.arena.unload import unload
from prism.vm.term.graph import TermGraph
from prism.vm.term.ops import ADD, MUL, NULL, SUC, ZERO

pytestmark = pytest.mark.m3

SLOTS = 64
LAYOUTS = {
    "rank": Layout(),
    "morton": Layout(morton=True),
    "block": Layout(block=8),
    "block-morton": Layout(block=16, morton=True),
    "hierarchy": Layout(l2=8, l1=32),
    "hierarchy-morton": Layout(l2=8, l1=32, morton=True),
    "hierarchy-local": Layout(l2=8, l1=32, whole=False),
}


def random_terms(seed: int, rows: int = 40) -> TermGraph:
    """Return a random shared graph in topological order."""
    rng = np.random.default_rng(seed)
    op = np.array([NULL.code, ZERO.code, *rng.choice([SUC.code, ADD.code, MUL.code], rows - 2)], np.uint8)
    a, b = np.zeros((2, rows), np.int32)
    for row in range(2, rows):
        a[row] = rng.integers(1, row)
        b[row] = rng.integers(1, row) if op[row] != SUC.code else 0
    return TermGraph(op, a, b, rng.integers(1, rows, 5).astype(np.int32))


def denotations(terms: TermGraph) -> list[int]:
    """Return the value of each root, computed row by row."""
    value = [0, 0]
    for op, a, b in zip(terms.op[2:].tolist(), terms.a[2:].tolist(), terms.b[2:].tolist(), strict=True):
        value.append({SUC.code: value[a] + 1, ADD.code: value[a] + value[b], MUL.code: value[a] * value[b]}[op] % 9973)
    return [value[root] for root in terms.roots]


def order_for(layout: Layout):
    """Return the order of a layout that has one."""
    order = order_of(layout, SLOTS)
    assert order is not None
    return order


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.clause("ARENA-1")
@pytest.mark.slow
def test_every_layout_keeps_null_zero_and_the_terms(name: str) -> None:
    """A layout's order permutes the slots, keeps slots 0 and 1, and the arena means the same before and after."""

    @jax.jit
    def swizzle(arena: Arena) -> tuple[jax.Array, Arena]:
        perm = order_for(LAYOUTS[name])(arena)
        return perm, apply(arena, perm)

    for seed in range(20):
        terms = random_terms(seed)
        perm, moved = swizzle(load(terms, SLOTS))
        assert perm[:2].tolist() == [0, 1]
        assert sorted(perm.tolist()) == list(range(SLOTS))
        assert (int(moved.op[0]), int(moved.op[1])) == (NULL.code, ZERO.code)
        assert denotations(unload(moved)) == denotations(terms)


@pytest.mark.slow
def test_whole_orders_put_hot_first_and_free_last() -> None:
    """Sorting by rank leaves the ranks of the slots after NULL and ZERO in ascending order."""
    for name in ("rank", "morton", "hierarchy"):
        arena = load(random_terms(3), SLOTS)
        after = ranks(apply(arena, order_for(LAYOUTS[name])(arena)))[2:]
        assert (jnp.diff(after.astype(jnp.int32)) >= 0).all(), name


def test_block_orders_never_leave_their_block() -> None:
    """A slot stays inside its block of 8, and blocks of 8 then 32 stay inside 32."""
    arena = load(random_terms(4), SLOTS)
    slots = np.arange(SLOTS)
    assert (np.asarray(partition(8)(arena)) // 8 == slots // 8).all()
    nested = order_for(Layout(l2=8, l1=32, whole=False))(arena)
    assert (np.asarray(nested) // 32 == slots // 32).all()
    assert (np.asarray(nested) // 8 != slots // 8).any(), "the test must see a slot leave its inner block"


@pytest.mark.parametrize("size", [8, SLOTS])
def test_partition_is_a_stable_sort_by_rank(size: int) -> None:
    """Counting ranks gives the permutation that sorting by rank gives, in blocks and over the whole arena."""
    for seed in range(5):
        arena = load(random_terms(seed), SLOTS)
        assert partition(size)(arena).tolist() == sort(size, ranks)(arena).tolist()


def test_compose_is_running_one_after_the_other() -> None:
    """Applying a composition equals applying its orders in turn."""
    arena = load(random_terms(5), SLOTS)
    first, second = partition(8), partition(SLOTS)
    once = apply(arena, first(arena))
    for got, expected in zip(apply(arena, compose(first, second)(arena)), apply(once, second(once)), strict=True):
        assert got.tolist() == expected.tolist()


def test_inverse_undoes_a_permutation() -> None:
    """Going by a permutation and by its inverse is going nowhere."""
    perm = jnp.asarray(np.random.default_rng(0).permutation(SLOTS), jnp.int32)
    assert perm[inverse(perm)].tolist() == list(range(SLOTS))


def test_ranks_follow_the_table() -> None:
    """A redex is hot, an add that waits is warm, zero and suc are cold, NULL is free."""
    terms = TermGraph(
        np.array([NULL.code, ZERO.code, ADD.code, SUC.code, ADD.code], np.uint8),
        np.array([0, 0, 1, 2, 2], np.int32),
        np.array([0, 0, 1, 0, 2], np.int32),
        np.array([4], np.int32),
    )
    assert ranks(load(terms, 8)).tolist() == [
        Rank.FREE, Rank.COLD, Rank.HOT, Rank.COLD, Rank.WARM, Rank.FREE, Rank.FREE, Rank.FREE
    ]  # fmt: skip


def test_morton_interleaves_bits() -> None:
    """Bit i of x is bit 2i of the code, bit i of y is bit 2i + 1."""
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 1 << 16, (2, 50))
    expected = [
        sum((int(p) >> i & 1) << 2 * i | (int(q) >> i & 1) << 2 * i + 1 for i in range(16))
        for p, q in zip(x, y, strict=True)
    ]
    assert interleave(jnp.asarray(x), jnp.asarray(y)).tolist() == expected


def test_no_sort_is_no_order() -> None:
    """A layout that does not sort has no order to run."""
    assert order_of(Layout(sort=False), SLOTS) is None


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
def test_layouts_that_mean_nothing_are_refused(sizes: dict[str, int], message: str) -> None:
    """A layout names its mistake and the remedy."""
    with pytest.raises(UsageError, match=message):
        Layout(**sizes)
