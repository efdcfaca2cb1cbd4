"""Programs that tests run on executors, and runs of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from prism.kernels.exec.cpu import CpuExecutor
from prism.kernels.exec.faults import FaultError
from prism.kernels.exec.launch import Launch, Shape
from prism.kernels.exec.numpy import NumpyExecutor
from prism.kernels.isa.assemble import assemble
from prism.kernels.isa.build import Builder
from prism.kernels.isa.program import Access, Guard, Program, RegisterIndirectComputed
from prism.kernels.isa.table import BY_MNEMONIC, Effect
from prism.kernels.isa.types import F32, TYPES, U32, U64, Type
from prism.kernels.isa.types import Kind as Of
from prism.kernels.isa.verify import verify

Array = np.ndarray[Any, Any]
CPU, NUMPY = CpuExecutor(), NumpyExecutor()
HANDLES, OFFSETS = 200, 100
"""Registers: handles of buffers from the first on, byte offsets of types by size from the second on."""


def indexed(b: Builder, types: set[Type]) -> None:
    """Put the byte offset of the lane's element into a register for each size of the types."""
    for shift in {ty.shift for ty in types}:
        b.emit("mov_imm", U32, 250, shift)
        b.emit("shl", U64, OFFSETS + shift, 255, 250)


def element(ty: Type, buffer: int) -> RegisterIndirectComputed:
    """Return the address of the lane's element of a buffer."""
    return RegisterIndirectComputed(HANDLES + buffer, OFFSETS + ty.shift)


def handle(b: Builder, number: int, name: str, ty: Type, access: Access) -> None:
    """Declare a buffer and put its handle where `element` finds it."""
    b.emit("mov_imm", U64, HANDLES + number, b.buffer(name, ty, access))


def guarded(b: Builder, scalar: str = "n") -> None:
    """Let lanes from a scalar on stop at the label `end`."""
    b.scalar(scalar, U64, 4)
    b.emit("set", "ge", 15, 255, 4, U64)
    b.emit("bra", Guard(15), "end")


def add(ty: Type = F32) -> Program:
    """Return out[i] := x[i] + y[i] for i < n."""
    b = Builder("add")
    guarded(b)
    for number, (name, access) in enumerate((("x", Access.READ), ("y", Access.READ), ("out", Access.WRITE))):
        handle(b, number, name, ty, access)
    indexed(b, {ty})
    b.emit("ldg", ty, 10, element(ty, 0))
    b.emit("ldg", ty, 11, element(ty, 1))
    b.emit("add", ty, 12, 10, 11)
    b.emit("stg", ty, element(ty, 2), 12)
    b.label("end")
    b.emit("exit")
    return b.program()


def arithmetic(ty: Type) -> tuple[Program, list[tuple[str, Type]]]:
    """Return a program that stores what every pure instruction of a type makes of a[i], b[i] and c[i].

    Beside it the name and type of each output; its name is the instruction's, with dots and spaces as underscores.
    """
    b = Builder(f"every_{ty.name}")
    for number, name in enumerate("abc"):
        handle(b, number, name, ty, Access.READ)
    handle(b, 3, "amount", U32, Access.READ)
    indexed(b, set(TYPES))
    for number in range(3):
        b.emit("ldg", ty, 10 + number, element(ty, number))
    b.emit("ldg", U32, 13, element(U32, 3))
    outputs: list[tuple[str, Type]] = []

    def out(name: str, of: Type, register: int) -> None:
        # One handle register is enough: each is set just before.
        b.emit("mov_imm", U64, HANDLES + 4, b.buffer(f"o_{name}", of, Access.WRITE))
        b.emit("stg", of, element(of, 4), register)
        outputs.append((f"o_{name}", of))

    for op in BY_MNEMONIC.values():
        if op.effect is Effect.PURE and op.types and ty in op.types[0]:
            _pure(b, op.mnemonic, ty, out)
    b.emit("exit")
    return b.program(), outputs


def _pure(b: Builder, op: str, ty: Type, out: Callable[[str, Type, int], None]) -> None:
    """Emit an instruction on r10 to r13 in each of its forms, and the stores of its results."""
    if op == "mov_imm":
        b.emit("mov_imm", ty, 20, 0xFEDCBA9876543210)
        out(op, ty, 20)
    elif op == "cvt":
        for to in TYPES:
            b.emit("cvt", to, ty, 20, 10)
            out(f"cvt_{to.name}", to, 20)
    elif op == "set":
        for condition in ("eq", "ne", "lt", "le", "gt", "ge"):
            b.emit("set", condition, 1, 10, 11, ty)
            b.emit("sel", ty, 20, 1, 10, 11)
            out(f"set_{condition}", ty, 20)
    elif op != "sel":
        sources = {"shl": (10, 13), "shr": (10, 13)}.get(op, (10, 11, 12)[: len(BY_MNEMONIC[op].operands) - 1])
        b.emit(op, ty, 20, *((10, 3) if op.startswith("reduce.") else sources))
        out(op.replace(".", "_"), ty, 20)


def samples(ty: Type, n: int, seed: int, *, zero: bool = True) -> Array:
    """Return elements of a type: edges among random bits."""
    rng = np.random.default_rng(seed)
    raw = rng.integers(0, 256, n * ty.size, np.uint8).view(ty.dtype)
    if ty.kind is Of.FLOAT:
        small = (rng.standard_normal(n) * 4).astype(ty.dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            edges = np.array([0.0, -0.0, 1.0, -1.0, 0.5, np.inf, -np.inf, np.nan, 65504.0, 1e-7, 3e38]).astype(ty.dtype)
        return np.where(
            rng.random(n) < 0.2, edges[rng.integers(0, len(edges), n)], np.where(rng.random(n) < 0.6, small, raw)
        )
    info = np.iinfo(ty.dtype)
    edges = np.array([0, 1, info.max, info.min, info.max - 1, 7], ty.dtype)
    found = np.where(rng.random(n) < 0.3, edges[rng.integers(0, len(edges), n)], raw)
    return found if zero else np.where(found == 0, ty.dtype.type(3), found)


def outcome(
    executor: Any,
    program: Program,
    shape: Shape,
    buffers: Mapping[str, Array],
    scalars: Mapping[str, Any] | None = None,
    **options: Any,
) -> tuple[dict[str, Array], tuple[Any, ...] | None]:
    """Return copies of the buffers after a run, and what its fault says, None without one."""
    copies = {name: array.copy() for name, array in buffers.items()}
    launch = Launch(verify(program), shape, copies, scalars or {}, **options)
    try:
        executor.bind(launch)()
    except FaultError as error:
        return copies, (error.kind, error.index, error.lane, error.values, str(error))
    return copies, None


def both(text: str, shape: Shape, buffers: Mapping[str, Array], **more: Any) -> tuple[Any, ...] | None:
    """Run an assembly program on both; assert that buffers and faults are the same, and return the fault."""
    program = assemble(text)
    got, fault = outcome(CPU, program, shape, buffers, **more)
    want, expected = outcome(NUMPY, program, shape, buffers, **more)
    assert fault == expected
    if fault is None:
        for name in buffers:
            np.testing.assert_array_equal(got[name], want[name], err_msg=name)
    return fault
