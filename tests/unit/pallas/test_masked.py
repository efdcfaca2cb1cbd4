"""Masked accesses of generated code against the elements that they name, one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from prism.pallas.errors import SuspectError
from prism.pallas.masked import masked_store

pytestmark = pytest.mark.m6

INDICES = {
    "all": (slice(0, 4, 1), slice(0, 3, 1)),
    "inside": (slice(1, 3, 1), slice(0, 3, 2)),
    "beyond": (slice(2, 6, 1), slice(0, 3, 1)),
    "array": (np.array([3, 0]), slice(1, 3, 1)),
}


@pytest.mark.parametrize("case", INDICES)
@pytest.mark.parametrize("lead", [(), (2,)])
@pytest.mark.parametrize("scalar", [False, True])
def test_a_masked_store_writes_the_lanes_that_are_on(case, lead, scalar) -> None:
    """And notes them, for every batched step; a lane that is on beyond the memory is suspect."""
    index = INDICES[case]
    rows, columns = (np.arange(i.start, i.stop, i.step) if isinstance(i, slice) else i for i in index)
    for on in itertools.product([False, True], repeat=2):
        mask = np.resize(on, (len(rows), len(columns)))
        x, done = np.zeros((*lead, 4, 3), np.float32), np.zeros((*lead, 4, 3), np.bool_)
        done[..., 1, 0] = True
        value = np.float32(7) if scalar else 1 + np.arange(mask.size * (*lead, 1)[0], dtype=np.float32)
        value = value if scalar else value.reshape(*lead, *mask.shape)
        if (rows[mask.any(axis=1)] >= 4).any():
            with pytest.raises(SuspectError):
                masked_store(x, done, index, value, mask, len(lead))
            continue
        expected, noted = x.copy(), done.copy()
        masked_store(x, done, index, value, mask, len(lead))
        for a, b in np.argwhere(mask):
            expected[..., rows[a], columns[b]] = np.broadcast_to(value, (*lead, *mask.shape))[..., a, b]
            noted[..., rows[a], columns[b]] = True
        np.testing.assert_array_equal(x, expected)
        np.testing.assert_array_equal(done, noted)
