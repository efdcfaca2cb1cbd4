"""Random numbers: JAX's own, bit by bit, in kernels and around them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import pallas as pl

import prism.pallas
from prism.pallas import UnsupportedError

pytestmark = [pytest.mark.m6, pytest.mark.clause("PALLAS-3")]


def _draws(seed):
    first, second = jax.random.split(jax.random.fold_in(jax.random.key(seed), 9))
    grid = jax.random.split(first, (2, 3))
    words = [jax.random.bits(second, (5,), dtype) for dtype in (jnp.uint8, jnp.uint32)]
    return jax.random.key_data(grid), words


def test_keys_and_bits_are_those_of_jax() -> None:
    """Seeds, splits, folds and bits of each width agree, and keys may be arguments."""
    ours, theirs = prism.pallas.run(_draws)(-7), jax.jit(_draws)(-7)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_array_equal(a, b)
    key = jax.random.key(3)
    ours = prism.pallas.run(lambda k: jax.random.bits(k, (3,)))(key)
    np.testing.assert_array_equal(ours, jax.random.bits(key, (3,)))


@pytest.mark.parametrize("mode", ["debug", "fast"])
def test_a_kernel_draws_its_own_numbers(mode) -> None:
    """Each step folds its index into the key, batched steps too."""

    def kernel(words_ref, o_ref):
        key = jax.random.fold_in(jax.random.wrap_key_data(words_ref[...]), pl.program_id(0))
        o_ref[...] = jax.random.bits(key, (4,))

    key = jax.random.key(5)
    call = pl.pallas_call(
        kernel,
        grid=(3,),
        out_specs=pl.BlockSpec((4,), lambda i: (i,)),
        out_shape=jax.ShapeDtypeStruct((12,), np.uint32),
    )
    expected = [jax.random.bits(jax.random.fold_in(key, step), (4,)) for step in range(3)]
    np.testing.assert_array_equal(prism.pallas.run(call, mode=mode)(jax.random.key_data(key)), np.concatenate(expected))


@pytest.mark.clause("PALLAS-9")
def test_another_generator_is_unsupported() -> None:
    """A generator without a rule is named."""
    with pytest.raises(UnsupportedError, match="keys of the generator rbg"):
        prism.pallas.run(lambda: jax.random.bits(jax.random.key(0, impl="rbg")))()
