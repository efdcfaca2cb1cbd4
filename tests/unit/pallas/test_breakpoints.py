"""Watching a kernel: every equation, one line, one step at a time."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

import prism.pallas
from prism.pallas import breakpoint_at, print_line, single_step
from tests.unit.pallas.kernels import double

pytestmark = pytest.mark.m6

X = np.arange(8, dtype=np.float32)
FILE, LINE = str(Path("pallas") / "kernels.py"), 12


@pytest.mark.clause("PALLAS-14")
def test_every_equation_is_traced_in_order() -> None:
    """Each event has the line, the step, the primitive and the values."""
    events = []
    prism.pallas.run(double, trace=events.append)(X)
    assert [e.primitive for e in events] == ["get", "get", "add", "swap"] * 2
    assert [e.step for e in events] == [(0,)] * 4 + [(1,)] * 4
    assert {e.site.line for e in events} == {LINE}
    np.testing.assert_array_equal(events[6].values[0], 2 * X[4:])


@pytest.mark.clause("PALLAS-14")
def test_a_breakpoint_stops_at_its_line_only(monkeypatch) -> None:
    """The debugger is entered for each value of the line, and for none of another."""
    stops = []
    monkeypatch.setattr("builtins.breakpoint", lambda: stops.append(1))
    prism.pallas.run(double, trace=breakpoint_at(FILE, LINE))(X)
    assert len(stops) == 8
    prism.pallas.run(double, trace=breakpoint_at(FILE, LINE + 1))(X)
    assert len(stops) == 8


@pytest.mark.clause("PALLAS-14")
def test_a_line_can_be_printed() -> None:
    """Place, step, primitive and a short form of the value."""
    out = io.StringIO()
    prism.pallas.run(double, trace=print_line(FILE, LINE, out))(X)
    assert "kernels.py:12 step (1,) add -> float32[4] [ 8. 10. 12. 14.]" in out.getvalue()


@pytest.mark.clause("PALLAS-14")
def test_single_steps_until_told_to_continue() -> None:
    """Each equation waits for a line; `c` runs on."""
    out, answers = io.StringIO(), iter(["", "", "c"])
    prism.pallas.run(double, trace=single_step(out, lambda: next(answers)))(X)
    assert len(out.getvalue().splitlines()) == 3
