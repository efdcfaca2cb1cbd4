"""Hazards of asynchronous copies: each is told at its line however copies land, and no twin is."""

from __future__ import annotations

import numpy as np
import pytest

import prism.pallas
from prism.pallas import KernelError
from tests.planted.copies import HAZARDS, Hazard

pytestmark = [pytest.mark.m6, pytest.mark.clause("PALLAS-18")]
EVERY = pytest.mark.parametrize("hazard", HAZARDS, ids=lambda hazard: hazard.name)
LATE = pytest.mark.parametrize("late", [{"dma": "on_wait"}, *({"dma": "random", "seed": k} for k in range(3))], ids=str)


def test_there_are_at_least_twenty() -> None:
    """The yardstick has as many programs as it says."""
    assert len({hazard.program for hazard in HAZARDS}) >= 20


@LATE
@EVERY
def test_a_planted_hazard_is_told_at_its_line(hazard: Hazard, late) -> None:
    """The report has the hazard's type and the marked line."""
    file, line = hazard.place
    with prism.pallas.interpret(**late), pytest.raises(KernelError) as caught:
        hazard.program(True)[0]()
    assert type(caught.value) is hazard.error
    assert (caught.value.site.file.rpartition("/")[2], caught.value.site.line) == (file, line)


@pytest.mark.parametrize("late", [{"dma": "eager"}, {"dma": "on_wait"}, {"dma": "random", "seed": 7}], ids=str)
@EVERY
def test_no_twin_is_told_of(hazard: Hazard, late) -> None:
    """The corrected kernel gives the right answer, whenever its copies land."""
    call, want = hazard.program(False)
    with prism.pallas.interpret(**late):
        np.testing.assert_array_equal(call(), want)
