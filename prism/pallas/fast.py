"""Fast mode: generated NumPy source, made once a kernel, and how a run of it is judged."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

import numpy as np

from prism.pallas import compat, debug, grid, program, structure
from prism.pallas.call import Block, Call
from prism.pallas.codegen_memory import SuspectError
from prism.pallas.errors import KernelError
from prism.pallas.launch import in_place, interior_of, padded, steps
from prism.pallas.layout import covers
from prism.pallas.memory import Machine, Ref
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
    covered: bool
    suspect: int = 0


@dataclass(slots=True)
class Prepared:
    """What is remembered of a call between its runs."""

    call: Call
    uses: tuple[Any, ...]
    hides_nan: bool
    equations: dict[int, Any] = field(default_factory=dict)
    variants: dict[Any, Variant | None] = field(default_factory=dict)


class Cache:
    """The most recently used kernels, by their jaxpr; a jaxpr is kept alive so that its identity stays its own."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._kernels: OrderedDict[int, tuple[Any, Any, Prepared]] = OrderedDict()
        self._codes: OrderedDict[str, CodeType] = OrderedDict()

    def prepared(self, parameters: dict[str, Any]) -> Prepared:
        """Return what is known of a `pallas_call` equation's kernel."""
        jaxpr, mapping = parameters["jaxpr"], parameters["grid_mapping"]
        found = self._kernels.get(id(jaxpr))
        if found is not None and found[1] is mapping:
            self._kernels.move_to_end(id(jaxpr))
            return found[2]
        call = compat.describe(parameters)
        entry = Prepared(call, program.uses_of(call), _may_hide_nan(call))
        self._kernels[id(jaxpr)] = (jaxpr, mapping, entry)
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
    call = prepared.call
    bounds = iter(int(a) for a in args[: call.dynamic_bounds])
    cells = tuple(next(bounds) if n is None else n for n in call.grid)
    arrays = [np.asarray(a) for a in args[call.dynamic_bounds :]]
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


def source_of(prepared: Prepared, args: Sequence[Any], params: InterpretParams) -> str:
    """Return the source that a call runs, or a comment that says why there is none."""
    bounds = iter(int(a) for a in args[: prepared.call.dynamic_bounds])
    cells = tuple(next(bounds) if n is None else n for n in prepared.call.grid)
    arrays = [np.asarray(a) for a in args[prepared.call.dynamic_bounds :]]
    variant = _variant(prepared, cells, arrays, params, batch=True)
    if variant is None:
        return f"# kernel {prepared.call.name}: only debug mode can run it\n"
    return variant.program.source


def _variant(
    prepared: Prepared, cells: tuple[int, ...], arrays: Sequence[Array], params: InterpretParams, *, batch: bool
) -> Variant | None:
    key = (cells, params, batch)
    changing = grid.depends_on_memory(prepared.call)
    if key in prepared.variants and not changing:
        return prepared.variants[key]
    plan = _plan(prepared, cells, arrays, params)
    if plan is None:
        if not changing:
            prepared.variants[key] = None
        return None
    found = program.write_program(plan, batch=batch)
    if found is None:
        prepared.variants[key] = None
        return None
    function = load_function(found.source, dict(found.scope), found.name, cache.code)
    inputs = len(prepared.call.inputs)
    aliased = {out for _, out in prepared.call.aliases}
    covered = all(
        k in aliased or covers(table, visit.blocks)
        for k, (table, visit) in enumerate(zip(plan.tables[inputs:], plan.visits, strict=True))
    )
    variant = Variant(found, function, plan, covered)
    prepared.variants[key] = variant
    return variant


def _plan(prepared: Prepared, cells: tuple[int, ...], arrays: Sequence[Array], params: InterpretParams) -> Plan | None:
    """Return the plan of a call, or None if its blocks are a mistake that debug mode must report."""
    call = prepared.call
    machine = Machine(call.name, params, cells, parallel=call.parallel)
    prefetched = [Ref(m.name, a, machine) for m, a in zip(call.prefetched, arrays, strict=False)]
    env = debug.Environment(machine, compiled=prepared.equations)
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
    return Plan(call, cells, tuple(tables), tuple(visits), params, prepared.uses)


def _launch(variant: Variant, prepared: Prepared, arrays: Sequence[Array], params: InterpretParams) -> list[Array]:
    call = prepared.call
    strict = params.uninitialized == "raise"
    if strict and not variant.covered:
        raise SuspectError
    results = _run_once(
        variant, prepared, arrays, Machine(call.name, params, variant.plan.grid, parallel=call.parallel)
    )
    if strict and any(low or high for block in call.inputs for low, high in block.padding):
        _suspect_padding(variant, prepared, arrays, params, results)
    return results


def _suspect_padding(
    variant: Variant, prepared: Prepared, arrays: Sequence[Array], params: InterpretParams, results: Sequence[Array]
) -> None:
    """Suspect a run whose outputs may depend on padding: NaN shows it, or another filler does where NaN may hide."""
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
    count = len(call.prefetched)
    prefetched = [_owned(a, use.written) for a, use in zip(arrays[:count], plan.uses, strict=False)]
    kept = {position - count for position, out in call.aliases if _is_in_place(call, position, out)}
    inputs = [
        _input(block, array, machine, copy=use.written or k in kept)
        for k, (block, array, use) in enumerate(zip(call.inputs, arrays[count:], plan.uses[count:], strict=False))
    ]
    outputs = _outputs(variant, machine, prefetched, inputs, arrays)
    refs = variant.program.refs[count + len(inputs) : count + len(inputs) + len(outputs)]
    done = [np.zeros(o.shape, np.bool_) for o, ref in zip(outputs, refs, strict=True) if ref.masked]
    lanes = [np.full(o.shape, -1, np.int64) for o, ref in zip(outputs, refs, strict=True) if ref.contested]
    starts = [[tuple(row) for row in plan.tables[k].starts.tolist()] for k in variant.program.tables]
    variant.function(machine, *prefetched, *inputs, *outputs, *done, *lanes, *starts)
    if machine.doubts:
        raise SuspectError
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
    floats = all(block.dtype.kind == "f" for block in (*call.inputs, *call.outputs))
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


def _outputs(
    variant: Variant, machine: Machine, prefetched: Sequence[Array], inputs: Sequence[Array], arrays: Sequence[Array]
) -> list[Array]:
    call, count = variant.plan.call, len(prefetched)
    sources = {out: position for position, out in call.aliases}
    results = []
    for k, block in enumerate(call.outputs):
        source = sources.get(k)
        if source is not None and _is_in_place(call, source, k):
            results.append(inputs[source - count])
            continue
        if source is not None:
            results.append(padded(arrays[source], block, machine))
            continue
        shape = tuple(n + low + high for n, (low, high) in zip(block.shape, block.padding, strict=True))
        ref = variant.program.refs[count + len(inputs) + k]
        if variant.covered and not ref.tracked and machine.params.uninitialized == "raise":
            results.append(np.empty(shape, block.dtype))
        else:
            results.append(np.full(shape, machine.poison(block.dtype), block.dtype))
    return results
