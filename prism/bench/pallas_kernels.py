"""The kernels of `prism bench pallas` that are written here, each with the same computation in plain NumPy.

A case builds its function anew for each `interpret` value, so that "rebuilt each call" means what it says.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import pallas as pl
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Call: TypeAlias = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class KernelCase:
    """One kernel: `build(interpret)` returns a new function, `operands` its arguments, `numpy` the plain answer.

    `family` says what dominates: whole blocks, loops over scalars or small rows, or a whole kernel from JAX.
    """

    name: str
    family: Literal["block", "loop", "whole"]
    build: Callable[[Any], Call]
    operands: Callable[[np.random.Generator], tuple[Array, ...]]
    numpy: Callable[..., Array]
    tolerance: float = 1e-5


def normal(*shapes: tuple[int, ...]) -> Callable[[np.random.Generator], tuple[Array, ...]]:
    """Return a source of float32 operands of these shapes, standard normal."""
    return lambda rng: tuple(rng.standard_normal(shape, dtype=np.float32) for shape in shapes)


def _like(shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, dtype)


def _vadd_kernel(x_ref: Any, y_ref: Any, o_ref: Any) -> None:
    o_ref[...] = x_ref[...] + y_ref[...]


def vadd(n: int, block: int, interpret: Any) -> Call:
    """Add two vectors of `n` in blocks."""
    spec = pl.BlockSpec((block,), lambda i: (i,))
    return pl.pallas_call(
        _vadd_kernel,
        grid=(n // block,),
        in_specs=[spec, spec],
        out_specs=spec,
        out_shape=_like((n,)),
        interpret=interpret,
    )


def _matmul_kernel(x_ref: Any, y_ref: Any, o_ref: Any) -> None:
    @pl.when(pl.program_id(2) == 0)
    def _start() -> None:
        o_ref[...] = jnp.zeros_like(o_ref)

    o_ref[...] += jnp.dot(x_ref[...], y_ref[...], preferred_element_type=jnp.float32)


def matmul(n: int, block: int, interpret: Any) -> Call:
    """Multiply two square matrices, accumulating in the output block over the last grid axis."""
    return pl.pallas_call(
        _matmul_kernel,
        grid=(n // block,) * 3,
        in_specs=[
            pl.BlockSpec((block, block), lambda i, _, k: (i, k)),
            pl.BlockSpec((block, block), lambda _, j, k: (k, j)),
        ],
        out_specs=pl.BlockSpec((block, block), lambda i, j, _: (i, j)),
        out_shape=_like((n, n)),
        interpret=interpret,
    )


def _softmax_kernel(x_ref: Any, o_ref: Any) -> None:
    x = x_ref[...]
    weights = jnp.exp(x - jnp.max(x, axis=-1, keepdims=True))
    o_ref[...] = weights / jnp.sum(weights, axis=-1, keepdims=True)


def softmax(shape: tuple[int, int], interpret: Any) -> Call:
    """Normalise each row, one row a grid step."""
    spec = pl.BlockSpec((1, shape[1]), lambda i: (i, 0))
    return pl.pallas_call(
        _softmax_kernel,
        grid=(shape[0],),
        in_specs=[spec],
        out_specs=spec,
        out_shape=_like(shape),
        interpret=interpret,
    )


def _softmax_numpy(x: Array) -> Array:
    weights = np.exp(x - x.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def _layernorm_kernel(x_ref: Any, weight_ref: Any, bias_ref: Any, o_ref: Any) -> None:
    x = x_ref[...]
    centred = x - jnp.mean(x, axis=-1, keepdims=True)
    variance = jnp.mean(centred * centred, axis=-1, keepdims=True)
    o_ref[...] = centred * lax.rsqrt(variance + 1e-5) * weight_ref[...] + bias_ref[...]


def layernorm(shape: tuple[int, int], rows: int, interpret: Any) -> Call:
    """Centre and scale each row, `rows` rows a grid step."""
    block = pl.BlockSpec((rows, shape[1]), lambda i: (i, 0))
    vector = pl.BlockSpec((1, shape[1]), lambda _: (0, 0))
    return pl.pallas_call(
        _layernorm_kernel,
        grid=(shape[0] // rows,),
        in_specs=[block, vector, vector],
        out_specs=block,
        out_shape=_like(shape),
        interpret=interpret,
    )


def _layernorm_numpy(x: Array, weight: Array, bias: Array) -> Array:
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + 1e-5) * weight + bias


def _bitonic_kernel(x_ref: Any, o_ref: Any) -> None:
    n = x_ref.shape[-1]
    index = lax.broadcasted_iota(jnp.int32, x_ref.shape, 1)

    def exchange(step: Any, carry: tuple[Any, Any]) -> tuple[Any, Any]:
        x, stage = carry
        stride = lax.shift_left(1, stage - 1 - step)
        low = (index & stride) == 0
        partner = jnp.where(low, jnp.roll(x, -stride, axis=1), jnp.roll(x, stride, axis=1))
        ascending = (index & lax.shift_left(1, stage)) == 0
        return jnp.where(low == ascending, jnp.minimum(x, partner), jnp.maximum(x, partner)), stage

    def merge(stage: Any, x: Any) -> Any:
        return lax.fori_loop(0, stage, exchange, (x, stage))[0]

    o_ref[...] = lax.fori_loop(1, n.bit_length(), merge, x_ref[...])


def _bitonic_unrolled_kernel(x_ref: Any, o_ref: Any) -> None:
    n = x_ref.shape[-1]
    x = x_ref[...]
    for stage in range(1, n.bit_length()):
        for stride in (1 << s for s in reversed(range(stage))):
            pairs = x.reshape(-1, 2, stride)
            block = lax.broadcasted_iota(jnp.int32, (n // (2 * stride), stride), 0) * 2 * stride
            ascending = (block & (1 << stage)) == 0
            low = jnp.minimum(pairs[:, 0], pairs[:, 1])
            high = jnp.maximum(pairs[:, 0], pairs[:, 1])
            first, second = jnp.where(ascending, low, high), jnp.where(ascending, high, low)
            x = jnp.stack([first, second], axis=1).reshape(1, n)
    o_ref[...] = x


def bitonic(kernel: Call, shape: tuple[int, int], interpret: Any) -> Call:
    """Sort each row by Batcher's bitonic network (AFIPS 1968), one row a grid step; a row is a power of two long."""
    spec = pl.BlockSpec((1, shape[1]), lambda i: (i, 0))
    return pl.pallas_call(
        kernel, grid=(shape[0],), in_specs=[spec], out_specs=spec, out_shape=_like(shape), interpret=interpret
    )


