"""Generated source: what it looks like, what is batched, what is kept."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jax.experimental.pallas import triton as plt_triton

import prism.pallas
from prism.pallas import cache
from prism.pallas.numpy_source import layout
from tests.unit.pallas.kernels import count, double, reach_beyond, total

pytestmark = pytest.mark.m6

X = np.arange(8, dtype=np.float32)


@pytest.mark.clause("PALLAS-6")
def test_source_is_readable_and_names_the_kernels_lines(capsys) -> None:
    """One line an equation, with the kernel's file and line; it is printed and returned."""
    text = prism.pallas.source(double)(X)
    assert capsys.readouterr().out == text
    assert "def _double_kernel(m, x_ref_all, o_ref_all):" in text
    assert "# kernels.py:12" in text
    assert "c = a + b" in text
    loops = prism.pallas.source(count)(np.zeros(4, np.int32))
    assert "for a in range(4):" in loops


@pytest.mark.clause("PALLAS-6")
def test_independent_steps_become_one_array_operation() -> None:
    """No Python loop is left of a grid whose blocks are apart; steps that share a block stay a loop."""
    assert "for " not in prism.pallas.source(double)(X)
    assert "for i0 in range(4):" in prism.pallas.source(total)(X)


@pytest.mark.clause("PALLAS-6")
def test_an_axis_is_run_serially_only_if_it_must_be() -> None:
    """A condition on one grid index makes that axis a loop and leaves the other batched."""

    def kernel(x_ref, o_ref):
        o_ref[...] = x_ref[...]

        @pl.when(pl.program_id(0) == 1)
        def _later():
            o_ref[...] = -x_ref[...]

    spec = pl.BlockSpec((1, 2), lambda i, j: (i, j))
    call = pl.pallas_call(
        kernel, grid=(2, 4), in_specs=[spec], out_specs=spec, out_shape=jax.ShapeDtypeStruct((2, 8), np.float32)
    )
    text = prism.pallas.source(call)(np.stack([X, X]))
    assert "for i0 in range(2):" in text
    assert "for i1" not in text
    np.testing.assert_array_equal(prism.pallas.run(call, mode="fast")(np.stack([X, X])), np.stack([X, -X]))


@pytest.mark.clause("PALLAS-6")
def test_what_a_step_leaves_in_scratch_is_not_lost_by_batching() -> None:
    """A running sum through scratch over blocks that are apart: the batched attempt notices, the loop is right."""

    def kernel(x_ref, o_ref, sum_ref):
        @pl.when(pl.program_id(0) == 0)
        def _start():
            sum_ref[...] = jnp.zeros_like(sum_ref)

        sum_ref[...] += x_ref[...]
        o_ref[...] = sum_ref[...]

    spec = pl.BlockSpec((2,), lambda i: (i,))
    call = pl.pallas_call(
        kernel,
        grid=(4,),
        in_specs=[spec],
        out_specs=spec,
        out_shape=jax.ShapeDtypeStruct((8,), np.float32),
        scratch_shapes=[pltpu.VMEM((2,), np.float32)],
    )
    expected = np.cumsum(X.reshape(4, 2), axis=0).reshape(-1)
    for setting in ("raise", "nan"):
        run = prism.pallas.run(call, mode="fast", uninitialized=setting)
        np.testing.assert_array_equal(run(X), expected)
        np.testing.assert_array_equal(run(X), expected)


def test_a_kernel_is_prepared_once() -> None:
    """The second call of a kept function writes no source; clear_caches makes it a first call again."""
    prism.pallas.clear_caches()
    run = prism.pallas.run(double, mode="fast")
    run(X)
    (entry,) = [kept[2] for kept in cache.cache._kernels.values()]
    (planned,) = entry.plans.values()
    assert planned is not None
    variants = dict(planned.variants)
    run(X)
    assert list(entry.plans.values()) == [planned]
    assert planned.variants == variants
    prism.pallas.clear_caches()
    assert not cache.cache._kernels


@pytest.mark.clause("PALLAS-8")
@pytest.mark.parametrize("mode", ["debug", "fast"])
@pytest.mark.parametrize("order", ["sequential", "shuffled", "reversed"])
def test_the_order_of_parallel_steps_does_not_show(mode, order) -> None:
    """Outputs are equal in every order; the steps really run in it."""
    seen = []

    def kernel(x_ref, o_ref):
        o_ref[...] = x_ref[...] + pl.program_id(0).astype(jnp.float32)
        jax.debug.callback(lambda i: seen.append(int(i)), pl.program_id(0))

    spec = pl.BlockSpec((1,), lambda i: (i,))
    call = pl.pallas_call(
        kernel,
        grid=(8,),
        in_specs=[spec],
        out_specs=spec,
        out_shape=jax.ShapeDtypeStruct((8,), np.float32),
        compiler_params=pltpu.CompilerParams(dimension_semantics=("parallel",)),
    )
    result = prism.pallas.run(call, mode=mode, grid_order=order)(X)
    np.testing.assert_array_equal(result, 2 * X)
    assert sorted(seen) == list(range(8))
    assert (seen == sorted(seen)) == (order == "sequential")


