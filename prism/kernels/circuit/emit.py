"""Emit the programs of lowered circuits: straight-line code for each element, and loops of one block [CIRCUIT-13]."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf, sqrt
from typing import Final

import numpy as np

from prism.kernels.circuit.reference import MARK
from prism.kernels.isa.build import Builder
from prism.kernels.isa.program import CLASS_BYTES, CLASS_MEMORY, Access, Guard, Program, RegisterIndirectComputed
from prism.kernels.isa.types import BF16, F16, F32, U32, U64, Kind, Type

BLOCK: Final = 256
"""Lanes of the block of a reduction or softmax."""
BUFFER, COUNT = "classes", "n"
"""Names of the parameters: the class memory and the number of elements."""

Node = tuple[str, *tuple[int, ...]]
"""A value: ("load", class), or an operation and the places of its operands among the nodes."""

# Registers. r255 is the lane, which is also the element in a stage of one lane for each.
_LANE, _OFFSET, _HANDLE, _N, _AMOUNT, _ADDRESS, _CLASS, _SCRATCH, _VALUES = 255, 0, 1, 2, 3, 4, 5, 6, 16


def emit_lanes(nodes: Sequence[Node], stored: Mapping[int, int], ty: Type) -> Program:
    """Return the program of a fused stage: for the lane's element, every node in order, then stores by class.

    nodes: at most 200, operands before what uses them, all "load" nodes being read before anything is stored.
    """
    b = _begin("elementwise", ty)
    b.emit("set", U64, "ge", 0, _LANE, _N)
    b.emit("bra", Guard(0), "end")
    b.emit("shl", U64, _OFFSET, _LANE, _AMOUNT)
    for place, (operation, *operands) in enumerate(nodes):
        if operation == "load":
            _load(b, ty, _VALUES + place, operands[0])
        else:
            EMITTERS[operation](b, ty, _VALUES + place, *(_VALUES + operand for operand in operands))
    for number, place in stored.items():
        _store(b, ty, _VALUES + place, number)
    b.label("end")
    b.emit("exit")
    return b.program()


def emit_block(operation: str, classes: Sequence[int], ty: Type) -> Program:
    """Return the program of a reduction or of softmax from one class to another, for one block of 256 lanes.

    Lane k takes elements k, k + 256 and so on; then the lanes meet. Types of 16 bits are added up in f32.
    """
    b = _begin(operation.replace(".", "_"), ty)
    wide = _wide(ty)
    if operation == "softmax":
        _softmax(b, ty, wide, *classes)
    else:
        word = operation.removeprefix("reduce.")
        total = _folded(b, ty, classes[0], word, "fold")
        _only_first_lane(b)
        b.emit("mov_imm", U64, _OFFSET, 0)
        _store(b, ty, _narrowed(b, ty, wide, total), classes[1])
    b.label("end")
    b.emit("exit")
    return b.program()


def _begin(name: str, ty: Type) -> Builder:
    b = Builder(f"circuit.{name}")
    b.buffer(BUFFER, ty, Access.READWRITE, CLASS_MEMORY)
    b.scalar(COUNT, U64, _N)
    b.emit("mov_imm", U64, _HANDLE, CLASS_MEMORY)
    b.emit("mov_imm", U32, _AMOUNT, ty.shift)
    return b


def _address(b: Builder, number: int) -> RegisterIndirectComputed:
    """Emit the address of the element at `_OFFSET` of the vector that begins with a class."""
    b.emit("mov_imm", U64, _CLASS, number * CLASS_BYTES)
    b.emit("add", U64, _ADDRESS, _OFFSET, _CLASS)
    return RegisterIndirectComputed(_HANDLE, _ADDRESS)


def _load(b: Builder, ty: Type, register: int, number: int) -> None:
    b.emit("ldg", ty, register, _address(b, number))


def _store(b: Builder, ty: Type, register: int, number: int) -> None:
    b.emit("stg", ty, _address(b, number), register)


def _bits(value: float, ty: Type) -> int:
    """Return the bits of a number as a type has them."""
    if ty.kind is not Kind.FLOAT:
        return int(value) & ((1 << ty.bits) - 1)
    return int(np.array([value]).astype(ty.dtype).view(f"u{ty.size}")[0])


def _constant(b: Builder, ty: Type, register: int, value: float) -> int:
    b.emit("mov_imm", ty, register, _bits(value, ty))
    return register


def _wide(ty: Type) -> Type:
    return F32 if ty in (F16, BF16) else ty


def _mark(b: Builder, ty: Type, dst: int, a: int) -> None:
    _constant(b, ty, _SCRATCH, int.from_bytes(bytes([MARK] * ty.size), "little"))
    b.emit("xor", ty, dst, a, _SCRATCH)


def _abs(b: Builder, ty: Type, dst: int, a: int) -> None:
    b.emit("mov" if ty.kind is Kind.UNSIGNED else "abs", ty, dst, a)


def _gelu(b: Builder, ty: Type, dst: int, a: int) -> None:
    """Emit x / 2 (1 + erf(x / sqrt 2)), in f32 for types of 16 bits."""
    wide, x, y, z = _wide(ty), _SCRATCH, _SCRATCH + 1, _SCRATCH + 2
    b.emit("cvt", wide, ty, x, a)
    b.emit("mul", wide, y, x, _constant(b, wide, z, 1 / sqrt(2)))
    b.emit("erf", wide, y, y)
    b.emit("add", wide, y, y, _constant(b, wide, z, 1))
    b.emit("mul", wide, x, x, _constant(b, wide, z, 0.5))
    b.emit("mul", wide, y, x, y)
    b.emit("cvt", ty, wide, dst, y)


def _relu(b: Builder, ty: Type, dst: int, a: int) -> None:
    """Emit max(x, 0): 0 where x is NaN."""
    b.emit("max", ty, dst, a, _constant(b, ty, _SCRATCH, 0))


def _same(mnemonic: str) -> Callable[..., None]:
    """Return what emits the one instruction that does an operation."""
    return lambda b, ty, dst, *operands: b.emit(mnemonic, ty, dst, *operands)


EMITTERS: Final[Mapping[str, Callable[..., None]]] = {
    **{name: _same(name) for name in ("add", "sub", "mul", "div", "min", "max")},
    **{name: _same(name) for name in ("exp", "log", "sqrt", "sigmoid", "tanh")},
    "mark": _mark,
    "abs": _abs,
    "gelu": _gelu,
    "relu": _relu,
}
"""What emits each element-wise operation: (builder, type, destination, operands)."""

_STARTS: Final = {"sum": lambda _: 0, "min": lambda ty: _limit(ty, 1), "max": lambda ty: _limit(ty, -1)}
_FOLDS: Final = {"sum": "add", "min": "min", "max": "max"}


def _limit(ty: Type, sign: int) -> float:
    if ty.kind is Kind.FLOAT:
        return sign * inf
    info = np.iinfo(ty.dtype)
    return int(info.max if sign > 0 else info.min)


_ROUNDS, _INDEX, _STEP, _ELEMENT, _TOTAL, _MOST = 10, 11, 12, 16, 17, 18


def _folded(
    b: Builder, ty: Type, number: int, word: str, label: str, change: Callable[[int], None] | None = None
) -> int:
    """Emit a fold over a vector, each element changed first, and return the register with the result of the block."""
    wide, total = _wide(ty), _MOST if word == "max" else _TOTAL
    _constant(b, wide, total, _STARTS[word](wide))

    def body() -> None:
        element = _element(b, ty, wide, number)
        if change:
            change(element)
        b.emit(_FOLDS[word], wide, total, total, element)

    _each_round(b, label, body)
    b.emit(f"lane.{_FOLDS[word]}", wide, total, total)
    return total


def _each_round(b: Builder, label: str, body: Callable[[], None]) -> None:
    """Emit a loop over the elements of the lane: their byte offset is in `_OFFSET`."""
    b.emit("mov_imm", U64, _STEP, BLOCK - 1)
    b.emit("add", U64, _INDEX, _N, _STEP)
    b.emit("sub", U64, _INDEX, _INDEX, _LANE)
    b.emit("mov_imm", U32, _SCRATCH, BLOCK.bit_length() - 1)
    b.emit("shr", U64, _INDEX, _INDEX, _SCRATCH)
    b.emit("cvt", U32, U64, _ROUNDS, _INDEX)
    b.emit("mov", U64, _INDEX, _LANE)
    b.emit("mov_imm", U64, _STEP, BLOCK)
    b.label(label)
    b.emit("shl", U64, _OFFSET, _INDEX, _AMOUNT)
    body()
    b.emit("add", U64, _INDEX, _INDEX, _STEP)
    b.emit("loop", _ROUNDS, label)


def _element(b: Builder, ty: Type, wide: Type, number: int) -> int:
    _load(b, ty, _ELEMENT, number)
    if wide is not ty:
        b.emit("cvt", wide, ty, _ELEMENT, _ELEMENT)
    return _ELEMENT


def _narrowed(b: Builder, ty: Type, wide: Type, register: int) -> int:
    if wide is not ty:
        b.emit("cvt", ty, wide, register, register)
    return register


def _only_first_lane(b: Builder) -> None:
    b.emit("mov_imm", U64, _INDEX, 0)
    b.emit("set", U64, "eq", 0, _LANE, _INDEX)
    b.emit("bra", Guard(0, negated=True), "end")


def _softmax(b: Builder, ty: Type, wide: Type, source: int, destination: int) -> None:
    most = _folded(b, ty, source, "max", "most")

    def power(element: int) -> None:
        b.emit("sub", wide, element, element, most)
        b.emit("exp", wide, element, element)

    total = _folded(b, ty, source, "sum", "total", power)

    def share() -> None:
        element = _element(b, ty, wide, source)
        power(element)
        b.emit("div", wide, element, element, total)
        _store(b, ty, _narrowed(b, ty, wide, element), destination)

    _each_round(b, "share", share)
