"""What a control primitive asks for, free of JAX's own data structures: what runs kernels, and what knows the grid.

The door decodes each into one record, from which debug mode runs it and both source writers write it. What a record
runs stands in its equation's `inner`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from prism.pallas.dtypes import Numeric


@dataclass(frozen=True, slots=True)
class Inline:
    """Run the one inner kernel on the operands."""


@dataclass(frozen=True, slots=True)
class Branch:
    """Run the inner kernel that the first operand chooses, on the others."""


class LoopParts(NamedTuple):
    """A loop's operands: what the test and what the body read from outside, what is carried, what comes row by row."""

    for_test: Sequence[Numeric]
    for_body: Sequence[Numeric]
    carry: Sequence[Numeric]
    rows: Sequence[Numeric]


@dataclass(frozen=True, slots=True)
class Loop:
    """Run the last inner kernel over and over: `length` times, or as long as the first one holds.

    The operands are `test` and `body` values from outside, `carry` carried ones, and arrays of which each iteration
    gets one row; results are what is carried at last, and arrays to which each iteration gives one row. `counters` are
    the carried integers to which each iteration adds 1. For example, `fori_loop(0, 8, step, x)` is
    `Loop(body=0, carry=2, length=8, counters={0})`.
    """

    body: int
    carry: int
    test: int = 0
    length: int | None = None
    reverse: bool = False
    counters: frozenset[int] = frozenset()

    def parts(self, operands: Sequence[Numeric]) -> LoopParts:
        """Return operands by what becomes of them."""
        body, carry = self.test + self.body, self.test + self.body + self.carry
        return LoopParts(operands[: self.test], operands[self.test : body], operands[body:carry], operands[carry:])

    def numbers(self) -> Iterable[int]:
        """Return the numbers of the iterations in their order, without an end if a test decides."""
        if self.length is None:
            return itertools.count()
        return range(self.length)[:: -1 if self.reverse else 1]

    def header(self, index: str) -> str:
        """Return the Python statement that repeats."""
        if self.length is None:
            return "while True:"
        return f"for {index} in {'reversed(' * self.reverse}range({self.length}){')' * self.reverse}:"


@dataclass(frozen=True, slots=True)
class Scope:
    """Run the inner kernel on the operands and on scratch memory; steps along the `shared` mesh axes share it."""

    shared: tuple[Hashable, ...]


@dataclass(frozen=True, slots=True)
class GridIndex:
    """The index of the step along a visible grid axis."""

    axis: int


@dataclass(frozen=True, slots=True)
class GridExtent:
    """How many steps there are along a visible grid axis."""

    axis: int


@dataclass(frozen=True, slots=True)
class MeshIndex:
    """The row-major number of the step along axes that have names."""

    names: tuple[Hashable, ...]


@dataclass(frozen=True, slots=True)
class Print:
    """Print what `text` makes of the operands."""

    text: Callable[[Sequence[Numeric]], str]


@dataclass(frozen=True, slots=True)
class CallBack:
    """Call a function of the user's with the operands."""

    function: Callable[..., Numeric]


@dataclass(frozen=True, slots=True)
class Check:
    """Stop if `failure` says, of the operands, what does not hold."""

    failure: Callable[[Sequence[Numeric]], str]


@dataclass(frozen=True, slots=True)
class Seed:
    """Seed the core's generator of random bits by the operands."""


@dataclass(frozen=True, slots=True)
class Draw:
    """Draw random bits from the core's generator."""


@dataclass(frozen=True, slots=True)
class Nested:
    """A `pallas_call` among other equations."""


@dataclass(frozen=True, slots=True)
class Idle:
    """What takes time or leaves a mark on a device, and does nothing here."""


Effect = Print | CallBack | Check | Seed | Draw | Nested | Idle
Control = Inline | Branch | Loop | Scope | GridIndex | GridExtent | MeshIndex | Effect

Record = Any
"""A record whose type is its handler's key in a table of a mode."""
