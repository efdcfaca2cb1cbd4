"""Interpret parameters: safe defaults, closed vocabularies, usable as a cache key."""

from __future__ import annotations

import pytest

from prism.errors import UsageError
from prism.pallas import InterpretParams

pytestmark = pytest.mark.m6


def test_defaults_report_everything() -> None:
    """Nothing is hidden unless it is asked for."""
    params = InterpretParams()
    assert (params.out_of_bounds, params.uninitialized, params.races) == ("raise", "raise", "raise")
    assert hash(params) == hash(InterpretParams())


@pytest.mark.parametrize("field", ["mode", "out_of_bounds", "uninitialized", "races", "grid_order"])
def test_an_unknown_word_is_refused(field) -> None:
    """The message names the field, what is allowed and what was got."""
    with pytest.raises(UsageError, match=rf"InterpretParams\.{field} must be one of \(.*\), got 'no'"):
        InterpretParams(**{field: "no"})
