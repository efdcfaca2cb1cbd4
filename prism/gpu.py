"""Numba-CUDA, where it is installed and finds a GPU."""

from __future__ import annotations

from typing import Any

import numpy as np

from prism.errors import UsageError


def open_cuda(what: str) -> Any:
    """Return numba-cuda's `cuda`; raises UsageError, which says what to do, where there is none or no GPU.

    what: that which needs it, for the message.
    """
    if not hasattr(np, "row_stack"):
        # numba-cuda 0.30 imports a name that NumPy 2.5 dropped.
        np.row_stack = np.vstack  # pyright: ignore
    try:
        from numba import cuda
    except ImportError as error:
        raise UsageError(f"{what} needs numba-cuda, but: {error}; install the extra prism-vm[gpu]") from error
    if not cuda.is_available():
        raise UsageError(f"{what} needs a GPU that numba-cuda can use, got none; take the CPU")
    return cuda
