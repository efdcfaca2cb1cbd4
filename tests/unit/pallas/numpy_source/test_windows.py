"""Windows as views: every one shares the array's memory and holds the elements that its table names."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from prism.pallas.call import Block, BlockDim
from prism.pallas.grid import Table
from prism.pallas.numpy_source.layout import Layout
from prism.pallas.numpy_source.windows import start_texts, window_text
from prism.pallas.numpy_source.writer import Writer

pytestmark = pytest.mark.m6


def _table(shape, dims, slopes, start=None):
    block = Block("x", shape, np.dtype(np.int64), tuple(BlockDim(kind, size) for kind, size in dims), None, "")
    return Table(block, np.array([start or [0] * len(shape)]), np.array(slopes).reshape(len(shape), -1))


_B, _S, _E = "blocked", "squeezed", "element"

CASES = {
    "rows": (_table((8, 3), [(_B, 2), (_B, 3)], [[2], [0]]), (4,), (0,), "x.reshape(4, 2, 3)"),
    "columns": (_table((3, 8), [(_B, 3), (_B, 2)], [[0], [2]]), (4,), (0,), "x.reshape(3, 4, 2).transpose(1, 0, 2)"),
    "squeezed": (_table((4, 5, 3), [(_S, 1), (_S, 1), (_B, 3)], [[1, 0], [0, 1], [0, 0]]), (4, 5), (0, 1), "x"),
    "swapped": (_table((4, 5), [(_S, 1), (_S, 1)], [[0, 1], [1, 0]]), (5, 4), (0, 1), "x.transpose(1, 0)"),
    "ones": (_table((4, 6), [(_B, 1), (_B, 3)], [[1], [0]], [0, 2]), (4,), (0,), "x[:, None, 2:5]"),
    "unmoved": (
        _table((4, 6), [(_S, 1), (_B, 6)], [[1, 0], [0, 0]]),
        (4, 2),
        (0, 1),
        "x[None, :, :].transpose(1, 0, 2)",
    ),
    "serial inside": (
        _table((4, 3, 2), [(_S, 1), (_S, 1), (_B, 2)], [[1, 0], [0, 1], [0, 0]]),
        (4, 3),
        (0,),
        "x[:, i1, :]",
    ),
    "overlapping": (_table((8,), [(_E, 3)], [[1]]), (6,), (0,), None),
    "gaps": (_table((8,), [(_E, 2)], [[3]]), (3,), (0,), None),
    "diagonal": (_table((4, 4), [(_B, 2), (_B, 2)], [[2], [2]]), (2,), (0,), None),
    "skewed": (_table((9,), [(_B, 1)], [[1, 2]]), (3, 4), (0, 1), None),
}


@pytest.mark.clause("PALLAS-6")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("chunk", [0, 2])
def test_a_window_holds_the_steps_blocks(case, chunk) -> None:
    """Batched steps lead, in order; blocks that follow one another are slices, others are strided."""
    table, grid, batched, expected = CASES[case]
    layout = Layout(grid, tuple(a for a in range(len(grid)) if a not in batched), batched, chunk or grid[batched[0]])
    extents = [n + low + high for n, (low, high) in zip(table.block.shape, table.block.padding, strict=True)]
    x, writer = np.arange(np.prod(extents)).reshape(extents), Writer()
    text = window_text("x", table, start_texts(table, layout), layout=layout, writer=writer)
    if not chunk:
        assert text == (expected or text)
        assert ("strided" in text) == (expected is None)
    begins = range(0, grid[batched[0]], layout.chunk)
    for begin, inner in itertools.product(begins, range(grid[-1])):
        length = min(layout.chunk, grid[batched[0]] - begin)
        window = eval(text, {**writer.scope, "x": x, "begin": begin, "length": length, "i1": inner})
        assert np.shares_memory(window, x)
        for step in itertools.product(*(range(length if k == 0 else grid[a]) for k, a in enumerate(batched))):
            place = np.zeros(len(grid), int)
            place[list(batched)] = step
            place[batched[0]] += begin
            place[list(layout.serial)] = inner
            starts = table.starts[0] + table.slopes @ place
            picks = [
                s if gone else slice(s, s + n)
                for s, n, gone in zip(starts, table.block.sizes, table.block.squeezed, strict=True)
            ]
            lead = tuple(min(k, n - 1) for k, n in zip(step, window.shape, strict=False))
            np.testing.assert_array_equal(window[lead], x[tuple(picks)])


@pytest.mark.clause("PALLAS-6")
@pytest.mark.parametrize(
    ("dims", "starts", "text"),
    [
        ([(_B, 2), (_B, 3)], ["i0 * 2", "0"], "x[i0 * 2:i0 * 2 + 2, :]"),
        ([(_S, 1), (_S, 1)], ["i0", "2"], "x[i0, 2, ...]"),
        ([(_B, 4), (_B, 3)], ["0", "0"], "x"),
    ],
)
def test_a_window_of_one_step(dims, starts, text) -> None:
    """A slice; a window without dimensions stays a view."""
    table = _table((4, 3), dims, [[0], [0]])
    assert window_text("x", table, starts, layout=None, writer=Writer()) == text
