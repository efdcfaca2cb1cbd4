"""Fast mode: generated NumPy source, made once a kernel, and how a run of it is judged."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

import numpy as np

from prism.pallas import compat, compiled, debug, grid, program, structure
from prism.pallas.call import Block, Call
from prism.pallas.codegen_control import has_effects
from prism.pallas.errors import KernelError, SuspectError
from prism.pallas.launch import in_place, interior_of, padded, steps
from prism.pallas.layout import covers
from prism.pallas.machine import Machine
from prism.pallas.memory import Ref
from prism.pallas.params import InterpretParams
from prism.pallas.program import Plan, Program
from prism.pallas.writer import load_function

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(slots=True)
class Variant:
    """One loaded program; `suspect` counts the runs that debug mode had to repeat."""

    program: Program
    function: Callable[..., None]
    plan: Plan
    suspect: int = 0


@dataclass(slots=True)
class Loops:
    """The compiled form of a call: its source, its function once it is loaded, and the time spent without it."""

    source: str
    function: Callable[..., int] | None = None
    seconds: float = 0.0


@dataclass(slots=True)
class Prepared:
    """What is remembered of a call between its runs.

    `hides_nan`: a comparison may turn NaN into something else; `changing`: prefetched memory chooses blocks; `effects`:
    the kernel prints or calls back.
    """

    call: Call
    uses: tuple[Any, ...]
    hides_nan: bool
    changing: bool
    effects: bool
    equations: dict[int, Any] = field(default_factory=dict)
    plans: dict[Any, Plan | None] = field(default_factory=dict)
    loops: dict[Any, Loops | None] = field(default_factory=dict)
    variants: dict[Any, Variant | None] = field(default_factory=dict)


class Cache:
    """The most recently used kernels, by jaxpr and grid mapping, kept alive so that their identities stay their own."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._kernels: OrderedDict[tuple[int, int], tuple[Any, Any, Prepared]] = OrderedDict()
        self._codes: OrderedDict[str, CodeType] = OrderedDict()

    def prepared(self, parameters: dict[str, Any]) -> Prepared:
        """Return what is known of a `pallas_call` equation's kernel."""
        jaxpr, mapping = parameters["jaxpr"], parameters["grid_mapping"]
        key = (id(jaxpr), id(mapping))
        found = self._kernels.get(key)
        if found is not None:
            self._kernels.move_to_end(key)
            return found[2]
        call = compat.describe(parameters)
        entry = Prepared(
            call, program.uses_of(call), _may_hide_nan(call), grid.depends_on_memory(call), has_effects(call.jaxpr)
        )
        self._kernels[key] = (jaxpr, mapping, entry)
        if len(self._kernels) > self._capacity:
            self._kernels.popitem(last=False)
        return entry

    def code(self, source: str, filename: str) -> CodeType:
        """Return compiled source; a kernel that is traced again has the same source."""
        found = self._codes.get(source)
        if found is None:
            found = self._codes[source] = compile(source, filename, "exec")
            if len(self._codes) > self._capacity:
                self._codes.popitem(last=False)
        return found

    def clear(self) -> None:
        """Forget everything."""
        self._kernels.clear()
        self._codes.clear()


cache = Cache(512)


def run(prepared: Prepared, args: Sequence[Any], params: InterpretParams) -> list[Array] | None:
    """Run a call's generated source; None if debug mode must run it, to judge or because no source can be written."""
    if prepared.effects:
        return None  # A run that must be judged again would print again.
    cells, arrays = grid_and_arrays(prepared.call, args)
    loops = _loops(prepared, cells, arrays, params)
    if loops is not None and _pays(loops, params):
        results = _run_loops(loops, prepared, cells, arrays, params)
        if results is not None:
            return results
    started = time.perf_counter()
    results = _run_source(prepared, cells, arrays, params)
    if loops is not None:
        loops.seconds += time.perf_counter() - started
    return results


