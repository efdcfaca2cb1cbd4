"""What is known of a call on a concrete grid before its source is written: where blocks lie, and who shares them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prism.pallas import debug, grid
from prism.pallas.analysis import Use, use_of
from prism.pallas.arrays import Arrays, arrays_of
from prism.pallas.call import Call
from prism.pallas.dtypes import Array, Numeric
from prism.pallas.errors import KernelError
from prism.pallas.grid import Table, Visits
from prism.pallas.launch import schedule
from prism.pallas.machine import Machine
from prism.pallas.memory import Ref
from prism.pallas.numpy_source.layout import covers
from prism.pallas.params import InterpretParams


@dataclass(frozen=True, slots=True)
class Plan:
    """What is known of a call before its source is written; `covered`: the visited blocks cover every output."""

    call: Call
    grid: tuple[int, ...]
    tables: tuple[Table, ...]
    visits: tuple[Visits, ...]
    params: InterpretParams
    uses: tuple[Use, ...]
    covered: bool

    def arrays(self, read: Sequence[bool]) -> Arrays:
        """Return the arrays of a run; `read` says of each output whether the kernel may read what it did not write."""
        owned = [use.written for use in self.uses[: len(self.call.prefetched) + len(self.call.inputs)]]
        # What no block covers, or no store reaches, is told from what was written by its poison.
        told = not self.covered or self.params.uninitialized == "nan"
        return arrays_of(self.call, owned, [told or reads for reads in read])

    def form(self) -> tuple[Numeric, ...]:
        """Return all of the chosen blocks that a program's source depends on: the rest it takes as operands."""
        affine = [
            None if table.slopes is None else (table.slopes.tobytes(), table.starts[0].tobytes())
            for table in self.tables
        ]
        return (self.grid, *affine, *(visit.contested for visit in self.visits))


def uses_of(call: Call) -> tuple[Use, ...]:
    """Return how the kernel uses each of its references."""
    return tuple(use_of(call.kernel, var) for var in call.kernel.ins)


def plan_of(
    call: Call,
    uses: tuple[Use, ...],
    cells: tuple[int, ...],
    arrays: Sequence[Array],
    params: InterpretParams,
    ready: debug.Ready,
) -> Plan | None:
    """Return the plan of a call, or None if its blocks are a mistake that debug mode must report.

    `arrays` begin with the prefetched ones, which may choose blocks; `ready` keeps the index maps from call to call.
    """
    machine = Machine(call.name, params, cells, parallel=call.parallel)
    prefetched = [Ref(m.name, a, machine) for m, a in zip(call.prefetched, arrays, strict=False)]
    extents = tuple(cells[axis] for axis in call.visible_axes)
    env = debug.Environment(machine, extents, ready=ready)
    try:
        tables = [grid.bounded(t, cells, machine) for t in grid.tabulate(call, cells, prefetched, env)]
    except KernelError:
        return None
    run = schedule(call, cells, params.grid_order)
    visits = [grid.visits(t, run.lane, run.position) for t in tables[len(call.inputs) :]]
    for table, visit in zip(tables[len(call.inputs) :], visits, strict=True):
        if visit.returned is not None and not table.block.whole:
            return None
    if grid.crosses(call, tables, uses, run.lane):
        return None
    aliased = {out for _, out in call.aliases}
    covered = all(
        k in aliased or covers(table, visit.blocks)
        for k, (table, visit) in enumerate(zip(tables[len(call.inputs) :], visits, strict=True))
    )
    return Plan(call, cells, tuple(tables), tuple(visits), params, uses, covered)
