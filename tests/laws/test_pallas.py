"""All modes of the Pallas interpreter, and stock interpret mode, agree on random kernels."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from hypothesis import given, settings

import prism.pallas
from tests.pallas_kernels import kernels

pytestmark = pytest.mark.m6


def _agree(mine, theirs) -> None:
    for a, b in zip(jax.tree.leaves(mine), jax.tree.leaves(theirs), strict=True):
        assert (np.asarray(a).dtype, np.shape(a)) == (np.asarray(b).dtype, np.shape(b))
        np.testing.assert_allclose(np.asarray(a, np.float64), np.asarray(b, np.float64), rtol=1e-4, atol=1e-4)


@pytest.mark.clause("PALLAS-1")
@settings(max_examples=60)
@given(kernels())
def test_fast_is_debug(kernel) -> None:
    """Generated source, batched or not, gives what equation by equation gives."""
    debug = prism.pallas.run(kernel.build(), mode="debug")(*kernel.operands)
    _agree(prism.pallas.run(kernel.build(), mode="fast")(*kernel.operands), debug)


@pytest.mark.clause("PALLAS-1")
@settings(max_examples=5)
@given(kernels())
def test_compiled_is_debug(kernel) -> None:
    """So do scalar loops."""
    debug = prism.pallas.run(kernel.build(), mode="debug")(*kernel.operands)
    _agree(prism.pallas.run(kernel.build(), mode="compiled")(*kernel.operands), debug)


@pytest.mark.clause("PALLAS-1")
@settings(max_examples=8)
@given(kernels())
def test_debug_is_stock(kernel) -> None:
    """And stock interpret mode, which compiles the kernel through XLA."""
    stock = kernel.build(interpret=True)(*kernel.operands)
    _agree(prism.pallas.run(kernel.build(), mode="debug")(*kernel.operands), stock)