@pytest.mark.clause("PALLAS-10")
@pytest.mark.parametrize("mode", ["debug", "fast", "compiled"])
def test_clamping_is_what_stock_does(mode) -> None:
    """With out_of_bounds="clamp" every mode reads the elements that fit."""
    result = prism.pallas.run(reach_beyond, mode=mode, out_of_bounds="clamp")(X)
    assert result.tolist() == [1, 2, 3, 4, 4, 5, 6, 7]


@pytest.mark.clause("PALLAS-11")
@pytest.mark.parametrize("mode", ["debug", "fast", "compiled"])
def test_an_unwritten_read_that_no_output_shows_is_no_report(mode) -> None:
    """Scratch that is read before it is written, and then masked away, is legal."""

    def kernel(x_ref, o_ref, old_ref):
        old_ref[...] = jnp.where(pl.program_id(0) == 0, x_ref[...], old_ref[...] + x_ref[...])
        o_ref[...] = old_ref[...]

    def call(x):
        return pl.pallas_call(
            kernel,
            grid=(2,),
            in_specs=[pl.BlockSpec((4,), lambda i: (i,))],
            out_specs=pl.BlockSpec((4,), lambda _: (0,)),
            out_shape=jax.ShapeDtypeStruct((4,), np.float32),
            scratch_shapes=[pltpu.VMEM((4,), np.float32)],
        )(x)

    np.testing.assert_array_equal(prism.pallas.run(call, mode=mode)(X), X[:4] + X[4:])


@pytest.mark.clause("PALLAS-16")
@pytest.mark.parametrize("mode", ["debug", "fast", "compiled"])
def test_a_value_outlives_a_store_to_the_memory_it_came_from(mode) -> None:
    """An input and its aliased output may be one memory: what was loaded before the store stays what it was."""

    def kernel(x_ref, o_ref, copy_ref):
        before = x_ref[...]
        o_ref[...] = jnp.zeros_like(before)
        copy_ref[...] = before + x_ref[...]

    shape = jax.ShapeDtypeStruct((8,), np.float32)
    call = pl.pallas_call(
        kernel, out_shape=(shape, shape), input_output_aliases={0: 0}, compiler_params=plt_triton.CompilerParams()
    )
    cleared, copied = prism.pallas.run(call, mode=mode)(X)
    assert cleared.tolist() == [0.0] * 8
    np.testing.assert_array_equal(copied, X)


@pytest.mark.clause("PALLAS-6")
def test_chunks_of_batched_steps_around_a_serial_loop(monkeypatch) -> None:
    """A product in blocks whose output axis is cut into chunks, with the summed axis as a loop inside of each."""
    monkeypatch.setattr(layout, "_CHUNK_BYTES", 3 * 4 * 4 * 4 * 2)

    def kernel(x_ref, y_ref, o_ref):
        @pl.when(pl.program_id(1) == 0)
        def _start():
            o_ref[...] = jnp.zeros_like(o_ref)

        o_ref[...] += x_ref[...] @ y_ref[...] * 1.0

    call = pl.pallas_call(
        kernel,
        grid=(5, 3),
        in_specs=[pl.BlockSpec((4, 4), lambda i, k: (i, k)), pl.BlockSpec((4, 4), lambda _, k: (k, 0))],
        out_specs=pl.BlockSpec((4, 4), lambda i, _: (i, 0)),
        out_shape=jax.ShapeDtypeStruct((20, 4), np.float32),
    )
    x, y = np.arange(240, dtype=np.float32).reshape(20, 12) % 7, np.arange(48, dtype=np.float32).reshape(12, 4) % 5
    text = prism.pallas.source(call)(x, y)
    assert "for begin in range(0, 5, 2):" in text
    assert "for i1 in range(3):" in text
    np.testing.assert_array_equal(prism.pallas.run(call, mode="fast")(x, y), x @ y)


