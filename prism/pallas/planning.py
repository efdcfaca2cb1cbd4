"""Planning: in which form a call runs, decided before it does, and why not in another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prism.pallas.arrays import grid_and_arrays
from prism.pallas.cache import Prepared
from prism.pallas.dtypes import Numeric
from prism.pallas.errors import KernelSite
from prism.pallas.flight import starts_copies
from prism.pallas.numba_source import compiled
from prism.pallas.numpy_source.layout import Layout, independent_axes, step_bytes
from prism.pallas.numpy_source.program import Attempt, attempts
from prism.pallas.params import InterpretParams
from prism.pallas.plan import Plan


def debug_alone(prepared: Prepared, params: InterpretParams) -> str:
    """Return why only debug mode may run a kernel, whatever its operands; "" if another form may."""
    if params.mode == "debug" or params.trace is not None:
        return "the parameters ask for debug mode"
    if params.out_of_bounds != "raise":
        return "indices are clamped, which debug mode does access by access"
    if params.dma != "eager" and starts_copies(prepared.call.kernel):
        return "its copies land late, which debug mode follows copy by copy"
    # A run that must be judged again would print again.
    return "it prints, calls back or waits, which must happen once and in order" if prepared.effects else ""


@dataclass(frozen=True, slots=True)
class Axis:
    """What becomes of one grid axis in fast mode: its number, its extent, and in words."""

    number: int
    extent: int
    fate: str


@dataclass(frozen=True, slots=True)
class Choice:
    """What planning found of a call: `fast` and `compiled` say of each form what it is, or why there is none."""

    kernel: str
    site: KernelSite
    grid: tuple[int, ...]
    axes: tuple[Axis, ...]
    fast: str
    compiled: str

    def __str__(self) -> str:
        axes = (f"  axis {axis.number}, {axis.extent} steps: {axis.fate}\n" for axis in self.axes)
        head = f"kernel {self.kernel} of {self.site}, grid {self.grid}\n"
        return f"{head}{''.join(axes)}  fast: {self.fast}\n  compiled: {self.compiled}\n"


def choice_of(prepared: Prepared, args: Sequence[Numeric], params: InterpretParams) -> Choice:
    """Return what planning finds of a call on operands; cost: the sources of both forms are written."""
    call, why = prepared.call, debug_alone(prepared, params)
    cells, arrays = grid_and_arrays(call, args)
    planned = None if why else prepared.planned(cells, arrays, params)
    if planned is None:
        why = f"none: {why or 'the blocks are a mistake, or may meet, and debug mode judges'}"
        return Choice(call.name, call.kernel.site, cells, (), why, why)
    plan = planned.plan
    if params.uninitialized != "nan" and not plan.covered:
        why = "none: some element of an output is in no block, which debug mode reports"
        return Choice(call.name, call.kernel.site, cells, (), why, why)
    tried = list(attempts(plan, batch=True))
    written = tried[-1].program
    fast = f"none: {tried[-1].refusal}" if written is None else f"NumPy source of {_lines(written.source)} lines"
    loops = compiled.written(plan)
    form = f"loops of {_lines(loops.source)} lines, by Numba" if loops.source else f"none: {loops.reason}"
    axes = tuple(Axis(number, extent, _fate(plan, tried, number)) for number, extent in enumerate(cells) if extent != 1)
    return Choice(call.name, call.kernel.site, cells, axes, fast, form)


def _lines(source: str) -> int:
    return source.count("\n")


def _fate(plan: Plan, tried: Sequence[Attempt], axis: int) -> str:
    layout = tried[-1].layout
    if axis in layout.batched:
        return f"batched{_chunks(layout, axis)}"
    refusal = next((attempt.refusal for attempt in tried if axis in attempt.layout.batched), None)
    if refusal is not None:
        return f"one step after the other: {refusal}"
    if axis not in independent_axes(plan.call, plan.tables, plan.uses, plan.grid):
        return "one step after the other: steps along it may meet in memory"
    return f"one step after the other: a step moves {step_bytes(plan.tables)} bytes, which fill the cache"


def _chunks(layout: Layout, axis: int) -> str:
    return f", {layout.chunk} steps at once" if layout.chunked and axis == layout.batched[0] else ""
