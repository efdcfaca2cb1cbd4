"""What is kept of a kernel: plans by all that chooses blocks, programs by all that their source depends on."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

import prism.pallas
from prism.pallas import OutOfBoundsError, cache
from prism.pallas.errors import RaceError

pytestmark = pytest.mark.m6

X = np.arange(8, dtype=np.float32)


def _gather_kernel(_order_ref, x_ref, o_ref):
    o_ref[...] = x_ref[...] + 1.0


def _gather(order, x):
    """Return the blocks of `x` in the order that a prefetched operand says, plus one."""
    return pl.pallas_call(
        _gather_kernel,
        grid_spec=pltpu.PrefetchScalarGridSpec(
            num_scalar_prefetch=1,
            grid=(4,),
            in_specs=[pl.BlockSpec((2,), lambda i, order: (order[i],))],
            out_specs=pl.BlockSpec((2,), lambda i, _: (i,)),
        ),
        out_shape=jax.ShapeDtypeStruct((8,), np.float32),
    )(order, x)


ORDERS = ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [0, 0, 0, 0], [0, 1, 2, 3])


@pytest.mark.clause("PALLAS-1")
@pytest.mark.parametrize("mode", ["debug", "fast", "compiled"])
def test_other_prefetched_contents_choose_other_blocks(mode) -> None:
    """A kept plan serves only the contents that it was made for, whether its index map is affine or not."""
    prism.pallas.clear_caches()
    run = prism.pallas.run(_gather, mode=mode)
    for order in ORDERS:
        np.testing.assert_array_equal(run(np.array(order, np.int32), X), X.reshape(4, 2)[order].reshape(-1) + 1)
    with pytest.raises(OutOfBoundsError, match=r"chooses block \(4,\)"):
        run(np.array([0, 1, 2, 4], np.int32), X)


@pytest.mark.clause("PALLAS-6")
@pytest.mark.parametrize(("limit", "plans"), [(64 * 1024, 5), (8, 0)])
def test_plans_are_kept_by_the_prefetched_bytes(monkeypatch, limit, plans) -> None:
    """Equal contents share a plan; contents of one form share a program; large contents keep no plan."""
    monkeypatch.setattr(cache, "_KEY_BYTES", limit)
    prism.pallas.clear_caches()
    run = prism.pallas.run(_gather, mode="fast")
    for order in (*ORDERS, [1, 0, 3, 2]):
        np.testing.assert_array_equal(run(np.array(order, np.int32), X), X.reshape(4, 2)[order].reshape(-1) + 1)
    (entry,) = [kept[2] for kept in cache.cache._kernels.values()]
    # Three of the five contents are affine, each with slopes of its own; the other two differ in operands alone.
    assert len(entry.plans) == plans
    assert len(entry.programs) == 4


def test_only_so_many_plans_are_kept(monkeypatch) -> None:
    """The oldest plan makes room for a new one."""
    monkeypatch.setattr(cache, "_KEPT_PLANS", 2)
    prism.pallas.clear_caches()
    run = prism.pallas.run(_gather, mode="fast")
    for order in ORDERS:
        run(np.array(order, np.int32), X)
    (entry,) = [kept[2] for kept in cache.cache._kernels.values()]
    assert [key[-1] for key in entry.plans] == [np.array(order, np.int32).tobytes() for order in ORDERS[3:]]
    assert len(entry.programs) == 2


@pytest.mark.clause("PALLAS-12")
def test_prefetched_contents_that_make_a_race_are_reported_after_others_did_not() -> None:
    """A block that is returned to is a race of those contents alone."""

    def scatter(order, x):
        return pl.pallas_call(
            _gather_kernel,
            grid_spec=pltpu.PrefetchScalarGridSpec(
                num_scalar_prefetch=1,
                grid=(4,),
                in_specs=[pl.BlockSpec((2,), lambda i, _: (i,))],
                out_specs=pl.BlockSpec((2,), lambda i, order: (order[i],)),
            ),
            out_shape=jax.ShapeDtypeStruct((8,), np.float32),
        )(order, x)

    run = prism.pallas.run(scatter)
    run(np.array([0, 1, 2, 3], np.int32), X)
    with pytest.raises(RaceError, match="returns to the block"):
        run(np.array([0, 1, 0, 3], np.int32), X)
