"""How far an executor's floats lie from the definition's, operation by operation, and what the table allows [ISA-23].

python -m tests.kernels_ulps xla [COUNT]

COUNT random operands (2^16 if left out) of every exponent, those that occur most and the edges, for each instruction of
floats and each type; for one operand of 16 bits all there are. A line for each: the greatest distance in units of the
last place, what the table allows, the operands of the worst. 1 if any is beyond. On xla and pallas, which may take
subnormal numbers for zero, results for, of or by way of such are left out and counted; so are
those of an fma of f64 in which something over- or underflows.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from prism.kernels.exec.cpu_ops import BINARY, UNARY
from prism.kernels.exec.launch import Launch, linear
from prism.kernels.exec.table import open_executor
from prism.kernels.isa.assemble import assemble
from prism.kernels.isa.table import BY_MNEMONIC
from prism.kernels.isa.types import F64, FLOATS, Type
from prism.kernels.isa.verify import verify

Array = np.ndarray[Any, Any]
COUNT: Final = 1 << 16
_EDGES: Final = (0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 0.5, 2.0, np.pi, np.e, 88.7, -87.4, 709.7, 1e30, -1e-30)
_WHOLE_ALONE: Final = frozenset({"not", "rem", "and", "or", "xor"})


OPERATIONS: Final = tuple(
    name for name in BY_MNEMONIC if (name in UNARY | BINARY and name not in _WHOLE_ALONE) or name in ("fma", "mad")
)
"""The instructions of floats alone."""


def arity(name: str) -> int:
    """Return how many operands an instruction has."""
    return 1 if name in UNARY else 2 if name in BINARY else 3


def operands(ty: Type, number: int, count: int) -> list[Array]:
    """Return the operands of an operation, as many of each as `count` or, for one of 16 bits, all bit patterns."""
    if number == 1 and ty.bits == 16:
        return [np.arange(1 << 16, dtype=np.uint16).view(ty.dtype)]
    random, found = np.random.default_rng(ty.bits * 8 + number), []
    for _ in range(number):
        bits = random.integers(0, 256, (count, ty.size), dtype=np.uint8).view(ty.dtype).reshape(-1)
        with np.errstate(all="ignore"):
            near = (random.standard_normal(count) * random.choice([0.01, 1, 20, 700], count)).astype(ty.dtype)
            edges = random.choice(np.array(_EDGES), count).astype(ty.dtype)
        kind = random.integers(0, 8, count)
        found.append(np.where(kind < 3, bits, np.where(kind < 7, near, edges)).astype(ty.dtype))
    return found


def results(executor: str, name: str, ty: Type, given: Sequence[Array]) -> Array:
    """Run one instruction on all operands."""
    lines = [f".program {name.replace('.', '_')}"]
    lines += [f".buffer x{k} {ty.name} read {k + 1}" for k in range(len(given))]
    lines += [f".buffer out {ty.name} write 9", f"mov_imm.u32 r9, {ty.shift}", "shl.u64 r0, r255, r9"]
    for k in range(len(given)):
        lines += [f"mov_imm.u64 r{k + 1}, {k + 1}", f"ldg.{ty.name} r{10 + k}, [r{k + 1} + r0]"]
    lines += [f"{name}.{ty.name} r20, {', '.join(f'r{10 + k}' for k in range(len(given)))}"]
    lines += ["mov_imm.u64 r8, 9", f"stg.{ty.name} [r8 + r0], r20"]
    out = np.zeros_like(given[0])
    buffers = {f"x{k}": one for k, one in enumerate(given)} | {"out": out}
    launch = Launch(verify(assemble("\n".join(lines) + "\n")), linear(len(out), 256), buffers)
    open_executor(executor).bind(launch)()
    return out


def distance(got: Array, want: Array, ty: Type) -> Array:
    """Return how many numbers of a type lie between two arrays of them; NaNs are equal, and so are zeros."""
    words = [one.view(f"i{ty.size}").astype(np.int64) for one in (got, want)]
    a, b = (np.where(one < 0, -(one & np.int64((1 << (ty.bits - 1)) - 1)), one) for one in words)
    far = np.abs(a.astype(np.float64) - b.astype(np.float64))
    both = _is_nan(got) & _is_nan(want)
    return np.where(both, 0, np.where(far < 2**53, np.abs(a - b), far))


def _is_nan(array: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.isnan(array.astype(np.float64))


def _subnormal(array: Array, ty: Type) -> Array:
    """Tell which numbers are subnormal: those with an exponent of 0 and a fraction that is not 0."""
    fraction = {"f16": 10, "bf16": 7, "f32": 23, "f64": 52}[ty.name]
    bits = array.view(f"u{ty.size}").astype(np.uint64)
    exponent = np.uint64((1 << (ty.bits - 1)) - (1 << fraction))
    return ((bits & exponent) == 0) & ((bits & np.uint64((1 << fraction) - 1)) != 0)


def _extreme(given: Sequence[Array]) -> Array:
    """Tell for which operands of an fma of f64 something over- or underflows on the way: its clause leaves them out."""
    with np.errstate(all="ignore"):
        exponents = [np.log2(np.abs(one)) for one in (*given, given[0] * given[1])]
    return np.logical_or.reduce([(one > 990) | ((one < -900) & (one > -np.inf)) for one in exponents])


def worst(executor: str, name: str, ty: Type, count: int) -> tuple[float, str, int]:
    """Return the greatest distance of an operation, where that is, and how many results were left out."""
    given = operands(ty, arity(name), -(-count // 256) * 256)
    want, got = results("numpy", name, ty, given), results(executor, name, ty, given)
    away, left_out = distance(got, want, ty), 0
    if executor in ("xla", "pallas"):
        between = [results("numpy", "mul", ty, given[:2])] if name == "mad" else []
        small = np.logical_or.reduce([_subnormal(one, ty) for one in (*given, *between, want, got)])
        if name == "fma" and ty is F64:
            small |= _extreme(given)
        away, left_out = np.where(small, 0, away), int(small.sum())
    at = int(np.argmax(away))
    where = f"at {', '.join(str(one[at]) for one in given)}: {got[at]}, not {want[at]}" if away[at] else ""
    return float(away[at]), where, left_out


def main(arguments: Sequence[str]) -> int:
    """Compare an executor with the definition: EXECUTOR [COUNT]."""
    executor, count = arguments[0], int(arguments[1]) if len(arguments) > 1 else COUNT
    beyond, lines, left_out = 0, 0, 0
    for name in OPERATIONS:
        for ty in FLOATS:
            away, where, small = worst(executor, name, ty, count)
            allowed, lines, left_out = BY_MNEMONIC[name].ulp, lines + 1, left_out + small
            beyond += away > allowed
            mark = "BEYOND " if away > allowed else ""
            sys.stdout.write(f"{mark}{name}.{ty.name}: {away:.0f} ulp, {allowed} allowed {where}".rstrip() + "\n")
    sys.stdout.write(f"{lines} operations on {executor}: {beyond} beyond the table; left out, subnormal: {left_out}\n")
    return bool(beyond)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
