"""Run assembly in tests: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from prism.kernels.exec.faults import FaultError
from prism.kernels.exec.launch import FUEL, Launch, Shape
from prism.kernels.exec.table import open_executor
from prism.kernels.isa.assemble import assemble
from prism.kernels.isa.types import BY_NAME
from prism.kernels.isa.verify import verify

ONE = Shape()


def run(
    text: str, shape: Shape = ONE, *, executor: str = "numpy", fuel: int = FUEL, **given: Any
) -> dict[str, np.ndarray]:
    """Run a program on arrays and numbers by name, and return its buffers; arrays that are given are not changed."""
    program = assemble(text)
    names = {one.name for one in program.buffers}
    buffers = {name: np.array(given[name]) for name in names}
    scalars = {name: value for name, value in given.items() if name not in names}
    open_executor(executor).bind(Launch(verify(program), shape, buffers, scalars, fuel))()
    return buffers


def fault_of(text: str, shape: Shape = ONE, **given: Any) -> FaultError:
    """Run a program that must fault, and return how."""
    with pytest.raises(FaultError) as caught:
        run(text, shape, **given)
    return caught.value


def apply(mnemonic: str, ty: str, *columns: Any, of: str | None = None, to: str | None = None) -> np.ndarray:
    """Apply one instruction to columns of operands, one lane a row, and return the column of results."""
    of, to = of or ty, to or ty
    arrays = {f"x{k}": np.array(list(column), BY_NAME[of].dtype) for k, column in enumerate(columns)}
    n = len(arrays["x0"])
    lines = [f".buffer x{k} {of} read {k + 1}" for k in range(len(columns))] + [f".buffer out {to} write 9"]
    for k in range(len(columns)):
        lines += [f"mov_imm.u64 r{k + 1}, {k + 1}", f"mov_imm.u32 r20, {BY_NAME[of].shift}", "shl.u64 r21, r255, r20"]
        lines += [f"ldg.{of} r{k + 10}, [r{k + 1} + r21]"]
    sources = ", ".join(f"r{k + 10}" for k in range(len(columns)))
    lines += [f"{mnemonic} r30, {sources}", "mov_imm.u64 r9, 9", f"mov_imm.u32 r20, {BY_NAME[to].shift}"]
    lines += ["shl.u64 r21, r255, r20", f"stg.{to} [r9 + r21], r30"]
    given: Mapping[str, Any] = {**arrays, "out": np.zeros(n, BY_NAME[to].dtype)}
    return run("\n".join(lines), Shape((n, 1, 1)), **given)["out"]