def _flash_kernel(q_ref: Any, k_ref: Any, v_ref: Any, o_ref: Any, *, block: int) -> None:
    q = q_ref[0] * (q_ref.shape[-1] ** -0.5)

    def attend(i: Any, carry: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        total, largest, weighted = carry
        scores = jnp.dot(q, k_ref[0, pl.ds(i * block, block), :].T, preferred_element_type=jnp.float32)
        peak = jnp.maximum(largest, jnp.max(scores, axis=1, keepdims=True))
        weights, decay = jnp.exp(scores - peak), jnp.exp(largest - peak)
        values = jnp.dot(weights, v_ref[0, pl.ds(i * block, block), :], preferred_element_type=jnp.float32)
        return total * decay + jnp.sum(weights, axis=1, keepdims=True), peak, weighted * decay + values

    rows = q.shape[0]
    start = (jnp.zeros((rows, 1)), jnp.full((rows, 1), -jnp.inf), jnp.zeros_like(q))
    total, _, weighted = lax.fori_loop(0, k_ref.shape[1] // block, attend, start)
    o_ref[0] = weighted / total


def flash(shape: tuple[int, int, int], block: int, interpret: Any) -> Call:
    """Attend with the running softmax of FlashAttention (Dao et al. 2022), forward; `shape` is heads, length, width."""
    heads, length, width = shape
    rows = pl.BlockSpec((1, block, width), lambda h, i: (h, i, 0))
    whole = pl.BlockSpec((1, length, width), lambda h, _: (h, 0, 0))
    return pl.pallas_call(
        functools.partial(_flash_kernel, block=block),
        grid=(heads, length // block),
        in_specs=[rows, whole, whole],
        out_specs=rows,
        out_shape=_like(shape),
        interpret=interpret,
    )


def _attention_numpy(q: Array, k: Array, v: Array) -> Array:
    return _softmax_numpy(q @ k.swapaxes(1, 2) * q.shape[-1] ** -0.5) @ v


def _histogram_kernel(x_ref: Any, o_ref: Any) -> None:
    @pl.when(pl.program_id(0) == 0)
    def _start() -> None:
        o_ref[...] = jnp.zeros_like(o_ref)

    def count(i: Any, carry: Any) -> Any:
        o_ref[x_ref[i]] += 1
        return carry

    lax.fori_loop(0, x_ref.shape[0], count, 0)


def histogram(n: int, block: int, bins: int, interpret: Any) -> Call:
    """Count `n` values into `bins`, one scalar read-modify-write a value, all grid steps into one block."""
    return pl.pallas_call(
        _histogram_kernel,
        grid=(n // block,),
        in_specs=[pl.BlockSpec((block,), lambda i: (i,))],
        out_specs=pl.BlockSpec((bins,), lambda _: (0,)),
        out_shape=_like((bins,), jnp.int32),
        interpret=interpret,
    )


def _stencil_kernel(x_ref: Any, o_ref: Any) -> None:
    start = pl.program_id(0) * o_ref.shape[0]
    left, middle, right = (x_ref[pl.ds(start + offset, o_ref.shape[0])] for offset in range(3))
    o_ref[...] = 0.25 * left + 0.5 * middle + 0.25 * right


def stencil(n: int, block: int, interpret: Any) -> Call:
    """Smooth a vector with three taps, each block reading three shifted slices of the whole padded input."""
    return pl.pallas_call(
        _stencil_kernel,
        grid=(n // block,),
        in_specs=[pl.BlockSpec((n + 2,), lambda _: (0,))],
        out_specs=pl.BlockSpec((block,), lambda i: (i,)),
        out_shape=_like((n,)),
        interpret=interpret,
    )


def _stencil_numpy(x: Array) -> Array:
    return np.float32(0.25) * x[:-2] + np.float32(0.5) * x[1:-1] + np.float32(0.25) * x[2:]


def _bytes(n: int) -> Callable[[np.random.Generator], tuple[Array, ...]]:
    return lambda rng: (rng.integers(0, 256, n, dtype=np.int32),)


def _sort_numpy(x: Array) -> Array:
    return np.sort(x, axis=1)


def _histogram_numpy(x: Array) -> Array:
    return np.bincount(x, minlength=256)


LARGE_VADD = KernelCase(
    "vadd 2^20",
    "block",
    functools.partial(vadd, 1 << 20, 1024),
    normal((1 << 20,), (1 << 20,)),
    np.add,
)

CASES = (
    KernelCase("vadd", "block", functools.partial(vadd, 65536, 1024), normal((65536,), (65536,)), np.add),
    KernelCase("matmul", "block", functools.partial(matmul, 512, 128), normal((512, 512), (512, 512)), np.matmul, 1e-3),
    KernelCase("softmax", "block", functools.partial(softmax, (256, 1024)), normal((256, 1024)), _softmax_numpy),
    KernelCase(
        "layernorm",
        "block",
        functools.partial(layernorm, (256, 1024), 8),
        normal((256, 1024), (1, 1024), (1, 1024)),
        _layernorm_numpy,
        1e-4,
    ),
    KernelCase(
        "bitonic fori",
        "loop",
        functools.partial(bitonic, _bitonic_kernel, (16, 1024)),
        normal((16, 1024)),
        _sort_numpy,
    ),
    KernelCase(
        "bitonic unrolled",
        "loop",
        functools.partial(bitonic, _bitonic_unrolled_kernel, (16, 1024)),
        normal((16, 1024)),
        _sort_numpy,
    ),
    KernelCase(
        "flash forward",
        "loop",
        functools.partial(flash, (4, 256, 64), 64),
        normal(*[(4, 256, 64)] * 3),
        _attention_numpy,
        1e-4,
    ),
    KernelCase("histogram", "loop", functools.partial(histogram, 4096, 256, 256), _bytes(4096), _histogram_numpy),
    KernelCase("stencil", "loop", functools.partial(stencil, 65536, 1024), normal((65538,)), _stencil_numpy),
    LARGE_VADD,
)
