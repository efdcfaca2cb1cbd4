"""The 96 classes: bytes to classes, the transforms that permute them, belts [CIRCUIT-1 to CIRCUIT-3]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from prism.errors import UsageError
from prism.kernels.isa.program import CLASS_BYTES, CLASSES, PAGE_BYTES, PAGES

N_QUADRANTS, N_MODALITIES, N_SLOTS = 4, 3, 8


@dataclass(frozen=True, slots=True)
class Coordinates:
    """What a class is made of: h2 (quadrant, 0..3), d (modality, 0..2), l (slot, 0..7)."""

    h2: int
    d: int
    l: int  # noqa: E741 (the name in the literature)

    @property
    def number(self) -> int:
        """The class, 24 h2 + 8 d + l."""
        return (self.h2 * N_MODALITIES + self.d) * N_SLOTS + self.l

    @property
    def byte(self) -> int:
        """The canonical byte of the class: the least of its bytes."""
        return self.h2 << 6 | (0, 0x10, 0x20)[self.d] | self.l << 1


def coordinates(number: int) -> Coordinates:
    """Return the coordinates of a class; UsageError unless it is one of 0 to 95."""
    _require(number, CLASSES, "a class")
    quadrant, rest = divmod(number, N_MODALITIES * N_SLOTS)
    return Coordinates(quadrant, *divmod(rest, N_SLOTS))


def class_of_byte(byte: int) -> int:
    """Return the class of a byte; bit 0 does not count, and bits 5 and 4 both set count as neither."""
    _require(byte, 256, "a byte")
    b4, b5 = byte >> 4 & 1, byte >> 5 & 1
    modality = b4 + 2 * b5 if b4 != b5 else 0
    return Coordinates(byte >> 6, modality, byte >> 1 & 7).number


def bytes_of_class(number: int) -> tuple[int, ...]:
    """Return the bytes of a class in ascending order: four of a neutral one, two of any other."""
    _require(number, CLASSES, "a class")
    return tuple(byte for byte in range(256) if class_of_byte(byte) == number)


@dataclass(frozen=True, slots=True)
class Transform:
    """A permutation of the classes: h2 + rotation, d + triality, l + twist, and d mirrored after that [CIRCUIT-2].

    Written R, D, T and ~ in that order; the amounts are reduced modulo 4, 3 and 8 when it is made. A mirror exchanges
    modalities 1 and 2.
    """

    rotation: int = 0
    triality: int = 0
    twist: int = 0
    mirror: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "rotation", self.rotation % N_QUADRANTS)
        object.__setattr__(self, "triality", self.triality % N_MODALITIES)
        object.__setattr__(self, "twist", self.twist % N_SLOTS)

    def __bool__(self) -> bool:
        return self != IDENTITY

    def of(self, number: int) -> int:
        """Return the image of a class."""
        at = coordinates(number)
        modality = (at.d + self.triality) % N_MODALITIES
        return Coordinates(
            (at.h2 + self.rotation) % N_QUADRANTS,
            -modality % N_MODALITIES if self.mirror else modality,
            (at.l + self.twist) % N_SLOTS,
        ).number

    def then(self, outer: Transform) -> Transform:
        """Return the transform that does this one first and `outer` after it.

        Rotations, trialities and twists add, but a mirror turns the triality that follows it round: ~ then D+1 is
        D-1 then ~.
        """
        triality = self.triality + (-outer.triality if self.mirror else outer.triality)
        return Transform(
            self.rotation + outer.rotation, triality, self.twist + outer.twist, self.mirror != outer.mirror
        )


IDENTITY: Final = Transform()


def triality_orbit(number: int) -> tuple[int, ...]:
    """Return the three classes that trialities turn a class into, in ascending order."""
    return tuple(sorted(Transform(triality=turn).of(number) for turn in range(N_MODALITIES)))


def scope(number: int, amount: int) -> int:
    """Return the image of a class under scope transform `amount`, 0..15: h2 + amount div 4, d + amount mod 4.

    It has no form in the language: amounts do not compose as numbers do, since d counts modulo 3 [CIRCUIT-2].
    """
    _require(amount, 16, "a scope transform")
    turns, turn = divmod(amount, 4)
    return Transform(rotation=turns, triality=turn).of(number)


def belt_address(page: int, byte: int) -> int:
    """Return the address of a byte on a page of a class's belt, 256 page + byte."""
    _require(page, PAGES, "a page")
    _require(byte, PAGE_BYTES, "a byte")
    return PAGE_BYTES * page + byte


def page_and_byte(address: int) -> tuple[int, int]:
    """Return the page and the byte of an address on a belt."""
    _require(address, CLASS_BYTES, "an address on a belt")
    return divmod(address, PAGE_BYTES)


def _require(value: int, limit: int, what: str) -> None:
    if not 0 <= value < limit:
        raise UsageError(f"{what} must be one of 0 to {limit - 1}, got {value}: out of range; use a number in range")
