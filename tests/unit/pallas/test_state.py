"""Copies, semaphores, scoped memory, core maps and atomics."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jax.experimental.pallas import triton

import prism.pallas
from prism.pallas import DeadlockError, UnsupportedError

pytestmark = pytest.mark.m6

X = np.arange(16, dtype=np.float32).reshape(2, 8)
SHAPE = jax.ShapeDtypeStruct(X.shape, X.dtype)
MODES = pytest.mark.parametrize("mode", ["debug", "fast"])


def _call(kernel, *args, mode, **options):
    return prism.pallas.run(pl.pallas_call(kernel, out_shape=SHAPE, **options), mode=mode)(*args)


@MODES
@pytest.mark.clause("PALLAS-15")
def test_a_local_copy_moves_the_elements_and_signals(mode) -> None:
    """The semaphore counts what was copied, and the wait takes it back."""

    def kernel(x_ref, o_ref, copy_ref, done):
        copy = pltpu.make_async_copy(x_ref, copy_ref, done)
        copy.start()
        copy.wait()
        o_ref[...] = copy_ref[...] * 2

    result = _call(
        kernel,
        X,
        mode=mode,
        in_specs=[pl.BlockSpec(memory_space=pl.ANY)],
        scratch_shapes=[pltpu.VMEM(X.shape, X.dtype), pltpu.SemaphoreType.DMA],
    )
    np.testing.assert_array_equal(result, 2 * X)


@MODES
@pytest.mark.clause("PALLAS-15")
def test_a_wait_that_nobody_answers_is_a_deadlock(mode) -> None:
    """The report names the semaphore, what it holds and what is waited for."""

    def kernel(x_ref, o_ref, ready):
        pl.semaphore_signal(ready, 2)
        pl.semaphore_wait(ready, 1)
        o_ref[...] = x_ref[...] + pl.semaphore_read(ready).astype(jnp.float32)
        pl.semaphore_wait(ready, 3)

    with pytest.raises(DeadlockError, match="ready holds 1 and a signal of 3 is waited for: it never comes"):
        _call(kernel, X, mode=mode, scratch_shapes=[pltpu.SemaphoreType.REGULAR])


@pytest.mark.clause("PALLAS-15")
def test_another_device_is_unsupported() -> None:
    """A remote signal is refused with its line, not ignored."""

    def kernel(x_ref, o_ref, ready):
        pl.semaphore_signal(ready, 1, device_id=(1,))
        o_ref[...] = x_ref[...]

    with pytest.raises(
        UnsupportedError,
        match=r"test_state\.py:\d+ .*no rule for an access to another device's memory\n.*issue tracker",
    ):
        _call(kernel, X, mode="debug", scratch_shapes=[pltpu.SemaphoreType.REGULAR])


@MODES
def test_scoped_memory(mode) -> None:
    """`run_scoped` hands out memory that nobody wrote, for its body alone."""

    def kernel(x_ref, o_ref):
        def body(half_ref):
            half_ref[...] = x_ref[...] / 2
            o_ref[...] = half_ref[...] + 1

        pl.run_scoped(body, pltpu.VMEM(X.shape, X.dtype))

    np.testing.assert_array_equal(_call(kernel, X, mode=mode), X / 2 + 1)


@pytest.mark.filterwarnings("ignore:.*is deprecated, use:DeprecationWarning")
@MODES
def test_a_core_map_sees_main_memory(mode) -> None:
    """`pl.kernel` and `pl.core_map` run on one core."""
    mesh = pltpu.create_tensorcore_mesh("core", num_cores=1)
    kernel = pl.kernel(lambda x_ref, o_ref: pltpu.sync_copy(x_ref, o_ref), out_type=SHAPE, mesh=mesh)

    def mapped(x):
        def body(refs):
            pl.core_map(mesh)(lambda: pltpu.sync_copy(*refs))

        return pl.run_state(body)((x, jnp.zeros_like(x)))[1]

    with prism.pallas.interpret(mode=mode):
        np.testing.assert_array_equal(kernel(X), X)
        np.testing.assert_array_equal(jax.jit(mapped)(X), X)


@MODES
def test_atomics_and_masked_accesses(mode) -> None:
    """Each atomic combines and returns the old value; masked lanes are left alone."""

    def kernel(x_ref, _, o_ref):
        lanes = jnp.arange(8)
        mask = lanes < 5
        row = triton.load(x_ref.at[0, pl.ds(0, 8)], mask=mask, other=-1.0)
        triton.atomic_max(o_ref, (0, 0), 7.0)
        triton.atomic_add(o_ref, (0, pl.ds(0, 8)), row)
        old = triton.atomic_xchg(o_ref, (1, 1), 4.0)
        o_ref[1, 2] = old
        triton.store(o_ref.at[1, pl.ds(0, 8)], row, mask=lanes == 6)

    result = _call(kernel, X, np.ones_like(X), mode=mode, input_output_aliases={1: 0})
    assert result[0].tolist() == [7, 2, 3, 4, 5, 0, 0, 0]
    assert result[1].tolist() == [1, 4, 1, 1, 1, 1, -1, 1]


@MODES
def test_debug_print(mode, capsys) -> None:
    """Values are printed when the step runs."""

    def kernel(x_ref, o_ref):
        pl.debug_print("step {} has {}", pl.program_id(0), x_ref[0, 1])
        o_ref[...] = x_ref[...]

    _call(kernel, X, mode=mode, grid=(2,))
    assert capsys.readouterr().out == "step 0 has 1.0\nstep 1 has 1.0\n"


@MODES
def test_a_whole_reference_is_printed_by_what_it_holds(mode, capsys) -> None:
    """A print of a reference shows its elements at that point."""

    def kernel(x_ref, o_ref):
        jax.debug.print("first {}", x_ref)
        o_ref[...] = x_ref[...] + 1
        jax.debug.print("then {}", o_ref)

    _call(kernel, X, mode=mode)
    assert capsys.readouterr().out == f"first {X}\nthen {X + 1}\n"


@MODES
@pytest.mark.clause("PALLAS-5")
def test_prefetched_scalars_choose_blocks_and_bounds_may_be_dynamic(mode) -> None:
    """An index map reads prefetched memory; the grid's extent is an operand."""

    def kernel(order_ref, x_ref, o_ref):
        o_ref[...] = x_ref[...] + order_ref[pl.program_id(0)].astype(jnp.float32)

    def call(bound, order, x):
        grid_spec = pltpu.PrefetchScalarGridSpec(
            num_scalar_prefetch=1,
            grid=(bound,),
            in_specs=[pl.BlockSpec((1, 8), lambda i, order: (order[i], 0))],
            out_specs=pl.BlockSpec((1, 8), lambda i, _: (i, 0)),
        )
        return pl.pallas_call(kernel, grid_spec=grid_spec, out_shape=SHAPE)(order, x)

    order = np.array([1, 0], np.int32)
    result = prism.pallas.run(call, mode=mode)(np.int32(2), order, X)
    np.testing.assert_array_equal(result, X[::-1] + order[:, None])
