"""prism.kernels.isa.verify: what a program must be before it runs, and what each refusal says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from prism.kernels.isa.build import Builder
from prism.kernels.isa.check import MOST_INSTRUCTIONS
from prism.kernels.isa.errors import VerifyError
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
from prism.kernels.isa.regions import Again, Block, If, Leave, Loop, Run, Stop
from prism.kernels.isa.types import BF16, F32, F64, I32, U8, U32, U64
from prism.kernels.isa.verify import verify

pytestmark = pytest.mark.m8

ZERO = ("mov_imm", U32, 1, 0)
ABOVE = ("set", "lt", 0, 1, 1, U32)


def program(*lines: Any, **more: Any) -> Program:
    """Build a program of instructions and, as strings, labels."""
    builder = Builder("p")
    for line in lines:
        if isinstance(line, str):
            builder.label(line)
        else:
            builder.emit(*line)
    return replace(builder.program(), **more)


def raw(labels: Iterable[tuple[str, int]]) -> Program:
    """Return a program of one instruction whose labels are as given."""
    return Program("p", (Instruction("exit"),), tuple(labels))


X = (Buffer("x", F32, Access.READ, 1),)
S = (Shared("s", F32, 4, 2),)
HANDLE = ("mov_imm", U64, 1, 1)
OFFSET = ("mov_imm", U64, 2, 0)
NAMES = program(("exit",), name="two words")
AT = RegisterIndirectComputed(1, 2)

REFUSED: list[tuple[str, Program, int, str]] = [
    ("size", program(*[("exit",)] * (MOST_INSTRUCTIONS + 1)), -1, "a program must have at most 16384 instructions"),
    ("name", NAMES, -1, "a name must be an identifier of at most 64 letters, got 'two words'"),
    ("parameters", program(("exit",), buffers=(*X, *X)), -1, "each parameter must have a name of its own"),
    ("parameters", program(("exit",), buffers=X, shared=(replace(S[0], handle=1),)), -1, "have a handle of its own"),
    ("parameters", program(("exit",), buffers=(replace(X[0], handle=-1),)), -1, "must be a whole number of 64 bits"),
    ("parameters", program(("exit",), sizes=(Size("y", 4),)), -1, "a size must be of a declared buffer, got ['y']"),
    (
        "parameters",
        program(("exit",), scalars=(Scalar("n", U32, 255),)),
        -1,
        "r0 to r255 and none that the launch sets",
    ),
    (
        "parameters",
        program(("exit",), shared=(replace(S[0], length=0),)),
        -1,
        "shared memory must have 1 to 65536 bytes",
    ),
    ("name", raw([("a b", 0)]), -1, "a label must be an identifier, got 'a b'"),
    ("labels", raw([("a", 0), ("a", 1)]), -1, "duplicate label 'a' at instruction 1"),
    ("labels", raw([("bad", 100)]), -1, "label 'bad' points to invalid instruction index 100 (max: 1)"),
    ("labels", raw([("b", 0), ("a", 0)]), -1, "labels must stand in the order of their instructions"),
    ("instruction", program(("nop",)), 0, "an instruction must be one of the table's, got 'nop'"),
    ("operands", program(("add", F32, 1, 2)), 0, "add must have 1 types and 3 operands, got 1 and 2"),
    (
        "UnsupportedOperation",
        program(("fma", I32, 1, 2, 3, 4)),
        0,
        "fma must be of one of f16, bf16, f32, f64, got i32",
    ),
    (
        "operands",
        program(("mov", F32, 256, 1)),
        0,
        "dst of mov must be a register r0 to r255 that the launch does not set",
    ),
    (
        "operands",
        program(("mov", F32, 252, 1)),
        0,
        "dst of mov must be a register r0 to r255 that the launch does not set",
    ),
    ("operands", program(("phase.adv", 1 << 16)), 0, "delta of phase.adv must be a whole number of 16 bits, got 65536"),
    (
        "operands",
        program(("bra", Guard(16), "a"), "a", ("exit",)),
        0,
        "pred of bra must be a predicate, perhaps negated",
    ),
    ("operands", program(("ldg", F32, 1, RegisterIndirect(256, 0))), 0, "addr of ldg must be an address"),
    ("operands", program(("memfence", "planet")), 0, "scope of memfence must be a scope, got 'planet'"),
    ("operands", program(("unity.test", 0, float("nan"))), 0, "epsilon of unity.test must be a number, got nan"),
    ("operands", program(("set", "lo", 0, 1, 1, U32)), 0, "cond of set must be a condition, got 'lo'"),
    (
        "UnsupportedOperation",
        program(("set", "ltu", 0, 1, 1, I32)),
        0,
        "an unsigned condition must be of unsigned types",
    ),
    ("operands", program(("reduce.add", I32, 1, 250, 7)), 0, "a reduction must be of 1 to 6 registers from r250 on"),
    ("address", program(("ldg", F32, 1, PhiCoordinate(0, 48, 0))), 0, "page must be < 48, got 48"),
    ("address", program(("ldg", F32, 1, PhiCoordinate(96, 0, 0))), 0, "class must be < 96 and byte < 256, got 96"),
    ("address", program(("ldg", F32, 1, RegisterIndirect(1, -16))), 0, "an address must not underflow its buffer, got"),
    ("labels", program(("bra", None, "there")), 0, "undefined label 'there' referenced in instruction 0"),
    ("calls", program("f", ("call", "f"), ("exit",)), 0, "a function must start after the first instruction"),
    ("calls", program(("call", "f"), ("exit",), "f"), 0, "a function must have instructions; its label stands past"),
    ("calls", program(("ret",)), 0, "ret must stand in a function; main ends by exit"),
    ("labels", program(("call", "f"), ("bra", None, "f"), "f", ("ret",)), 1, "'f' must stand in the same function"),
    ("calls", program(("call", "f"), "f", ("ret",)), 0, "control must not fall out of a function into the next"),
    ("calls", program(("call", "f"), ("exit",), "f", ("call", "f"), ("ret",)), 2, "must not call itself, directly or"),
    ("TypeMismatch", program(ZERO, ("add", I32, 2, 1, 1)), 1, "TypeMismatch: r1 must hold i32, got u32; convert it"),
    ("UninitializedRegister", program(("add", I32, 3, 2, 2)), 0, "UninitializedRegister(2): r2 must hold i32 on every"),
    ("UninitializedPredicate", program(("sel", U32, 2, 3, 252, 252)), 0, "p3 must be set on every way to here"),
    (
        "TypeMismatch",
        program(ZERO, ("shl", U32, 2, 1, 255)),
        1,
        "TypeMismatch: r255 must hold u32, got u64; convert it with cvt",
    ),
    (
        "handles",
        program(OFFSET, ("ldg", F32, 3, RegisterIndirectComputed(255, 2))),
        1,
        "a handle must be one known number",
    ),
    (
        "handles",
        program(HANDLE, OFFSET, ("ldg", F32, 3, AT)),
        2,
        "handle 1 must be of a buffer that the program declares; declare it",
    ),
    (
        "handles",
        program(HANDLE, OFFSET, ("lds", F32, 3, AT), buffers=X),
        2,
        "handle 1 must be of shared memory that the",
    ),
    (
        "TypeMismatch",
        program(("ldg", F64, 3, BufferOffset(1, 0)), buffers=X),
        0,
        "'x' must be accessed as f32, got f64",
    ),
    (
        "address",
        program(("ldg", F32, 3, BufferOffset(1, 6)), buffers=X),
        0,
        "a byte offset must be a multiple of 4 for f32",
    ),
    (
        "access",
        program(ZERO, ("cvt", F32, U32, 1, 1), ("stg", F32, BufferOffset(1, 0), 1), buffers=X),
        2,
        "must be declared",
    ),
    ("handles", program(("res.accum", 1, 2)), 0, "UninitializedRegister(1): r1 must hold u8 on every way to here"),
    (
        "handles",
        program(("mov_imm", U8, 1, 2), ("mov_imm", F64, 2, 0), ("res.accum", 1, 2)),
        2,
        "res.accum must have a buffer",
    ),
    (
        "handles",
        program(OFFSET, ("pool.load", F32, 3, 255, 2)),
        1,
        "r255 must hold the handle of one known pool on every",
    ),
    (
        *(
            "TypeMismatch",
            program(OFFSET, ("pool.alloc", 1, 8), ("pool.load", F32, 3, 1, 2), ("pool.load", U32, 3, 1, 2)),
        ),
        *(3, "a pool must be of one type, got f32 and u32"),
    ),
    (
        "pools",
        program(OFFSET, ("pool.alloc", 1, 6), ("pool.load", F32, 3, 1, 2)),
        1,
        "a pool must have whole elements of",
    ),
    ("pools", program(("pool.alloc", 1, 65536), ("pool.alloc", 1, 8)), -1, "the pools of a lane must have at most"),
    (
        *("regions", program(ZERO, ABOVE, ("bra", Guard(0), "in"), "body", ZERO, "in", ZERO, ("loop", 1, "body"))),
        *(2, "a branch must not go into the body of a loop from outside"),
    ),
    (
        *("regions", program(ZERO, ABOVE, "body", ZERO, "in", ZERO, ("loop", 1, "body"), ("bra", Guard(0), "in"))),
        *(4, "a branch must not go into the body of a loop from outside"),
    ),
    (
        *("regions", program(ZERO, *(f"l{k}" for k in range(17)), *(("loop", 1, f"l{k}") for k in range(17)))),
        *(1, "loops must nest at most 16 deep"),
    ),
    (
        *(
            "regions",
            program(
                ZERO,
                ABOVE,
                *(("bra", Guard(0), f"l{k}") for k in range(65)),
                *(line for k in range(65) for line in (f"l{k}", ZERO)),
            ),
        ),
        *(129, "branches must nest at most 64 deep"),
    ),
]


@pytest.mark.clause("ISA-5")
@pytest.mark.parametrize(
    ("kind", "given", "index", "words"), REFUSED, ids=[f"{k}-{row[0]}" for k, row in enumerate(REFUSED)]
)
def test_a_program_that_breaks_a_rule_is_refused_at_its_instruction(
    kind: str, given: Program, index: int, words: str
) -> None:
    """Each rule refuses a program that breaks it, says what must hold, and names the instruction."""
    with pytest.raises(VerifyError) as caught:
        verify(given)
    assert words in str(caught.value)
    assert caught.value.index == index
    assert caught.value.kind == kind or "UninitializedRegister" in words


@pytest.mark.slow
def test_calls_that_grow_without_end_are_refused() -> None:
    """Calls are put in place up to a number of steps, and nest up to a depth."""
    doubling: list[Any] = [("call", "f0"), ("exit",)]
    for k in range(20):
        doubling += [f"f{k}", ("call", f"f{k + 1}"), ("call", f"f{k + 1}"), ("ret",)]
    doubling += ["f20", ZERO, ("ret",)]
    with pytest.raises(VerifyError, match="with its calls put in place must have at most 65536 steps"):
        verify(program(*doubling))
    deep: list[Any] = [("call", "f0"), ("exit",)]
    for k in range(70):
        deep += [f"f{k}", ("call", f"f{k + 1}"), ("ret",)]
    deep += ["f70", ZERO, ("ret",)]
    with pytest.raises(VerifyError, match="calls must nest at most 64 deep"):
        verify(program(*deep))


@pytest.mark.clause("ISA-7")
def test_what_holds_on_one_way_only_does_not_hold_where_ways_meet() -> None:
    """A register written in one arm, or in a body that may run never, is not initialised after it."""
    arm = (ZERO, ABOVE, ("bra", Guard(0), "past"), ("mov_imm", BF16, 2, 0), "past", ("mov", BF16, 3, 2))
    body = (ZERO, "body", ("mov_imm", U32, 2, 0), ("loop", 1, "body"), ("mov", U32, 3, 2))
    for given in (program(*arm), program(*body)):
        with pytest.raises(VerifyError, match="on every way to here; write it before"):
            verify(given)
    both = (
        ZERO,
        ABOVE,
        ("bra", Guard(0), "b"),
        ("mov_imm", F32, 2, 0),
        ("bra", None, "past"),
        "b",
        ("mov_imm", F32, 2, 1),
    )
    assert verify(program(*both, "past", ("mov", F32, 3, 2))).counters == 0


@pytest.mark.clause("ISA-8")
def test_steps_put_calls_in_place_and_leave_out_what_no_lane_reaches() -> None:
    """A called function stands where it is called; after an exit without a label nothing stays."""
    given = program(
        ZERO, ("call", "f"), ("call", "f"), ("exit",), ZERO, ("exit",), "f", ("add", U32, 1, 1, 1), ("ret",)
    )
    steps = verify(given).steps
    assert [(step.op, step.index) for step in steps] == [("mov_imm", 0), ("add", 6), ("add", 6), ("exit", 3)]


@pytest.mark.clause("ISA-9")
def test_regions_are_read_off_the_layout() -> None:
    """A choice with two arms inside a counted loop that lanes may leave, then a loop by a backward branch."""
    given = program(
        *(ZERO, ABOVE, "body", ZERO, ("bra", Guard(0), "then"), ("bra", None, "else")),
        *("then", ("add", U32, 2, 1, 1), ("bra", None, "join"), "else", ("sub", U32, 2, 1, 1)),
        *("join", ("bra", Guard(0), "out"), ("loop", 1, "body")),
        *("out", ("add", U32, 1, 1, 1), ABOVE, ("bra", Guard(0, negated=True), "out")),
    )
    choice = If(Guard(0), (Run(6, 7),), (Run(8, 9),))
    body = (Run(3, 4), choice, If(Guard(0), (Leave(11),)))
    again = If(Guard(0, negated=True), (Again(11, 13),))
    assert verify(given).regions == (Run(0, 2), Block(11, (Loop(2, 2, body),)), Loop(11, -1, (Run(11, 13), again)))


def test_a_branch_to_an_exit_stops_the_lane_at_once() -> None:
    """Regions know no difference between an exit and a branch that can only come to one."""
    given = program(ZERO, ABOVE, ("bra", Guard(0), "end"), ZERO, "end", ("bra", None, "last"), "last", ("exit",))
    assert verify(given).regions == (Run(0, 2), If(Guard(0), (Stop(),)), Run(3, 4), Stop())
