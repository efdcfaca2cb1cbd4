"""Programs as functions: remembered calls are checked calls."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

from prism.errors import UsageError
from prism.kernels import graph
from prism.kernels.exec import call
from prism.kernels.exec.call import Function
from prism.kernels.exec.cpu import CpuExecutor
from prism.kernels.exec.launch import Shape, linear
from prism.kernels.isa.assemble import assemble
from prism.kernels.isa.verify import verify
from tests.unit.kernels.exec.programs import add

pytestmark = [pytest.mark.m8, pytest.mark.clause("EXEC-3")]

SCALED = """
.program bits
.buffer out f32 write 1
.scalar value f32 r4
mov_imm.u64 r1, 1
mov_imm.u64 r0, 0
stg.f32 [r1 + r0], r4
exit
"""


@pytest.fixture
def function() -> Function:
    """Return a function that remembers nothing yet."""
    return Function(verify(add()), CpuExecutor())


def arrays(n: int = 4) -> list[np.ndarray[Any, Any]]:
    """Return two inputs and an output."""
    return [np.arange(n, dtype=np.float32), np.ones(n, np.float32), np.zeros(n, np.float32)]


def test_a_call_reads_what_the_arrays_hold_now(function: Function) -> None:
    """A remembered call sees new contents; another scalar or shape is another call."""
    x, y, out = arrays()
    for value in (1, 2, 3):
        y[:] = value
        function(x, y, out, 4, shape=linear(4))
        np.testing.assert_array_equal(out, x + value)
    out[:] = 0
    function(x, y, out, 2, shape=linear(4))
    assert out.tolist() == [3, 4, 0, 0]
    out[:] = 0
    function(x, y, out, 4, shape=Shape(block=(1, 1, 1)))
    assert out.tolist() == [3, 0, 0, 0]


@pytest.mark.slow
def test_an_array_that_died_is_forgotten(function: Function) -> None:
    """Remembering keeps no array alive, and no array is taken for one that is gone."""
    for k in range(200):
        x, y, out = arrays()
        x += k
        function(x, y, out, 4, shape=linear(4))
        np.testing.assert_array_equal(out, x + y)
    del x, y, out
    gc.collect()
    assert len(function._known) == 0


def test_a_function_remembers_so_many_calls(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest entry goes when there are too many."""
    monkeypatch.setattr(call, "_KEPT", 3)
    kept = [arrays() for _ in range(5)]
    for x, y, out in kept:
        function(x, y, out, 4, shape=linear(4))
    assert len(function._known) == 3
    assert all(out[3] == 4 for _, _, out in kept)


def test_a_remembered_array_must_still_be_writable(function: Function) -> None:
    """An array that was made read-only between two calls is refused by the second."""
    x, y, out = arrays()
    function(x, y, out, 4, shape=linear(4))
    out.flags.writeable = False
    with pytest.raises(UsageError, match="must be writable, for the program writes it; bind a copy"):
        function(x, y, out, 4, shape=linear(4))


def test_equal_numbers_of_other_bits_are_other_calls() -> None:
    """0.0 and -0.0 are equal and differ; so a call with one is not taken for the other."""
    function, out = Function(verify(assemble(SCALED)), CpuExecutor()), np.ones(1, np.float32)
    for value in (0.0, -0.0, 0, 2, np.float32(2), float("nan")):
        for _ in range(2):
            function(out, value, shape=Shape())
            assert out.tobytes() == np.float32(value).tobytes()


def test_wrong_arguments_are_refused(function: Function) -> None:
    """Too few arguments, and those that a launch refuses, are refused each time."""
    x, y, out = arrays()
    for _ in range(2):
        with pytest.raises(UsageError, match="add must be called with its 4 arguments, x, y, out, n, got 2"):
            function(x, y, shape=linear(4))
        with pytest.raises(UsageError, match="must be a contiguous NumPy array of f32"):
            function(x.astype(np.float64), y, out, 4, shape=linear(4))


def test_calls_are_recorded_by_a_graph(function: Function) -> None:
    """In the `with` block of a graph a call is recorded, remembered or not."""
    x, y, out = arrays()
    function(x, y, out, 4, shape=linear(4))
    out[:] = 0
    with graph() as recorded:
        function(x, y, out, 4, shape=linear(4))
    assert out[1] == 0
    recorded()
    assert out[1] == 2
