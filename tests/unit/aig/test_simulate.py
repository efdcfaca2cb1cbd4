from __future__ import annotations

import re

import numpy as np
import pytest

from prism.aig.read import read
from prism.aig.simulate import all_patterns, simulate, some_patterns
from prism.errors import UsageError

pytestmark = [pytest.mark.m7, pytest.mark.clause("AIG-7")]


@pytest.mark.parametrize("leaves", [0, 1, 6, 7, 9])
def test_all_patterns_count_in_binary(leaves: int) -> None:
    """Pattern i has bit k of i at leaf k."""
    patterns = all_patterns(leaves)
    for at in range(1 << leaves):
        column = patterns[:, at // 64] >> np.uint64(at % 64) & np.uint64(1)
        assert column.tolist() == [at >> leaf & 1 for leaf in range(leaves)]


def test_some_patterns_repeat_and_differ() -> None:
    """A turn gives the same patterns again, another turn others; even, seldom and often ones by the word."""
    patterns = some_patterns(200, 16, 3)
    assert np.array_equal(patterns, some_patterns(200, 16, 3))
    assert not np.isin(patterns, some_patterns(200, 16, 4)).any()
    share = np.bitwise_count(patterns).mean(axis=0) / 64
    for start, expected in enumerate((0.5, 0.25, 0.75)):
        assert np.abs(share[start::3] - expected).max() < 0.03


@pytest.mark.parametrize("patterns", [np.zeros((1, 1), np.uint64), np.zeros((2, 1), np.int64), np.zeros(2, np.uint64)])
def test_patterns_of_another_shape_are_refused(patterns: np.ndarray) -> None:
    """Patterns must be a row of words for each leaf."""
    message = f"must be uint64[2, words], a row for each leaf, got {patterns.dtype}{list(patterns.shape)}; reshape"
    with pytest.raises(UsageError, match=re.escape(message)):
        simulate(read(b"aag 2 2 0 0 0\n2\n4\n", "x"), patterns)
