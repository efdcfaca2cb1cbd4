"""What is known of numbers in all lanes at once says what each lane would find."""

from __future__ import annotations

import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prism.kernels.exec.affine import Affine, combined, inside, where
from prism.kernels.isa.types import BY_NAME

pytestmark = [pytest.mark.m8, pytest.mark.clause("ISA-23")]

NUMBERS = st.builds(Affine, st.integers(-3, 3), st.integers(-20, 20))
SPANS = st.tuples(st.integers(0, 9), st.integers(1, 12)).map(lambda one: (one[0], one[0] + one[1]))
COMPARE = {one: getattr(operator, one) for one in ("eq", "ne", "lt", "le", "gt", "ge")}


@given(NUMBERS, st.integers(0, 20), SPANS)
def test_the_lanes_inside_a_length(number: Affine, length: int, span: tuple[int, int]) -> None:
    """The span is that of the lanes whose number lies in [0, length), one by one."""
    assert list(range(*inside(number, length, span))) == [k for k in range(*span) if 0 <= number.at(k) < length]


@given(NUMBERS, NUMBERS, SPANS, st.sampled_from(sorted(COMPARE)))
def test_where_a_comparison_holds(x: Affine, y: Affine, span: tuple[int, int], condition: str) -> None:
    """In the lanes that are returned it is as said, in the others of the span it is not."""
    found, holds = where(condition, x, y, span)
    assert span[0] <= found[0] <= found[1] <= span[1]
    for lane in range(*span):
        assert (COMPARE[condition](x.at(lane), y.at(lane)) == holds) == (lane in range(*found))


OPERATIONS = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "mad": lambda x, y, z: x * y + z,
    "shl": lambda x, y: x << y % 16,
    "div": lambda x, y: x // y,
    "rem": lambda x, y: x % y,
    "mov": lambda x: x,
}


@given(st.sampled_from(sorted(OPERATIONS)), st.lists(NUMBERS, min_size=3, max_size=3), SPANS)
def test_operations_on_known_numbers(op: str, given: list[Affine], span: tuple[int, int]) -> None:
    """What is said of a result is what each lane computes in u16, and nothing has wrapped; else nothing is said."""
    function = OPERATIONS[op]
    operands = given[: function.__code__.co_argcount]
    u16 = BY_NAME["u16"]
    fit = all(one.fits(u16, span) for one in operands)
    found = combined(op, u16, operands, span) if fit else None
    for lane in range(*span):
        values = [one.at(lane) for one in operands]
        if found is not None:
            assert found.at(lane) == function(*values)
        elif fit and op in ("add", "mov"):
            assert not all(0 <= function(*(one.at(k) for one in operands)) < 1 << 16 for k in range(*span))
            break


def test_an_operation_that_wraps_is_not_known() -> None:
    """In the last of 256 lanes u8 has no room for the lane's number plus one."""
    u8, lane = BY_NAME["u8"], Affine(1, 0)
    assert combined("add", u8, [lane, Affine(0, 1)], (0, 255)) == Affine(1, 1)
    assert combined("add", u8, [lane, Affine(0, 1)], (0, 256)) is None
    assert combined("add", u8, [lane, None], (0, 4)) is None
