"""Races beyond two plain stores: reads of what another step writes, and atomics beside plain accesses."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jax.experimental.pallas import triton as plgpu

import prism.pallas
from prism.pallas import RaceError

pytestmark = [pytest.mark.m6, pytest.mark.clause("PALLAS-12")]

BOTH = pytest.mark.parametrize("mode", ["debug", "fast"])
GPU = plgpu.CompilerParams(num_warps=1)
TPU = pltpu.CompilerParams(dimension_semantics=("parallel",))
X = np.arange(4, dtype=np.float32)


def _call(kernel, params, *, source=None, alias=True):
    """Return a call of four steps from four numbers to four, in one memory if `alias`."""
    whole = pl.BlockSpec((4,), lambda _: (0,))
    return pl.pallas_call(
        kernel,
        grid=(4,),
        in_specs=[source or whole],
        out_specs=whole if source is None else pl.BlockSpec((1,), lambda i: (i,)),
        out_shape=jax.ShapeDtypeStruct((4,), np.float32),
        input_output_aliases={0: 0} if alias else {},
        compiler_params=params,
    )


def _takes_the_next(x_ref, o_ref):
    i = pl.program_id(0)
    o_ref[i] = x_ref[(i + 1) % 4]


def _adds_the_last(x_ref, o_ref):
    i = pl.program_id(0)
    o_ref[i] = x_ref[i]

    @pl.when(i > 0)
    def _add():
        o_ref[i] += o_ref[i - 1]


def _clears_then_adds(x_ref, o_ref):
    @pl.when(pl.program_id(0) == 0)
    def _clear():
        o_ref[...] = jnp.zeros_like(o_ref)

    plgpu.atomic_add(o_ref, (0,), x_ref[pl.program_id(0)])


def _divides_a_sum(_, o_ref):
    i = pl.program_id(0)
    plgpu.atomic_add(o_ref, (0,), 1.0)

    @pl.when(i == 3)
    def _divide():
        o_ref[0] = o_ref[0] / 4


@BOTH
@pytest.mark.parametrize(
    ("kernel", "alias", "message"),
    [
        (
            _takes_the_next,
            True,
            r"step \(1,\) writes element \(1,\) of o_ref, which \(0,\) reads, and may run",
        ),
        (
            _adds_the_last,
            False,
            r"step \(1,\) reads element \(0,\) of o_ref, which \(0,\) writes, and may run",
        ),
        (_clears_then_adds, False, r"step \(1,\) updates element \(0,\) of o_ref, which \(0,\) writes, and may"),
        (_divides_a_sum, True, r"step \(3,\) writes element \(0,\) of o_ref, which \(0,\) updates, and may"),
    ],
)
def test_a_parallel_step_that_meets_anothers_store_is_reported(kernel, alias, message, mode) -> None:
    """Whichever comes first in the run, through one name of a memory or two, plain or atomic."""
    with pytest.raises(RaceError, match=message):
        prism.pallas.run(_call(kernel, GPU, alias=alias), mode=mode)(X)


@BOTH
def test_an_accumulation_is_told_by_its_stores(mode) -> None:
    """A step that loads what another stored and stores there too is reported at the store."""

    def kernel(x_ref, o_ref):
        total = o_ref[0]
        o_ref[0] = total + x_ref[pl.program_id(0) + 1]

    with pytest.raises(RaceError, match=r"\(0,\) and \(1,\) both write element \(0,\) of o_ref, and may run") as caught:
        prism.pallas.run(_call(kernel, GPU), mode=mode)(X)
    assert caught.value.site.line == kernel.__code__.co_firstlineno + 2


@BOTH
def test_steps_that_keep_to_their_own_elements_do_not_race(mode) -> None:
    """Reads of one's own elements, in place, and masked lanes that touch nothing, are no race."""

    def kernel(x_ref, o_ref):
        i = pl.program_id(0)
        at = i + jnp.arange(2)
        o_ref[i] = x_ref[i] + 1
        o_ref[i] += jnp.sum(plgpu.load(o_ref.at[at], mask=at == i, other=0.0))

    np.testing.assert_array_equal(prism.pallas.run(_call(kernel, GPU), mode=mode)(X), 2 * (X + 1))


@BOTH
def test_an_aliased_block_of_another_step_must_not_be_read(mode) -> None:
    """The input's blocks are the output's on a device, though each has its own copy here; one's own may be read."""

    def kernel(x_ref, o_ref):
        o_ref[...] = x_ref[...] * 2

    next_block, own_block = pl.BlockSpec((1,), lambda i: ((i + 1) % 4,)), pl.BlockSpec((1,), lambda i: (i,))
    with pytest.raises(RaceError, match=r"step \(1,\) writes element \(1,\) of o_ref, which \(0,\) reads") as caught:
        prism.pallas.run(_call(kernel, TPU, source=next_block), mode=mode)(X)
    assert "the index map at " in str(caught.value)
    np.testing.assert_array_equal(prism.pallas.run(_call(kernel, TPU, source=own_block), mode=mode)(X), X * 2)
