"""Gather, the memory traffic of a swizzle, in three implementations that agree to the bit."""

from __future__ import annotations

from typing import Any, Final

import jax
from jax import Array
from jax.experimental import pallas as pl

from prism.vm.arena.layout import HOST

_BLOCK: Final = 1024


def default_swizzle() -> str:
    """Return the swizzle that suits the platform JAX runs on: host loops where there is no accelerator."""
    return HOST if jax.default_backend() == "cpu" else "jax"


def gather(source: Array, at: Array, *, swizzle: str) -> Array:
    """Return `source[at]`, by one of `prism.vm.arena.layout.SWIZZLES`; `at` is int32[n] within bounds.

    Pallas kernels run interpreted where there is no GPU.
    """
    if swizzle == "jax":
        return source[at]
    n = at.shape[0]
    block = min(_BLOCK, n)
    return pl.pallas_call(
        _kernel,
        grid=(n // block,),
        in_specs=[pl.BlockSpec(source.shape, lambda _: (0,)), pl.BlockSpec((block,), lambda i: (i,))],
        out_specs=pl.BlockSpec((block,), lambda i: (i,)),
        out_shape=jax.ShapeDtypeStruct((n,), source.dtype),
        **_options(swizzle),
    )(source, at)


def _kernel(source: Any, at: Any, out: Any) -> None:
    out[...] = source[at[...]]


def _options(swizzle: str) -> dict[str, Any]:
    if jax.default_backend() != "gpu":
        from prism.pallas import InterpretParams

        return {"interpret": InterpretParams()}
    if swizzle == "triton":
        from jax.experimental.pallas import triton

        return {"compiler_params": triton.CompilerParams(num_warps=4)}
    return {}
