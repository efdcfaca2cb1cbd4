"""Element-wise kernels: one lane for each element, the tail guarded."""

from __future__ import annotations

from typing import TypeVar

from prism.kernels.api import kernel
from prism.kernels.schema.language import (
    DeviceArray,
    cos,
    erf,
    exp,
    get_global_id,
    log,
    sigmoid,
    sin,
    sqrt,
    tanh,
)
from prism.kernels.schema.values import bf16, f16, f32, f64, i8, i16, i32, i64, u8, u16, u32, u64

N = TypeVar("N", i8, i16, i32, i64, u8, u16, u32, u64, f16, bf16, f32, f64)
F = TypeVar("F", f16, bf16, f32, f64)


@kernel
def add(a: DeviceArray[N], b: DeviceArray[N], c: DeviceArray[N], n: u32):
    """Add two arrays; integers wrap."""
    i = get_global_id()
    if i < n:
        c[i] = a[i] + b[i]


@kernel
def sub(a: DeviceArray[N], b: DeviceArray[N], c: DeviceArray[N], n: u32):
    """Subtract one array from another; integers wrap."""
    i = get_global_id()
    if i < n:
        c[i] = a[i] - b[i]


@kernel
def mul(a: DeviceArray[N], b: DeviceArray[N], c: DeviceArray[N], n: u32):
    """Multiply two arrays; integers wrap."""
    i = get_global_id()
    if i < n:
        c[i] = a[i] * b[i]


@kernel
def div(a: DeviceArray[F], b: DeviceArray[F], c: DeviceArray[F], n: u32):
    """Divide one array by another."""
    i = get_global_id()
    if i < n:
        c[i] = a[i] / b[i]


@kernel
def minimum(a: DeviceArray[N], b: DeviceArray[N], c: DeviceArray[N], n: u32):
    """Take the less of two arrays, a number rather than NaN."""
    i = get_global_id()
    if i < n:
        c[i] = min(a[i], b[i])


@kernel
def maximum(a: DeviceArray[N], b: DeviceArray[N], c: DeviceArray[N], n: u32):
    """Take the larger of two arrays, a number rather than NaN."""
    i = get_global_id()
    if i < n:
        c[i] = max(a[i], b[i])


@kernel
def absolute(a: DeviceArray[N], c: DeviceArray[N], n: u32):
    """Drop the signs of an array."""
    i = get_global_id()
    if i < n:
        c[i] = abs(a[i])


@kernel
def neg(a: DeviceArray[N], c: DeviceArray[N], n: u32):
    """Negate an array; unsigned integers wrap."""
    i = get_global_id()
    if i < n:
        c[i] = -a[i]


@kernel
def relu(a: DeviceArray[N], c: DeviceArray[N], n: u32):
    """Replace what is below zero by zero."""
    i = get_global_id()
    if i < n:
        c[i] = max(a[i], 0)


@kernel
def sigmoid_of(a: DeviceArray[F], c: DeviceArray[F], n: u32):
    """Apply 1 / (1 + exp(-x))."""
    i = get_global_id()
    if i < n:
        c[i] = sigmoid(a[i])


@kernel
def tanh_of(a: DeviceArray[F], c: DeviceArray[F], n: u32):
    """Apply the hyperbolic tangent."""
    i = get_global_id()
    if i < n:
        c[i] = tanh(a[i])


@kernel
def exp_of(a: DeviceArray[F], c: DeviceArray[F], n: u32):
    """Apply the exponential function."""
    i = get_global_id()
    if i < n:
        c[i] = exp(a[i])


@kernel
def log_of(a: DeviceArray[F], c: DeviceArray[F], n: u32):
    """Apply the natural logarithm."""
    i = get_global_id()
    if i < n:
        c[i] = log(a[i])


@kernel
def sqrt_of(a: DeviceArray[F], c: DeviceArray[F], n: u32):
    """Apply the square root."""
    i = get_global_id()
    if i < n:
        c[i] = sqrt(a[i])


@kernel
def sin_of(a: DeviceArray[F], c: DeviceArray[F], n: u32):
    """Apply the sine."""
    i = get_global_id()
    if i < n:
        c[i] = sin(a[i])


@kernel
def cos_of(a: DeviceArray[F], c: DeviceArray[F], n: u32):
    """Apply the cosine."""
    i = get_global_id()
    if i < n:
        c[i] = cos(a[i])


@kernel
def gelu(a: DeviceArray[F], c: DeviceArray[F], n: u32):
    """Apply x / 2 (1 + erf(x / sqrt 2)), the exact form (Hendrycks and Gimpel, 2016)."""
    i = get_global_id()
    if i < n:
        x = a[i]
        c[i] = x * 0.5 * (1.0 + erf(x * 0.7071067811865476))


@kernel
def axpy(x: DeviceArray[N], y: DeviceArray[N], alpha: N, n: u32):
    """Add alpha times x to y."""
    i = get_global_id()
    if i < n:
        y[i] = alpha * x[i] + y[i]


@kernel
def fused(a: DeviceArray[F], b: DeviceArray[F], c: DeviceArray[F], out: DeviceArray[F], n: u32):
    """Apply the sigmoid to a * b + c, in one pass."""
    i = get_global_id()
    if i < n:
        out[i] = sigmoid(a[i] * b[i] + c[i])
