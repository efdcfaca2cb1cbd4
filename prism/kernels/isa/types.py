"""The twelve element types [ISA-2]."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

import ml_dtypes
import numpy as np


class Kind(Enum):
    """What the bits of an element mean; the value is how documents say it."""

    SIGNED = "signed integer"
    UNSIGNED = "unsigned integer"
    FLOAT = "float"


@dataclass(frozen=True, slots=True)
class Type:
    """One element type: its name in programs, its code in binaries, its width in bits, its NumPy dtype."""

    name: str
    code: int
    kind: Kind
    bits: int
    dtype: np.dtype

    @property
    def size(self) -> int:
        """Bytes of one element."""
        return self.bits // 8

    @property
    def shift(self) -> int:
        """Log2 of `size`: what an index is shifted by to become a byte offset."""
        return self.size.bit_length() - 1

    def __repr__(self) -> str:
        return self.name.upper()


def _table() -> tuple[Type, ...]:
    rows = [(f"{letter}{bits}", kind, bits) for letter, kind in _INTEGERS for bits in (8, 16, 32, 64)]
    rows += [("f16", Kind.FLOAT, 16), ("bf16", Kind.FLOAT, 16), ("f32", Kind.FLOAT, 32), ("f64", Kind.FLOAT, 64)]
    named = {"bf16": ml_dtypes.bfloat16}
    letters = {Kind.SIGNED: "i", Kind.UNSIGNED: "u", Kind.FLOAT: "f"}
    return tuple(
        Type(name, code, kind, bits, np.dtype(named.get(name, f"{letters[kind]}{bits // 8}")))
        for code, (name, kind, bits) in enumerate(rows)
    )


_INTEGERS: Final = (("i", Kind.SIGNED), ("u", Kind.UNSIGNED))

TYPES: Final = _table()
"""All types; a type's code is its place."""
BY_NAME: Final = {one.name: one for one in TYPES}
BY_DTYPE: Final = {one.dtype: one for one in TYPES}

I8, I16, I32, I64, U8, U16, U32, U64, F16, BF16, F32, F64 = TYPES

SIGNED: Final = (I8, I16, I32, I64)
UNSIGNED: Final = (U8, U16, U32, U64)
INTEGERS: Final = SIGNED + UNSIGNED
FLOATS: Final = (F16, BF16, F32, F64)
