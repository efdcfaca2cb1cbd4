"""Every pure instruction on the `cpu` executor, against the definition."""

from __future__ import annotations

import numpy as np
import pytest

from prism.kernels.exec.launch import linear
from prism.kernels.isa.table import BY_MNEMONIC
from prism.kernels.isa.types import BF16, F16, F32, F64, I8, I64, U16, U32, Kind, Type
from tests.unit.kernels.exec.programs import CPU, NUMPY, Array, arithmetic, outcome, samples

pytestmark = [pytest.mark.m8, pytest.mark.slow, pytest.mark.clause("EXEC-2")]


def ulps(got: Array, want: Array, ty: Type) -> Array:
    """Return how many numbers of a type lie between two arrays of them; NaNs are equal, and so are zeros."""
    words = [one.view(f"i{ty.size}").astype(object) for one in (got, want)]
    places = [np.where(one < 0, -(one & ((1 << (ty.bits - 1)) - 1)), one) for one in words]
    with np.errstate(invalid="ignore"):
        both = np.isnan(got.astype(np.float64)) & np.isnan(want.astype(np.float64))
    return np.where(both, 0, np.abs(places[0] - places[1]))


def assert_same(got: Array, want: Array, ty: Type, allowed: int, name: str) -> None:
    """Compare an output with the definition's."""
    if ty.kind is Kind.FLOAT:
        worst = int(ulps(got, want, ty).max())
        assert worst <= allowed, f"{name} is {worst} ulp off, {allowed} are allowed"
    else:
        np.testing.assert_array_equal(got, want, err_msg=name)


@pytest.mark.clause("ISA-13")
@pytest.mark.parametrize("ty", [I8, U16, I64, F16, BF16, F32, F64], ids=str)
@pytest.mark.slow
def test_every_pure_instruction_is_that_of_the_definition(ty: Type) -> None:
    """On edges and random bits, whole numbers agree to the bit, floats within what the table allows."""
    program, outputs = arithmetic(ty)
    n = 300
    given = {"a": samples(ty, n, 1), "b": samples(ty, n, 2, zero=False), "c": samples(ty, n, 3)}
    given["amount"] = samples(U32, n, 4)
    given |= {name: np.zeros(n, of.dtype) for name, of in outputs}
    got, fault = outcome(CPU, program, linear(n, 100), given)
    want, expected = outcome(NUMPY, program, linear(n, 100), given)
    assert fault is None
    assert expected is None
    for name, of in outputs:
        op = BY_MNEMONIC.get(name.removeprefix("o_"))
        assert_same(got[name], want[name], of, op.ulp if op else 0, f"{ty.name} {name}")
