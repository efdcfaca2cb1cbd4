"""prism.kernels.isa.assemble and show: text both ways, and refusals with a caret."""

from __future__ import annotations

import random

import pytest

from prism.errors import ParseError, PrismError
from prism.kernels.isa.assemble import assemble
from prism.kernels.isa.program import BufferOffset, PhiCoordinate, RegisterIndirect, RegisterIndirectComputed
from prism.kernels.isa.show import show_address, show_instruction, show_program
from prism.kernels.isa.types import F16, F32
from prism.kernels.isa.verify import verify
from tests.kernels_texts import EVERY

pytestmark = [pytest.mark.m8, pytest.mark.clause("ISA-19")]

HEADER = """.program p
.buffer x f32 readwrite 1
.shared s u8 16 2
.scalar n f16 r5
.size x r6
"""


def test_text_and_programs_are_one_to_one() -> None:
    """What a program shows assembles to an equal one: every instruction, parameters, labels at the end."""
    for text in (EVERY, HEADER + "a:\nb: exit\nbra.!p3 @end\ncall @a\nloop r1, @b\nret\nend:\n"):
        program = assemble(text)
        assert assemble(show_program(program)) == program
        assert show_program(assemble(show_program(program))) == show_program(program)


def test_numbers_may_be_written_as_people_write_them() -> None:
    """Hexadecimal, negative numbers of the type's width, floats by value; comments and coordinates in ASCII."""
    text = """
    mov_imm.u32 r1, 0x10 ; sixteen
    mov_imm.i8 r1, -1
    mov_imm.f32 r1, 1.0
    mov_imm.f16 r1, -2e0
    unity.test p0, -1.5
    unity.test p0, 2
    ldg.f32 r1, [phi(5, 12, 200)]
    ldg.f32 r1, [r10 - 32]
    ldg.f32 r1, [r10]
    """
    ones = assemble(text).instructions
    assert [one.operands[1] for one in ones[:4]] == [16, 255, 1065353216, 0xC000]
    assert [one.operands[1] for one in ones[4:6]] == [-1.5, 2.0]
    assert [show_instruction(one) for one in ones[6:]] == [
        "ldg.f32 r1, [Φ(5, 12, 200)]",
        "ldg.f32 r1, [r10 - 32]",
        "ldg.f32 r1, [r10 + 0]",
    ]
    assert [show_address(one) for one in (BufferOffset(42, 128), RegisterIndirectComputed(1, 2))] == [
        "[buf42 + 128]",
        "[r1 + r2]",
    ]
    assert (PhiCoordinate(5, 12, 200), RegisterIndirect(10, -32)) == (ones[6].operands[1], ones[7].operands[1])
    assert "mov_imm.f32 r1, 1065353216  ; 1.0" in show_program(assemble(text))
    assert (ones[3].types[0], ones[2].types[0]) == (F16, F32)


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("add.f33 r0, r1, r2", 1, "expected add with 1 types, of i8"),
        ("add.f32 r0 r1", 12, "expected ',' or the end of the line, found 'r1'"),
        ("add.f32 r0, r1", 1, "expected add with dst, src1, src2, found 'add.f32 r0, r1'"),
        ("foo r1", 1, "expected an instruction of the table, found 'foo'"),
        ("setlo.u32 p0, r1, r2", 1, "`prism isa table` lists them"),
        ("set.u32 p0, r1, r2", 1, "expected set with one of eq, ne"),
        ("memfence.planet", 1, "expected memfence with one of thread"),
        ("bra.q0 @a", 1, "expected bra with a predicate p0 to p15, as in bra.p0 or bra.!p0"),
        ("mov.f32 r0, p1", 13, "expected src, a register r0 to r255, found 'p1'"),
        ("mov.f32 r0, 1", 13, "expected src, a register r0 to r255, found '1'"),
        ("bra 5", 5, "expected target, a label, found '5'"),
        ("ldg.f32 r0, r1", 13, "expected addr, an address, found 'r1'"),
        ("ldg.f32 r0, [p1 + 4]", 14, "expected a register r0 to r255, found 'p1'"),
        ("ldg.f32 r0, [r1 - r2]", 13, "expected a register + a register, found '[r1 - r2]'"),
        ("ldg.f32 r0, [buf1 + r2]", 13, "expected a buffer + a whole number"),
        ("mov_imm.u32 r0, 1.5", 17, "expected value, a whole number, found '1.5'"),
        ("mov_imm.i8 r0, -200", 16, "expected value, a whole number that its type holds, found '-200'"),
        ("mov_imm.u64 r0, 123456789012345678901", 17, "expected a number of at most 20 digits"),
        ("unity.test p0, 1e999", 16, "expected epsilon, a finite number"),
        (".buffer x f33 read 1", 11, "expected one of i8, i16"),
        (".buffer x f32 reed 1", 15, "expected one of read, write, readwrite, found 'reed'"),
        (".buffer x f32 read r1", 20, "expected a whole number, found 'r1'"),
        (".scalar x f32 5", 15, "expected a register r0 to r255, found '5'"),
        (".size x", 1, "expected .size with name, register"),
        ("exit\n.size x r1", 1, "put parameters before the first instruction"),
        ("a:\na: exit", 1, "expected a label that stands once, found 'a'"),
        ("exit é", 6, "found 'é'"),
        ("bra @", 6, "expected a word, found the end of the line"),
    ],
)
def test_a_refusal_points_at_its_place(text: str, column: int, words: str) -> None:
    """What is wrong, what was expected, and a caret under it."""
    with pytest.raises(ParseError) as caught:
        assemble(text, "x.pisa")
    assert words in str(caught.value)
    assert (caught.value.where.column, caught.value.where.line) == (column, text.count("\n") + 1)
    assert str(caught.value).splitlines()[2] == "  " + " " * (column - 1) + "^"


@pytest.mark.clause("ISA-22")
def test_mutated_texts_are_refused_or_are_programs() -> None:
    """Two hundred mutations of a text: an error of Prism with a reason, or a program that verifies or says why not."""
    rng = random.Random(5)
    base = HEADER + "mov_imm.u64 r1, 1\na: ldg.f32 r2, [r1 + r1]\nadd.f32 r2, r2, r2\nstg.f32 [buf1 + 4], r2\nbra @a\n"
    outcomes = set()
    for _ in range(200):
        text = list(base)
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(text))
            text[at : at + rng.randint(0, 2)] = rng.choice(["", "r", "0", ".", "\n", "@", "[", "u32", "é", "-"])
        try:
            outcomes.add(type(verify(assemble("".join(text)))).__name__)
        except PrismError as error:
            outcomes.add(type(error).__name__)
    assert {"Verified", "ParseError", "VerifyError"} <= outcomes
