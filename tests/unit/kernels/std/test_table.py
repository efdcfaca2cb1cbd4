"""Every standard kernel is its NumPy reference, on every executor and for every type that it declares."""

from __future__ import annotations

import numpy as np
import pytest

from prism.kernels.exec.table import EXECUTORS
from prism.kernels.std.table import STANDARD, close, masks
from tests import kernels_std
from tests.kernels_std import Case, cases, failure, size_for

pytestmark = [pytest.mark.m8, pytest.mark.clause("KERNELS-14")]

SIZES = (0, 1, 37, 300)
"""Sizes of the normal run; all of them, on every executor: python -m tests.kernels_std."""
SORTS = ("axpy", "bitonic_sort", "cos", "dot", "gemm", "histogram", "prefix_sum", "softmax", "transpose")
"""Kernels that differ in how they are compiled: streams, sorts, atomics, meetings, shared memory."""


def wrong(executor: str, wanted: list[Case]) -> list[str]:
    """Return what an executor gets wrong."""
    return [f"{case}: {found}" for case in wanted if (found := failure(executor, case))]


@pytest.mark.slow
@pytest.mark.parametrize("name", STANDARD)
def test_each_standard_kernel_is_its_reference(name: str) -> None:
    """On the definition, for all declared types, for nothing, one element, and sizes that fill no block."""
    wanted = cases("numpy", SIZES, [name])
    assert len(wanted) == len(SIZES) * len(STANDARD[name].elements)
    assert wrong("numpy", wanted) == []


@pytest.mark.slow
@pytest.mark.parametrize("executor", [one for one in EXECUTORS if one != "numpy"])
def test_other_executors_agree(executor: str) -> None:
    """The same on executors that compile: a few kernels of each sort, each for one of its types."""
    found = []
    for number, name in enumerate(SORTS if executor == "cpu" else ("fused", "sum")):
        elements = STANDARD[name].elements
        element = elements[number % len(elements)] if executor == "cpu" else "f32"
        found += wrong(executor, [Case(name, element, size) for size in (0, 1, 300)])
    assert found == []


def test_the_campaign_sees_a_wrong_result(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound below what the operations give makes the script name the case, count it and end with 1."""
    arguments = ["numpy", "--names", "dot", "--sizes", "300", "--random", "0"]
    assert kernels_std.main(arguments) == 0
    assert "numpy: 10 cases, 0 failed" in capsys.readouterr().out
    monkeypatch.setattr(kernels_std, "close", lambda a, b, ulp: close(a, b, ulp) and a.dtype != np.float32)
    assert kernels_std.main(arguments) == 1
    printed = capsys.readouterr().out
    assert "numpy dot f32 300: result 0: " in printed
    assert "numpy: 10 cases, 1 failed" in printed


def test_large_cases_are_as_large_as_their_work_allows() -> None:
    """Only kernels whose work outgrows their size get less than a million elements, on the definition alone."""
    large = {name: size_for("numpy", name, 10**6) for name in STANDARD}
    assert {name: size for name, size in large.items() if size < 10**6} == {"bitonic_sort": 7812, "gemm": 7812}
    assert all(size_for("cpu", name, 10**6) == 10**6 for name in STANDARD)


def test_every_kernel_of_the_list_is_there() -> None:
    """The list of the plan, each with the types that it declares."""
    listed = "add sub mul div min max abs neg relu sigmoid tanh gelu exp log sqrt sin cos axpy dot sum least largest"
    listed += " softmax layernorm rmsnorm histogram prefix_sum gemv gemm transpose convolve bitonic_sort fused"
    assert set(STANDARD) == set(listed.split())
    assert all(len(one.elements) >= 2 for one in STANDARD.values())


def test_close_tells_apart() -> None:
    """Results of another shape, type or value are not close; equality is asked where no bound is given."""
    one = np.ones(3, np.float32)
    assert close(one, one + np.float32(2**-22), 4)
    assert not close(one, one + np.float32(2**-22), 0)
    assert not close(one, one + np.float32(1e-3), 4)
    assert not close(one, one.astype(np.float64), 4)
    assert not close(one, one[:2], 4)
    assert not close(np.array([np.nan], np.float32), one[:1], 4)


def test_sorting_networks_have_the_known_length() -> None:
    """A power of two 2^k needs k (k + 1) / 2 steps (Batcher, 1968)."""
    assert [len(masks(n)) for n in (0, 1, 2, 4, 8, 1024)] == [0, 0, 1, 3, 6, 55]
