"""Programs as assembly text: the form that the assembler reads [ISA-13]."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from prism.kernels.isa.program import (
    Address,
    BufferOffset,
    Guard,
    Instruction,
    Operand,
    PhiCoordinate,
    Program,
    RegisterIndirect,
)
from prism.kernels.isa.table import BY_MNEMONIC, Kind
from prism.kernels.isa.table import Operand as Declared
from prism.kernels.isa.types import Kind as Of
from prism.kernels.isa.types import Type


def show_address(address: Address) -> str:
    """Return an address as text."""
    match address:
        case BufferOffset(handle, offset):
            return f"[buf{handle} + {offset}]"
        case PhiCoordinate(cls, page, byte):
            return f"[Φ({cls}, {page}, {byte})]"
        case RegisterIndirect(base, offset):
            return f"[r{base} {'-' if offset < 0 else '+'} {abs(offset)}]"
        case _:
            return f"[r{address.handle} + r{address.offset}]"


def _operand(declared: Declared, given: Operand) -> str:
    match declared.kind:
        case Kind.REGISTER:
            return f"r{given}"
        case Kind.PREDICATE:
            return f"p{given}"
        case Kind.LABEL:
            return f"@{given}"
        case Kind.ADDRESS:
            assert isinstance(given, Address)
            return show_address(given)
        case _:
            return repr(given)


def show_instruction(one: Instruction) -> str:
    """Return an instruction as one line of text, without a break."""
    op, word, rest = BY_MNEMONIC[one.op], one.op, []
    for declared, given in zip(op.operands, one.operands, strict=True):
        if declared.kind is Kind.CONDITION:
            word += str(given)
        elif declared.kind is Kind.SCOPE:
            word += f".{given}"
        elif declared.kind is Kind.GUARD:
            word += f".{'!' if given.negated else ''}p{given.predicate}" if isinstance(given, Guard) else ""
        else:
            rest.append(_operand(declared, given))
    word += "".join(f".{ty.name}" for ty in one.types)
    return f"{word} {', '.join(rest)}" if rest else word


def _comment(one: Instruction) -> str:
    """Return what the bits of a float constant are, as a comment."""
    if one.op != "mov_imm" or one.types[0].kind is not Of.FLOAT:
        return ""
    ty, bits = one.types[0], one.operands[1]
    assert isinstance(bits, int)
    return f"  ; {float_of_bits(ty, bits)!r}"


def float_of_bits(ty: Type, bits: int) -> float:
    """Return the value of a float constant."""
    raw = np.array([bits & ((1 << ty.bits) - 1)], np.uint64).astype(f"u{ty.size}")
    return float(raw.view(ty.dtype)[0])


def _header(program: Program) -> Iterator[str]:
    yield f".program {program.name}"
    for one in program.buffers:
        yield f".buffer {one.name} {one.type.name} {one.access.value} {one.handle}"
    for one in program.shared:
        yield f".shared {one.name} {one.type.name} {one.length} {one.handle}"
    for one in program.scalars:
        yield f".scalar {one.name} {one.type.name} r{one.register}"
    for one in program.sizes:
        yield f".size {one.buffer} r{one.register}"


def show_program(program: Program) -> str:
    """Return a program as text which assembles to an equal program."""
    lines = list(_header(program))
    at = 0
    labels = list(program.labels)
    for index, one in enumerate(program.instructions):
        while at < len(labels) and labels[at][1] == index:
            lines.append(f"{labels[at][0]}:")
            at += 1
        lines.append(f"    {show_instruction(one)}{_comment(one)}")
    lines += [f"{name}:" for name, _ in labels[at:]]
    return "\n".join(lines) + "\n"
