"""Generated loops under construction: statements, names, and the memory of values that are stored."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from prism.codegen.texts import added
from prism.pallas.dtypes import DType, Parameters
from prism.pallas.numba_source.values import Lazy, Piece, Texts, element, flat, held, row_major, typed
from prism.pallas.primitives.site import Aval


@dataclass(slots=True)
class LoopWriter:
    """Collects the statements of the compiled function.

    Every stored value has a buffer of its own, allocated once before the grid's loops: `buffers` maps their names to
    sizes and element types.
    """

    program: list[tuple[str, int]]
    lines: list[str] = field(default_factory=list)
    buffers: dict[str, tuple[int, DType]] = field(default_factory=dict)
    depth: int = 1
    _count: Iterator[int] = field(default_factory=itertools.count)
    _local: dict[tuple[str, Texts], str] | None = None

    def line(self, text: str) -> None:
        """Add a line."""
        self.lines.append("    " * self.depth + text)

    def name(self, prefix: str = "v") -> str:
        """Return a fresh name."""
        return f"{prefix}{next(self._count)}"

    def buffer(self, name: str, size: int, dtype: DType) -> None:
        """Allocate flat memory before all loops."""
        self.buffers[name] = (size, dtype)

    def allocations(self) -> list[str]:
        """Return the statements that allocate the buffers."""
        return [f"    {name} = np.empty({size}, {typed(dtype)})" for name, (size, dtype) in self.buffers.items()]

    def nest(self, shape: Sequence[int], body: Callable[[Texts], None]) -> None:
        """Write loops over a shape around `body`, which gets the index; an extent of 1 needs no loop."""
        index = tuple("0" if n == 1 else self.name("k") for n in shape)
        outer, self._local = self._local, dict(self._local or {})
        depth = self.depth
        for k, n in zip(index, shape, strict=True):
            if n != 1:
                self.line(f"for {k} in range({n}):")
                self.depth += 1
        body(index)
        self.depth, self._local = depth, outer

    def each(self, value: Lazy, body: Callable[[Texts, str], None]) -> None:
        """Write loops over a value around `body`, which gets the index and the text of the element."""
        pieces = [replace(p, value=self.settle(p.value)) if p.value.pieces else p for p in value.pieces]
        # Pieces of one shape share their loops, and what they have in common.
        together = len({p.value.shape for p in pieces}) == 1
        for group in [pieces] if together else [[p] for p in pieces] or [[Piece(0, 0, value)]]:

            def visit(index: Texts, group: list[Piece] = group) -> None:
                for piece in group:
                    moved = (added(k, str(piece.start)) if a == piece.axis else k for a, k in enumerate(index))
                    body(tuple(moved), piece.value.at(index))

            self.nest(group[0].value.shape, visit)

    def shared(self, value: Lazy) -> Lazy:
        """Return a value whose element is computed once in each loop body, however often the body names it."""
        if not value.weight:
            return value
        key = self.name("e")

        def at(index: Texts) -> str:
            if self._local is None:
                return value.at(index)
            place = (key, index)
            if place not in self._local:
                text, name = value.at(index), self.name("t")
                self.line(f"{name} = {text}")
                self._local[place] = name
            return self._local[place]

        return replace(value, at=at)

    def settle(self, value: Lazy) -> Lazy:
        """Return a value held in a variable or a buffer."""
        if value.name is not None or (value.size == 1 and not value.weight):
            return value
        return self.copied(value)

    def copied(self, value: Lazy) -> Lazy:
        """Return a value held in a variable or a buffer of its own."""
        name = self.name()
        self.fill(name, value)
        return held(name, value.shape, value.dtype)

    def fill(self, name: str, value: Lazy) -> None:
        """Store a value under a name, which gets a buffer unless it is a scalar."""
        if value.size == 1:
            self.line(f"{name} = {value.at(('0',) * len(value.shape))}")
            return
        self.buffer(name, value.size, value.dtype)
        strides = row_major(value.shape)
        self.each(value, lambda index, text: self.line(f"{element(name, flat(index, strides))} = {text}"))


@dataclass(frozen=True, slots=True)
class LoopSite:
    """An equation on its way to loops: its parameters, its operands, what its results are, and where to write."""

    params: Parameters
    values: list[Lazy]
    outs: tuple[Aval, ...]
    writer: LoopWriter


LoopRule = Callable[[LoopSite], list[Lazy]]
"""The loop form of a primitive: writes what it needs and returns the results; NoLoopFormError if there is none."""
