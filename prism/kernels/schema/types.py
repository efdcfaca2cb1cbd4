"""Element types of kernels and the rules by which two of them meet [KERNELS-3]."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

BOOL: Final = "bool"
"""The type of a condition; not an element type: no array and no parameter has it."""

Kind = Literal["signed", "unsigned", "float"]


@dataclass(frozen=True, slots=True)
class ElementType:
    """What arithmetic needs to know about one of the twelve types."""

    name: str
    kind: Kind
    bits: int


_KINDS: Final[Mapping[Kind, str]] = {"signed": "i8 i16 i32 i64", "unsigned": "u8 u16 u32 u64", "float": "f16 f32 f64"}
ELEMENTS: Final[Mapping[str, ElementType]] = {
    **{name: ElementType(name, kind, int(name[1:])) for kind, names in _KINDS.items() for name in names.split()},
    "bf16": ElementType("bf16", "float", 16),
}
"""The twelve element types by name."""

INTEGERS: Final = frozenset(name for name, one in ELEMENTS.items() if one.kind != "float")
FLOATS: Final = frozenset(ELEMENTS) - INTEGERS
SIGNED: Final = frozenset(name for name, one in ELEMENTS.items() if one.kind == "signed")
LARGEST: Final = {"f16": 65504.0, "bf16": 3.3895313892515355e38, "f32": 3.4028234663852886e38}
"""The largest finite value of the floats whose range is less than Python's."""


def promote(left: str, right: str) -> str | None:
    """Return the type in which two types meet without loss of range, or None if there is none.

    Integers never meet floats, nor either of them `bool`: such a mixture is for the author to convert.
    """
    if left == right:
        return left
    if BOOL in (left, right):
        return None
    a, b = ELEMENTS[left], ELEMENTS[right]
    if a.kind == b.kind:
        return ("f32" if a.kind == "float" else None) if a.bits == b.bits else max((a, b), key=lambda t: t.bits).name
    if "float" in (a.kind, b.kind):
        return None
    signed, unsigned = (a, b) if a.kind == "signed" else (b, a)
    bits = signed.bits if signed.bits > unsigned.bits else 2 * unsigned.bits
    return f"i{bits}" if bits <= 64 else None


def bounds(name: str) -> tuple[int, int]:
    """Return the least and the largest value of an integer type."""
    one = ELEMENTS[name]
    return (-(1 << one.bits - 1), (1 << one.bits - 1) - 1) if one.kind == "signed" else (0, (1 << one.bits) - 1)


def fits(value: bool | int | float, name: str) -> bool:
    """Tell whether a number of the source may stand for a value of a type [KERNELS-4]."""
    if isinstance(value, bool) or name == BOOL:
        return isinstance(value, bool) and name == BOOL
    if name in INTEGERS:
        low, high = bounds(name)
        return isinstance(value, int) and low <= value <= high
    try:
        size = abs(float(value))
    except OverflowError:
        return False
    return size <= LARGEST.get(name, size) or size in (float("inf"),) or size != size
