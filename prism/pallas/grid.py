"""Where every grid step finds its blocks, worked out for all steps at once, and what that already proves."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prism.pallas import bounds, debug
from prism.pallas.analysis import Use
from prism.pallas.call import Block, Call
from prism.pallas.dtypes import Array, Numeric
from prism.pallas.errors import OutOfBoundsError, RaceError
from prism.pallas.kernel import primitives_in
from prism.pallas.machine import Machine, step_at, warn_race
from prism.pallas.primitives.table import TABLE

Step = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """The first element of one operand's block in each step.

    `starts` has one row a step, in row-major order of the grid, and one column a dimension of the padded array.
    `slopes` (dimension x grid axis) and `starts[0]` give every row if the map is affine, otherwise `slopes` is None.
    """

    block: Block
    starts: Array
    slopes: Array | None

    def keys(self) -> Array:
        """Return one integer a step, equal for equal blocks."""
        key = np.zeros(len(self.starts), np.int64)
        for column, extent in zip(self.starts.T, self.block.padded_shape, strict=True):
            key = key * max(extent, 1) + column
        return key


def tabulate(call: Call, grid: Step, prefetched: Sequence[Numeric], env: debug.Environment) -> list[Table]:
    """Evaluate every index map for every step; inputs first, then outputs."""
    return [_tabulate(block, grid, prefetched, env) for block in (*call.inputs, *call.outputs)]


def depends_on_memory(call: Call) -> bool:
    """Whether some index map reads prefetched memory, so that tables differ from launch to launch."""
    rank = len(call.grid)
    for block in (*call.inputs, *call.outputs):
        prefetched = set(block.index_map.ins[rank:])
        if any(not prefetched.isdisjoint(equation.variables) for equation in block.index_map.equations):
            return True
    return False


def _tabulate(block: Block, grid: Step, prefetched: Sequence[Numeric], env: debug.Environment) -> Table:
    steps = int(np.prod(grid, dtype=np.int64))
    if all(_elementwise(name) for name in primitives_in(block.index_map)):
        axes = [
            np.arange(n, dtype=np.int32).reshape([-1 if k == axis else 1 for k in range(len(grid))])
            for axis, n in enumerate(grid)
        ]
        columns = debug.evaluate(block.index_map, [*axes, *prefetched], env)
    else:
        rows = [
            debug.evaluate(block.index_map, [*(np.int32(k) for k in step), *prefetched], env)
            for step in itertools.product(*(range(n) for n in grid))
        ]
        columns = [np.asarray([row[k] for row in rows]).reshape(grid) for k in range(len(block.dims))]
    starts = np.empty((steps, len(block.dims)), np.int64)
    for k, (column, dim) in enumerate(zip(columns, block.dims, strict=True)):
        scale = dim.size if dim.kind == "blocked" else 1
        starts[:, k] = np.broadcast_to(np.asarray(column, np.int64) * scale, grid).reshape(-1)
    return Table(block, starts, _slopes(starts, grid))


def _elementwise(name: str) -> bool:
    rule = TABLE.get(name)
    return name == "get" or (rule is not None and rule.elementwise)


def _slopes(starts: Array, grid: Step) -> Array | None:
    """Return the affine coefficients of a table, or None if it is not affine."""
    if not len(starts):
        return None
    shaped = starts.reshape(*grid, starts.shape[-1])
    origin = (0,) * len(grid)
    slopes = np.zeros((starts.shape[-1], len(grid)), np.int64)
    expected = np.broadcast_to(shaped[origin], shaped.shape)
    for axis, extent in enumerate(grid):
        if extent < 2:
            continue
        slopes[:, axis] = shaped[tuple(int(k == axis) for k in range(len(grid)))] - shaped[origin]
        ramp = np.arange(extent).reshape([-1 if k == axis else 1 for k in range(len(grid))] + [1])
        expected = expected + ramp * slopes[:, axis]
    return slopes if np.array_equal(shaped, expected) else None


def bounded(table: Table, grid: Step, machine: Machine) -> Table:
    """Return the table with every block inside of its padded array, or report the first that is not [PALLAS-10]."""
    block = table.block
    sizes, extents = np.asarray(block.sizes, np.int64), np.asarray(block.padded_shape, np.int64)
    bad = ~bounds.fits(table.starts, sizes, extents).all(axis=1)
    if not bad.any():
        return table
    if machine.params.out_of_bounds == "clamp":
        starts = bounds.clamped(table.starts, sizes, extents)
        return Table(block, starts, _slopes(starts, grid))
    number = int(np.argmax(bad))
    starts = tuple(int(k) for k in table.starts[number])
    index = tuple(s // d.size if d.kind == "blocked" else s for s, d in zip(starts, block.dims, strict=True))
    machine.site, machine.step = block.site, step_at(grid, number)
    counts = tuple(-(-n // size) if size else 0 for n, size in zip(block.shape, block.sizes, strict=True))
    raise machine.problem(
        OutOfBoundsError,
        f"the index map of {block.name} chooses block {index}, which starts at element {starts}, "
        f"outside of the array of shape {block.shape}",
        block.name,
        index,
        block.shape,
        remedy=f"there are {counts} blocks of shape {block.sizes}; correct the index map or the grid",
    )


def lanes(call: Call, grid: Step) -> Array:
    """Return one number a step; steps may run in either order exactly if their numbers differ."""
    number = np.zeros(grid, np.int64)
    for axis, (parallel, extent) in enumerate(zip(call.parallel, grid, strict=True)):
        if parallel:
            ramp = np.arange(extent).reshape([-1 if k == axis else 1 for k in range(len(grid))])
            number = number * extent + ramp
    return number.reshape(-1)


@dataclass(frozen=True, slots=True)
class Visits:
    """How the steps share one output's blocks.

    `contested`: steps that may run in either order see one block, so that elements decide about races.
    `returned`: the pair of step numbers of the first return to a block that was left, or None.
    `blocks`: the start of each block that is visited, one row each.
    """

    contested: bool
    returned: tuple[int, int] | None
    blocks: Array


def visits(table: Table, lane: Array, position: Array) -> Visits:
    """Judge an output's table; `position` is each step's place in the order of execution."""
    keys = table.keys()
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    blocks = table.starts[first]
    if len(first) == len(keys):
        # Blocks at odd offsets may overlap without being equal: elements decide about races.
        aligned = bool((table.starts % np.maximum(np.asarray(table.block.sizes), 1) == 0).all())
        return Visits(not aligned and len(lane) > 0 and bool((lane != lane[0]).any()), None, blocks)
    # Two visits of one block in different lanes contest it; in the same lane, others must not come between.
    least, most = np.full(len(first), np.iinfo(np.int64).max), np.full(len(first), -1)
    np.minimum.at(least, inverse, lane)
    np.maximum.at(most, inverse, lane)
    order = np.lexsort((position, lane, inverse))
    same = (inverse[order][1:] == inverse[order][:-1]) & (lane[order][1:] == lane[order][:-1])
    gaps = np.flatnonzero(same & (np.diff(position[order]) > 1))
    returned = None
    if len(gaps):
        worst = gaps[np.argmin(position[order][gaps + 1])]
        returned = (int(order[worst]), int(order[worst + 1]))
    return Visits(bool((least != most).any()), returned, blocks)


def crosses(call: Call, tables: Sequence[Table], uses: Sequence[Use], lane: Array) -> bool:
    """Whether a step may read, through an alias, what another that runs in any order writes: elements decide."""
    if call.shares_aliases or not len(lane) or (lane == lane[0]).all():
        return False
    count = len(call.prefetched)
    for position, out in call.aliases:
        if position < count or not uses[position].read:
            continue
        read, written = tables[position - count], tables[len(call.inputs) + out]
        if read.block.sizes != written.block.sizes or not np.array_equal(read.starts, written.starts):
            return True
    return False


def report_return(table: Table, visit: Visits, grid: Step, machine: Machine) -> None:
    """Raise or warn that a step opens a block again after others were in between [PALLAS-12]."""
    if visit.returned is None or machine.params.races == "off" or table.block.whole:
        return
    earlier, later = (step_at(grid, number) for number in visit.returned)
    block = table.block
    starts = tuple(int(k) for k in table.starts[visit.returned[1]])
    machine.site, machine.step = block.site, later
    error = machine.problem(
        RaceError,
        f"grid step {later} returns to the block of {block.name} at element {starts}, which step {earlier} left: "
        "a pipelined device has written it back and may lose one of the two results",
        block.name,
        starts,
        block.shape,
        remedy="let the grid axes that revisit an output block be the innermost ones",
    )
    error.other_step = earlier
    warn_race(machine, error)
