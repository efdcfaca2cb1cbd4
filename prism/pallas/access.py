"""What a state primitive asks of memory, free of JAX's own data structures.

Positions of operands stand for their values, so that one decoded access serves the evaluator and the code generator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from prism.pallas.dtypes import DType


@dataclass(frozen=True, slots=True)
class Operand:
    """The value of operand number `position` of the equation."""

    position: int


Scalar = int | Operand


def reach(size: int, stride: int) -> int:
    """Return how many elements there are from the first to the last of `size`, `stride` apart."""
    return (size - 1) * stride + 1 if size else 0


@dataclass(frozen=True, slots=True)
class Span:
    """`size` elements of one dimension from `start`, `stride` apart."""

    start: Scalar
    size: Scalar
    stride: int = 1

    @property
    def reach(self) -> int | None:
        """How many elements there are from the first to the last one, None if a value decides."""
        return reach(self.size, self.stride) if isinstance(self.size, int) else None


Part = Span | Scalar
"""What an index says of one dimension; an operand is an integer scalar or array."""


@dataclass(frozen=True, slots=True)
class Index:
    """One item a dimension: a `Span`, an int, or an operand that is an integer scalar or array."""

    items: tuple[Part, ...]
    shape: tuple[int, ...]

    @property
    def whole(self) -> bool:
        """Whether the index selects everything in place."""
        return all(
            item == Span(0, extent) or (item == 0 and extent == 1)
            for item, extent in zip(self.items, self.shape, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Reshape:
    """The same elements, in row-major order, under another shape."""

    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Transpose:
    """The axes in another order."""

    permutation: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bitcast:
    """The same bits under another element type; the second axis from the end shrinks or grows."""

    dtype: DType


@dataclass(frozen=True, slots=True)
class Untile:
    """The last axes, which count tiles and then elements within a tile of shape `tiling`, as if there were no tiles."""

    tiling: tuple[int, ...]


Transform = Index | Reshape | Transpose | Bitcast | Untile


@dataclass(frozen=True, slots=True)
class Place:
    """A reference operand seen through transforms, the first applied first."""

    ref: Operand
    transforms: tuple[Transform, ...] = ()

    def items(self, shape: tuple[int, ...]) -> tuple[Part, ...] | None:
        """Return what is selected of a reference of this shape, None if it is seen through more than one index."""
        if not self.transforms:
            return tuple(Span(0, n) for n in shape)
        first, *more = self.transforms
        return first.items if isinstance(first, Index) and not more else None

    @property
    def plain(self) -> bool:
        """Whether the place is a reference, or one index into it."""
        return self.items(()) is not None

    @property
    def whole(self) -> bool:
        """Whether the place is the whole of a reference, in place."""
        return self.plain and all(isinstance(t, Index) and t.whole for t in self.transforms)


Combine = Literal["set", "add", "max", "min", "and", "or", "xor", "cas"]


@dataclass(frozen=True, slots=True)
class Load:
    """Read a place; where `mask` is false the result is `other`, and nothing is read."""

    place: Place
    mask: Operand | None = None
    other: Operand | None = None


@dataclass(frozen=True, slots=True)
class Store:
    """Combine `value` into a place, where `mask` holds; the result, if any, is the old value.

    `atomic` stores of several grid steps to one element do not race. `compare` is the expected value of a
    compare-and-swap.
    """

    place: Place
    value: Operand
    mask: Operand | None = None
    combine: Combine = "set"
    atomic: bool = False
    compare: Operand | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    """Start an asynchronous copy; `signal` counts its elements when it is done, `sent` when the source is free.

    Where `predicate` is false nothing is copied. A barrier that takes `arrivals` counts the copy as one.
    """

    source: Place
    target: Place
    signal: Place | None
    sent: Place | None
    device: object
    add: bool
    predicate: Operand | None = None
    arrivals: int = 0


@dataclass(frozen=True, slots=True)
class CopyWait:
    """Wait until a copy as large as `target` has signalled."""

    target: Place
    signal: Place


@dataclass(frozen=True, slots=True)
class Signal:
    """Add `amount` to a semaphore, of the core `core` if that is given."""

    semaphore: Place
    amount: Operand
    device: object
    core: Operand | int | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait until a semaphore reaches `amount`, then subtract it if `decrement`."""

    semaphore: Place
    amount: Operand
    decrement: Operand | None


@dataclass(frozen=True, slots=True)
class Inspect:
    """Read a semaphore's value."""

    semaphore: Place


@dataclass(frozen=True, slots=True)
class Arrive:
    """Arrive at a barrier, which completes a phase with every `arrivals` arrivals."""

    barrier: Place
    arrivals: int


@dataclass(frozen=True, slots=True)
class Await:
    """Wait for the barrier's phase after the one that this lane waited for before."""

    barrier: Place
    arrivals: int


Access = Load | Store | Copy | CopyWait | Signal | Wait | Inspect | Arrive | Await
