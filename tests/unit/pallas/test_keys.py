"""Random numbers: JAX's own, bit by bit, in kernels and around them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

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


@pytest.mark.clause("PALLAS-17")
@pytest.mark.parametrize("keep", ["seed each step", "seed once"])
def test_a_core_draws_the_same_bits_in_every_mode(keep) -> None:
    """Seeded by integers, each step's bits differ from the last, every mode and every run has them alike."""

    def kernel(seeds_ref, bits_ref, uniform_ref):
        @pl.when((pl.program_id(0) == 0) | (keep == "seed each step"))
        def _():
            pltpu.prng_seed(seeds_ref[0], pl.program_id(0))

        bits_ref[...] = pltpu.prng_random_bits((8, 128))
        uniform_ref[...] = pltpu.stateful_uniform((8, 128))

    spec = pl.BlockSpec((8, 128), lambda i: (i, 0))
    call = pl.pallas_call(
        kernel,
        grid=(3,),
        in_specs=[pl.BlockSpec(memory_space=pltpu.SMEM)],
        out_specs=(spec, spec),
        out_shape=[jax.ShapeDtypeStruct((24, 128), dtype) for dtype in (jnp.int32, jnp.float32)],
    )
    runs = [prism.pallas.run(call, mode=mode)(np.int32([4])) for mode in ("debug", "auto", "compiled")]
    for bits, uniform in runs:
        np.testing.assert_array_equal(bits, runs[0][0])
        np.testing.assert_array_equal(uniform, runs[0][1])
    bits, uniform = map(np.asarray, runs[0])
    assert len(np.unique(bits)) > 0.99 * bits.size
    assert 0 <= uniform.min() < 0.01 < 0.45 < uniform.mean() < 0.55 < 0.99 < uniform.max() < 1
    other = prism.pallas.run(call)(np.int32([5]))[0]
    assert (np.asarray(other) != bits).mean() > 0.99


@pytest.mark.clause("PALLAS-9")
def test_an_output_of_keys_is_refused_by_name() -> None:
    """Where keys are no operand but a result, a kernel returns their words."""

    def kernel(keys_ref, o_ref):
        o_ref[...] = keys_ref[...]

    keys = jax.random.split(jax.random.key(2), 3)
    call = pl.pallas_call(kernel, out_shape=jax.ShapeDtypeStruct((3,), keys.dtype))
    words = r"test_keys\.py:\d+ in .*no rule for an output of random keys \(key<fry>"
    with pytest.raises(UnsupportedError, match=words):
        prism.pallas.run(call)(keys)


@pytest.mark.slow
def test_keys_seed_kernels() -> None:
    """A key is an operand, whole or as an element of an array; a Pallas key seeds a kernel."""

    def kernel(keys_ref, o_ref):
        o_ref[...] = jax.random.bits(keys_ref[1], (8, 128))

    keys = jax.random.split(jax.random.key(2), 3)
    call = pl.pallas_call(kernel, out_shape=jax.ShapeDtypeStruct((8, 128), jnp.uint32))
    np.testing.assert_array_equal(prism.pallas.run(call)(keys), jax.random.bits(keys[1], (8, 128)))
    theirs = pltpu.to_pallas_key(keys)
    drawn = [np.asarray(prism.pallas.run(call, mode=mode)(theirs)) for mode in ("debug", "compiled")]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert len(np.unique(drawn[0])) > 1000
