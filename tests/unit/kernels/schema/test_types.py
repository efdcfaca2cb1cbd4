"""The twelve element types and the rules by which two of them meet."""

from __future__ import annotations

from itertools import product

import pytest

from prism.kernels.isa.types import BY_NAME, Kind
from prism.kernels.schema.arithmetic import dtype
from prism.kernels.schema.types import BOOL, ELEMENTS, fits, promote

pytestmark = [pytest.mark.m8, pytest.mark.clause("KERNELS-3")]


def test_the_types_are_those_of_the_instruction_set() -> None:
    """Names, kinds, widths and dtypes are what programs have."""
    kinds = {Kind.SIGNED: "signed", Kind.UNSIGNED: "unsigned", Kind.FLOAT: "float"}
    assert {one.name: (one.kind, one.bits) for one in ELEMENTS.values()} == {
        one.name: (kinds[one.kind], one.bits) for one in BY_NAME.values()
    }
    assert {name: dtype(name) for name in ELEMENTS} == {name: one.dtype for name, one in BY_NAME.items()}


def test_promotion_is_an_upper_bound() -> None:
    """It commutes, keeps a type that it meets itself, and the meeting type takes in both without loss of range."""
    for a, b in product(ELEMENTS, ELEMENTS):
        meet = promote(a, b)
        assert meet == promote(b, a)
        if meet is None:
            continue
        assert promote(meet, a) == promote(meet, b) == meet
    assert all(promote(one, one) == one for one in ELEMENTS)


@pytest.mark.parametrize(
    ("left", "right", "meet"),
    [
        ("i8", "i32", "i32"),
        ("u8", "i8", "i16"),
        ("u32", "i32", "i64"),
        ("u8", "i64", "i64"),
        ("u64", "i64", None),
        ("f16", "bf16", "f32"),
        ("bf16", "f64", "f64"),
        ("i32", "f32", None),
        (BOOL, "u8", None),
    ],
)
def test_where_types_meet(left: str, right: str, meet: str | None) -> None:
    """Integers meet integers and floats meet floats, where one type holds both."""
    assert promote(left, right) == meet


@pytest.mark.parametrize(
    ("value", "element", "does"),
    [
        (255, "u8", True),
        (256, "u8", False),
        (-1, "u64", False),
        (-128, "i8", True),
        (1.0, "i32", False),
        (1, "f16", True),
        (65504, "f16", True),
        (65505.0, "f16", False),
        (float("inf"), "f16", True),
        (10**400, "f64", False),
        (True, "i32", False),
        (True, BOOL, True),
        (1, BOOL, False),
    ],
)
@pytest.mark.clause("KERNELS-4")
def test_which_literals_fit(value: float, element: str, does: bool) -> None:
    """An integer fits where it is in range, a float only among floats, a truth value only as a condition."""
    assert fits(value, element) is does
