"""Each operation of floats lies within the table's distance of the definition, on every executor."""

from __future__ import annotations

import numpy as np
import pytest

from prism.kernels.exec.launch import Launch, linear
from prism.kernels.exec.table import open_executor
from prism.kernels.isa.assemble import assemble
from prism.kernels.isa.table import BY_MNEMONIC
from prism.kernels.isa.types import F32, F64
from prism.kernels.isa.verify import verify
from tests.kernels_ulps import OPERATIONS, distance, results, worst

pytestmark = [pytest.mark.m8, pytest.mark.clause("ISA-23"), pytest.mark.clause("ISA-3")]


def test_distance_counts_numbers_between() -> None:
    """Neighbours lie 1 apart, also across a power of two and across zero; NaNs are equal, zeros too."""
    a = np.array([1, 0.0, np.nan, -1e-45, 1, np.inf], np.float32)
    b = np.array([np.nextafter(np.float32(1), np.float32(0)), -0.0, -np.nan, 1e-45, 2, np.nan], np.float32)
    assert distance(a, b, F32).tolist()[:5] == [1, 0, 0, 2, 1 << 23]
    assert distance(a, b, F32)[5] > 0


HALVES = """
.program halves
.buffer x f64 read 1
.buffer out f16 write 2
mov_imm.u64 r1, 1
mov_imm.u64 r2, 2
mov_imm.u32 r9, 3
shl.u64 r0, r255, r9
ldg.f64 r10, [r1 + r0]
cvt.f16.f64 r11, r10
mov_imm.u32 r9, 1
shl.u64 r0, r255, r9
stg.f16 [r2 + r0], r11
"""


@pytest.mark.clause("ISA-14")
@pytest.mark.parametrize("executor", ["numpy", "xla"])
def test_a_double_is_rounded_to_a_half_once(executor: str) -> None:
    """Just below and above what lies between two halves: a rounding to f32 in between would make both ties."""
    x = np.array([-12251.9997, -12252.0003, 12252, 65519.99, 65520, 1e-8, np.inf, np.nan, 2049.0000001, 5.96e-8])
    out = np.zeros(len(x), np.float16)
    open_executor(executor).bind(Launch(verify(assemble(HALVES)), linear(len(x), len(x)), {"x": x, "out": out}))()
    assert out.tolist()[:7] == [-12248, -12256, 12256, 65504, np.inf, 0, np.inf]
    assert np.isnan(out[7])
    assert out.tolist()[8:] == [2050, 5.960464477539063e-08]


@pytest.mark.clause("ISA-15")
@pytest.mark.parametrize("executor", ["numpy", pytest.param("cpu", marks=pytest.mark.slow)])
def test_an_infinity_outweighs_a_product_beyond_a_double(executor: str) -> None:
    """The product is exact, so it is finite, and has no part in the sum."""
    x = [np.full(256, one) for one in (7.9e236, -1.8e274, np.inf)]
    assert np.isposinf(results(executor, "fma", F64, x)).all()


@pytest.mark.parametrize("executor", ["numpy", pytest.param("cpu", marks=pytest.mark.slow)])
def test_powers_that_do_not_depend_on_a_nan(executor: str) -> None:
    """A signalling NaN to the power 0 is 1, and so is 1 to its power, as for any other NaN."""
    signalling = np.array([0x7FF0000000000001], np.uint64).view(np.float64)
    x, y = (np.resize(one, 256) for one in ([signalling[0], 1.0, 2.0], [0.0, signalling[0], 3.0]))
    assert results(executor, "pow", F64, [x, y])[:3].tolist() == [1, 1, 8]


@pytest.mark.slow
@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_on_xla_lie_within_the_table(name: str) -> None:
    """All exponents, the numbers that occur most and the edges; `python -m tests.kernels_ulps xla` takes more."""
    for ty in (F32, F64):
        away, where, _ = worst("xla", name, ty, 512)
        assert away <= BY_MNEMONIC[name].ulp, where
