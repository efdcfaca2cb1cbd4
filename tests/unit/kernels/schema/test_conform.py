"""The front end's areas of the vectors: sampled here, all of them by `prism conform`."""

from __future__ import annotations

from typing import Any

import pytest

from prism.conform import Case, Outcome, judge
from prism.kernels.schema.conform import CHECKS, DEVIATIONS

pytestmark = [pytest.mark.m8, pytest.mark.clause("KERNELS-12")]


@pytest.mark.parametrize(
    ("area", "given", "expected", "outcome"),
    [
        ("classify", {"kernel": "sigmoid"}, "UnaryElementwise", Outcome.PASSED),
        ("classify", {"kernel": "vector_dot"}, "Reduction", Outcome.PASSED),
        ("classify", {"kernel": "gemm"}, "MatrixOp", Outcome.PASSED),
        ("classify", {"kernel": "matmul"}, "BinaryElementwise", Outcome.DEVIATES),
        ("classify", {"kernel": "sigmoid"}, "BinaryElementwise", Outcome.FAILED),
        ("classify", {"kernel": "gemm"}, "Reduction", Outcome.FAILED),
        ("schema", {"version": "2.0"}, {"error": "unsupported version"}, Outcome.PASSED),
        ("schema", {"version": "1.0"}, {"error": "unsupported version"}, Outcome.FAILED),
        ("frontend", {"python": "m.f(x)"}, "ValueError: Unsupported expression", Outcome.PASSED),
        ("frontend", {"python": "x ** 2"}, 'op "unknown"', Outcome.DEVIATES),
        ("frontend", {"python": "a, b = f()"}, "statement silently dropped (tuple target)", Outcome.DEVIATES),
        ("frontend", {"python": "lambda: 0"}, "?", Outcome.FAILED),
        ("frontend", {"kernel": "vector/sum.py"}, {"then_kinds": []}, Outcome.DEVIATES),
        (
            "frontend",
            {"kernel": "vector/relu.py"},
            {"then_kinds": ["let", "if"], "inner_else_present": True},
            Outcome.PASSED,
        ),
    ],
)
def test_cases(area: str, given: dict[str, Any], expected: Any, outcome: Outcome) -> None:
    """A case passes, deviates by a stated rule, or fails where the file says something else."""
    case = Case("c", area, {"input": given, "expected": expected})
    [verdict] = judge([case], CHECKS, DEVIATIONS)
    assert verdict.outcome is outcome, verdict.detail
