"""prism.kernels.exec.launch: a launch binds exactly what its program declares, in the declared types."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from prism.errors import UsageError
from prism.kernels.exec.launch import Launch, Shape, linear, scalar_value
from prism.kernels.exec.table import open_executor
from prism.kernels.isa.build import element_wise_unary
from prism.kernels.isa.program import Instruction, Program, Scalar
from prism.kernels.isa.types import F16, F32, U8, Type
from prism.kernels.isa.verify import verify

pytestmark = [pytest.mark.m8, pytest.mark.clause("ISA-10")]

PROGRAM = verify(element_wise_unary(1, 2, F32, lambda a, d: Instruction("abs", (F32,), (d, a))))
SCALAR = verify(Program("p", (Instruction("exit"),), scalars=(Scalar("n", U8, 1),)))
GOOD = {"a": np.zeros(4, np.float32), "c": np.zeros(4, np.float32)}
FROZEN = np.zeros(4, np.float32)
FROZEN.flags.writeable = False


def test_a_shape_counts_blocks_and_lanes() -> None:
    """Lanes are blocks times lanes in a block; a linear launch rounds up to whole blocks."""
    assert linear(1000, 256) == Shape((4, 1, 1), (256, 1, 1))
    shape = Shape((2, 2, 1), (8, 8, 1), 1024)
    assert (shape.blocks, shape.lanes, shape.shared_bytes) == (4, 256, 1024)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Shape(grid=(0, 1, 1)), "a grid must be three whole numbers of at least 1 and of product"),
        (
            lambda: Shape(block=(32, 33, 1)),
            "a block must be three whole numbers of at least 1 and of product at most 1024",
        ),
        (lambda: Shape((1 << 25, 1, 1), (1024, 1, 1)), "a launch must have at most 2147483648 lanes"),
        (lambda: linear(0), "a linear launch must have at least 1 lane in blocks of"),
        (lambda: Launch(PROGRAM, Shape(), {"a": GOOD["a"]}), "a launch must bind exactly the buffers that the program"),
        (
            lambda: Launch(PROGRAM, Shape(), {**GOOD, "a": np.zeros(4)}),
            "buffer 'a' must be a contiguous NumPy array of f32",
        ),
        (lambda: Launch(PROGRAM, Shape(), {**GOOD, "a": np.zeros(8, np.float32)[::2]}), "got float32 of shape (4,)"),
        (lambda: Launch(PROGRAM, Shape(), {**GOOD, "c": FROZEN}), "must be writable, for the program writes it"),
        (lambda: Launch(PROGRAM, Shape(), {"a": GOOD["a"], "c": GOOD["a"]}), "must not overlap, for one is written"),
        (lambda: Launch(SCALAR, Shape()), "exactly the scalars that the program declares, missing ['n'], unknown []"),
        (lambda: Launch(SCALAR, Shape(), {}, {"n": 256}), "scalar 'n' must be one number that u8 holds, got 256"),
        (lambda: Launch(SCALAR, Shape(), {}, {"n": 2.5}), "scalar 'n' must be one number that u8 holds, got 2.5"),
        (lambda: Launch(PROGRAM, Shape(), GOOD, fuel=-1), "fuel must be at least 0, lane_class below 96"),
        (lambda: open_executor("abacus"), "an executor must be one of"),
    ],
)
def test_what_a_launch_refuses(make: Any, words: str) -> None:
    """Anything missing, unknown, of another type, read only or overlapping is refused before the run."""
    with pytest.raises(UsageError) as caught:
        make()
    assert words in str(caught.value)


@pytest.mark.parametrize(("ty", "given"), [(U8, 255), (F16, 0.5), (F32, 3), (F32, np.float64(2.0)), (U8, np.int64(7))])
def test_a_scalar_becomes_an_element_of_its_type(ty: Type, given: Any) -> None:
    """Whole numbers that fit, and numbers for floats, are converted and nothing else."""
    value = scalar_value(ty, given, "n")
    assert (value.dtype, float(value)) == (ty.dtype, float(given))
