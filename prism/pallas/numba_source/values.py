"""Values of generated loops: each knows the source text of one of its elements."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from prism.codegen.texts import added, times
from prism.pallas.dtypes import DType, Numeric
from prism.pallas.kernel import Equation

Texts = tuple[str, ...]


class NoLoopFormError(Exception):
    """A kernel, or a use of a primitive in it, has no form as scalar loops; `equation` is the innermost such use."""

    equation: Equation | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a value: all of `value`, from `start` on along `axis`."""

    axis: int
    start: int
    value: Lazy


@dataclass(frozen=True, slots=True)
class Lazy:
    """A value by the text of its elements, each of which costs `weight` operations.

    `name` is the variable that holds it: a flat array, or a scalar if it has one element. `known` is a constant integer
    or truth value, `bounds` the range of a bounded integer. `pieces`, if any, are an order in which it is cheaper to
    make the whole of it; `flipped` is the matrix that it transposes.
    """

    shape: tuple[int, ...]
    dtype: DType
    at: Callable[[Texts], str]
    weight: int = 0
    name: str | None = None
    known: int | None = None
    bounds: tuple[int, int] | None = None
    pieces: tuple[Piece, ...] = ()
    flipped: Lazy | None = None

    def __post_init__(self) -> None:
        if not has_loop_form(self.dtype) or 0 in self.shape:
            raise NoLoopFormError

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def variable(self) -> str:
        """The variable that holds it, of a value that one does."""
        assert self.name is not None
        return self.name

    @property
    def cheap(self) -> bool:
        """Whether to compute an element again rather than to store it."""
        return self.weight <= _CHEAP and not self.pieces

    @property
    def range(self) -> tuple[int, int] | None:
        """The range of an integer, as far as it is known."""
        return self.bounds or (None if self.known is None else (self.known, self.known))


_CHEAP = 4
"""Operations that cost no more than a store and a load, where LLVM vectorises."""

_TYPES = frozenset(
    ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")
)


def has_loop_form(dtype: DType) -> bool:
    """Whether Numba computes in an element type as XLA does."""
    return dtype.name in _TYPES


def typed(dtype: DType) -> str:
    """Return the NumPy name of an element type."""
    return "np.bool_" if dtype == np.bool_ else f"np.{dtype.name}"


def cast(dtype: DType, text: str) -> str:
    """Return an expression in an element type: Numba widens integers and constants, XLA does not."""
    return text if dtype == np.bool_ else f"{typed(dtype)}({text})"


def constant(value: Numeric, dtype: DType) -> Lazy:
    """Return a scalar that is the same in every run."""
    item: Numeric = np.asarray(value).astype(dtype).item()
    if isinstance(item, float) and not np.isfinite(item):
        text = cast(dtype, "np.nan" if np.isnan(item) else "np.inf" if item > 0 else "-np.inf")
    else:
        text = repr(item) if dtype == np.bool_ else cast(dtype, repr(item))
    return Lazy((), dtype, lambda _: text, known=int(item) if dtype.kind in "iub" else None)


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """Return how many elements apart neighbours are along each axis."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def flat(index: Texts, strides: Sequence[int]) -> str:
    """Return the place of an element in flat memory."""
    return added(*(times(k, stride) for k, stride in zip(index, strides, strict=True)))


def element(array: str, place: str) -> str:
    """Return an element of flat memory; an unsigned index spares Numba the test whether it counts from the end."""
    return f"{array}[np.uint64({place})]"


def held(name: str, shape: tuple[int, ...], dtype: DType) -> Lazy:
    """Return the value that a variable holds."""
    strides = row_major(shape)
    if math.prod(shape) == 1:
        return Lazy(shape, dtype, lambda _: name, name=name)
    return Lazy(shape, dtype, lambda index: element(name, flat(index, strides)), name=name)


def spread(value: Lazy, index: Texts) -> str:
    """Return an operand's element; scalars and dimensions of extent 1 serve every element."""
    return value.at(tuple("0" if n == 1 else k for n, k in zip(value.shape, index, strict=False)))
