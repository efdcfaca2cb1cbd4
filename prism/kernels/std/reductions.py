"""Reductions: a block takes a part, its lanes stride through it, it folds them; a second launch folds the blocks."""

# A kernel calls a type variable to convert to what it stands for; to Python it is not callable.
# pyright: reportCallIssue=false
from __future__ import annotations

from typing import TypeVar

from prism.kernels.api import kernel
from prism.kernels.schema.language import (
    DeviceArray,
    block_max,
    block_min,
    block_sum,
    exp,
    get_block_id,
    get_block_size,
    get_global_id,
    get_grid_size,
    get_local_id,
    sqrt,
)
from prism.kernels.schema.values import f32, f64, i8, i16, i32, i64, u8, u16, u32, u64

W = TypeVar("W", i8, i16, i32, i64, u8, u16, u32, u64, f32, f64)
F = TypeVar("F", f32, f64)


@kernel
def total(a: DeviceArray[W], out: DeviceArray[W], n: u32):
    """Sum an array into one element a block; integers wrap."""
    step = get_block_size()
    each = (n + get_grid_size() - 1) // get_grid_size()
    stop = min((get_block_id() + 1) * each, n)
    k = get_block_id() * each + get_local_id()
    part = W(0)
    while k < stop:
        part += a[k]
        k += step
    whole = block_sum(part)
    if get_local_id() == 0:
        out[get_block_id()] = whole


@kernel
def dot(a: DeviceArray[W], b: DeviceArray[W], out: DeviceArray[W], n: u32):
    """Sum the products of two arrays into one element a block."""
    step = get_block_size()
    each = (n + get_grid_size() - 1) // get_grid_size()
    stop = min((get_block_id() + 1) * each, n)
    k = get_block_id() * each + get_local_id()
    part = W(0)
    while k < stop:
        part += a[k] * b[k]
        k += step
    whole = block_sum(part)
    if get_local_id() == 0:
        out[get_block_id()] = whole


@kernel
def least(a: DeviceArray[W], out: DeviceArray[W], n: u32):
    """Find the least element for each block; nothing is written for an empty array."""
    if n == 0:
        return
    k = min(get_global_id(), n - 1)
    best = a[k]
    while k < n:
        best = min(best, a[k])
        k += get_block_size() * get_grid_size()
    whole = block_min(best)
    if get_local_id() == 0:
        out[get_block_id()] = whole


@kernel
def largest(a: DeviceArray[W], out: DeviceArray[W], n: u32):
    """Find the largest element for each block; nothing is written for an empty array."""
    if n == 0:
        return
    k = min(get_global_id(), n - 1)
    best = a[k]
    while k < n:
        best = max(best, a[k])
        k += get_block_size() * get_grid_size()
    whole = block_max(best)
    if get_local_id() == 0:
        out[get_block_id()] = whole


@kernel
def softmax(x: DeviceArray[F], out: DeviceArray[F], n: u32):
    """Divide exp(x - max x) by its sum in each row of n elements; one block a row."""
    if n == 0:
        return
    row = get_block_id()
    best = x[row, 0]
    for t in range((n + get_block_size() - 1) // get_block_size()):
        k = t * get_block_size() + get_local_id()
        if k < n:
            best = max(best, x[row, k])
    top = block_max(best)
    part = F(0)
    for t in range((n + get_block_size() - 1) // get_block_size()):
        k = t * get_block_size() + get_local_id()
        if k < n:
            part += exp(x[row, k] - top)
    whole = block_sum(part)
    for t in range((n + get_block_size() - 1) // get_block_size()):
        k = t * get_block_size() + get_local_id()
        if k < n:
            out[row, k] = exp(x[row, k] - top) / whole


@kernel
def layernorm(x: DeviceArray[F], gain: DeviceArray[F], bias: DeviceArray[F], out: DeviceArray[F], epsilon: F, n: u32):
    """Bring each row of n elements to mean 0 and variance 1, then scale and shift; one block a row."""
    row = get_block_id()
    part = F(0)
    k = get_local_id()
    while k < n:
        part += x[row, k]
        k += get_block_size()
    whole = block_sum(part)
    mean = whole / F(n)
    part = F(0)
    k = get_local_id()
    while k < n:
        part += (x[row, k] - mean) ** 2
        k += get_block_size()
    whole = block_sum(part)
    scale = 1.0 / sqrt(whole / F(n) + epsilon)
    k = get_local_id()
    while k < n:
        out[row, k] = (x[row, k] - mean) * scale * gain[k] + bias[k]
        k += get_block_size()


@kernel
def rmsnorm(x: DeviceArray[F], gain: DeviceArray[F], out: DeviceArray[F], epsilon: F, n: u32):
    """Divide each row of n elements by its root mean square, then scale; one block a row."""
    row = get_block_id()
    part = F(0)
    k = get_local_id()
    while k < n:
        part += x[row, k] ** 2
        k += get_block_size()
    whole = block_sum(part)
    scale = 1.0 / sqrt(whole / F(n) + epsilon)
    k = get_local_id()
    while k < n:
        out[row, k] = x[row, k] * scale * gain[k]
        k += get_block_size()
