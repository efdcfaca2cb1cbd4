"""prism.kernels.isa.codec: one sequence of bytes a program; other bytes are refused."""

from __future__ import annotations

import random
import struct
import zlib
from pathlib import Path

import pytest

from prism.errors import PrismError, UsageError
from prism.kernels.isa.assemble import assemble
from prism.kernels.isa.codec import MAGIC, decode, digest, encode, load, save
from prism.kernels.isa.errors import BinaryError
from prism.kernels.isa.program import Instruction, Program
from prism.kernels.isa.show import show_program
from tests.kernels_texts import EVERY

pytestmark = [pytest.mark.m8, pytest.mark.clause("ISA-12")]

PROGRAM = assemble(EVERY)
BYTES = encode(PROGRAM)
HEAD = struct.Struct("<8sHII")


def sealed(payload: bytes, version: int = 1) -> bytes:
    """Put a payload under a head that fits it."""
    return HEAD.pack(MAGIC, version, len(payload), zlib.crc32(payload)) + payload


def test_bytes_and_programs_are_one_to_one(tmp_path: Path) -> None:
    """Every instruction of the table survives; equal programs have equal bytes; a file holds the same."""
    assert decode(BYTES) == PROGRAM
    assert encode(assemble(show_program(PROGRAM))) == BYTES
    save(tmp_path / "p.pisa", PROGRAM)
    assert load(tmp_path / "p.pisa") == PROGRAM
    assert len(digest(PROGRAM)) == 64
    one = Instruction("add", (next(iter(PROGRAM.instructions[0].types)),), (0, 1, 2))
    assert b"\x00\x01\x02" in encode(Program("p", (one,)))


PAYLOAD = BYTES[HEAD.size :]
EXIT = bytes([1, ord("p"), *(0,) * 10])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"MZ", "a program must start with 89 50 49 53"),
        (sealed(PAYLOAD, 2), "a program must be of version 1, got 2"),
        (BYTES[:-1], "a payload must have"),
        (BYTES[:-1] + b"\xff", "a program's checksum must be that of its payload"),
        (sealed(PAYLOAD[:-1]), "more bytes at offset"),
        (sealed(PAYLOAD + b"\0"), "a payload must end with its last instruction"),
        (sealed(EXIT + b"\1\0\xee"), "an instruction's code must be of the table, got 0xee"),
        (sealed(EXIT + b"\1\0\x04\x0c\0\0"), "a type must be below 12, got 12"),
        (sealed(EXIT + b"\1\0\x30\xff\0\0"), "a label must be below 0, got 0"),
        (sealed(b"\1\xe9" + EXIT[2:] + b"\0\0"), "a name must be of ASCII letters"),
        (sealed(b"\1p" + bytes(8) + b"\1\0\1a\0\0\1\0\x30\x28\0\0"), "a program must be in canonical bytes"),
    ],
)
def test_what_is_not_a_programs_bytes_is_refused(data: bytes, words: str) -> None:
    """Another file, version or length, damage, and forms that the encoder never makes are refused with a reason."""
    with pytest.raises(BinaryError) as caught:
        decode(data)
    assert words in str(caught.value)


def test_a_file_too_large_is_refused_unread(tmp_path: Path) -> None:
    """A file of more than 16 MiB is no program."""
    with (tmp_path / "big").open("wb") as file:
        file.truncate(1 << 25)
    with pytest.raises(UsageError, match="a program's file must have at most"):
        load(tmp_path / "big")


@pytest.mark.slow
@pytest.mark.clause("ISA-22")
def test_mutated_bytes_are_refused_or_are_programs() -> None:
    """Five hundred mutations under a checksum that fits: an error of Prism, or a canonical program."""
    rng = random.Random(11)
    kept = 0
    for _ in range(500):
        payload = bytearray(PAYLOAD)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(payload))
            match rng.randrange(3):
                case 0:
                    payload[at] = rng.randrange(256)
                case 1:
                    del payload[at]
                case _:
                    payload.insert(at, rng.randrange(256))
        data = sealed(bytes(payload))
        try:
            program = decode(data)
        except PrismError:
            continue
        assert encode(program) == data
        kept += 1
    assert kept
