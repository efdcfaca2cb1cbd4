"""Every standard kernel is its NumPy reference, on every executor and for every type that it declares."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import settings

from prism.kernels.exec.table import EXECUTORS
from prism.kernels.schema.arithmetic import dtype
from prism.kernels.std.table import STANDARD, close, masks

pytestmark = [pytest.mark.m8, pytest.mark.clause("KERNELS-14")]

DEEP = settings().max_examples >= 2000
LARGE = 10**6
"""The size of the largest case, which `pytest --hypothesis-profile deep` runs on every executor but the definition."""


def wrong(executor: str, name: str, element: str, n: int) -> list[str]:
    """Return what a standard kernel gets wrong at one size."""
    one = STANDARD[name]
    given = one.make(np.random.default_rng(n + 1), n, dtype(element))
    pairs = zip(one.run(one.kernel.on(executor), given), one.reference(given), strict=True)
    return [f"{name} {element} {n}: {a} != {b}" for a, b in pairs if not close(a, b, one.ulp)]


@pytest.mark.parametrize("name", STANDARD)
def test_each_standard_kernel_is_its_reference(name: str) -> None:
    """On the definition, for all declared types, for nothing, one element, and sizes that fill no block."""
    sizes = (0, 1, 37, 300)
    assert [x for e, n in product(STANDARD[name].elements, sizes) for x in wrong("numpy", name, e, n)] == []


@pytest.mark.parametrize("executor", [one for one in EXECUTORS if one != "numpy"])
@pytest.mark.slow
def test_other_executors_agree(executor: str) -> None:
    """The same on executors that compile: a few kernels of each sort, or with the profile `deep` all, at a million."""
    names = STANDARD if DEEP else ("fused", "sum")
    sizes = (0, 1, 37, 300, LARGE) if DEEP else (0, 300)
    found = []
    for name in names:
        elements = STANDARD[name].elements
        found += [x for e, n in product(elements if DEEP else ("f32",), sizes) for x in wrong(executor, name, e, n)]
    assert found == []


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
