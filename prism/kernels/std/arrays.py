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
EACH = 4
"""Side of the square of elements that a lane of `gemm` makes."""
SIDE = 64
"""Side of the square that a block of `gemm` makes: TILE * EACH."""


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
def gemm(a: DeviceArray[W], b: DeviceArray[W], c: DeviceArray[W], rows: u32, inner: u32, columns: u32):  # noqa: C901 (a variable for each element of a lane)
    """Multiply two matrices by tiles in shared memory; TILE by TILE lanes, each with EACH by EACH elements.

    A block makes a square of SIDE rows and columns. A lane's elements stay in registers; they are TILE columns apart,
    so that neighbouring lanes load and store neighbours.
    """
    left = shared(W, SIDE, TILE)
    right = shared(W, TILE, SIDE)
    x = get_local_id(0)
    y = get_local_id(1)
    top = get_block_id(1) * SIDE
    first = get_block_id(0) * SIDE
    p00 = W(0)
    p01 = W(0)
    p02 = W(0)
    p03 = W(0)
    p10 = W(0)
    p11 = W(0)
    p12 = W(0)
    p13 = W(0)
    p20 = W(0)
    p21 = W(0)
    p22 = W(0)
    p23 = W(0)
    p30 = W(0)
    p31 = W(0)
    p32 = W(0)
    p33 = W(0)
    for t in range((inner + TILE - 1) // TILE):
        for k in range(EACH):
            i = top + k * TILE + y
            j = first + k * TILE + x
            left[k * TILE + y, x] = a[i, t * TILE + x] if i < rows and t * TILE + x < inner else W(0)
            right[y, k * TILE + x] = b[t * TILE + y, j] if t * TILE + y < inner and j < columns else W(0)
        barrier()
        for k in range(TILE):
            a0 = left[y * EACH, k]
            a1 = left[y * EACH + 1, k]
            a2 = left[y * EACH + 2, k]
            a3 = left[y * EACH + 3, k]
            b0 = right[k, x]
            b1 = right[k, TILE + x]
            b2 = right[k, 2 * TILE + x]
            b3 = right[k, 3 * TILE + x]
            p00 += a0 * b0
            p01 += a0 * b1
            p02 += a0 * b2
            p03 += a0 * b3
            p10 += a1 * b0
            p11 += a1 * b1
            p12 += a1 * b2
            p13 += a1 * b3
            p20 += a2 * b0
            p21 += a2 * b1
            p22 += a2 * b2
            p23 += a2 * b3
            p30 += a3 * b0
            p31 += a3 * b1
            p32 += a3 * b2
            p33 += a3 * b3
        barrier()
    i = top + y * EACH
    j = first + x
    if i < rows:
        if j < columns:
            c[i, j] = p00
        if j + TILE < columns:
            c[i, j + TILE] = p01
        if j + 2 * TILE < columns:
            c[i, j + 2 * TILE] = p02
        if j + 3 * TILE < columns:
            c[i, j + 3 * TILE] = p03
    if i + 1 < rows:
        if j < columns:
            c[i + 1, j] = p10
        if j + TILE < columns:
            c[i + 1, j + TILE] = p11
        if j + 2 * TILE < columns:
            c[i + 1, j + 2 * TILE] = p12
        if j + 3 * TILE < columns:
            c[i + 1, j + 3 * TILE] = p13
    if i + 2 < rows:
        if j < columns:
            c[i + 2, j] = p20
        if j + TILE < columns:
            c[i + 2, j + TILE] = p21
        if j + 2 * TILE < columns:
            c[i + 2, j + 2 * TILE] = p22
        if j + 3 * TILE < columns:
            c[i + 2, j + 3 * TILE] = p23
    if i + 3 < rows:
        if j < columns:
            c[i + 3, j] = p30
        if j + TILE < columns:
            c[i + 3, j + TILE] = p31
        if j + 2 * TILE < columns:
            c[i + 3, j + 2 * TILE] = p32
        if j + 3 * TILE < columns:
            c[i + 3, j + 3 * TILE] = p33
