"""Arbitrary programs are refused, or run within their fuel."""

from __future__ import annotations

import pytest

from tests.kernels_fuzz import campaign

pytestmark = [pytest.mark.m8, pytest.mark.clause("ISA-22")]


def test_mutated_programs_end_in_one_of_the_known_ways() -> None:
    """Three hundred binaries and forty texts: each is refused, faults, or runs; all ways occur among the binaries."""
    ends, slowest = campaign(300, 40)
    assert {"binary BinaryError", "binary VerifyError", "binary ran", "text ParseError"} <= ends.keys()
    assert sum(ends.values()) == 340
    assert slowest < 20
