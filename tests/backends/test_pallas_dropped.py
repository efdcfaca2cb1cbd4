"""Unwritten memory that somebody uses is told at its line; what nobody uses is none's business."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import prism.pallas
from prism.pallas import UninitializedReadError, UninitializedWarning
from tests.planted.dropped import DROPPED, Dropped, X

pytestmark = [pytest.mark.m6, pytest.mark.clause("PALLAS-19")]
EVERY = pytest.mark.parametrize("dropped", DROPPED, ids=lambda dropped: dropped.name)
MODES = pytest.mark.parametrize("mode", ["auto", "debug"])


def test_there_are_twenty() -> None:
    """The yardstick has as many programs as it says."""
    assert len({dropped.program for dropped in DROPPED}) == 20


@MODES
@EVERY
def test_what_is_used_is_told_at_its_line(dropped: Dropped, mode) -> None:
    """The report has the marked line."""
    file, line = dropped.place
    with pytest.raises(UninitializedReadError) as caught:
        prism.pallas.run(dropped.program(True)[0], mode=mode)(X)
    assert (caught.value.site.file.rpartition("/")[2], caught.value.site.line) == (file, line)


@MODES
@EVERY
def test_what_nobody_uses_is_not(dropped: Dropped, mode) -> None:
    """The twin gives the right answer without a word."""
    function, want = dropped.program(False)
    got = prism.pallas.run(function, mode=mode)(X)
    for mine, theirs in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_warning_goes_on() -> None:
    """With `warn` a used finding is a warning in the words of the error, under `run` and in the context."""
    half = DROPPED[0].program(True)[0]
    words = r"dropped\.py:\d+ in .*is never written: the kernel does not store to it"
    with pytest.warns(UninitializedWarning, match=words):
        got = prism.pallas.run(half, uninitialized="warn")(X)
    np.testing.assert_array_equal(got[:2], X[:2])
    with prism.pallas.interpret(uninitialized="warn"), pytest.warns(UninitializedWarning, match=words):
        got = half(X)
    np.testing.assert_array_equal(got[:2], X[:2])
