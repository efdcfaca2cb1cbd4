"""Kernels on whole arrays: histogram, prefix sum, convolution, bitonic sort, transpose, products with matrices."""

# A kernel calls a type variable to convert to what it stands for; to Python it is not callable.
# pyright: reportCallIssue=false
from __future__ import annotations

from typing import TypeVar

from prism.kernels.api import kernel
from prism.kernels.schema.language import (
    DeviceArray,
    atomic_add,
    barrier,
    get_block_id,
    get_global_id,
    get_local_id,
    shared,
)
from prism.kernels.schema.values import bf16, f16, f32, f64, i8, i16, i32, i64, u8, u16, u32, u64

N = TypeVar("N", i8, i16, i32, i64, u8, u16, u32, u64, f16, bf16, f32, f64)
W = TypeVar("W", i8, i16, i32, i64, u8, u16, u32, u64, f32, f64)
U = TypeVar("U", u8, u16, u32)
LANES = 256
"""Lanes of the one block of a prefix sum."""
TILE = 16
"""Side of a tile: blocks of TILE by TILE lanes."""


@kernel
def histogram(x: DeviceArray[U], counts: DeviceArray[u32], bins: u32, n: u32):
    """Count how often each number below `bins` occurs."""
    i = get_global_id()
    if i < n and u32(x[i]) < bins:
        atomic_add(counts, x[i], 1)


@kernel
def prefix_sum(a: DeviceArray[W], out: DeviceArray[W], n: u32):
    """Sum each element and those before it, in one block of LANES lanes: parts, then the parts' sums (Hillis, 1986)."""
    sums = shared(W, 2, LANES)
    lane = get_local_id()
    each = (n + LANES - 1) // LANES
    first = lane * each
    stop = min(first + each, n)
    part = W(0)
    for k in range(first, stop):
        part += a[k]
    sums[0, lane] = part
    barrier()
    row = u32(0)
    step = u32(1)
    while step < LANES:
        here = sums[row, lane]
        if lane >= step:
            here = sums[row, lane - step] + here
        row = 1 - row
        sums[row, lane] = here
        step = step * 2
        barrier()
    running = W(0)
    if lane > 0:
        running = sums[row, lane - 1]
    for k in range(first, stop):
        running += a[k]
        out[k] = running


@kernel
def convolve(x: DeviceArray[W], w: DeviceArray[W], out: DeviceArray[W], taps: u32, n: u32):
    """Sum `taps` neighbours of each of n elements, weighted by w read backwards, where all of them are there."""
    i = get_global_id()
    if i < n:
        part = W(0)
        for k in range(taps):
            part += x[i + k] * w[taps - 1 - k]
        out[i] = part


@kernel
def bitonic_step(a: DeviceArray[N], mask: u32, n: u32):
    """Order each element and the one whose index differs by `mask` in its bits (Batcher, 1968); n may be any."""
    i = get_global_id()
    other = i ^ mask
    if i < other < n:
        low = a[i]
        high = a[other]
        if high < low:
            a[i] = high
            a[other] = low


@kernel
def transpose(a: DeviceArray[N], out: DeviceArray[N], rows: u32, columns: u32):
    """Exchange rows and columns by tiles in shared memory; blocks of TILE by TILE lanes."""
    tile = shared(N, TILE, TILE)
    x = get_local_id(0)
    y = get_local_id(1)
    i = get_block_id(1) * TILE + y
    j = get_block_id(0) * TILE + x
    if i < rows and j < columns:
        tile[y, x] = a[i, j]
    barrier()
    i = get_block_id(0) * TILE + y
    j = get_block_id(1) * TILE + x
    if i < columns and j < rows:
        out[i, j] = tile[x, y]


@kernel
def gemv(a: DeviceArray[W], x: DeviceArray[W], y: DeviceArray[W], rows: u32, inner: u32):
    """Multiply a matrix by a vector; one lane a row."""
    i = get_global_id()
    if i < rows:
        part = W(0)
        for k in range(inner):
            part += a[i, k] * x[k]
        y[i] = part


@kernel
def gemm(a: DeviceArray[W], b: DeviceArray[W], c: DeviceArray[W], rows: u32, inner: u32, columns: u32):
    """Multiply two matrices by tiles in shared memory; blocks of TILE by TILE lanes."""
    left = shared(W, TILE, TILE)
    right = shared(W, TILE, TILE)
    x = get_local_id(0)
    y = get_local_id(1)
    i = get_block_id(1) * TILE + y
    j = get_block_id(0) * TILE + x
    part = W(0)
    for t in range((inner + TILE - 1) // TILE):
        left[y, x] = a[i, t * TILE + x] if i < rows and t * TILE + x < inner else W(0)
        right[y, x] = b[t * TILE + y, j] if t * TILE + y < inner and j < columns else W(0)
        barrier()
        for k in range(TILE):
            part += left[y, k] * right[k, x]
        barrier()
    if i < rows and j < columns:
        c[i, j] = part
