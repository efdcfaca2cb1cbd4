"""Where an operand's window lies in its array, as source text: a slice, cut into steps along batched axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from prism.codegen.texts import added, times
from prism.pallas.grid import Table
from prism.pallas.numpy_source.layout import Layout
from prism.pallas.numpy_source.memory import strided
from prism.pallas.numpy_source.writer import Writer


def start_texts(table: Table, layout: Layout) -> list[str]:
    """Return the first element of an affine table's window in each dimension, outside of the batched axes."""
    assert table.slopes is not None
    texts = []
    for base, slopes in zip(table.starts[0].tolist(), table.slopes.tolist(), strict=True):
        terms = [times(f"i{axis}", slopes[axis]) for axis in layout.serial if slopes[axis]]
        if layout.chunked and slopes[layout.batched[0]]:
            terms.append(times("begin", slopes[layout.batched[0]]))
        texts.append(added(*terms, str(base)))
    return texts


def window_text(array: str, table: Table, starts: Sequence[str], *, layout: Layout | None, writer: Writer) -> str:
    """Return the window of `array` that begins at `starts`; with a layout, of all batched steps at once.

    The batched axes then lead, in order, with extent 1 where the window does not move.
    """
    cut = _Cut(table.block.padded_shape)
    block = table.block
    if layout is None:
        for d, (start, size) in enumerate(zip(starts, block.sizes, strict=True)):
            cut.keep(d, start, size, squeezed=block.squeezed[d])
        return cut.text(array, [*range(len(starts))], ellipsis=all(block.squeezed))
    assert table.slopes is not None
    slopes = [tuple(table.slopes[:, axis].tolist()) for axis in layout.batched]
    if not _tiles(slopes, block.sizes):
        lead = ", ".join(n if any(row) else "1" for n, row in zip(layout.extents, slopes, strict=True))
        view = writer.bind(strided, "strided")
        gone = ", ".join([":"] * len(slopes) + ["0" if squeezed else ":" for squeezed in block.squeezed])
        text = f"{view}({array}, ({', '.join(starts)},), {block.sizes}, ({lead},), {tuple(slopes)})"
        return f"{text}[{gone}]" if any(block.squeezed) else text
    for k, row in enumerate(slopes):
        if not any(row):
            cut.insert(-1 - k)
    for d, (start, size) in enumerate(zip(starts, block.sizes, strict=True)):
        moving = [k for k, row in enumerate(slopes) if row[d]]
        if moving:
            cut.tile(-1 - moving[0], d, start, size, layout.extents[moving[0]], squeezed=block.squeezed[d])
        else:
            cut.keep(d, start, size, squeezed=block.squeezed[d])
    return cut.text(array, [*(-1 - k for k in range(len(slopes))), *range(len(starts))])


def _tiles(slopes: Sequence[tuple[int, ...]], sizes: Sequence[int]) -> bool:
    """Whether each batched axis moves the window by its own size along a dimension of its own, or not at all."""
    columns = list(zip(*slopes, strict=True))
    return all(sum(map(bool, row)) <= 1 for row in slopes) and all(
        sum(map(bool, column)) <= 1 and set(column) <= {0, size} for column, size in zip(columns, sizes, strict=True)
    )


@dataclass(slots=True)
class _Cut:
    """A view under construction, dimension by dimension.

    `axes` are the resulting axes in order: a dimension's number, or -1 - k for the batched axis k; `sizes` their
    extents. A batched dimension of more than one element a step is cut by a reshape.
    """

    extents: tuple[int, ...]
    picks: list[str] = field(default_factory=list)
    axes: list[int] = field(default_factory=list)
    sizes: list[str] = field(default_factory=list)
    reshaped: bool = False

    def keep(self, dimension: int, start: str, size: int, *, squeezed: bool) -> None:
        """Take the window's part of a dimension."""
        if squeezed:
            self.picks.append(start)
            return
        self.picks.append(
            ":" if start == "0" and size == self.extents[dimension] else f"{start}:{added(start, str(size))}"
        )
        self._add(dimension, str(size))

    def insert(self, axis: int) -> None:
        """Add an axis of extent 1."""
        self.picks.append("None")
        self._add(axis, "1")

    def tile(self, axis: int, dimension: int, start: str, size: int, count: str, *, squeezed: bool) -> None:
        """Cut a dimension into as many windows as there are steps."""
        if count.isdigit():
            length = int(count) * size
            whole = start == "0" and length == self.extents[dimension]
            self.picks.append(":" if whole else f"{start}:{added(start, str(length))}")
        else:
            self.picks.append(f"{start}:{added(start, times(count, size))}")
        self._add(axis, count)
        if not squeezed and size == 1:
            self.insert(dimension)
        elif not squeezed:
            self._add(dimension, str(size))
            self.reshaped = True

    def _add(self, axis: int, size: str) -> None:
        self.axes.append(axis)
        self.sizes.append(size)

    def text(self, array: str, wanted: Sequence[int], *, ellipsis: bool = False) -> str:
        """Return the expression, its axes in the wanted order; an ellipsis keeps a window of rank 0 a view."""
        picks = [*self.picks, "..."] if ellipsis else self.picks
        text = array if all(pick == ":" for pick in picks) else f"{array}[{', '.join(picks)}]"
        if self.reshaped:
            text += f".reshape({', '.join(self.sizes)})"
        order = [self.axes.index(axis) for axis in wanted if axis in self.axes]
        return text if order == sorted(order) else f"{text}.transpose({', '.join(map(str, order))})"
