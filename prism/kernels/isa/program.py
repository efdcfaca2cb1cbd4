"""Programs: instructions, labels and the parameters that a launch binds, as frozen data [ISA-1]."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from prism.kernels.isa.types import Type

CLASS_BYTES: Final = 12288
PAGE_BYTES: Final = 256
CLASSES: Final = 96
PAGES: Final = CLASS_BYTES // PAGE_BYTES
CLASS_MEMORY: Final = 0
"""The handle of the class memory: 96 classes of 12,288 bytes, a buffer like others where a program declares it."""


@dataclass(frozen=True, slots=True)
class Guard:
    """The condition of a branch: a predicate, or its negation."""

    predicate: int
    negated: bool = False


@dataclass(frozen=True, slots=True)
class BufferOffset:
    """The byte `offset` of the buffer `handle`; both are fixed."""

    handle: int
    offset: int


@dataclass(frozen=True, slots=True)
class PhiCoordinate:
    """A byte of the class memory by class, page and byte."""

    cls: int
    page: int
    byte: int


@dataclass(frozen=True, slots=True)
class RegisterIndirect:
    """The byte `offset` of the buffer whose handle stands in register `base` (u64)."""

    base: int
    offset: int


@dataclass(frozen=True, slots=True)
class RegisterIndirectComputed:
    """The byte that register `offset` (u64) says of the buffer whose handle stands in register `handle` (u64)."""

    handle: int
    offset: int


Address = BufferOffset | PhiCoordinate | RegisterIndirect | RegisterIndirectComputed
Operand = int | float | str | Guard | Address | None
"""Registers, predicates and whole numbers are ints, labels, conditions and scopes strings, no guard is None."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: the table's mnemonic, its types, and its operands in the table's order."""

    op: str
    types: tuple[Type, ...] = ()
    operands: tuple[Operand, ...] = ()


class Access(Enum):
    """What a program does with a buffer; the value is the word of program texts."""

    READ = "read"
    WRITE = "write"
    READWRITE = "readwrite"


@dataclass(frozen=True, slots=True)
class Buffer:
    """A parameter: an array of one element type, of whatever length the launch binds."""

    name: str
    type: Type
    access: Access
    handle: int


@dataclass(frozen=True, slots=True)
class Shared:
    """Memory that the lanes of a block share: `length` elements, all zero when the block starts."""

    name: str
    type: Type
    length: int
    handle: int


@dataclass(frozen=True, slots=True)
class Scalar:
    """A parameter: one value that the launch puts into a register of every lane."""

    name: str
    type: Type
    register: int


@dataclass(frozen=True, slots=True)
class Size:
    """The number of elements of a buffer, which the launch puts into a register (u64) of every lane."""

    buffer: str
    register: int


@dataclass(frozen=True, slots=True)
class Program:
    """A program; equal programs have equal fields, equal bytes and equal digests.

    labels: (name, index of an instruction, or their number) in ascending (index, name).
    """

    name: str
    instructions: tuple[Instruction, ...]
    labels: tuple[tuple[str, int], ...] = ()
    buffers: tuple[Buffer, ...] = ()
    shared: tuple[Shared, ...] = ()
    scalars: tuple[Scalar, ...] = ()
    sizes: tuple[Size, ...] = ()
