"""The binary form: one canonical sequence of bytes for each program [ISA-12].

    offset 0   magic     89 50 49 53 41 0D 0A 1A
    offset 8   version   u16, 1
    offset 10  length    u32, bytes of the payload
    offset 14  checksum  u32, CRC-32 of the payload
    offset 18  payload

The payload is the name, then parameters, labels and instructions, each list behind its u16 number; all numbers are
little-endian. A name is a u8 length and ASCII letters. An instruction is its code, its types, and its operands as the
table declares them: a register or predicate a byte, a guard a byte (16 added where negated, 255 for none), a label its
u16 place among the labels, an address a tag and its fields, a whole number as many bytes as its bits, a number 8 bytes.
Example: `add.f32 r0, r1, r2` is 10 0A 00 01 02.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from prism.errors import UsageError
from prism.files import write_bytes
from prism.kernels.isa.check import check
from prism.kernels.isa.errors import BinaryError
from prism.kernels.isa.program import (
    Access,
    Buffer,
    BufferOffset,
    Guard,
    Instruction,
    PhiCoordinate,
    Program,
    RegisterIndirect,
    RegisterIndirectComputed,
    Scalar,
    Shared,
    Size,
)
from prism.kernels.isa.table import BY_CODE, BY_MNEMONIC, CONDITIONS, SCOPES, Kind
from prism.kernels.isa.table import Operand as Declared
from prism.kernels.isa.types import TYPES, Type

MAGIC: Final = bytes.fromhex("89504953410D0A1A")
VERSION: Final = 1
_HEAD: Final = struct.Struct("<8sHII")
_ACCESSES: Final = tuple(Access)
_ADDRESSES: Final = (
    (BufferOffset, struct.Struct("<QQ")),
    (PhiCoordinate, struct.Struct("<BBB")),
    (RegisterIndirect, struct.Struct("<Bi")),
    (RegisterIndirectComputed, struct.Struct("<BB")),
)
_NO_GUARD: Final = 255
_NEGATED: Final = 16
_MOST_BYTES: Final = 1 << 24


class _Writer:
    def __init__(self) -> None:
        self.out = bytearray()

    def put(self, form: str, *values: Any) -> None:
        self.out += struct.pack(f"<{form}", *values)

    def name(self, text: str) -> None:
        self.put("B", len(text))
        self.out += text.encode("ascii")

    def operand(self, declared: Declared, given: Any, labels: dict[str, int]) -> None:
        match declared.kind:
            case Kind.REGISTER | Kind.PREDICATE:
                self.put("B", given)
            case Kind.GUARD:
                self.put("B", _NO_GUARD if given is None else given.predicate + _NEGATED * given.negated)
            case Kind.LABEL:
                self.put("H", labels[given])
            case Kind.CONDITION:
                self.put("B", CONDITIONS.index(given))
            case Kind.SCOPE:
                self.put("B", SCOPES.index(given))
            case Kind.INTEGER:
                self.out += int(given).to_bytes(declared.bits // 8, "little")
            case Kind.FLOAT:
                self.put("d", given)
            case Kind.ADDRESS:
                tag = next(k for k, (kind, _) in enumerate(_ADDRESSES) if isinstance(given, kind))
                self.put("B", tag)
                self.out += _ADDRESSES[tag][1].pack(*(getattr(given, one) for one in given.__slots__))


@lru_cache(maxsize=1024)
def encode(program: Program) -> bytes:
    """Return the bytes of a program; VerifyError where its shape is not that of one."""
    check(program)
    to = _Writer()
    to.name(program.name)
    to.put("H", len(program.buffers))
    for one in program.buffers:
        to.name(one.name)
        to.put("BBQ", one.type.code, _ACCESSES.index(one.access), one.handle)
    to.put("H", len(program.shared))
    for one in program.shared:
        to.name(one.name)
        to.put("BIQ", one.type.code, one.length, one.handle)
    to.put("H", len(program.scalars))
    for one in program.scalars:
        to.name(one.name)
        to.put("BB", one.type.code, one.register)
    to.put("H", len(program.sizes))
    for one in program.sizes:
        to.name(one.buffer)
        to.put("B", one.register)
    to.put("H", len(program.labels))
    for name, at in program.labels:
        to.name(name)
        to.put("H", at)
    places = {name: place for place, (name, _) in enumerate(program.labels)}
    to.put("H", len(program.instructions))
    for one in program.instructions:
        op = BY_MNEMONIC[one.op]
        to.put("B", op.code)
        to.out += bytes(ty.code for ty in one.types)
        for declared, given in zip(op.operands, one.operands, strict=True):
            to.operand(declared, given, places)
    payload = bytes(to.out)
    return _HEAD.pack(MAGIC, VERSION, len(payload), zlib.crc32(payload)) + payload


def digest(program: Program) -> str:
    """Return SHA-256 of the bytes, in hexadecimal: a short name for them, which finds candidates and proves nothing."""
    return hashlib.sha256(encode(program)).hexdigest()


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, _HEAD.size

    def bytes(self, number: int) -> bytes:
        taken = self.data[self.at : self.at + number]
        if len(taken) < number:
            raise BinaryError(
                f"a program must have {number} more bytes at offset {self.at}, got {len(taken)}; it was cut short"
            )
        self.at += number
        return taken

    def take(self, form: str) -> Any:
        (value,) = struct.unpack(f"<{form}", self.bytes(struct.calcsize(f"<{form}")))
        return value

    def pick(self, choices: Any, what: str) -> Any:
        """Read one byte that numbers one of some choices."""
        at, number = self.at, self.take("B")
        if number >= len(choices):
            raise BinaryError(f"{what} must be below {len(choices)}, got {number} at offset {at}; assemble it again")
        return choices[number]

    def name(self) -> str:
        at, text = self.at, self.bytes(self.take("B"))
        if not text.isascii():
            raise BinaryError(f"a name must be of ASCII letters, got {text!r} at offset {at}; assemble it again")
        return text.decode("ascii")

    def type(self) -> Type:
        return self.pick(TYPES, "a type")

    def operand(self, declared: Declared, labels: list[str]) -> Any:
        match declared.kind:
            case Kind.REGISTER | Kind.PREDICATE:
                return self.take("B")
            case Kind.GUARD:
                number = self.take("B")
                return None if number == _NO_GUARD else Guard(number % _NEGATED, number >= _NEGATED)
            case Kind.LABEL:
                at, place = self.at, self.take("H")
                if place >= len(labels):
                    raise BinaryError(f"a label must be below {len(labels)}, got {place} at offset {at}")
                return labels[place]
            case Kind.CONDITION:
                return self.pick(CONDITIONS, "a condition")
            case Kind.SCOPE:
                return self.pick(SCOPES, "a scope")
            case Kind.INTEGER:
                return int.from_bytes(self.bytes(declared.bits // 8), "little")
            case Kind.FLOAT:
                return self.take("d")
            case Kind.ADDRESS:
                kind, form = self.pick(_ADDRESSES, "an address's tag")
                return kind(*form.unpack(self.bytes(form.size)))

    def instruction(self, labels: list[str]) -> Instruction:
        at, code = self.at, self.take("B")
        if code not in BY_CODE:
            raise BinaryError(f"an instruction's code must be of the table, got {code:#04x} at offset {at}")
        op = BY_CODE[code]
        types = tuple(self.type() for _ in op.types)
        return Instruction(op.mnemonic, types, tuple(self.operand(one, labels) for one in op.operands))

    def many(self, read: Any) -> tuple[Any, ...]:
        return tuple(read() for _ in range(self.take("H")))


def decode(data: bytes) -> Program:
    """Return the program of some bytes, its shape checked; nothing else is assumed of them.

    BinaryError, or VerifyError of the shape, for bytes that `encode` never makes. Cost: linear.
    """
    if len(data) < _HEAD.size or data[: len(MAGIC)] != MAGIC:
        raise BinaryError(f"a program must start with {MAGIC.hex(' ')}, got {data[:8].hex(' ')}; it is another file")
    _, version, length, checksum = _HEAD.unpack(data[: _HEAD.size])
    if version != VERSION:
        raise BinaryError(f"a program must be of version {VERSION}, got {version}; assemble it again")
    if length != len(data) - _HEAD.size:
        raise BinaryError(f"a payload must have {length} bytes, got {len(data) - _HEAD.size}; it was cut or added to")
    if zlib.crc32(data[_HEAD.size :]) != checksum:
        raise BinaryError(
            "a program's checksum must be that of its payload, got another; it was damaged: copy it again"
        )
    of = _Reader(data)
    name = of.name()
    program = Program(
        name=name,
        buffers=of.many(lambda: Buffer(of.name(), of.type(), of.pick(_ACCESSES, "an access"), of.take("Q"))),
        shared=of.many(lambda: Shared(of.name(), of.type(), of.take("I"), of.take("Q"))),
        scalars=of.many(lambda: Scalar(of.name(), of.type(), of.take("B"))),
        sizes=of.many(lambda: Size(of.name(), of.take("B"))),
        labels=(labels := of.many(lambda: (of.name(), of.take("H")))),
        instructions=of.many(lambda: of.instruction([name for name, _ in labels])),
    )
    if of.at != len(data):
        raise BinaryError(f"a payload must end with its last instruction, got {len(data) - of.at} bytes more")
    if encode(program) != data:
        raise BinaryError("a program must be in canonical bytes, got another form of it; encode it again")
    return program


def load(path: Path) -> Program:
    """Return the program of a file; errors as `decode`, and UsageError for one too large to be a program."""
    if path.stat().st_size > _MOST_BYTES:
        raise UsageError(f"a program's file must have at most {_MOST_BYTES} bytes, got {path}; it is another file")
    return decode(path.read_bytes())


def save(path: Path, program: Program) -> None:
    """Write a program to a file, whole or not at all."""
    write_bytes(path, encode(program))
