"""The operators of kernels and the calls that they may make: names, types of operands, type of result [KERNELS-5]."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from prism.kernels.schema.types import BOOL, ELEMENTS, FLOATS, INTEGERS

_ALL: Final = frozenset(ELEMENTS)
_WORDS: Final = frozenset({"i32", "u32", "i64", "u64"})
_COUNTED: Final = _WORDS | {"f32", "f64"}

BINARY: Final[Mapping[type[ast.AST], str]] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "div",
    ast.FloorDiv: "floor_div",
    ast.Mod: "mod",
    ast.Pow: "pow",
    ast.BitAnd: "bit_and",
    ast.BitOr: "bit_or",
    ast.BitXor: "bit_xor",
    ast.LShift: "shl",
    ast.RShift: "shr",
    ast.Lt: "lt",
    ast.LtE: "le",
    ast.Gt: "gt",
    ast.GtE: "ge",
    ast.Eq: "eq",
    ast.NotEq: "ne",
    ast.And: "and",
    ast.Or: "or",
}
"""Python's operators by syntax node, under their names in schema JSON."""
UNARY: Final[Mapping[type[ast.AST], str]] = {ast.USub: "neg", ast.UAdd: "pos", ast.Invert: "invert", ast.Not: "not"}

COMPARISONS: Final = frozenset({"lt", "le", "gt", "ge", "eq", "ne"})
LOGICAL: Final = frozenset({"and", "or"})
BITWISE: Final = frozenset({"bit_and", "bit_or", "bit_xor"})
OPERANDS: Final[Mapping[str, frozenset[str]]] = {
    **dict.fromkeys(("add", "sub", "mul", "floor_div", "mod", *COMPARISONS), _ALL),
    **dict.fromkeys(("neg", "pos"), _ALL),
    **dict.fromkeys(("div", "pow"), FLOATS),
    **dict.fromkeys(("shl", "shr"), INTEGERS),
    **dict.fromkeys(BITWISE, INTEGERS | {BOOL}),
    **dict.fromkeys(("not", *LOGICAL), frozenset({BOOL})),
    "invert": INTEGERS,
}
"""The types that each operator's operands may have."""


@dataclass(frozen=True, slots=True)
class Function:
    """An intrinsic. values: how many numbers it takes, after the array and index if it is atomic.

    operands: the types that these may have; they meet in one. result: the type of its value, "" for that of the
    operands, None for no value. axis: it takes an axis 0, 1 or 2, a literal. atomic: its first argument is an array,
    its second an index. shared: every lane of a block must reach it together.
    """

    name: str
    values: int = 0
    operands: frozenset[str] = _ALL
    result: str | None = ""
    axis: bool = False
    atomic: bool = False
    shared: bool = False

    @property
    def effect(self) -> bool:
        """Whether a call does more than give a value, and so must stand alone or alone on the right of `=`."""
        return self.atomic or self.shared


def _table() -> dict[str, Function]:
    found = [Function("get_global_id", result="u32", axis=True), Function("get_local_id", result="u32", axis=True)]
    found += [Function(f"get_{name}", result="u32", axis=True) for name in ("block_id", "block_size", "grid_size")]
    found += [
        Function(name, 1, FLOATS)
        for name in (
            "exp",
            "log",
            "log2",
            "log10",
            "sqrt",
            "rsqrt",
            "sin",
            "cos",
            "tan",
            "tanh",
            "sigmoid",
            "erf",
            "floor",
            "ceil",
            "trunc",
        )
    ]
    found += [Function("pow", 2, FLOATS), Function("fma", 3, FLOATS), Function("abs", 1)]
    found += [Function("min", 2), Function("max", 2)]
    found += [Function(f"atomic_{op}", 1, _COUNTED, atomic=True) for op in ("add", "min", "max", "exchange")]
    found += [Function(f"atomic_{op}", 1, _WORDS, atomic=True) for op in ("and", "or", "xor")]
    found += [Function("atomic_cas", 2, _WORDS, atomic=True)]
    found += [Function(f"block_{op}", 1, shared=True) for op in ("sum", "min", "max", "product")]
    found += [Function("barrier", result=None, shared=True)]
    return {one.name: one for one in found}


FUNCTIONS: Final[Mapping[str, Function]] = _table()
"""The intrinsics by name."""