@pytest.mark.clause("PALLAS-6")
def test_a_result_takes_the_memory_of_an_operand_that_nobody_reads_again() -> None:
    """Elementwise results are written over spent operands: not over views, stored values, or what is read later."""

    def kernel(x_ref, row_ref, o_ref, seen_ref):
        y = x_ref[...] + 1.0
        seen = y.reshape(4, 2)
        z = y * 2.0
        w = jnp.exp(z)
        total = jnp.sum(w, axis=0)
        seen_ref[...] = seen * 1.0 + total[:2]
        w = row_ref[...] - w
        o_ref[...] = jnp.maximum(3.0 * w, z)

    call = pl.pallas_call(
        kernel,
        out_shape=(jax.ShapeDtypeStruct((2, 4), np.float32), jax.ShapeDtypeStruct((4, 2), np.float32)),
    )
    x, row = X.reshape(2, 4) / 8, X[:4]
    text = prism.pallas.source(call)(x, row)
    statements = [line.split("#")[0].strip() for line in text.splitlines()]
    # The view `seen` keeps `y`, and the maximum `z`; what is subtracted is on the wrong side.
    assert statements[statements.index("d = b * 2.0") :] == [
        "d = b * 2.0",
        "e = exp(d)",
        "f = add_reduce(e, (-2,))",
        "g = c * 1.0",
        "h = f[0:2]",
        "g += h",
        "seen_ref[:, :] = g",
        "i = row_ref[:]",
        "j = i - e",
        "j *= 3.0",
        "np.maximum(j, d, out=j)",
        "o_ref[:, :] = j",
    ]
    for got, expected in zip(prism.pallas.run(call, mode="fast")(x, row), call_in_debug(call, x, row), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.clause("PALLAS-6")
def test_a_result_is_not_written_over_an_operand_of_fewer_steps() -> None:
    """Batched steps: a value that is one for all steps, or differs along another axis, is no place for the result."""

    def kernel(x_ref, y_ref, o_ref):
        same = jnp.exp(y_ref[...])
        o_ref[...] = same + x_ref[...] * 2.0

    call = pl.pallas_call(
        kernel,
        grid=(2, 3),
        in_specs=[pl.BlockSpec((1, 4), lambda i, _: (i, 0)), pl.BlockSpec((1, 4), lambda _, j: (j, 0))],
        out_specs=pl.BlockSpec((1, 4), lambda i, j: (i, j)),
        out_shape=jax.ShapeDtypeStruct((2, 12), np.float32),
    )
    x, y = X.reshape(2, 4), np.arange(12, dtype=np.float32).reshape(3, 4) / 12
    assert "i0" not in prism.pallas.source(call)(x, y)
    np.testing.assert_array_equal(prism.pallas.run(call, mode="fast")(x, y), call_in_debug(call, x, y))


@pytest.mark.clause("PALLAS-6")
@pytest.mark.parametrize("count", [0, 2])
def test_a_result_is_not_written_over_what_a_loop_may_have_left_alone(count) -> None:
    """What a batched loop carries has one row a step only if the loop ran."""

    def kernel(count_ref, x_ref, o_ref):
        total = jax.lax.fori_loop(0, count_ref[0], lambda _, t: t + x_ref[...], jnp.zeros((1, 4), jnp.float32))
        o_ref[...] = total * 2.0 + x_ref[...]

    spec = pl.BlockSpec((1, 4), lambda i: (i, 0))
    call = pl.pallas_call(
        kernel,
        grid=(2,),
        in_specs=[pl.BlockSpec((1,), lambda _: (0,)), spec],
        out_specs=spec,
        out_shape=jax.ShapeDtypeStruct((2, 4), np.float32),
    )
    args = np.array([count], np.int32), X.reshape(2, 4)
    assert "i0" not in prism.pallas.source(call)(*args)
    np.testing.assert_array_equal(prism.pallas.run(call, mode="fast")(*args), args[1] * (2 * count + 1))


@pytest.mark.clause("PALLAS-6")
def test_what_a_block_of_statements_wrote_or_checked_is_not_checked_again() -> None:
    """A store in a branch says nothing about what follows it, a whole store everything; a row of one row is whole."""

    def kernel(x_ref, o_ref, maybe_ref, row_ref):
        step = pl.program_id(0)

        @pl.when(step == 0)
        def _first():
            maybe_ref[...] = x_ref[...]
            maybe_ref[...] += 1.0
            row_ref[0, :] = x_ref[...]

        row_ref[0, :] = x_ref[...] + maybe_ref[...]

        @pl.when(step > 0)
        def _later():
            maybe_ref[...] += row_ref[0, :]

        o_ref[...] = maybe_ref[...] + row_ref[0, 0:2]

    call = pl.pallas_call(
        kernel,
        grid=(3,),
        in_specs=[pl.BlockSpec((2,), lambda i: (i,))],
        out_specs=pl.BlockSpec((2,), lambda i: (i,)),
        out_shape=jax.ShapeDtypeStruct((6,), np.float32),
        scratch_shapes=[pltpu.VMEM((2,), np.float32), pltpu.VMEM((1, 2), np.float32)],
    )
    x = np.arange(6, dtype=np.float32)
    text = prism.pallas.source(call)(x)
    assert [line.split(":")[0].strip() for line in text.splitlines() if "unsure" in line] == ["if not maybe_ref_set"]
    assert text.count("row_ref_set = True") == 2
    assert "done" not in text
    results = [prism.pallas.run(call, mode=mode)(x) for mode in ("fast", "debug")]
    np.testing.assert_array_equal(*results)


def call_in_debug(call, *args):
    """Return what debug mode computes."""
    return prism.pallas.run(call, mode="debug")(*args)
