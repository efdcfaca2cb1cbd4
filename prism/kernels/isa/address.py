"""Addresses: the class memory's coordinates, and what an addressing mode points at [ISA-6]."""

from __future__ import annotations

from collections.abc import Mapping

from prism.errors import UsageError
from prism.kernels.isa.program import (
    CLASS_BYTES,
    CLASS_MEMORY,
    CLASSES,
    PAGE_BYTES,
    PAGES,
    Address,
    BufferOffset,
    PhiCoordinate,
    RegisterIndirect,
)


def phi_offset(cls: int, page: int, byte: int) -> int:
    """Return the byte offset in class memory of a coordinate; UsageError outside 96 x 48 x 256."""
    if page >= PAGES:
        raise UsageError(f"page must be < {PAGES}, got {page}; a class has {PAGES} pages of {PAGE_BYTES} bytes")
    if not (0 <= cls < CLASSES and page >= 0 and 0 <= byte < PAGE_BYTES):
        raise UsageError(f"class must be < {CLASSES} and byte < {PAGE_BYTES}, got {cls} and {byte}; none is negative")
    return cls * CLASS_BYTES + page * PAGE_BYTES + byte


def phi_coordinate(cls: int, offset: int) -> PhiCoordinate:
    """Return where byte `offset` of a class lies; UsageError outside the class."""
    if not (0 <= cls < CLASSES and 0 <= offset < CLASS_BYTES):
        raise UsageError(f"class must be < {CLASSES} and offset < {CLASS_BYTES}, got {cls} and {offset}")
    return PhiCoordinate(cls, offset // PAGE_BYTES, offset % PAGE_BYTES)


def points_at(address: Address, registers: Mapping[int, int]) -> tuple[int, int]:
    """Return (handle, byte offset) of an address where registers hold these values.

    UsageError for a coordinate outside the class memory, and for an offset below zero: the base of an indirect address
    is a handle, so there is nothing before it.
    """
    if isinstance(address, BufferOffset):
        handle, offset = address.handle, address.offset
    elif isinstance(address, PhiCoordinate):
        handle, offset = CLASS_MEMORY, phi_offset(address.cls, address.page, address.byte)
    elif isinstance(address, RegisterIndirect):
        handle, offset = registers[address.base], address.offset
    else:
        handle, offset = registers[address.handle], registers[address.offset]
    if offset < 0:
        raise UsageError(f"an address must not underflow its buffer, got byte offset {offset}; start at 0")
    return handle, offset


def mirror(cls: int) -> int:
    """Return the mirror class: bit e7 of the class's label flipped [ISA-16]."""
    return cls + (3 if cls // 3 % 2 == 0 else -3)


def neighbours(cls: int) -> tuple[int, ...]:
    """Return the classes next to one, ascending: a bit e1, e2, e3 or e6 flipped, or d45 one step away [ISA-16]."""
    bits = [cls + (stride if cls // stride % 2 == 0 else -stride) for stride in (6, 12, 24, 48)]
    steps = {0: (1,), 1: (-1, 1), 2: (-1,)}[cls % 3]
    return tuple(sorted([*bits, *(cls + step for step in steps)]))


def label_class(byte: int) -> int:
    """Return the class whose label a byte spells: bits 0 to 4 are e1, e2, e3, e6, e7, the two above count d45.

    This is not the class that circuits give a byte [ISA-16].
    """
    number = 0
    for bit in range(5):
        number = 2 * number + (byte >> bit & 1)
    return 3 * number + (byte >> 5 & 3) % 3


def phi_encode(page: int, byte: int) -> int:
    """Return a place in a class as one number: the page in the low half, the byte in the high half."""
    return byte << 16 | page


UNITY: frozenset[int] = frozenset({1, 4})
"""The unity classes."""
