"""Sums of floats over NumPy arrays, in the order in which generated loops add [PALLAS-4].

Where the last axis (of those longer than 1) is summed, elements go through lanes along it, as `prism.codegen.sums`
says; where it stays, rows are added to 0 in ascending order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

import numpy as np

from prism.codegen.directory import cache_directory
from prism.codegen.modules import load
from prism.codegen.prelude import prelude
from prism.codegen.sums import LANES
from prism.pallas.dtypes import Numeric

_KERNELS: Final = {
    "lanes": f"""@numba.njit(error_model="numpy", cache=True)
def kernel(x, rows, extent, out):
    total = np.empty({LANES}, np.float64)
    for i in range(out.size):
        out[np.uint64(i)] = _sum_of_lanes(x, i * rows * extent, rows, extent, total)
""",
    "rows": """@numba.njit(error_model="numpy", cache=True)
def kernel(x, rows, extent, out):
    total = np.empty(extent, np.float64)
    for i in range(out.size // extent):
        total[:] = 0.0
        for r in range(rows):
            for k in range(extent):
                total[np.uint64(k)] += np.float64(x[np.uint64((i * rows + r) * extent + k)])
        for k in range(extent):
            out[np.uint64(i * extent + k)] = total[np.uint64(k)]
""",
}


def summed_along(shape: Sequence[int], axes: Sequence[int]) -> int | None:
    """Return the axis along which a sum runs in lanes: the last one longer than 1, if it is summed; None for rows."""
    last = max((k for k, n in enumerate(shape) if n != 1), default=None)
    return last if last in axes else None


def add_reduce(x: Numeric, axes: tuple[int, ...]) -> Numeric:
    """Sum float32 or float64 over axes, given from the end; cost: a pass over `x`, and a copy if out of order."""
    x = np.asarray(x)
    summed = sorted(axis % x.ndim for axis in axes)
    kept = [k for k in range(x.ndim) if k not in summed]
    shape = [x.shape[k] for k in kept]
    if x.size == 0:
        return np.zeros(shape, x.dtype)[()]
    along = summed_along(x.shape, summed)
    rows_first = along is None and bool(summed)
    before = [k for k in kept if k < summed[0]] if rows_first else kept
    after = [k for k in kept if k not in before]
    ordered = np.ascontiguousarray(x.transpose([*before, *summed, *after])).reshape(-1)
    out = np.empty(math.prod(shape), x.dtype)
    n_summed = x.size // out.size
    extent = math.prod(x.shape[k] for k in after) if rows_first else x.shape[along] if along is not None else 1
    rows = n_summed if rows_first else n_summed // extent
    _sums("rows" if rows_first else "lanes")(ordered, rows, extent, out)
    return out.reshape(shape)[()]


@cache
def _sums(name: str) -> Callable[..., Numeric]:
    body = _KERNELS[name]
    header = f'"""Sums by {name}."""\n\nimport numba\nimport numpy as np\n\n\n'
    return load(cache_directory("functions"), f"{header}{prelude(body)}\n\n\n{body}")
