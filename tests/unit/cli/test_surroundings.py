"""A part of `tests.surroundings` that is fast enough for every change."""

from __future__ import annotations

import pytest

from tests.surroundings import checked

pytestmark = [pytest.mark.m1, pytest.mark.slow]


@pytest.mark.clause("TERMS-9")
@pytest.mark.parametrize(
    "case",
    ["compile: /dev/stdout", "compile: link", "compile: no rights", "isa verify: full stdout", "isa verify: closed"],
)
def test_a_command_holds_its_promises_in_hostile_surroundings(case: str) -> None:
    """Whoever runs it: what it writes goes where it should, or it refuses before it begins, with a documented code."""
    found = list(checked(is_fast=True, wanted=[case]))
    assert found
    assert [wrong for _, wrong in found if wrong] == []
