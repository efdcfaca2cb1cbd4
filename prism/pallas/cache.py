"""What is kept of a kernel between its runs: what its equations say, and the programs of each choice of its blocks."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import CodeType
from typing import Any

from prism.pallas import analysis, debug, grid, taint
from prism.pallas.arrays import Arrays
from prism.pallas.call import Call
from prism.pallas.dtypes import Array, DType, Numeric, Parameters
from prism.pallas.errors import LegalityError
from prism.pallas.flight import uses_copies_in_flight
from prism.pallas.kernel import primitives_in
from prism.pallas.numba_source import compiled
from prism.pallas.numpy_source import program
from prism.pallas.numpy_source.program import NumpySource
from prism.pallas.numpy_source.values import RefVar
from prism.pallas.numpy_source.writer import load_function
from prism.pallas.params import InterpretParams
from prism.pallas.plan import Plan, plan_of, uses_of
from prism.pallas.read import read_call

_KEPT_PLANS = 64
"""Plans and programs kept of one kernel: one is enough unless operands choose the grid or the blocks."""
_KEY_BYTES = 64 * 1024
"""Prefetched memory that a plan is found by; with more of it, finding costs as much as planning."""


@dataclass(slots=True)
class Variant:
    """One loaded program; `suspect` counts the runs that debug mode had to repeat.

    `outputs` are the program's outputs, `starts` the window starts that it takes as lists.
    """

    program: NumpySource
    function: Callable[..., None]
    arrays: Arrays
    outputs: tuple[RefVar, ...]
    starts: list[list[tuple[int, ...]]]
    suspect: int = 0


@dataclass(slots=True)
class Loops:
    """The compiled form of a call: its source, and its function once it is loaded.

    `tracked` says of each output whether its mask follows what is written; `starts` are its blocks' places in memory;
    `blanks` are the element types of unwritten memory that it takes. `best_s` is the shortest of `tries` runs.
    Once fast mode has taken `look_again_s`, machine code may have come to lie on disk.
    """

    source: str
    arrays: Arrays
    tracked: tuple[bool, ...]
    starts: Sequence[Array] = ()
    blanks: tuple[DType, ...] = ()
    function: Callable[..., int] | None = None
    best_s: float = math.inf
    tries: int = 0
    look_again_s: float = 0.0


@dataclass(slots=True)
class Planned:
    """A kernel whose blocks are chosen, and its programs, which are made when they are first run.

    `variants` are those of fast mode, batched or serial, which took `source_s` in all and `best_s` at their shortest;
    `loops`, once they were asked for, is the compiled form, or None if there is none.
    """

    plan: Plan
    variants: dict[bool, Variant | None] = field(default_factory=dict)
    loops: list[Loops | None] = field(default_factory=list)
    source_s: float = 0.0
    best_s: float = math.inf


@dataclass(slots=True)
class Prepared:
    """What is remembered of a call between its runs.

    `fillers`: how many tell what depends on unwritten memory, 0 if NaN does; `changing`: prefetched memory chooses
    blocks; `effects`: the kernel prints, calls back, or waits for others. `parameters` are JAX's own of the call,
    `refusals` what the compilers of chips refuse in it, once they were asked.
    """

    call: Call
    uses: tuple[Numeric, ...]
    fillers: int
    changing: bool
    effects: bool
    parameters: Parameters = field(default_factory=dict)
    refusals: dict[str, list[LegalityError]] = field(default_factory=dict)
    index_maps: debug.Ready = field(default_factory=dict)
    plans: OrderedDict[Any, Planned | None] = field(default_factory=OrderedDict)
    programs: OrderedDict[Any, tuple[NumpySource, Callable[..., None]] | None] = field(default_factory=OrderedDict)

    def planned(self, cells: tuple[int, ...], arrays: Sequence[Array], params: InterpretParams) -> Planned | None:
        """Return the plan of a call and its programs, or None if its blocks are a mistake for debug mode to report.

        If prefetched memory chooses the blocks, a plan is kept by all of its bytes.
        """
        key: tuple[Numeric, ...] = (cells, params)
        if self.changing:
            read = arrays[: len(self.call.prefetched)]
            if sum(array.nbytes for array in read) > _KEY_BYTES:
                return self._plan(cells, arrays, params)
            key = (*key, *(array.tobytes() for array in read))
        if key not in self.plans:
            _keep(self.plans, key, self._plan(cells, arrays, params), _KEPT_PLANS)
        return self.plans[key]

    def _plan(self, cells: tuple[int, ...], arrays: Sequence[Array], params: InterpretParams) -> Planned | None:
        plan = plan_of(self.call, self.uses, cells, arrays, params, self.index_maps)
        return None if plan is None else Planned(plan)

    def variant(self, planned: Planned, *, batch: bool) -> Variant | None:
        """Return a plan's program with its grid batched or serial; None if only debug mode can run it."""
        if batch not in planned.variants:
            planned.variants[batch] = self._variant(planned.plan, batch=batch)
        return planned.variants[batch]

    def _variant(self, plan: Plan, *, batch: bool) -> Variant | None:
        key = (batch, plan.params, plan.form())
        if key not in self.programs:
            _keep(self.programs, key, _loaded(program.write_program(plan, batch=batch)), _KEPT_PLANS)
        found = self.programs[key]
        if found is None:
            return None
        written, function = found
        first = len(self.call.prefetched) + len(self.call.inputs)
        refs = written.refs[first : first + len(self.call.outputs)]
        starts = [[tuple(row) for row in plan.tables[k].starts.tolist()] for k in written.tables]
        return Variant(written, function, plan.arrays([ref.tracked for ref in refs]), refs, starts)


