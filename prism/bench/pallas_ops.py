"""The bench cases that are whole kernels of jax.experimental.pallas.ops, imported and unmodified."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import numpy as np
from jax.experimental.pallas import tpu as pltpu
from jax.experimental.pallas.ops.gpu import attention, decode_attention, layer_norm, rms_norm, softmax
from jax.experimental.pallas.ops.tpu import flash_attention, matmul
from jax.experimental.pallas.ops.tpu.megablox.gmm import gmm

from prism.bench.pallas_kernels import Array, Call, KernelCase, normal

_GROUPS = np.array([64, 100, 0, 92], np.int32)


def _rebuilt(operation: Any, interpret: Any, **options: Any) -> Call:
    # The operation without its jit wrapper: a wrapper would keep the compiled kernel from call to call.
    return functools.partial(inspect.unwrap(operation), interpret=interpret, **options)


def _forced(operation: Any, interpret: Any, **options: Any) -> Call:
    # For operations without an `interpret` argument.
    plain = functools.partial(inspect.unwrap(operation), **options)

    def call(*operands: Any) -> Any:
        with pltpu.force_tpu_interpret_mode(interpret):
            return plain(*operands)

    return call


def _softmax(interpret: Any) -> Call:
    return _rebuilt(softmax.softmax, interpret)


def _normalised(forward: Any, interpret: Any) -> Call:
    return lambda *operands: forward(*operands, interpret=interpret)[0]


def _mha(interpret: Any) -> Call:
    return _rebuilt(attention.mha, interpret, segment_ids=None, sm_scale=0.125, causal=True)


def _gqa(interpret: Any) -> Call:
    return _rebuilt(decode_attention.gqa, interpret, k_splits=4)


def _tpu_matmul(interpret: Any) -> Call:
    return _forced(matmul.matmul, interpret, block_shape=(128, 128), block_k=128)


def _tpu_flash(interpret: Any) -> Call:
    return _forced(flash_attention.flash_attention, interpret, causal=True)


def _gmm(interpret: Any) -> Call:
    return _rebuilt(gmm, interpret)


def _softmax_numpy(x: Array) -> Array:
    weights = np.exp(x - x.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def _layer_norm_numpy(x: Array, weight: Array, bias: Array) -> Array:
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5) * weight + bias


def _rms_norm_numpy(x: Array, weight: Array, bias: Array) -> Array:
    return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-5) * weight + bias


def _causal_numpy(q: Array, k: Array, v: Array, scale: float) -> Array:
    scores = q @ k.swapaxes(-1, -2) * np.float32(scale)
    future = np.triu(np.ones(scores.shape[-2:], bool), 1)
    return _softmax_numpy(np.where(future, np.float32(-np.inf), scores)) @ v


def _mha_numpy(q: Array, k: Array, v: Array) -> Array:
    return np.moveaxis(_causal_numpy(*(np.moveaxis(x, 2, 1) for x in (q, k, v)), scale=0.125), 1, 2)


def _gqa_numpy(q: Array, k: Array, v: Array) -> Array:
    batch, heads, width = q.shape
    groups = k.shape[2]
    keys, values = np.moveaxis(k, 2, 1), np.moveaxis(v, 2, 1)
    grouped = q.reshape(batch, groups, heads // groups, width)
    scores = grouped @ keys.swapaxes(-1, -2) * np.float32(width**-0.5)
    return (_softmax_numpy(scores) @ values).reshape(q.shape)


def _gmm_numpy(rows: Array, weights: Array, sizes: Array) -> Array:
    ends = np.cumsum(sizes)
    return np.concatenate([rows[end - size : end] @ w for w, size, end in zip(weights, sizes, ends, strict=True)])


def _gmm_operands(rng: np.random.Generator) -> tuple[Array, ...]:
    return *normal((256, 128), (4, 128, 128))(rng), _GROUPS


_NORM_SHAPES = ((4, 8, 256), (256,), (256,))

CASES = (
    KernelCase("ops.gpu.softmax", "whole", _softmax, normal((32, 256)), _softmax_numpy),
    KernelCase(
        "ops.gpu.layer_norm",
        "whole",
        functools.partial(_normalised, layer_norm.layer_norm_forward),
        normal(*_NORM_SHAPES),
        _layer_norm_numpy,
        1e-4,
    ),
    KernelCase(
        "ops.gpu.rms_norm",
        "whole",
        functools.partial(_normalised, rms_norm.rms_norm_forward),
        normal(*_NORM_SHAPES),
        _rms_norm_numpy,
        1e-4,
    ),
    KernelCase("ops.gpu.mha", "whole", _mha, normal(*[(1, 256, 2, 64)] * 3), _mha_numpy, 1e-4),
    KernelCase("ops.gpu.gqa", "whole", _gqa, normal((2, 8, 64), (2, 256, 2, 64), (2, 256, 2, 64)), _gqa_numpy, 1e-4),
    KernelCase("ops.tpu.matmul", "whole", _tpu_matmul, normal((256, 256), (256, 256)), np.matmul, 1e-3),
    KernelCase(
        "ops.tpu.flash_attention",
        "whole",
        _tpu_flash,
        normal(*[(1, 2, 256, 128)] * 3),
        functools.partial(_causal_numpy, scale=1.0),
        1e-3,
    ),
    KernelCase("ops.tpu.gmm", "whole", _gmm, _gmm_operands, _gmm_numpy, 1e-3),
)
