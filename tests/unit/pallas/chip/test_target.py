"""What an array takes of a memory, by hand."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from prism.pallas.chip.target import padded_bytes

pytestmark = [pytest.mark.m6, pytest.mark.clause("CHIP-4")]


@pytest.mark.parametrize(
    ("shape", "dtype", "size"),
    [
        ((8, 128), np.float32, 4096),
        ((8, 100), np.float32, 4096),
        ((3, 100), ml_dtypes.bfloat16, 4 * 128 * 2),
        ((1, 128), np.float32, 512),
        ((9, 128), np.float32, 16 * 512),
        ((2, 3, 130), np.float32, 2 * 4 * 256 * 4),
        ((33, 1), np.int8, 40 * 128),
        ((5,), np.float32, 512),
        ((129,), ml_dtypes.bfloat16, 256 * 2),
        ((8, 128), np.bool_, 4096),
        ((16, 128), ml_dtypes.int4, 1024),
        ((), np.float32, 4),
    ],
)
def test_vector_memory_is_padded_to_tiles(shape, dtype, size) -> None:
    """128 lanes; as few sublanes, doubling up to a tile, as hold the rows; narrow elements share a sublane."""
    assert padded_bytes(shape, np.dtype(dtype), 5) == size


def test_older_chips_have_larger_lines() -> None:
    """Before the fourth generation a line has two sublanes at least."""
    assert padded_bytes((1, 128), np.dtype(np.float32), 3) == 1024
