"""Numbers of the element types as Python objects, with the operators of kernels [KERNELS-6]."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from prism.errors import UsageError
from prism.kernels.schema.types import fits, promote


class Value:
    """A number of one element type, with the operators of kernels [KERNELS-6].

    An int or float beside it takes its type if it fits; a value of another type meets it by the rules of promotion.
    """

    __slots__ = ("raw",)
    element: ClassVar[str]

    def __init__(self, value: Any = 0) -> None:
        from prism.kernels.schema.arithmetic import convert

        self.raw: Any = convert(value.raw if isinstance(value, Value) else value, self.element)

    def __add__(self, other: Any) -> Any:
        return binary("add", self, other)

    def __radd__(self, other: Any) -> Any:
        return binary("add", other, self)

    def __sub__(self, other: Any) -> Any:
        return binary("sub", self, other)

    def __rsub__(self, other: Any) -> Any:
        return binary("sub", other, self)

    def __mul__(self, other: Any) -> Any:
        return binary("mul", self, other)

    def __rmul__(self, other: Any) -> Any:
        return binary("mul", other, self)

    def __truediv__(self, other: Any) -> Any:
        return binary("div", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return binary("div", other, self)

    def __floordiv__(self, other: Any) -> Any:
        return binary("floor_div", self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return binary("floor_div", other, self)

    def __mod__(self, other: Any) -> Any:
        return binary("mod", self, other)

    def __rmod__(self, other: Any) -> Any:
        return binary("mod", other, self)

    def __pow__(self, other: Any) -> Any:
        from prism.kernels.schema.arithmetic import power

        if isinstance(other, int):
            return of(self.element, power(self.raw, other, self.element))
        return binary("pow", self, other)

    def __rpow__(self, other: Any) -> Any:
        return binary("pow", other, self)

    def __and__(self, other: Any) -> Any:
        return binary("bit_and", self, other)

    def __rand__(self, other: Any) -> Any:
        return binary("bit_and", other, self)

    def __or__(self, other: Any) -> Any:
        return binary("bit_or", self, other)

    def __ror__(self, other: Any) -> Any:
        return binary("bit_or", other, self)

    def __xor__(self, other: Any) -> Any:
        return binary("bit_xor", self, other)

    def __rxor__(self, other: Any) -> Any:
        return binary("bit_xor", other, self)

    def __lshift__(self, other: Any) -> Any:
        return binary("shl", self, other)

    def __rlshift__(self, other: Any) -> Any:
        return binary("shl", other, self)

    def __rshift__(self, other: Any) -> Any:
        return binary("shr", self, other)

    def __rrshift__(self, other: Any) -> Any:
        return binary("shr", other, self)

    def __lt__(self, other: Any) -> bool:
        return binary("lt", self, other)

    def __le__(self, other: Any) -> bool:
        return binary("le", self, other)

    def __gt__(self, other: Any) -> bool:
        return binary("gt", self, other)

    def __ge__(self, other: Any) -> bool:
        return binary("ge", self, other)

    def __eq__(self, other: object) -> bool:
        return binary("eq", self, other)

    def __ne__(self, other: object) -> bool:
        return binary("ne", self, other)

    __hash__ = None  # type: ignore[assignment]

    def __neg__(self) -> Any:
        return unary("neg", self)

    def __pos__(self) -> Any:
        return self

    def __invert__(self) -> Any:
        return unary("invert", self)

    def __abs__(self) -> Any:
        return unary("abs", self)

    def __index__(self) -> int:
        return int(self.raw)

    def __float__(self) -> float:
        return float(self.raw)

    def __repr__(self) -> str:
        return f"{self.element}({self.raw})"


class i8(Value):  # noqa: N801 (the name of a type in kernels, as are the eleven that follow)
    """Signed integers of 8 bits."""

    element = "i8"


class i16(Value):  # noqa: N801
    """Signed integers of 16 bits."""

    element = "i16"


class i32(Value):  # noqa: N801
    """Signed integers of 32 bits."""

    element = "i32"


class i64(Value):  # noqa: N801
    """Signed integers of 64 bits."""

    element = "i64"


class u8(Value):  # noqa: N801
    """Unsigned integers of 8 bits."""

    element = "u8"


class u16(Value):  # noqa: N801
    """Unsigned integers of 16 bits."""

    element = "u16"


class u32(Value):  # noqa: N801
    """Unsigned integers of 32 bits."""

    element = "u32"


class u64(Value):  # noqa: N801
    """Unsigned integers of 64 bits."""

    element = "u64"


class f16(Value):  # noqa: N801
    """IEEE binary16 floats."""

    element = "f16"


class bf16(Value):  # noqa: N801
    """Floats of 8 exponent and 7 fraction bits."""

    element = "bf16"


class f32(Value):  # noqa: N801
    """IEEE binary32 floats."""

    element = "f32"


class f64(Value):  # noqa: N801
    """IEEE binary64 floats."""

    element = "f64"


TYPES: Final[dict[str, type[Value]]] = {
    one.element: one for one in (i8, i16, i32, i64, u8, u16, u32, u64, f16, bf16, f32, f64)
}
"""The classes of the element types by name."""


def of(element: str, raw: Any) -> Value:
    """Return the value of a type that a scalar of that type stands for."""
    made = TYPES[element].__new__(TYPES[element])
    made.raw = raw
    return made


def meet(*values: Any) -> list[Value]:
    """Return values in the one type in which they meet; literals alone meet in i32 or f32."""
    element: str | None = None
    for value in values:
        if isinstance(value, Value):
            element = value.element if element is None else promote(element, value.element)
            if element is None:
                raise UsageError(f"operands must meet in one type, got {values}; convert one of them")
    if element is None:
        element = "f32" if any(isinstance(value, float) for value in values) else "i32"
    for value in values:
        if not isinstance(value, Value) and not fits(value, element):
            raise UsageError(f"a number must fit the type it takes, got {value!r} for {element}; convert it")
    return [v if isinstance(v, Value) and v.element == element else TYPES[element](v) for v in values]


def binary(op: str, left: Any, right: Any) -> Any:
    """Return the value of an operator on values or literals."""
    from prism.kernels.schema.arithmetic import binary as compute

    a, b = meet(left, right)
    found = compute(op, a.raw, b.raw, a.element)
    return found if isinstance(found, bool) else of(a.element, found)


def unary(op: str, value: Any) -> Any:
    """Return the value of an operator or function of one value or literal."""
    from prism.kernels.schema.arithmetic import unary as compute

    [one] = meet(value)
    return of(one.element, compute(op, one.raw))
