"""Sums of floats: one order of addition, in NumPy's forms and in loops, whatever the memory looks like."""

from __future__ import annotations

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.experimental import pallas as pl

import prism.pallas
from prism.codegen.sums import LANES
from prism.pallas.sums import add_reduce
from tests.pallas_loops import python_loops

pytestmark = [pytest.mark.m6, pytest.mark.clause("PALLAS-4")]


def _in_lanes(rows: list[list[float]]) -> float:
    """Sum rows along memory as the clause says, in Python's floats."""
    lanes = min(len(rows[0]), LANES)
    full = len(rows[0]) // lanes * lanes
    total = [0.0] * lanes
    for part in (slice(0, full), slice(full, None)):
        for row in rows:
            for k, element in enumerate(row[part]):
                total[k % lanes] += element
    while len(total) > 1:
        half = 1 << (len(total) - 1).bit_length() - 1
        total = [x + (total[k + half] if k + half < len(total) else 0.0) for k, x in enumerate(total[:half])]
    return total[0]


def _sum(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Sum over axes by the clause, one result after the other."""
    kept = [k for k in range(x.ndim) if k not in axes]
    ordered = x.astype(np.float64).transpose([*kept, *axes])
    last = max((k for k, n in enumerate(x.shape) if n != 1), default=None)
    out = np.empty([x.shape[k] for k in kept], x.dtype)
    for index in itertools.product(*(range(n) for n in out.shape)):
        elements = ordered[index]
        if last in axes:
            out[index] = _in_lanes(elements.reshape(-1, x.shape[last]).tolist())
        else:
            total = 0.0
            for element in elements.reshape(-1).tolist():
                total += element
            out[index] = total
    return out


@settings(max_examples=60)
@given(st.data())
def test_a_sum_is_what_the_clause_says(data: st.DataObject) -> None:
    """Any shape, axes, type and memory order give the bits of the one order of addition."""
    sizes = st.lists(st.sampled_from([1, 2, 3, 5, 63, 64, 65, 130]), min_size=1, max_size=3)
    shape = tuple(data.draw(sizes.filter(lambda drawn: math.prod(drawn) <= 10_000)))
    axes = tuple(sorted(data.draw(st.sets(st.integers(0, len(shape) - 1)))))
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    order = data.draw(st.permutations(range(len(shape))))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    scale = 10.0 ** rng.integers(-6, 7, shape)
    x = np.ascontiguousarray((rng.standard_normal(shape) * scale).astype(dtype).transpose(order)).transpose(
        np.argsort(order)
    )
    assert x.shape == shape
    np.testing.assert_array_equal(add_reduce(x, tuple(axis - len(shape) for axis in axes)), _sum(x, axes))


def test_a_sum_of_nothing_is_zero() -> None:
    """An empty sum is 0 in the type of its elements, and a sum of negative zeros is 0 too."""
    assert add_reduce(np.empty((0, 3), np.float32), (-2,)).tolist() == [0.0, 0.0, 0.0]
    assert not np.signbit(add_reduce(np.full((3,), -0.0, np.float32), (-1,)))


@pytest.mark.clause("PALLAS-1")
@pytest.mark.parametrize("shape", [(3, 130), (2, 64), (5, 7), (4, 1, 9), (70, 1), (1, 1), (2, 3, 65)])
@pytest.mark.parametrize("axes", [(0,), (-1,), (0, -1), (0, 1)])
def test_loops_add_in_the_same_order(shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
    """The text of generated loops adds what NumPy's form adds, in its order."""
    axes = tuple(sorted({axis % len(shape) for axis in axes}))

    def kernel(x_ref, o_ref) -> None:
        o_ref[...] = jnp.sum(x_ref[...], axis=axes, keepdims=True)

    out = jax.ShapeDtypeStruct([1 if k in axes else n for k, n in enumerate(shape)], np.float32)
    rng = np.random.default_rng(0)
    x = (rng.standard_normal(shape) * 10.0 ** rng.integers(-6, 7, shape)).astype(np.float32)
    call = pl.pallas_call(kernel, out_shape=out)
    with python_loops() as evaluations:
        loops = prism.pallas.run(call, mode="compiled")(x)
        assert evaluations.outcomes == [0]
    np.testing.assert_array_equal(loops, prism.pallas.run(call, mode="debug")(x))
    np.testing.assert_array_equal(np.asarray(loops), _sum(x, axes).reshape(out.shape))