def loops_of(planned: Planned) -> Loops | None:
    """Return a plan's compiled form, or None if it has none; its source is written at the first call."""
    if not planned.loops:
        planned.loops.append(_loops(planned.plan))
    return planned.loops[0]


def _loops(plan: Plan) -> Loops | None:
    source = compiled.written(plan).source
    if not source:
        return None
    tracked = compiled.tracked_outputs(plan)
    return Loops(source, plan.arrays(tracked), tracked, compiled.block_starts(plan), compiled.blank_types(plan))


def _keep(kept: OrderedDict[Any, Any], key: Any, value: Any, capacity: int) -> None:
    """Add an entry and drop the oldest if there are more than `capacity`."""
    kept[key] = value
    if len(kept) > capacity:
        kept.popitem(last=False)


def _loaded(written: NumpySource | None) -> tuple[NumpySource, Callable[..., None]] | None:
    if written is None:
        return None
    return written, load_function(written.source, dict(written.scope), written.name, cache.code)


class Cache:
    """The most recently used kernels, by jaxpr and grid mapping, kept alive so that their identities stay their own."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._kernels: OrderedDict[tuple[int, int], tuple[Numeric, Numeric, Prepared]] = OrderedDict()
        self._codes: OrderedDict[str, CodeType] = OrderedDict()

    def prepared(self, parameters: Parameters) -> Prepared:
        """Return what is known of a `pallas_call` equation's kernel."""
        jaxpr, mapping = parameters["jaxpr"], parameters["grid_mapping"]
        key = (id(jaxpr), id(mapping))
        found = self._kernels.get(key)
        if found is not None:
            self._kernels.move_to_end(key)
            return found[2]
        entry = _prepare(read_call(parameters), parameters)
        _keep(self._kernels, key, (jaxpr, mapping, entry), self._capacity)
        return entry

    def code(self, source: str, filename: str) -> CodeType:
        """Return compiled source; a kernel that is traced again has the same source."""
        found = self._codes.get(source)
        if found is None:
            found = compile(source, filename, "exec")
            _keep(self._codes, source, found, self._capacity)
        return found

    def clear(self) -> None:
        """Forget everything."""
        self._kernels.clear()
        self._codes.clear()


cache = Cache(512)


def _prepare(call: Call, parameters: Parameters) -> Prepared:
    primitives = frozenset(primitives_in(call.kernel))
    uses = uses_of(call)
    call = replace(call, synchronises=call.synchronises or uses_copies_in_flight(call.kernel))
    return Prepared(
        call,
        uses,
        fillers=taint.fillers_for(call, uses, primitives),
        changing=grid.depends_on_memory(call),
        effects=call.synchronises or analysis.has_effects(call.kernel),
        parameters=parameters,
    )
