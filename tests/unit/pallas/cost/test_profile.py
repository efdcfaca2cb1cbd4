"""What kernels cost, against counts by hand: operations, moves of blocks, bytes by memory, and time on a roofline."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

import prism.pallas
from prism.pallas.chip.table import CHIPS

pytestmark = [pytest.mark.m6, pytest.mark.clause("CHIP-5")]
ROWS = pl.BlockSpec((8, 128), lambda i: (i, 0))
TILE = 8 * 128


def _profile(kernel, *operands, out, **named):
    """Return the profile of one call."""
    call = pl.pallas_call(kernel, out_shape=out, **named)
    (one,) = prism.pallas.profile(call)(*operands).kernels
    return one


def _like(*shape, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(shape, dtype)


def _moves(one):
    return {t.name: (t.fetches, t.refetches, t.bytes) for t in one.traffic}


def test_addition() -> None:
    """32 rows in four blocks: an addition an element, and each block moved once."""

    def kernel(x_ref, y_ref, o_ref):
        o_ref[...] = x_ref[...] + y_ref[...]

    x = np.ones((32, 128), np.float32)
    one = _profile(kernel, x, x, out=_like(32, 128), grid=(4,), in_specs=[ROWS, ROWS], out_specs=ROWS)
    assert (one.steps, one.flops, one.operations.arithmetic) == (4, 4 * TILE, 4 * TILE)
    assert _moves(one) == dict.fromkeys(("x_ref", "y_ref", "o_ref"), (4, 0, 4 * TILE * 4))
    assert one.hbm_bytes == 3 * 4 * TILE * 4
    assert one.operations.accessed == {"vmem": 3 * 4 * TILE * 4}
    assert one.vmem_high_water == 3 * 2 * TILE * 4
    assert one.roofline_s == one.memory_s == one.hbm_bytes / CHIPS["v5e"].bandwidth


def test_a_matrix_product_over_three_axes() -> None:
    """Operands are fetched again for each other block of the result; the result stays while it is added to."""

    def kernel(x_ref, y_ref, o_ref):
        @pl.when(pl.program_id(2) == 0)
        def _():
            o_ref[...] = jnp.zeros_like(o_ref)

        o_ref[...] += jnp.dot(x_ref[...], y_ref[...], preferred_element_type=jnp.float32)

    x = np.ones((256, 256), jnp.bfloat16)
    one = _profile(
        kernel,
        x,
        x,
        out=_like(256, 256),
        grid=(2, 2, 2),
        in_specs=[
            pl.BlockSpec((128, 128), lambda i, _, k: (i, k)),
            pl.BlockSpec((128, 128), lambda _, j, k: (k, j)),
        ],
        out_specs=pl.BlockSpec((128, 128), lambda i, j, _: (i, j)),
    )
    block = 128 * 128
    assert one.operations.dots == {"bfloat16": 8 * 2 * 128 * block}
    assert one.flops == 8 * (2 * 128 + 1) * block
    assert _moves(one) == {"x_ref": (8, 4, 16 * block), "y_ref": (8, 4, 16 * block), "o_ref": (4, 0, 16 * block)}
    chip = CHIPS["v5e"]
    assert one.compute_s == pytest.approx(one.flops / chip.bf16_ops)
    assert one.memory_s == pytest.approx(48 * block / chip.bandwidth)
    assert one.intensity == pytest.approx(8 * 257 / 48)


def test_softmax() -> None:
    """Folds of n elements are n - 1 operations; an elementary function is one, and is counted apart."""

    def kernel(x_ref, o_ref):
        x = x_ref[...]
        e = jnp.exp(x - jnp.max(x, axis=1, keepdims=True))
        o_ref[...] = e / jnp.sum(e, axis=1, keepdims=True)

    one = _profile(kernel, np.ones((8, 128), np.float32), out=_like(8, 128))
    assert one.operations.functions == TILE
    assert one.operations.arithmetic == 2 * 8 * 127 + 2 * TILE


def test_a_block_that_does_not_change_is_fetched_once() -> None:
    """Weights of a constant index map move once, and have one buffer."""

    def kernel(x_ref, w_ref, o_ref):
        o_ref[...] = x_ref[...] * w_ref[...]

    whole = pl.BlockSpec((8, 128), lambda _: (0, 0))
    x, w = np.ones((40, 128), np.float32), np.ones((8, 128), np.float32)
    one = _profile(kernel, x, w, out=_like(40, 128), grid=(5,), in_specs=[ROWS, whole], out_specs=ROWS)
    assert _moves(one)["w_ref"] == (1, 0, TILE * 4)
    assert one.vmem_high_water == (2 + 1 + 2) * TILE * 4


def test_a_block_that_comes_back_is_fetched_again() -> None:
    """Blocks 0, 1, 0, 1: four moves of two blocks."""

    def kernel(x_ref, o_ref):
        o_ref[...] = -x_ref[...]

    turns = pl.BlockSpec((8, 128), lambda i: (i % 2, 0))
    one = _profile(
        kernel, np.ones((16, 128), np.float32), out=_like(32, 128), grid=(4,), in_specs=[turns], out_specs=ROWS
    )
    assert _moves(one)["x_ref"] == (4, 2, 4 * TILE * 4)


def test_loops_and_branches_count_as_often_as_they_run() -> None:
    """Seven additions in a loop; one product in the first of three steps; halvings until a value is small."""

    def kernel(x_ref, o_ref):
        o_ref[...] = lax.fori_loop(0, 7, lambda _, x: x + 1.0, x_ref[...])

        @pl.when(pl.program_id(0) == 0)
        def _():
            o_ref[...] = o_ref[...] * 3.0

        small = lax.while_loop(lambda y: y > 1.0, lambda y: y * 0.5, jnp.float32(16))
        o_ref[...] = o_ref[...] - small

    x = np.ones((24, 128), np.float32)
    one = _profile(kernel, x, out=_like(24, 128), grid=(3,), in_specs=[ROWS], out_specs=ROWS)
    assert one.flops == 3 * 7 * TILE + TILE + 3 * 4 + 3 * TILE


def test_copies_by_hand() -> None:
    """What a kernel copies itself is counted by the pair of memories; main memory is not pipelined."""

    def kernel(x_ref, o_ref, buffer, sem):
        def chunk(k, _):
            copy = pltpu.make_async_copy(x_ref.at[pl.ds(k * 8, 8)], buffer, sem)
            copy.start()
            copy.wait()
            o_ref[...] += buffer[...]
            return 0

        o_ref[...] = jnp.zeros_like(o_ref)
        lax.fori_loop(0, 4, chunk, 0)

    one = _profile(
        kernel,
        np.ones((32, 128), np.float32),
        out=_like(8, 128),
        in_specs=[pl.BlockSpec(memory_space=pl.ANY)],
        scratch_shapes=[pltpu.VMEM((8, 128), jnp.float32), pltpu.SemaphoreType.DMA],
    )
    assert one.operations.copied == {("hbm", "vmem"): 4 * TILE * 4}
    assert _moves(one) == {"x_ref": (0, 0, 0), "o_ref": (1, 0, TILE * 4)}
    assert one.hbm_bytes == 5 * TILE * 4
    assert one.flops == 4 * TILE


def test_a_prefetched_table_chooses_blocks() -> None:
    """Blocks 2, 2, 0, 1: three moves; the table itself moves once, into scalar memory."""

    def kernel(_, x_ref, o_ref):
        o_ref[...] = x_ref[...] + 1.0

    chosen = pl.BlockSpec((8, 128), lambda i, table: (table[i], 0))
    out = pl.BlockSpec((8, 128), lambda i, _: (i, 0))
    grid = pltpu.PrefetchScalarGridSpec(num_scalar_prefetch=1, grid=(4,), in_specs=[chosen], out_specs=out)
    table = np.array([2, 2, 0, 1], np.int32)
    one = _profile(kernel, table, np.ones((24, 128), np.float32), out=_like(32, 128), grid_spec=grid)
    assert _moves(one) == {"x_ref": (3, 0, 3 * TILE * 4), "o_ref": (4, 0, 4 * TILE * 4)}
    assert one.hbm_bytes == 7 * TILE * 4 + 16


def test_a_block_beyond_the_end_moves_what_is_there() -> None:
    """20 rows in blocks of 8: the last block has four rows to move, though all eight are computed."""

    def kernel(x_ref, o_ref):
        o_ref[...] = x_ref[...] * x_ref[...]

    one = _profile(
        kernel, np.ones((20, 128), np.float32), out=_like(20, 128), grid=(3,), in_specs=[ROWS], out_specs=ROWS
    )
    assert _moves(one) == dict.fromkeys(("x_ref", "o_ref"), (3, 0, 20 * 128 * 4))
    assert one.flops == 3 * TILE


def test_narrow_dots_have_their_own_rate() -> None:
    """A dot of int8 is bound by the chip's rate for int8."""

    def kernel(x_ref, o_ref):
        o_ref[...] = jnp.dot(x_ref[...], x_ref[...], preferred_element_type=jnp.int32)

    one = _profile(kernel, np.ones((128, 128), np.int8), out=_like(128, 128, dtype=jnp.int32))
    assert one.operations.dots == {"int8": 2 * 128**3}
    assert one.compute_s == pytest.approx(2 * 128**3 / CHIPS["v5e"].int8_ops)


