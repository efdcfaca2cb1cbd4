"""Each operation of floats lies within the table's distance of the definition, on every executor."""

from __future__ import annotations

import numpy as np
import pytest

from prism.kernels.isa.table import BY_MNEMONIC
from prism.kernels.isa.types import F32, F64
from tests.kernels_ulps import OPERATIONS, distance, worst

pytestmark = [pytest.mark.m8, pytest.mark.clause("ISA-23"), pytest.mark.clause("ISA-3")]


def test_distance_counts_numbers_between() -> None:
    """Neighbours lie 1 apart, also across a power of two and across zero; NaNs are equal, zeros too."""
    a = np.array([1, 0.0, np.nan, -1e-45, 1, np.inf], np.float32)
    b = np.array([np.nextafter(np.float32(1), np.float32(0)), -0.0, -np.nan, 1e-45, 2, np.nan], np.float32)
    assert distance(a, b, F32).tolist()[:5] == [1, 0, 0, 2, 1 << 23]
    assert distance(a, b, F32)[5] > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_on_xla_lie_within_the_table(name: str) -> None:
    """All exponents, the numbers that occur most and the edges; `python -m tests.kernels_ulps xla` takes more."""
    for ty in (F32, F64):
        away, where, _ = worst("xla", name, ty, 512)
        assert away <= BY_MNEMONIC[name].ulp, where
