"""Sums of floats in one order, whatever computes them: float64 lanes along memory, or rows one after the other.

A sum of float32 is carried in float64 and rounded once. Elements along memory are cut into tiles of 64 lanes: each lane
adds its elements of the full tiles in order, then of the shorter ones at the rows' ends; at last the upper half of the
lanes is added to the lower until one is left, which for five lanes is (0 + 4) + 2, then + (1 + 3). Lanes vectorise
without any licence to reorder.
"""

from __future__ import annotations

from typing import Final

LANES: Final = 64
"""The most lanes: measured fastest of 16 to 256 in the loop below, which LLVM unrolls."""

SUMS: Final = f"""
@numba.njit(error_model="numpy")
def _sum_of_lanes(x, start, rows, extent, total):
    # The sum of x[start : start + rows * extent], rows of `extent` elements; `total` is room for the lanes.
    # An unsigned index spares Numba the test whether it counts from the end, and LLVM vectorises.
    lanes = min(extent, {LANES})
    full = extent // {LANES} * {LANES}
    for k in range(lanes):
        total[np.uint64(k)] = 0.0
    for r in range(rows):
        for at in range(start + r * extent, start + r * extent + full, {LANES}):
            for k in range({LANES}):
                total[np.uint64(k)] += np.float64(x[np.uint64(at + k)])
    for r in range(rows):
        at = start + r * extent + full
        for k in range(extent - full):
            total[np.uint64(k)] += np.float64(x[np.uint64(at + k)])
    left = lanes
    while left > 1:
        half = 1
        while 2 * half < left:
            half *= 2
        for k in range(left - half):
            total[np.uint64(k)] += total[np.uint64(k + half)]
        left = half
    return total[0]
"""
