"""prism.kernels.isa.build: programs made in Python, and the plan's two builders."""

from __future__ import annotations

import pytest

from prism.errors import UsageError
from prism.kernels.isa.build import Builder, element_wise_binary
from prism.kernels.isa.program import Access, Instruction
from prism.kernels.isa.types import F32, TYPES
from prism.kernels.isa.verify import verify

pytestmark = [pytest.mark.m8, pytest.mark.clause("ISA-3")]


def test_handles_are_the_next_free_ones_and_labels_stand_once() -> None:
    """Buffers and shared memory share one numbering; a second label of one name is refused."""
    b = Builder("p")
    assert [b.buffer("x", F32, Access.READ), b.shared("s", F32, 4), b.buffer("y", F32, Access.READ, 9)] == [1, 2, 9]
    b.label("test")
    with pytest.raises(UsageError, match="duplicate label 'test' at instruction 0; each label must stand once"):
        b.label("test")


@pytest.mark.parametrize("ty", TYPES, ids=str)
def test_the_plans_builder_makes_ten_instructions_of_any_type(ty: object) -> None:
    """An element-wise program of two operands has ten instructions and passes verification."""
    one = next(each for each in TYPES if each is ty)
    program = element_wise_binary(1, 2, 3, one, lambda a, b, dst: Instruction("add", (one,), (dst, a, b)))
    assert len(verify(program).steps) == 10
