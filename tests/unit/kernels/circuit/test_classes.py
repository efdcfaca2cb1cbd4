"""The 96 classes, their transforms, belts [CIRCUIT-1 to CIRCUIT-3]."""

from __future__ import annotations

from collections import Counter

import pytest

from prism.errors import UsageError
from prism.kernels.circuit import classes as cl
from prism.kernels.circuit.classes import Coordinates, Transform, coordinates
from prism.kernels.isa.program import CLASSES

pytestmark = pytest.mark.m8


@pytest.mark.clause("CIRCUIT-1")
def test_bytes_and_classes_fit() -> None:
    """Each byte has one class, the canonical byte is the least of its class, neutral classes own four bytes."""
    for number in range(CLASSES):
        owned, at = cl.bytes_of_class(number), coordinates(number)
        assert at.number == number
        assert at.byte == min(owned)
        assert len(owned) == (4 if at.d == 0 else 2)
    assert Counter(map(cl.class_of_byte, range(256))).total() == 256
    assert (cl.class_of_byte(42), coordinates(21)) == (21, Coordinates(0, 2, 5))
    assert cl.bytes_of_class(0) == (0x00, 0x01, 0x30, 0x31)


@pytest.mark.clause("CIRCUIT-1")
@pytest.mark.parametrize(
    ("function", "given", "words"),
    [
        (coordinates, (96,), "a class must be one of 0 to 95, got 96: out of range"),
        (coordinates, (-1,), "a class must be one of 0 to 95, got -1"),
        (cl.class_of_byte, (256,), "a byte must be one of 0 to 255"),
        (cl.belt_address, (48, 0), "a page must be one of 0 to 47"),
        (cl.page_and_byte, (12_288,), "an address on a belt must be one of 0 to 12287"),
        (cl.scope, (0, 16), "a scope transform must be one of 0 to 15"),
    ],
)
def test_numbers_out_of_range_are_refused(function, given, words: str) -> None:
    """No number wraps round where it names something."""
    with pytest.raises(UsageError, match=words):
        function(*given)


@pytest.mark.clause("CIRCUIT-2")
@pytest.mark.parametrize(
    ("transform", "number", "image"),
    [
        (Transform(rotation=1), 0, 24),
        (Transform(rotation=-1), 0, 72),
        (Transform(twist=-1), 0, 7),
        (Transform(triality=1), 8, 16),
        (Transform(triality=2), 21, 13),
        (Transform(mirror=True), 13, 21),
        (Transform(rotation=1, twist=-1, mirror=True), 8, 47),
        (Transform(rotation=4, triality=3, twist=8), 42, 42),
    ],
)
def test_transforms_move_coordinates(transform: Transform, number: int, image: int) -> None:
    """R turns the quadrant, D the modality, T the slot, and ~ exchanges modalities 1 and 2; all wrap."""
    assert transform.of(number) == image


@pytest.mark.clause("CIRCUIT-3")
def test_belts_are_pages_of_bytes() -> None:
    """An address counts 256 bytes a page."""
    assert (cl.belt_address(47, 255), cl.page_and_byte(4394)) == (12_287, (17, 42))


@pytest.mark.clause("CIRCUIT-2")
def test_scopes_do_not_compose() -> None:
    """Scope 1 four times turns modality 0 to 1, while amounts modulo 16 would count it as scope 4."""
    number = 0
    for _ in range(4):
        number = cl.scope(number, 1)
    assert number == 8
    assert cl.scope(0, 4) == 24