def test_powers_and_running_sums() -> None:
    """X ** 10 is four products; a running sum of n is n - 1 additions a line; integers are no floats."""

    def kernel(x_ref, o_ref):
        o_ref[...] = jnp.cumsum(x_ref[...] ** 10, axis=1) + (jnp.arange(128) * 2).astype(jnp.float32)

    one = _profile(kernel, np.ones((8, 128), np.float32), out=_like(8, 128))
    assert one.operations.arithmetic == 4 * TILE + 8 * 127 + TILE


def test_cores_share_the_work_where_an_axis_is_parallel() -> None:
    """A v5p is two cores; one that runs steps in order uses one of them."""

    def kernel(x_ref, o_ref):
        o_ref[...] = -x_ref[...]

    def call(x, semantics):
        params = pltpu.CompilerParams(dimension_semantics=(semantics,))
        named = {"grid": (4,), "in_specs": [ROWS], "out_specs": ROWS, "compiler_params": params}
        return pl.pallas_call(kernel, out_shape=_like(32, 128), **named)(x)

    x = np.ones((32, 128), np.float32)
    both, single = (
        prism.pallas.profile(lambda x, how=how: call(x, how), chip="v5p")(x) for how in ("parallel", "arbitrary")
    )
    assert both.roofline_s == single.roofline_s / 2


def test_the_table_and_the_plot(tmp_path) -> None:
    """The table names kernel, chip, bound and operands; the plot is a picture that matplotlib writes."""

    def kernel(x_ref, o_ref):
        o_ref[...] = x_ref[...] + 1.0

    def twice(x):
        call = pl.pallas_call(kernel, grid=(4,), in_specs=[ROWS], out_specs=ROWS, out_shape=_like(32, 128))
        return call(call(x))

    profile = prism.pallas.profile(twice, chip="v6e")(np.ones((32, 128), np.float32))
    text = str(profile)
    assert text.count("kernel kernel of") == 2
    assert "grid (4,), 4 steps, on v6e" in text
    assert "bound by main memory" in text
    assert "VMEM         16,384 of 33,554,432 bytes at once" in text
    assert "x_ref    8x128 in                 4         0           16,384" in text
    pytest.importorskip("matplotlib")
    assert profile.plot(tmp_path / "roofline.png").read_bytes().startswith(b"\x89PNG")
