"""Prism: a small verified core for accelerator programs, on JAX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prism.kernels.api import kernel
from prism.kernels.schema.language import (
    DeviceArray,
    atomic_add,
    atomic_and,
    atomic_cas,
    atomic_exchange,
    atomic_max,
    atomic_min,
    atomic_or,
    atomic_xor,
    barrier,
    block_max,
    block_min,
    block_product,
    block_sum,
    ceil,
    cos,
    erf,
    exp,
    floor,
    fma,
    get_block_id,
    get_block_size,
    get_global_id,
    get_grid_size,
    get_local_id,
    log,
    log2,
    log10,
    pow,  # noqa: A004 (the name in kernels)
    rsqrt,
    shared,
    sigmoid,
    sin,
    sqrt,
    tan,
    tanh,
    trunc,
)
from prism.kernels.schema.values import bf16, f16, f32, f64, i8, i16, i32, i64, u8, u16, u32, u64
from prism.sharing.cse import cse
from prism.vm.theory import library as theory

if TYPE_CHECKING:
    from prism.vm.engines.api import Limits
    from prism.vm.engines.session import Session
    from prism.vm.theory.model import Theory

__all__ = [
    "DeviceArray",
    "atomic_add",
    "atomic_and",
    "atomic_cas",
    "atomic_exchange",
    "atomic_max",
    "atomic_min",
    "atomic_or",
    "atomic_xor",
    "barrier",
    "bf16",
    "block_max",
    "block_min",
    "block_product",
    "block_sum",
    "ceil",
    "cos",
    "cse",
    "erf",
    "exp",
    "f16",
    "f32",
    "f64",
    "floor",
    "fma",
    "get_block_id",
    "get_block_size",
    "get_global_id",
    "get_grid_size",
    "get_local_id",
    "i8",
    "i16",
    "i32",
    "i64",
    "kernel",
    "log",
    "log2",
    "log10",
    "pow",
    "rsqrt",
    "session",
    "shared",
    "sigmoid",
    "sin",
    "sqrt",
    "tan",
    "tanh",
    "theory",
    "trunc",
    "u8",
    "u16",
    "u32",
    "u64",
]


def session(of: Theory | str = "peano", engine: str = "ledger", limits: Limits | None = None) -> Session:
    """Start a session of a theory, by value or name; `prism.vm.engines.session` is imported at the first call."""
    from prism.vm.engines.session import session as start

    return start(of, engine, limits)
