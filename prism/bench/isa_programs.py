"""Programs of `prism bench isa`, as assembly: streams of float32, a sum, a matrix product, a loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from prism.kernels.exec.launch import Launch, Shape
from prism.kernels.isa.assemble import assemble
from prism.kernels.isa.verify import Verified, verify
from prism.kernels.std.arrays import SIDE as TILES
from prism.kernels.std.arrays import TILE, gemm

SIDE: Final = 512
"""Rows and columns of the matrices."""
STRIPE: Final = 4096
"""Elements that one lane adds up; a multiple of `_AT_ONCE`."""
_AT_ONCE: Final = 8

_STREAMS: Final = {
    "copy": ("x", ["mov.f32 r20, r10"]),
    "add": ("xy", ["add.f32 r20, r10, r11"]),
    "chain": (
        "xyz",
        [
            "mul.f32 r20, r10, r11",
            "add.f32 r20, r20, r12",
            "mul.f32 r20, r20, r10",
            "max.f32 r20, r20, r11",
            "sub.f32 r20, r20, r12",
        ],
    ),
}
"""Inputs, in registers from r10 on, and what is made of them, in r20."""


def stream(name: str) -> Verified:
    """Return out[i] := f(x[i], ...) for i < n, one lane each."""
    inputs, body = _STREAMS[name]
    out = len(inputs)
    lines = [f".program {name}"]
    lines += [f".buffer {one} f32 read {k + 1}" for k, one in enumerate(inputs)]
    lines += [f".buffer out f32 write {out + 1}", ".scalar n u64 r4", "setge.u64 p0, r255, r4", "bra.p0 @end"]
    lines += [f"mov_imm.u64 r{200 + k}, {k + 1}" for k in range(out + 1)]
    lines += ["mov_imm.u32 r9, 2", "shl.u64 r0, r255, r9"]
    lines += [f"ldg.f32 r{10 + k}, [r{200 + k} + r0]" for k in range(out)]
    return _verified([*lines, *body, f"stg.f32 [r{200 + out} + r0], r20", "end:", "exit"])


def stripes() -> Verified:
    """Return part[i] := the sum of `STRIPE` elements of x from STRIPE * i on."""
    lines = [".program stripes", ".buffer x f32 read 1", ".buffer part f32 write 2", "mov_imm.u64 r1, 1"]
    lines += ["mov_imm.u64 r2, 2", f"mov_imm.u64 r5, {4 * STRIPE}", "mul.u64 r0, r255, r5", "mov_imm.u64 r6, 4"]
    lines += [f"mov_imm.f32 r{20 + k}, 0" for k in range(_AT_ONCE)]
    lines += [f"mov_imm.u32 r7, {STRIPE // _AT_ONCE}", "body:"]
    for k in range(_AT_ONCE):
        lines += ["ldg.f32 r10, [r1 + r0]", f"add.f32 r{20 + k}, r{20 + k}, r10", "add.u64 r0, r0, r6"]
    lines += ["loop r7, @body", f"reduce.add.f32 r30, r20, {_AT_ONCE}", "mov_imm.u32 r9, 2", "shl.u64 r0, r255, r9"]
    return _verified([*lines, "stg.f32 [r2 + r0], r30", "exit"])


def total() -> Verified:
    """Return out[0] := the sum of the first n elements of x, by one lane."""
    lines = [".program total", ".buffer x f32 read 1", ".buffer out f32 write 2", ".scalar n u32 r4"]
    lines += ["mov_imm.u64 r1, 1", "mov_imm.u64 r2, 2", "mov_imm.u64 r0, 0", "mov_imm.u64 r6, 4"]
    lines += ["mov_imm.f32 r20, 0", "body:", "ldg.f32 r10, [r1 + r0]", "add.f32 r20, r20, r10", "add.u64 r0, r0, r6"]
    return _verified([*lines, "loop r4, @body", "mov_imm.u64 r0, 0", "stg.f32 [r2 + r0], r20", "exit"])


def matmul() -> Verified:
    """Return out := x y for float32 matrices of `SIDE` rows and columns, one lane an element."""
    shift = SIDE.bit_length() - 1
    lines = [".program matmul", ".buffer x f32 read 1", ".buffer y f32 read 2", ".buffer out f32 write 3"]
    lines += [f"mov_imm.u64 r{k}, {k}" for k in (1, 2, 3)]
    lines += ["mov_imm.u32 r9, 2", f"mov_imm.u32 r8, {shift}", f"mov_imm.u64 r7, {SIDE - 1}"]
    lines += ["shr.u64 r30, r255, r8", "shl.u64 r30, r30, r8", "shl.u64 r30, r30, r9"]
    lines += ["and.u64 r31, r255, r7", "shl.u64 r31, r31, r9", "mov_imm.u64 r5, 4", f"mov_imm.u64 r6, {4 * SIDE}"]
    lines += ["mov_imm.f32 r20, 0", f"mov_imm.u32 r40, {SIDE}", "body:", "ldg.f32 r10, [r1 + r30]"]
    lines += ["ldg.f32 r11, [r2 + r31]", "mad.f32 r20, r10, r11, r20", "add.u64 r30, r30, r5", "add.u64 r31, r31, r6"]
    return _verified([*lines, "loop r40, @body", "shl.u64 r0, r255, r9", "stg.f32 [r3 + r0], r20", "exit"])


def tiled(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any], out: np.ndarray[Any, Any]) -> Launch:
    """Return a launch of the standard gemm, which works by tiles: out := x y for such matrices."""
    program = verify(gemm.program(W="f32"))
    sides, blocks = {one.name: SIDE for one in program.program.scalars}, -(-SIDE // TILES)
    return Launch(program, Shape((blocks, blocks, 1), (TILE, TILE, 1)), {"a": x, "b": y, "c": out}, sides)


def counting() -> tuple[Verified, int]:
    """Return a program whose lanes go n times round a loop, and how many instructions that is a turn."""
    lines = [".program counting", ".buffer out u32 write 1", ".scalar n u32 r4", "mov_imm.u64 r1, 1"]
    lines += ["mov_imm.u32 r5, 1", "mov_imm.u32 r6, 3", "mov_imm.u32 r7, 0", "body:", "add.u32 r7, r7, r5"]
    lines += ["mul.u32 r7, r7, r6", "xor.u32 r7, r7, r5", "loop r4, @body", "mov_imm.u32 r9, 2"]
    return _verified([*lines, "shl.u64 r0, r255, r9", "stg.u32 [r1 + r0], r7", "exit"]), 4


def _verified(lines: Sequence[str]) -> Verified:
    return verify(assemble("\n".join(lines) + "\n", "<bench>"))
