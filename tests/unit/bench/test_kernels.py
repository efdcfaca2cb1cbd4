"""The bench of kernels: ours and the peers give rows of one run, and who is missing says so."""

from __future__ import annotations

import pytest

from prism.bench.kernel_compile import SOURCE, compile_bench
from prism.bench.kernels import JAX, kernels_bench
from prism.kernels.std.table import STANDARD

pytestmark = [pytest.mark.m8, pytest.mark.clause("BENCH-1")]


def test_each_contender_has_a_row() -> None:
    """Ours, jax.jit, and rows that name what is not there; results agree with the reference."""
    rows = list(kernels_bench(["transpose"], [64], 1, ["numpy"], tick=lambda _: None))
    assert [row.impl for row in rows] == ["prism numpy", "jax.jit cpu", "numba", "warp", "taichi"]
    assert [row.runs for row in rows[:2]] == [1, 1]
    assert all(row.unit.startswith("missing: ") for row in rows if not row.runs)


def test_what_is_timed_is_standard() -> None:
    """Each timed kernel is one of the standard ones."""
    assert set(JAX) <= set(STANDARD)


def test_compiling_is_timed_from_source_to_verified_program() -> None:
    """The whole way and its stages; the kernel has the thirty lines that its name says, and nothing is remembered."""
    rows = list(compile_bench(1))
    assert [row.impl for row in rows] == [
        "prism, source to verified program",
        "prism, read and infer",
        "prism, lower",
        "prism, verify",
    ]
    whole, *stages = (row.median_s or 0.0 for row in rows)
    assert all(0 < one < whole * 1.5 for one in stages)
    assert len(SOURCE.splitlines()) - SOURCE.splitlines().index("@kernel") - 2 == 30
