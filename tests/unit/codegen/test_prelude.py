"""The functions that generated code calls: found by name, in an order in which they can be defined."""

from __future__ import annotations

import pytest

from prism.codegen.machine import MACHINE
from prism.codegen.prelude import SHARED, library, prelude

pytestmark = [pytest.mark.m8, pytest.mark.clause("EXEC-2")]


def test_a_text_gets_what_it_calls_and_no_more() -> None:
    """Functions that functions call come along, before them; the rest stays out."""
    text = prelude("y = _logistic(x)")
    assert text.index("def _exp(") < text.index("def _logistic(")
    assert "def _log(" not in text
    assert prelude("y = x + 1") == ""


def test_a_library_is_its_definitions() -> None:
    """Constants and functions are found; every function of the machine is one of them."""
    found = library("_TABLE = [1]\n\n\ndef _f(x):\n    return _TABLE[x]\n")
    assert list(found) == ["_TABLE", "_f"]
    assert prelude("_f(0)", found) == "_TABLE = [1]\n\n\ndef _f(x):\n    return _TABLE[x]"
    assert {"_wadd", "_element", "_saturated", "_to_odd"} <= library(MACHINE).keys()
    assert not library(MACHINE).keys() & SHARED.keys()