def grid_and_arrays(call: Call, args: Sequence[Any]) -> tuple[tuple[int, ...], list[Array]]:
    """Return the concrete grid and the arrays among a call's operands."""
    bounds = iter(int(a) for a in args[: call.dynamic_bounds])
    cells = tuple(next(bounds) if n is None else n for n in call.grid)
    return cells, [np.asarray(a) for a in args[call.dynamic_bounds :]]


def _run_source(
    prepared: Prepared, cells: tuple[int, ...], arrays: Sequence[Array], params: InterpretParams
) -> list[Array] | None:
    for batch in (True, False):
        variant = _variant(prepared, cells, arrays, params, batch=batch)
        if variant is None:
            return None
        if variant.suspect and (batch or variant.suspect > 3):
            continue
        try:
            return _launch(variant, prepared, arrays, params)
        except (SuspectError, KernelError):
            variant.suspect += 1
        if not variant.program.layout.batched:
            return None
    return None


_COMPILE_AFTER = 5.0
"""Seconds of NumPy in one process that justify compiling scalar loops, which takes Numba one to four."""
_LOAD_AFTER = 0.2
"""Seconds that justify loading machine code which an earlier process left on disk."""


def _pays(loops: Loops, params: InterpretParams) -> bool:
    if params.mode == "compiled" or loops.function is not None:
        return True
    if params.mode != "auto" or loops.seconds < _LOAD_AFTER:
        return False
    return loops.seconds > _COMPILE_AFTER or compiled.is_stored(loops.source)


def _loops(
    prepared: Prepared, cells: tuple[int, ...], arrays: Sequence[Array], params: InterpretParams
) -> Loops | None:
    """Return a call's compiled form; for `auto`, only of kernels that loop."""
    if params.mode == "fast" or params.grid_order != "sequential":
        return None
    kernel, _ = compat.open_jaxpr(prepared.call.jaxpr)
    if params.mode == "auto" and not {"scan", "while"}.intersection(structure.primitives_in(kernel)):
        return None
    key = (cells, params)
    if key not in prepared.loops:
        plan = plan_of(prepared, cells, arrays, params)
        source = None if plan is None else compiled.write_loops(plan)
        prepared.loops[key] = None if source is None else Loops(source)
    return prepared.loops[key]


def _run_loops(
    loops: Loops, prepared: Prepared, cells: tuple[int, ...], arrays: Sequence[Array], params: InterpretParams
) -> list[Array] | None:
    """Run the compiled form; None if its outcome must be judged elsewhere."""
    call, plan = prepared.call, plan_of(prepared, cells, arrays, params)
    if plan is None or any(low or high for block in call.inputs for low, high in block.padding):
        return None
    if loops.function is None:
        loops.function = compiled.load(loops.source)
    machine = Machine(call.name, params, cells, parallel=call.parallel)
    prefetched, inputs, outputs = memory_of(plan, machine, arrays, [True] * len(call.outputs))
    masks = compiled.blank_masks(plan, outputs)
    strict = params.uninitialized == "raise"
    if loops.function(*prefetched, *map(np.ascontiguousarray, inputs), *outputs, *masks):
        return None
    for block, mask, tracked in zip(call.outputs, masks, compiled.tracked_outputs(plan), strict=True):
        if strict and tracked and not mask[interior_of(block)].all():
            return None
    if strict and not plan.covered:
        return None
    return [o[interior_of(block)] for o, block in zip(outputs, call.outputs, strict=True)]


def source_of(prepared: Prepared, args: Sequence[Any], params: InterpretParams) -> str:
    """Return the source that a call runs, or a comment that says why there is none."""
    cells, arrays = grid_and_arrays(prepared.call, args)
    variant = _variant(prepared, cells, arrays, params, batch=True)
    if variant is None:
        return f"# kernel {prepared.call.name}: only debug mode can run it\n"
    return variant.program.source


