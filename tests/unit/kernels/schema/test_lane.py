"""One lane as plain Python: values keep their types, indices are checked, lanes know their place."""

from __future__ import annotations

import numpy as np
import pytest

from prism import (
    DeviceArray,
    barrier,
    block_sum,
    f32,
    fma,
    get_block_id,
    get_block_size,
    get_global_id,
    get_grid_size,
    get_local_id,
    i8,
    i32,
    kernel,
    u8,
    u32,
)
from prism.errors import UsageError
from prism.kernels.schema.arithmetic import binary, convert
from prism.kernels.schema.values import meet

pytestmark = [pytest.mark.m8, pytest.mark.clause("KERNELS-9")]


@kernel
def counts(out: DeviceArray[u8], n: i32):
    """Count past the width of a variable that starts as a literal's type says."""
    total: u8 = 250
    for i in range(n):
        total += u8(1 if i >= 0 else 0)
    out[0] = total


@kernel
def places(out: DeviceArray[u32]):
    """Write what a lane knows of its place."""
    i = get_global_id()
    out[0] = i
    out[1] = get_local_id()
    out[2] = get_block_id()
    out[3] = get_block_size()
    out[4] = get_grid_size()
    out[5] = get_global_id(1)
    out[6] = get_local_id(0)
    out[7] = get_block_size(1)


@kernel
def meets(out: DeviceArray[f32]):
    """Meet the other lanes of the block."""
    s = block_sum(out[0])
    barrier()
    out[0] = s


@kernel
def divides(out: DeviceArray[i32], a: i32, b: i32):
    """Divide and take the rest."""
    out[0] = a // b
    out[1] = a % b


@kernel
def reads(out: DeviceArray[f32], i: i32):
    """Read an element that may not be there."""
    out[0] = out[i]


def test_variables_keep_their_types() -> None:
    """A variable of eight bits wraps at eight bits in plain Python too."""
    out = np.zeros(1, np.uint8)
    counts.python(0, out, n=10)
    assert out[0] == 4


@pytest.mark.clause("KERNELS-8")
def test_a_lane_knows_its_place() -> None:
    """Ids count x fastest; with an axis they are coordinates."""
    out = np.zeros(8, np.uint32)
    places.python(17, out, grid=(2, 2), block=(3, 2))
    assert out.tolist() == [17, 5, 2, 6, 4, 3, 2, 2]


def test_lanes_that_meet_need_a_block_of_one() -> None:
    """A block of one lane sums to its own value; a larger one cannot run one lane at a time."""
    out = np.full(1, 3, np.float32)
    meets.python(0, out)
    assert out[0] == 3
    with pytest.raises(UsageError, match=r"block_sum\(\) meets the other lanes of its block; run one lane with"):
        meets.python(0, out, block=2)


@pytest.mark.clause("KERNELS-6")
@pytest.mark.parametrize(("a", "b"), [(7, 2), (-7, 2), (7, -2), (-7, -2), (-(2**31), -1), (6, 3)])
def test_integers_divide_as_python_does(a: int, b: int) -> None:
    """The quotient rounds down, the rest has the divisor's sign, and what does not fit wraps."""
    out = np.zeros(2, np.int32)
    divides.python(0, out, a, b)
    assert out.tolist() == [(a // b + 2**31) % 2**32 - 2**31, a % b]


@pytest.mark.clause("KERNELS-6")
def test_a_zero_divisor_raises() -> None:
    """Where a launch faults, the lane raises and says what to do."""
    out = np.zeros(2, np.int32)
    with pytest.raises(ZeroDivisionError, match="an integer must not be divided by zero, got 1 // 0; test"):
        divides.python(0, out, 1, 0)
    with pytest.raises(ZeroDivisionError, match="an integer must not be divided by zero, got 1 % 0; test"):
        binary("mod", np.int32(1), np.int32(0), "i32")


@pytest.mark.parametrize("index", [-1, 4, 1 << 30])
def test_an_index_outside_its_array_raises(index: int) -> None:
    """Negative indices do not wrap around."""
    with pytest.raises(IndexError, match="an index must lie inside its array, got"):
        reads.python(0, np.zeros(4, np.float32), index)


@pytest.mark.clause("KERNELS-6")
@pytest.mark.parametrize(
    ("value", "element", "expected"),
    [
        (300.7, "u8", 255),
        (-300.7, "i8", -128),
        (-1.9, "i32", -1),
        (float("nan"), "i64", 0),
        (float("inf"), "u16", 65535),
        (-1, "u8", 255),
        (200, "i8", -56),
        (True, "f32", 1.0),
        (16777217, "f32", 16777216.0),
        (0.1, "bf16", 0.10009765625),
    ],
)
def test_conversions(value: float, element: str, expected: float) -> None:
    """Integers wrap, floats round to even, and float to integer cuts, saturates and makes NaN 0."""
    assert float(convert(value, element)) == expected


@pytest.mark.clause("KERNELS-6")
def test_values_follow_the_clauses() -> None:
    """Shifts go modulo the width, min ignores NaN, powers multiply out, fma rounds once."""
    nan = f32(float("nan"))
    assert (i8(1) << i8(9)).raw == 2
    assert (i8(-128) >> i8(7)).raw == -1
    assert (-i8(-128)).raw == -128
    assert (i32(3) ** 4).raw == 81
    assert (f32(2) ** -2).raw == np.float32(0.25)
    assert (f32(-7.5) % 2).raw == np.float32(0.5)
    assert (f32(-7.5) // 2).raw == -4
    assert [one.raw for one in meet(u8(1), i8(2))] == [1, 2]
    assert meet(u8(1), i8(2))[0].element == "i16"
    small = f32(1 + 2**-12)
    assert fma(small, small, -1.0).raw == np.float32((1 + 2**-12) ** 2 - 1)
    assert nan != nan
    assert binary("min", nan.raw, np.float32(1), "f32") == 1
    assert binary("max", np.float32(1), nan.raw, "f32") == 1


def test_values_refuse_what_inference_refuses() -> None:
    """Types that do not meet and numbers that do not fit are refused in plain Python as well."""
    with pytest.raises(UsageError, match="operands must meet in one type, got"):
        i32(1) + f32(1)
    with pytest.raises(UsageError, match="a number must fit the type it takes, got 300 for u8; convert it"):
        u8(1) + 300


def test_intrinsics_need_a_lane() -> None:
    """Outside a lane an id has no meaning."""
    with pytest.raises(UsageError, match=r"must be used by a lane that runs; call the kernel"):
        get_global_id()
    with pytest.raises(UsageError, match=r"must be used by a lane that runs; call the kernel"):
        DeviceArray()[0]
