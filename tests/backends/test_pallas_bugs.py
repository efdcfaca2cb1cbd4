"""Forty planted kernel bugs: the interpreter reports each by its kind and its source line."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

import prism.pallas
from prism.pallas import UninitializedReadError
from tests.planted import KINDS, Bug
from tests.planted.report import bug_report

pytestmark = pytest.mark.m6

BUGS = [pytest.param(bug, id=f"{kind}: {bug.name}") for kind, bugs in KINDS.items() for bug in bugs]


def test_there_are_ten_bugs_of_each_of_four_kinds() -> None:
    """The yardstick has forty different programs."""
    assert [len(bugs) for bugs in KINDS.values()] == [10] * 4
    assert len({bug.program for bugs in KINDS.values() for bug in bugs}) == 40


@pytest.mark.clause("PALLAS-13")
@pytest.mark.parametrize("mode", ["debug", "fast"])
@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_reported_at_its_line(bug: Bug, mode) -> None:
    """The report has the bug's type and names the marked line of its source."""
    report = bug_report(bug, mode)
    file, line = bug.place
    assert type(report) is bug.error
    assert report.site.file.endswith(file)
    assert report.site.line == line
    assert f"{file}:{line}" in str(report)


def test_stock_reports_none_of_a_sample() -> None:
    """Stock interpret=True runs a bug of each kind without a word, so that the yardstick measures something."""
    answers = [bugs[0].program(True) for bugs in KINDS.values()]
    assert all(jax.tree.leaves(answer) for answer in answers)


def _accumulate_unset_scratch(x_ref, o_ref, scratch_ref) -> None:
    scratch_ref[...] = scratch_ref[...] | x_ref[...] if x_ref.dtype == bool else scratch_ref[...] + x_ref[...]
    o_ref[...] = scratch_ref[...]


def _read_output_back(x_ref, o_ref, _) -> None:
    @pl.when(pl.program_id(0) == 1)
    def _store() -> None:
        o_ref[...] = x_ref[...]

    o_ref[...] = jnp.where(x_ref[...] == x_ref[0], o_ref[...], x_ref[...])


def _leave_one_block_out(x_ref, o_ref, _) -> None:
    @pl.when(pl.program_id(0) != 1)
    def _store() -> None:
        o_ref[...] = x_ref[...]


@pytest.mark.clause("PALLAS-11")
@pytest.mark.parametrize("mode", ["debug", "fast"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "int32", "int8", "uint8", "bool"])
@pytest.mark.parametrize("kernel", [_accumulate_unset_scratch, _read_output_back, _leave_one_block_out])
def test_unwritten_memory_is_reported_whatever_its_type(kernel, dtype: str, mode) -> None:
    """Scratch, outputs read back and outputs left out are found in every element type, not in floats alone."""
    block = pl.BlockSpec((4,), lambda i: (i,))
    call = pl.pallas_call(
        kernel,
        grid=(3,),
        in_specs=[block],
        out_specs=block,
        out_shape=jax.ShapeDtypeStruct((12,), dtype),
        scratch_shapes=[pltpu.VMEM((4,), dtype)],
    )
    with pytest.raises(UninitializedReadError):
        prism.pallas.run(call, mode=mode)(np.zeros(12, jnp.dtype(dtype)))


@pytest.mark.clause("PALLAS-11")
@pytest.mark.parametrize("mode", ["debug", "fast"])
@pytest.mark.parametrize("dtype", ["float32", "int32", "int8", "uint8"])
@pytest.mark.parametrize("reduce", [jnp.min, jnp.max, jnp.sum])
def test_padding_that_reaches_an_output_is_reported_whatever_its_type(reduce, dtype: str, mode) -> None:
    """A reduction over a block that reaches past its array is found for every reduction and element type."""

    def kernel(x_ref, o_ref) -> None:
        o_ref[...] = jnp.broadcast_to(reduce(x_ref[...]).astype(dtype), o_ref.shape)

    block = pl.BlockSpec((4,), lambda i: (i,))
    call = pl.pallas_call(
        kernel, grid=(2,), in_specs=[block], out_specs=block, out_shape=jax.ShapeDtypeStruct((8,), dtype)
    )
    with pytest.raises(UninitializedReadError):
        prism.pallas.run(call, mode=mode)(np.arange(1, 7, dtype=dtype))