def _variant(
    prepared: Prepared, cells: tuple[int, ...], arrays: Sequence[Array], params: InterpretParams, *, batch: bool
) -> Variant | None:
    key = (cells, params, batch)
    if key in prepared.variants and not prepared.changing:
        return prepared.variants[key]
    plan = plan_of(prepared, cells, arrays, params)
    found = None if plan is None else program.write_program(plan, batch=batch)
    variant = None
    if plan is not None and found is not None:
        variant = Variant(found, load_function(found.source, dict(found.scope), found.name, cache.code), plan)
    prepared.variants[key] = variant
    return variant


def plan_of(
    prepared: Prepared, cells: tuple[int, ...], arrays: Sequence[Array], params: InterpretParams
) -> Plan | None:
    """Return the plan of a call, kept unless prefetched memory decides about it."""
    key = (cells, params)
    if key not in prepared.plans or prepared.changing:
        prepared.plans[key] = _plan(prepared, cells, arrays, params)
    return prepared.plans[key]


def _plan(prepared: Prepared, cells: tuple[int, ...], arrays: Sequence[Array], params: InterpretParams) -> Plan | None:
    """Return the plan of a call, or None if its blocks are a mistake that debug mode must report."""
    call = prepared.call
    machine = Machine(call.name, params, cells, parallel=call.parallel)
    prefetched = [Ref(m.name, a, machine) for m, a in zip(call.prefetched, arrays, strict=False)]
    extents = tuple(cells[axis] for axis in call.visible_axes)
    env = debug.Environment(machine, extents, compiled=prepared.equations)
    try:
        tables = [grid.bounded(t, cells, machine) for t in grid.tabulate(call, cells, prefetched, env)]
    except KernelError:
        return None
    order = np.fromiter(steps(call, cells, params.grid_order), np.int64)
    position, lane = np.empty_like(order), grid.lanes(call, cells)
    position[order] = np.arange(len(order))
    visits = [grid.visits(t, lane, position) for t in tables[len(call.inputs) :]]
    for table, visit in zip(tables[len(call.inputs) :], visits, strict=True):
        if visit.returned is not None and not table.block.whole:
            return None
    aliased = {out for _, out in call.aliases}
    covered = all(
        k in aliased or covers(table, visit.blocks)
        for k, (table, visit) in enumerate(zip(tables[len(call.inputs) :], visits, strict=True))
    )
    return Plan(call, cells, tuple(tables), tuple(visits), params, prepared.uses, covered)


def _launch(variant: Variant, prepared: Prepared, arrays: Sequence[Array], params: InterpretParams) -> list[Array]:
    call = prepared.call
    strict = params.uninitialized == "raise"
    if strict and not variant.plan.covered:
        raise SuspectError
    machine = Machine(call.name, params, variant.plan.grid, parallel=call.parallel)
    results = _run_once(variant, prepared, arrays, machine)
    padding = any(low or high for block in call.inputs for low, high in block.padding)
    if strict and (padding or machine.unsure or machine.doubts):
        _suspect_poison(variant, prepared, arrays, params, results)
    return results


def _suspect_poison(
    variant: Variant, prepared: Prepared, arrays: Sequence[Array], params: InterpretParams, results: Sequence[Array]
) -> None:
    """Suspect a run whose outputs depend on unwritten memory: NaN shows it, or another filler where NaN may hide."""
    if not prepared.hides_nan:
        if any(np.isnan(result).any() for result in results):
            raise SuspectError
        return
    call = prepared.call
    machine = Machine(call.name, params, variant.plan.grid, parallel=call.parallel, poison_flip=True)
    others = _run_once(variant, prepared, arrays, machine)
    if not all(same(a, b) for a, b in zip(results, others, strict=True)):
        raise SuspectError


