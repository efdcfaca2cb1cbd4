"""One equation on its way to NumPy source: what a rule is given, and what it may ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from prism.pallas.dtypes import Array, DType, Numeric, Parameters
from prism.pallas.errors import UNKNOWN_SITE, KernelSite


@dataclass(frozen=True, slots=True)
class Aval:
    """Shape and element type of one value."""

    shape: tuple[int, ...]
    dtype: DType


@dataclass(frozen=True, slots=True)
class Site:
    """An equation whose operands are already named.

    `args` are source expressions of the operands. Batched operands carry `lead` extra leading axes, one a batched
    grid axis, each of its grid extent or 1; the rule counts axes from the end so that one text serves both cases.
    A `loose` operand's array only broadcasts to its shape. `scalars`: values of rank 0 are scalars for certain. `bind`
    names an object in the generated source; `refuse` is called by a rule that has no form with leading axes.
    `place` is the kernel's line.
    """

    params: Parameters
    ins: tuple[Aval, ...]
    outs: tuple[Aval, ...]
    args: tuple[str, ...]
    bind: Callable[[object, str], str]
    lead: int = 0
    batched: tuple[bool, ...] = ()
    loose: tuple[bool, ...] = ()
    loose_result: bool = False
    scalars: bool = False
    refuse: Callable[[], object] = lambda: None
    place: KernelSite = UNKNOWN_SITE

    def dtype(self, dtype: DType) -> str:
        """Name an element type."""
        dtype = np.dtype(dtype)
        return self.bind(dtype, dtype.name)

    def call(self, function: Callable[..., Any], *arguments: str) -> str:
        """Return a call of a runtime function."""
        return f"{self.bind(function, function.__name__)}({', '.join(arguments)})"

    def arg(self, position: int) -> str:
        """Return an operand with its full trailing shape."""
        text = self.args[position]
        if self.loose and self.loose[position]:
            return self.call(_spread, text, repr(self.ins[position].shape), str(self.lead_of(position)))
        return text

    def lead_of(self, position: int) -> int:
        """Return how many leading grid axes an operand carries."""
        return self.lead if self.batched and self.batched[position] else 0

    def all_args(self) -> tuple[str, ...]:
        """Return every operand with its full trailing shape."""
        return tuple(self.arg(k) for k in range(len(self.args)))

    def broadcastable(self, position: int, rank: int) -> str:
        """Return an operand so that it broadcasts against values of `rank`; batched scalars get trailing axes."""
        own = len(self.ins[position].shape)
        if own < rank and self.lead_of(position):
            return f"{self.args[position]}[{', '.join(['...'] + ['None'] * (rank - own))}]"
        return self.args[position]

    def axes(self, position: int, axes: tuple[int, ...]) -> str:
        """Return axes of an operand counted from the end, as a tuple literal."""
        rank = len(self.ins[position].shape)
        return repr(tuple(int(a) - rank for a in axes))

    def axis(self, position: int, axis: int) -> str:
        """Return one axis of an operand counted from the end."""
        return str(int(axis) - len(self.ins[position].shape))

    def serial_only(self) -> None:
        """Refuse leading grid axes: what is written all the same will not be run."""
        if self.lead:
            self.refuse()


def _spread(x: Numeric, shape: tuple[int, ...], lead: int) -> Array:
    x = np.asarray(x)
    return np.broadcast_to(x, x.shape[:lead] + shape)


Emit = Callable[[Site], str]
"""The NumPy form of a primitive: the expression of its result, or of the tuple of its results."""


def template(text: str) -> Emit:
    """Return the form that a text with `{0}`, `{1}` for the operands is."""

    def emit(site: Site) -> str:
        rank = len(site.outs[0].shape)
        return text.format(*(site.broadcastable(k, rank) for k in range(len(site.args))))

    return emit


def calling(function: Callable[..., Any]) -> Emit:
    """Return the form that calls a runtime function on the operands."""

    def emit(site: Site) -> str:
        rank = len(site.outs[0].shape)
        return site.call(function, *(site.broadcastable(k, rank) for k in range(len(site.args))))

    return emit
