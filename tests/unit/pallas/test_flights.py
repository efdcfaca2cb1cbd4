"""Copies that land late: what moves when, what sums prove, what is left, and runs that repeat."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

import prism.pallas
from prism.errors import UsageError
from prism.pallas import InterpretParams, RaceError, SemaphoreError
from prism.pallas.errors import UNKNOWN_SITE
from prism.pallas.flights import Flight, Flights

pytestmark = [pytest.mark.m6, pytest.mark.clause("PALLAS-18")]
X = np.arange(16 * 128, dtype=np.float32).reshape(16, 128)
SEM = pltpu.SemaphoreType.DMA


def _starts(policy, seed, copies=6):
    """Return the order in which copies of one byte land, and what each of as many waits proves."""
    flights, landed = Flights(policy, seed), []
    for k in range(copies):
        flights.start(0, "sem", Flight((0, k), 1, UNKNOWN_SITE, lambda k=k: landed.append(k)))
    early = len(landed)
    proved = []
    for k in range(copies):
        assert flights.arrive(0, lambda k=k: len(landed) > k)
        proved.append(flights.waited(0, 1))
    return landed, early, proved


def test_the_last_copy_lands_first_or_as_the_seed_draws() -> None:
    """Eager copies land at their start, late ones at waits; the same seed gives the same order."""
    assert _starts("eager", 0)[:2] == ([0, 1, 2, 3, 4, 5], 6)
    assert _starts("on_wait", 0)[:2] == ([5, 4, 3, 2, 1, 0], 0)
    orders = [_starts("random", seed)[:2] for seed in range(8)]
    assert orders == [_starts("random", seed)[:2] for seed in range(8)]
    assert len({tuple(order) for order, _ in orders}) > 4


@pytest.mark.parametrize("policy", ["eager", "on_wait", "random"])
def test_only_the_whole_sum_proves_anything(policy) -> None:
    """Of six copies on one semaphore, five waits prove none, and the sixth all; whenever they landed."""
    proved = _starts(policy, 3)[2]
    assert proved == [[], [], [], [], [], [(0, k) for k in range(6)]]


def _reads_early(x):
    def kernel(x_ref, o_ref, a_ref, sem):
        a_ref[...] = jnp.zeros_like(a_ref)
        one = pltpu.make_async_copy(x_ref, a_ref, sem)
        one.start()
        o_ref[...] = a_ref[...]
        one.wait()

    main = pl.BlockSpec(memory_space=pl.ANY)
    scratch = [pltpu.VMEM(x.shape, x.dtype), SEM]
    return pl.pallas_call(kernel, in_specs=[main], out_shape=jax.typeof(x), scratch_shapes=scratch)(x)


def test_without_the_check_the_late_bytes_show() -> None:
    """With races off, what is read too early is what the memory held before."""
    x = jnp.asarray(X)
    with prism.pallas.interpret(races="off"):
        assert np.array_equal(_reads_early(x), X)
    with prism.pallas.interpret(races="off", dma="on_wait"):
        assert not np.asarray(_reads_early(x)).any()
    with (
        prism.pallas.interpret(dma="on_wait"),
        pytest.raises(RaceError, match="wait for the copy before, on a semaphore"),
    ):
        _reads_early(x)


def test_a_wait_by_another_view_of_as_many_bytes() -> None:
    """A semaphore counts bytes: sixteen rows of half the width are as good as eight."""

    def kernel(x_ref, o_ref, a_ref, b_ref, sem):
        pltpu.make_async_copy(x_ref.at[pl.ds(0, 8)], a_ref, sem).start()
        pltpu.make_async_copy(b_ref, b_ref, sem).wait()
        o_ref[...] = a_ref[...]

    main = pl.BlockSpec(memory_space=pl.ANY)
    scratch = [pltpu.VMEM((8, 128), jnp.float32), pltpu.VMEM((16, 128), jnp.bfloat16), SEM]
    out = jax.ShapeDtypeStruct((8, 128), jnp.float32)
    call = pl.pallas_call(kernel, in_specs=[main], out_shape=out, scratch_shapes=scratch)
    for policy in ("eager", "on_wait", "random"):
        with prism.pallas.interpret(dma=policy):
            assert np.array_equal(call(X), X[:8])


def test_what_is_left_is_told_with_its_count() -> None:
    """The report says how many bytes, that nobody waited, and what to do."""

    def kernel(x_ref, o_ref, a_ref, sem):
        pltpu.make_async_copy(x_ref, a_ref, sem).start()
        o_ref[...] = jnp.zeros_like(o_ref)

    main = pl.BlockSpec(memory_space=pl.ANY)
    scratch = [pltpu.VMEM(X.shape, jnp.float32), SEM]
    call = pl.pallas_call(kernel, in_specs=[main], out_shape=jax.typeof(X), scratch_shapes=scratch)
    words = r"sem still counts 8192 bytes, of this copy or of later ones when its life ends: nobody waited for them"
    with prism.pallas.interpret(dma="on_wait"), pytest.raises(SemaphoreError, match=words) as caught:
        call(X)
    assert "wait for every copy that is started" in str(caught.value)


def test_when_copies_land_is_one_of_three_words() -> None:
    """Another word is refused by name."""
    with pytest.raises(
        UsageError, match=r"InterpretParams\.dma must be one of \('eager', 'on_wait', 'random'\), got 'late'"
    ):
        InterpretParams(dma="late")  # type: ignore[arg-type]