def _run_once(variant: Variant, prepared: Prepared, arrays: Sequence[Array], machine: Machine) -> list[Array]:
    call, plan = prepared.call, variant.plan
    count = len(call.prefetched) + len(call.inputs)
    refs = variant.program.refs[count : count + len(call.outputs)]
    prefetched, inputs, outputs = memory_of(plan, machine, arrays, [ref.tracked for ref in refs])
    done = [np.zeros(o.shape, np.bool_) for o, ref in zip(outputs, refs, strict=True) if ref.masked]
    lanes = [np.full(o.shape, -1, np.int64) for o, ref in zip(outputs, refs, strict=True) if ref.contested]
    starts = [[tuple(row) for row in plan.tables[k].starts.tolist()] for k in variant.program.tables]
    variant.function(machine, *prefetched, *inputs, *outputs, *done, *lanes, *starts)
    masks = iter(done)
    for block, ref in zip(call.outputs, refs, strict=True):
        if ref.masked and not next(masks)[interior_of(block)].all():
            raise SuspectError
    return [o[interior_of(block)] for o, block in zip(outputs, call.outputs, strict=True)]


def same(a: Array, b: Array) -> bool:
    """Whether two arrays are equal, NaN included."""
    if a.dtype.kind == "V":
        a, b = a.astype(np.float32), b.astype(np.float32)
    return bool(np.array_equal(a, b, equal_nan=a.dtype.kind in "fc"))


# What may turn a NaN into something that is not one, or choose by it.
_HIDING = frozenset(
    [
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "is_finite",
        "select_n",
        "cond",
        "while",
        "sign",
        "argmax",
        "argmin",
        "sort",
        "top_k",
        "clamp",
        "reduce_and",
        "reduce_or",
        "bitcast_convert_type",
        "bitcast",
        "masked_swap",
        "masked_load",
    ]
)


def _may_hide_nan(call: Call) -> bool:
    kernel, _ = compat.open_jaxpr(call.jaxpr)
    floats = all(memory.dtype.kind == "f" for memory in (*call.inputs, *call.outputs, *call.scratch))
    return not floats or not _HIDING.isdisjoint(structure.primitives_in(kernel))


def _is_in_place(call: Call, source: int, target: int) -> bool:
    position = source - len(call.prefetched)
    return position >= 0 and in_place(call, call.inputs[position], call.outputs[target])


def _owned(array: Array, written: bool) -> Array:
    return np.array(array) if written else array


def _input(block: Block, array: Array, machine: Machine, *, copy: bool) -> Array:
    if copy or any(low or high for low, high in block.padding):
        return padded(array, block, machine)
    return array


def memory_of(
    plan: Plan, machine: Machine, arrays: Sequence[Array], fill: Sequence[bool]
) -> tuple[list[Array], list[Array], list[Array]]:
    """Return the prefetched, input and output arrays of a run; outputs that `fill` marks begin as poison."""
    call, count = plan.call, len(plan.call.prefetched)
    prefetched = [_owned(a, use.written) for a, use in zip(arrays[:count], plan.uses, strict=False)]
    sources = {out: position for position, out in call.aliases}
    kept = {position - count for out, position in sources.items() if _is_in_place(call, position, out)}
    inputs = [
        _input(block, array, machine, copy=use.written or k in kept)
        for k, (block, array, use) in enumerate(zip(call.inputs, arrays[count:], plan.uses[count:], strict=False))
    ]
    outputs = []
    for k, (block, filled) in enumerate(zip(call.outputs, fill, strict=True)):
        source = sources.get(k)
        if source is not None:
            in_same = _is_in_place(call, source, k)
            outputs.append(inputs[source - count] if in_same else padded(arrays[source], block, machine))
            continue
        shape = tuple(n + low + high for n, (low, high) in zip(block.shape, block.padding, strict=True))
        if plan.covered and not filled and machine.params.uninitialized == "raise":
            outputs.append(np.empty(shape, block.dtype))
        else:
            outputs.append(np.full(shape, machine.poison(block.dtype), block.dtype))
    return prefetched, inputs, outputs
