"""All modes of the Pallas interpreter, and stock interpret mode, agree on random kernels, faulty ones included."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import jax
import numpy as np
import pytest
from hypothesis import event, given, settings

import prism.pallas
from prism.pallas import KernelError, fast
from prism.pallas.numba_source import compiled
from tests.pallas_kernels import RandomKernel, faulty_kernels, kernels
from tests.pallas_law import bits, differing
from tests.pallas_loops import python_loops

pytestmark = pytest.mark.m6

EXAMPLES = settings.default.max_examples if settings.default else 100


def _run(kernel: RandomKernel, mode: Any) -> list[Any]:
    return jax.tree.leaves(prism.pallas.run(kernel.build(), mode=mode)(*kernel.operands))


def _report(kernel: RandomKernel, mode: Any) -> tuple[type, str] | None:
    try:
        _run(kernel, mode)
    except KernelError as error:
        return type(error), str(error)
    return None


@pytest.mark.clause("PALLAS-1")
@given(kernels())
@pytest.mark.slow
def test_fast_is_debug(kernel: RandomKernel) -> None:
    """Generated source, batched or not, gives what equation by equation gives."""
    kernel.same(_run(kernel, "fast"), _run(kernel, "debug"))


@pytest.mark.clause("PALLAS-1")
@given(faulty_kernels())
@pytest.mark.slow
def test_fast_reports_what_debug_reports(kernel: RandomKernel) -> None:
    """A mistake that shows in one mode shows in the other, reported in the same words."""
    assert _report(kernel, "fast") == _report(kernel, "debug")


@pytest.mark.clause("PALLAS-1")
@settings(max_examples=max(1, EXAMPLES // 2))
@given(kernels())
@pytest.mark.slow
def test_loops_are_debug(kernel: RandomKernel) -> None:
    """The text of compiled mode's loops, run by Python, gives it too."""
    with python_loops():
        results = _run(kernel, "compiled")
    kernel.same(results, _run(kernel, "debug"))


@pytest.mark.clause("PALLAS-1")
@settings(max_examples=max(1, EXAMPLES // 2))
@given(faulty_kernels())
@pytest.mark.slow
def test_loops_report_what_debug_reports(kernel: RandomKernel) -> None:
    """And a mistake that shows in debug mode shows in the loops, reported in the same words."""
    with python_loops():
        report = _report(kernel, "compiled")
    assert report == _report(kernel, "debug")


@pytest.mark.clause("PALLAS-1")
@settings(max_examples=max(1, EXAMPLES // 20))
@given(kernels())
@pytest.mark.slow
def test_compiled_is_debug(kernel: RandomKernel) -> None:
    """So does their machine code."""
    kernel.same(_run(kernel, "compiled"), _run(kernel, "debug"))


@pytest.mark.clause("PALLAS-1")
@settings(max_examples=max(1, EXAMPLES // 4))
@given(kernels())
@pytest.mark.slow
def test_debug_is_stock(kernel: RandomKernel) -> None:
    """And stock interpret mode, which compiles the kernel through XLA."""
    kernel.agree(_run(kernel, "debug"), jax.tree.leaves(kernel.build(interpret=True)(*kernel.operands)))


@pytest.mark.slow
@pytest.mark.clause("PALLAS-1")
@settings(max_examples=max(1, EXAMPLES // 2))
@given(kernels())
def test_auto_changes_its_form_and_no_bit(kernel: RandomKernel) -> None:
    """Before, at and after the moment at which loops take over, a call gives the same bits."""
    with python_loops() as loops, mock.patch.multiple(fast, _LOAD_AFTER=0.0, _COMPILE_AFTER=-1.0, _COMPILE_BYTE=0.0):
        call = prism.pallas.run(kernel.build(), mode="auto")
        first, *later = (jax.tree.leaves(call(*kernel.operands)) for _ in range(4))
        event("loops took over" if loops.outcomes else "no loop form")
    for results in later:
        kernel.same(results, first)


def test_the_campaign_sees_a_mode_that_differs() -> None:
    """`python -m tests.pallas_law` tells bits apart, a zero's sign and a type among them, and names kernel and mode."""
    one, other = (bits([np.float32([x, np.nan])]) for x in (0.0, -0.0))
    assert len({one, other, bits([np.float64([0, np.nan])])}) == 3
    assert one == bits([-np.float32([-0.0, np.nan])])
    assert differing([({"debug": one, "fast": one}, True), ({"debug": one, "fast": other}, True)]) == ["kernel 1, fast"]


@pytest.mark.slow
@pytest.mark.clause("PALLAS-1")
@settings(max_examples=max(1, EXAMPLES // 30))
@given(kernels())
def test_a_cache_changes_no_bit(kernel: RandomKernel) -> None:
    """Auto gives the same bits where nothing is kept, while it compiles, and where another process left everything."""
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(compiled, "DIRECTORY", Path(folder)):
        before = _run(kernel, "fast")
        for _ in range(2):
            prism.pallas.clear_caches()
            with mock.patch.multiple(fast, _LOAD_AFTER=0.0, _COMPILE_AFTER=-1.0, _COMPILE_BYTE=0.0):
                call = prism.pallas.run(kernel.build(), mode="auto")
                for _ in range(3):
                    kernel.same(jax.tree.leaves(call(*kernel.operands)), before)
