"""Build programs in Python: parameters get free handles and registers, labels may be used before they stand."""

from __future__ import annotations

from collections.abc import Callable

from prism.errors import UsageError
from prism.kernels.isa.program import (
    Access,
    Buffer,
    Instruction,
    Operand,
    Program,
    RegisterIndirectComputed,
    Scalar,
    Shared,
    Size,
)
from prism.kernels.isa.types import U32, U64, Type


class Builder:
    """Collects a program; `program()` returns it, unverified.

    >>> b = Builder("double")
    >>> x = b.buffer("x", F32, Access.READWRITE)
    >>> b.emit("mov_imm", U64, 1, x)
    >>> b.emit("ldg", F32, 10, RegisterIndirectComputed(1, 0))
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._instructions: list[Instruction] = []
        self._labels: dict[str, int] = {}
        self._buffers: list[Buffer] = []
        self._shared: list[Shared] = []
        self._scalars: list[Scalar] = []
        self._sizes: list[Size] = []

    def _handle(self) -> int:
        return 1 + max((one.handle for one in (*self._buffers, *self._shared)), default=0)

    def buffer(self, name: str, ty: Type, access: Access, handle: int | None = None) -> int:
        """Declare a buffer and return its handle, the next free one unless given."""
        self._buffers.append(Buffer(name, ty, access, self._handle() if handle is None else handle))
        return self._buffers[-1].handle

    def shared(self, name: str, ty: Type, length: int, handle: int | None = None) -> int:
        """Declare `length` elements of shared memory and return its handle."""
        self._shared.append(Shared(name, ty, length, self._handle() if handle is None else handle))
        return self._shared[-1].handle

    def scalar(self, name: str, ty: Type, register: int) -> None:
        """Declare a scalar that the launch puts into `register`."""
        self._scalars.append(Scalar(name, ty, register))

    def size(self, buffer: str, register: int) -> None:
        """Have the launch put the number of elements of `buffer` into `register`, as u64."""
        self._sizes.append(Size(buffer, register))

    def label(self, name: str) -> None:
        """Let `name` stand before the next instruction; UsageError where it stands already."""
        at = len(self._instructions)
        if name in self._labels:
            raise UsageError(f"duplicate label '{name}' at instruction {at}; each label must stand once")
        self._labels[name] = at

    def emit(self, op: str, *operands: Operand | Type) -> None:
        """Append an instruction: its types first, then its operands in the table's order."""
        types = tuple(one for one in operands if isinstance(one, Type))
        rest = tuple(one for one in operands if not isinstance(one, Type))
        self._instructions.append(Instruction(op, types, rest))

    def program(self) -> Program:
        """Return what was collected."""
        labels = tuple(sorted(self._labels.items(), key=lambda one: (one[1], one[0])))
        return Program(
            name=self.name,
            instructions=tuple(self._instructions),
            labels=labels,
            buffers=tuple(self._buffers),
            shared=tuple(self._shared),
            scalars=tuple(self._scalars),
            sizes=tuple(self._sizes),
        )


Unary = Callable[[int, int], Instruction]
"""Makes an instruction from (src, dst)."""
Binary = Callable[[int, int, int], Instruction]
"""Makes an instruction from (first, second, dst)."""


def _element(b: Builder, ty: Type, handles: dict[int, int]) -> None:
    for register, handle in handles.items():
        b.emit("mov_imm", U64, register, handle)
    b.emit("mov_imm", U32, 250, ty.shift)
    b.emit("shl", U64, 0, 255, 250)


def element_wise_unary(a: int, c: int, ty: Type, op: Unary) -> Program:
    """Return the plan's program of eight instructions: c[i] := op(a[i]) for each lane i, the handles as given."""
    b = Builder("element_wise_unary")
    b.buffer("a", ty, Access.READ, a)
    b.buffer("c", ty, Access.WRITE, c)
    _element(b, ty, {1: a, 3: c})
    b.emit("ldg", ty, 10, RegisterIndirectComputed(1, 0))
    b._instructions.append(op(10, 12))
    b.emit("stg", RegisterIndirectComputed(3, 0), 12, ty)
    b.emit("exit")
    return b.program()


def element_wise_binary(a: int, b: int, c: int, ty: Type, op: Binary) -> Program:
    """Return the plan's program of ten instructions: c[i] := op(a[i], b[i]) for each lane i, the handles as given."""
    to = Builder("element_wise_binary")
    for name, handle, access in (("a", a, Access.READ), ("b", b, Access.READ), ("c", c, Access.WRITE)):
        to.buffer(name, ty, access, handle)
    _element(to, ty, {1: a, 2: b, 3: c})
    to.emit("ldg", ty, 10, RegisterIndirectComputed(1, 0))
    to.emit("ldg", ty, 11, RegisterIndirectComputed(2, 0))
    to._instructions.append(op(10, 11, 12))
    to.emit("stg", RegisterIndirectComputed(3, 0), 12, ty)
    to.emit("exit")
    return to.program()
