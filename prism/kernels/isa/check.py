"""The shape of a program: parameters, operands and labels are what the table says [ISA-5]."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain, pairwise
from typing import Final

from prism.errors import UsageError
from prism.kernels.isa.address import phi_offset
from prism.kernels.isa.errors import VerifyError
from prism.kernels.isa.program import (
    Address,
    BufferOffset,
    Guard,
    Instruction,
    Operand,
    PhiCoordinate,
    Program,
    RegisterIndirect,
    RegisterIndirectComputed,
)
from prism.kernels.isa.steps import functions
from prism.kernels.isa.table import BY_MNEMONIC, CONDITIONS, PREDICATES, REGISTERS, SCOPES, SPECIAL, Kind, Op
from prism.kernels.isa.table import Operand as Declared
from prism.kernels.isa.types import SIGNED, Type
from prism.kernels.isa.types import Kind as Of

MOST_INSTRUCTIONS: Final = 1 << 14
MOST_SHARED: Final = 1 << 16
MOST_POOL: Final = 1 << 16
"""Most bytes of the pools of a lane."""
_NAME_LENGTH: Final = 64


def check(program: Program) -> None:
    """Raise VerifyError at the first instruction that the table does not allow, or label that is not in order."""
    if len(program.instructions) > MOST_INSTRUCTIONS:
        raise VerifyError(
            "size", -1, f"a program must have at most {MOST_INSTRUCTIONS} instructions, got {len(program.instructions)}"
        )
    _check_parameters(program)
    _check_labels(program)
    for at, one in enumerate(program.instructions):
        _check_instruction(at, one)
    _check_targets(program)
    _check_ends(program)


def is_name(text: object) -> bool:
    """Whether a text can name a program, a parameter or a label: an ASCII identifier, dots allowed within."""
    return (
        isinstance(text, str)
        and 0 < len(text) <= _NAME_LENGTH
        and text.isascii()
        and all(part.isidentifier() for part in text.split("."))
    )


def _check_parameters(program: Program) -> None:
    memory = [*program.buffers, *program.shared]
    named = [*memory, *program.scalars]
    names = [program.name, *(one.name for one in named), *(one.buffer for one in program.sizes)]
    for name in names:
        if not is_name(name):
            raise VerifyError(
                "name", -1, f"a name must be an identifier of at most {_NAME_LENGTH} letters, got {name!r}"
            )
    for what, given in (
        ("name", [one.name for one in named]),
        ("handle", [one.handle for one in memory]),
        ("register", [one.register for one in (*program.scalars, *program.sizes)]),
    ):
        if len(set(given)) != len(given):
            raise VerifyError("parameters", -1, f"each parameter must have a {what} of its own, got {given}")
    if not all(0 <= one.handle < 1 << 64 for one in memory):
        raise VerifyError("parameters", -1, "a handle must be a whole number of 64 bits")
    if unknown := {one.buffer for one in program.sizes} - {one.name for one in program.buffers}:
        raise VerifyError("parameters", -1, f"a size must be of a declared buffer, got {sorted(unknown)}")
    if not all(_plain(one.register) for one in (*program.scalars, *program.sizes)):
        raise VerifyError("parameters", -1, "a parameter's register must be r0 to r255 and none that the launch sets")
    if not all(one.length > 0 for one in program.shared) or (
        sum(one.length * one.type.size for one in program.shared) > MOST_SHARED
    ):
        raise VerifyError("parameters", -1, f"shared memory must have 1 to {MOST_SHARED} bytes in all")


def _plain(register: int) -> bool:
    return 0 <= register < REGISTERS and register not in SPECIAL


def _check_labels(program: Program) -> None:
    length, seen = len(program.instructions), set()
    for name, at in program.labels:
        if not is_name(name):
            raise VerifyError("name", -1, f"a label must be an identifier, got {name!r}")
        if name in seen:
            raise VerifyError("labels", -1, f"duplicate label '{name}' at instruction {at}")
        if not 0 <= at <= length:
            raise VerifyError(
                "labels", -1, f"label '{name}' points to invalid instruction index {at} (max: {length}); move it"
            )
        seen.add(name)
    order = [(at, name) for name, at in program.labels]
    if order != sorted(order):
        raise VerifyError("labels", -1, "labels must stand in the order of their instructions, then of their names")


def _check_instruction(at: int, one: Instruction) -> None:
    op = BY_MNEMONIC.get(one.op)
    if op is None:
        raise VerifyError("instruction", at, f"an instruction must be one of the table's, got {one.op!r}")
    if len(one.types) != len(op.types) or len(one.operands) != len(op.operands):
        raise VerifyError(
            "operands",
            at,
            f"{op.mnemonic} must have {len(op.types)} types and {len(op.operands)} operands, "
            f"got {len(one.types)} and {len(one.operands)}",
        )
    for ty, allowed in zip(one.types, op.types, strict=True):
        if ty not in allowed:
            names = ", ".join(each.name for each in allowed)
            raise VerifyError("UnsupportedOperation", at, f"{op.mnemonic} must be of one of {names}, got {ty.name}")
    for declared, given in zip(op.operands, one.operands, strict=True):
        if not _is_operand(declared, given):
            raise VerifyError(
                "operands", at, f"{declared.name} of {op.mnemonic} must be {_expected(declared)}, got {given!r}"
            )
    _check_more(at, op, one)


def _expected(declared: Declared) -> str:
    if declared.kind is Kind.REGISTER and declared.writes:
        return f"{declared.kind.value} that the launch does not set"
    return f"{declared.kind.value} of {declared.bits} bits" if declared.bits else declared.kind.value


def _whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value < high


def _is_operand(declared: Declared, given: Operand) -> bool:
    match declared.kind:
        case Kind.REGISTER:
            fine = _whole(given, 0, REGISTERS) and not (declared.writes and given in SPECIAL)
        case Kind.PREDICATE:
            fine = _whole(given, 0, PREDICATES)
        case Kind.GUARD:
            fine = given is None or (isinstance(given, Guard) and _whole(given.predicate, 0, PREDICATES))
        case Kind.LABEL:
            fine = is_name(given)
        case Kind.ADDRESS:
            fine = isinstance(given, Address) and _is_address(given)
        case Kind.CONDITION:
            fine = given in CONDITIONS
        case Kind.SCOPE:
            fine = given in SCOPES
        case Kind.INTEGER:
            fine = _whole(given, 0, 1 << declared.bits)
        case Kind.FLOAT:
            fine = isinstance(given, float) and math.isfinite(given)
    return fine


def _is_address(given: Address) -> bool:
    match given:
        case BufferOffset(handle, offset):
            return _whole(handle, 0, 1 << 64) and _whole(offset, 0, 1 << 63)
        case PhiCoordinate(cls, page, byte):
            return all(_whole(one, 0, 256) for one in (cls, page, byte))
        case RegisterIndirect(base, offset):
            return _whole(base, 0, REGISTERS) and _whole(offset, -(1 << 31), 1 << 31)
        case RegisterIndirectComputed(handle, offset):
            return _whole(handle, 0, REGISTERS) and _whole(offset, 0, REGISTERS)


def _check_more(at: int, op: Op, one: Instruction) -> None:
    """Check what two operands of one instruction must be together."""
    if op.mnemonic == "set" and str(one.operands[0]).endswith("u") and _is_signed(one.types[0]):
        raise VerifyError(
            "UnsupportedOperation", at, f"an unsigned condition must be of unsigned types, got {one.types[0].name}"
        )
    if op.mnemonic.startswith("reduce."):
        base, count = one.operands[1:]
        assert isinstance(base, int)
        assert isinstance(count, int)
        if count < 1 or base + count > REGISTERS:
            raise VerifyError(
                "operands", at, f"a reduction must be of 1 to {REGISTERS - base} registers from r{base} on"
            )
    for given in one.operands:
        if isinstance(given, PhiCoordinate):
            try:
                phi_offset(given.cls, given.page, given.byte)
            except UsageError as error:
                raise VerifyError("address", at, str(error)) from error
        if isinstance(given, RegisterIndirect) and given.offset < 0:
            raise VerifyError(
                "address", at, f"an address must not underflow its buffer, got byte offset {given.offset}"
            )


def _is_signed(ty: Type) -> bool:
    return ty in SIGNED or ty.kind is Of.FLOAT


def label_operands(one: Instruction) -> Iterator[str]:
    """Yield the labels that an instruction names."""
    for declared, given in zip(BY_MNEMONIC[one.op].operands, one.operands, strict=True):
        if declared.kind is Kind.LABEL:
            yield str(given)


def _check_targets(program: Program) -> None:
    labels = dict(program.labels)
    for at, one in enumerate(program.instructions):
        for name in label_operands(one):
            if name not in labels:
                raise VerifyError("labels", at, f"undefined label '{name}' referenced in instruction {at}")
            if one.op == "call" and labels[name] == 0:
                raise VerifyError("calls", at, "a function must start after the first instruction; main starts there")
            if one.op == "call" and labels[name] == len(program.instructions):
                raise VerifyError("calls", at, "a function must have instructions; its label stands past the last")


def _check_ends(program: Program) -> None:
    """Check that main comes first and that nothing runs from one function into the next but by call and ret."""
    labels, ends = dict(program.labels), functions(program)
    starts = sorted(ends)
    for start, after in pairwise([*starts, None]):
        stop = ends[start] if start is not None else 0
        for at in range(start or 0, stop):
            one = program.instructions[at]
            if one.op == "ret" and start == 0:
                raise VerifyError("calls", at, "ret must stand in a function; main ends by exit")
            low = start or 0
            for name in chain() if one.op == "call" else label_operands(one):
                inside = low <= labels[name] < stop or (start == 0 and after is None and labels[name] == stop)
                if not inside:
                    raise VerifyError(
                        "labels", at, f"'{name}' must stand in the same function; call functions, or exit"
                    )
        last = program.instructions[stop - 1] if stop else None
        final = last is not None and (last.op in ("exit", "ret") or (last.op == "bra" and last.operands[0] is None))
        if not final and not (start == 0 and after is None):
            raise VerifyError(
                "calls", stop - 1, "control must not fall out of a function into the next; end it by ret or exit"
            )
