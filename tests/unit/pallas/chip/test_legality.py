"""Legality: off, warn and raise; once a kernel, eagerly and in compiled programs; never without a chip."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import pallas as pl

import prism.pallas
from prism.errors import UsageError
from prism.pallas import InterpretParams, LegalityError, LegalityWarning
from prism.pallas.chip import lowering

pytestmark = [pytest.mark.m6, pytest.mark.clause("CHIP-3")]
VALUES = np.arange(12 * 128, dtype=np.float32).reshape(12, 128)


def _kernel(x_ref, o_ref):
    o_ref[...] = x_ref[...] + 1


def _with_scratch(x_ref, o_ref, _):
    o_ref[...] = x_ref[...] + 1


def _in_threes(x):
    spec = pl.BlockSpec((3, 128), lambda i: (i, 0))
    return pl.pallas_call(_kernel, grid=(4,), in_specs=[spec], out_specs=spec, out_shape=jax.typeof(x))(x)


RAISE = {"chip": "v5e", "legality": "raise"}
WORDS = r"dimension 0 of a block of x_ref has 3 elements, which is neither a multiple of 8 nor the whole 12"

EITHER = WORDS.replace("x_ref", "[xo]_ref")


def test_off_says_nothing_and_warn_runs_on() -> None:
    """The kernel's result is the same; only `warn` speaks, in the words of the error."""
    x = jnp.asarray(VALUES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with prism.pallas.interpret(chip="v5e"):
            assert np.array_equal(_in_threes(x), VALUES + 1)
    with (
        prism.pallas.interpret(chip="v5e", legality="warn"),
        pytest.warns(LegalityWarning, match=EITHER),
    ):
        assert np.array_equal(_in_threes(x), VALUES + 1)


@pytest.mark.parametrize("way", ["eager", "jit", "run"])
def test_raise_names_place_rule_and_remedy(way) -> None:
    """However the kernel is called, the error has its own type, the block's line, the rule, its source, what to do."""
    calls = {"eager": _in_threes, "jit": jax.jit(_in_threes), "run": prism.pallas.run(_in_threes, **RAISE)}
    with prism.pallas.interpret(**RAISE), pytest.raises(LegalityError, match=WORDS) as caught:
        jax.block_until_ready(calls[way](jnp.asarray(VALUES)))
    text = str(caught.value)
    assert "spec = pl.BlockSpec((3, 128)" in text
    assert "kernel _kernel on v5e, rule block-tile (jax/_src/pallas/mosaic/lowering.py" in text
    assert "come in tiles of 8 x 128: take 8, or all 12" in text


def test_another_chip_is_another_question() -> None:
    """A kernel that one chip takes may be too much for the next: 24 MiB of scratch fit v6e and not v5e."""
    from jax.experimental.pallas import tpu as pltpu

    def call(x):
        scratch = [pltpu.VMEM((6 * 1024, 1024), jnp.float32)]
        return pl.pallas_call(
            lambda x_ref, o_ref, _: _kernel(x_ref, o_ref), out_shape=jax.typeof(x), scratch_shapes=scratch
        )(x)

    small = jnp.ones((8, 128))
    with prism.pallas.interpret(chip="v6e", legality="raise"):
        assert float(call(small)[0, 0]) == 2.0
    with prism.pallas.interpret(chip="v5e", legality="raise"), pytest.raises(LegalityError) as caught:
        call(small)
    assert "takes 25,174,016 bytes of VMEM, and 16,777,216 are the default of a kernel on v5e" in str(caught.value)
    assert "25,165,824  _: scratch, float32[6144x1024]" in str(caught.value)


def test_legality_needs_a_chip() -> None:
    """There is no telling what an unnamed chip takes."""
    with pytest.raises(UsageError, match="asks what a chip takes, and none is named"):
        InterpretParams(legality="raise")


def test_an_error_without_words_is_named(monkeypatch) -> None:
    """JAX asserts some things silently: the report then has the exception's name."""

    def assert_nothing(*_, **__):
        raise AssertionError

    x = jnp.ones((8, 128))
    call = pl.pallas_call(_kernel, out_shape=jax.typeof(x))
    with prism.pallas.interpret(**RAISE):
        call(x)
        monkeypatch.setattr(lowering.pl, "pallas_call_p", SimpleNamespace(bind=assert_nothing))
        with pytest.raises(LegalityError, match="in <lambda>: AssertionError without words"):
            pl.pallas_call(lambda *refs: _kernel(*refs), out_shape=jax.typeof(x))(x)
