"""A kernel that reads one element past its input: `python examples/shift.py` says where."""

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl

import prism.pallas


def shift(x, out):
    """Move every element one place to the front."""
    start = 4 * pl.program_id(0)
    out[pl.ds(start, 4)] = x[pl.ds(start + 1, 4)]


call = pl.pallas_call(shift, grid=(2,), out_shape=jax.ShapeDtypeStruct((8,), jnp.float32))
with prism.pallas.interpret():
    call(jnp.arange(8.0))
