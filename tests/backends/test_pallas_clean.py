"""Correct kernels are never reported: the bench kernels, JAX's whole kernels, and every mode agrees with NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import prism.pallas
from prism.bench.pallas import CASES, Answer
from prism.bench.pallas_kernels import LARGE_VADD, KernelCase

pytestmark = pytest.mark.m6

SMALL = [case for case in CASES.values() if case is not LARGE_VADD]


@pytest.mark.slow
@pytest.mark.clause("PALLAS-1")
@pytest.mark.parametrize("mode", ["debug", "fast"])
@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_a_correct_kernel_runs_without_a_report_and_agrees_with_numpy(case: KernelCase, mode) -> None:
    """With every check on, a bench kernel gives the plain NumPy answer."""
    operands = case.operands(np.random.default_rng(1))
    before = prism.pallas.kernels_run()
    ours = prism.pallas.run(case.build(False), mode=mode)(*operands)
    assert prism.pallas.kernels_run() > before
    assert Answer(np.asarray(ours), case.tolerance) == Answer(case.numpy(*operands), case.tolerance)


@pytest.mark.clause("PALLAS-8")
@pytest.mark.parametrize("order", ["shuffled", "reversed"])
@pytest.mark.parametrize("name", ["vadd", "matmul", "histogram", "ops.gpu.layer_norm"])
def test_a_correct_kernel_cannot_tell_the_order_of_independent_steps(name: str, order) -> None:
    """Steps along independent axes may run in any order; steps that carry state keep theirs."""
    case = CASES[name]
    operands = case.operands(np.random.default_rng(2))
    plain, other = (prism.pallas.run(case.build(False), grid_order=o)(*operands) for o in ("sequential", order))
    np.testing.assert_array_equal(plain, other)
