"""Fast mode: how a run of generated NumPy source, or of compiled loops, is chosen and judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from prism.pallas.arrays import Arrays, grid_and_arrays
from prism.pallas.cache import Loops, Planned, Prepared, Variant, loops_of
from prism.pallas.dtypes import Array, Numeric
from prism.pallas.errors import KernelError, SuspectError
from prism.pallas.machine import Machine
from prism.pallas.numba_source import compiled
from prism.pallas.params import InterpretParams
from prism.pallas.planning import debug_alone
from prism.pallas.races import watch_of


def run(prepared: Prepared, args: Sequence[Numeric], params: InterpretParams) -> list[Array] | None:
    """Run a call's generated source; None if debug mode must run it, to judge or because no source can be written."""
    cells, arrays = grid_and_arrays(prepared.call, args)
    planned = prepared.planned(cells, arrays, params)
    if planned is None:
        return None
    if params.mode == "compiled" or (params.mode == "auto" and planned.source_s >= _LOAD_AFTER):
        loops = loops_of(planned)
        if loops is not None and (params.mode == "compiled" or _pays(loops, planned)):
            results = _run_loops(loops, prepared, planned, arrays)
            if results is not None:
                return results
    started = time.perf_counter()
    results = _run_source(prepared, planned, arrays)
    elapsed = time.perf_counter() - started
    planned.source_s += elapsed
    planned.best_s = min(planned.best_s, elapsed)
    return results


def _run_source(prepared: Prepared, planned: Planned, arrays: Sequence[Array]) -> list[Array] | None:
    plan = planned.plan
    if plan.params.uninitialized != "nan" and not plan.covered:
        return None
    for batch in (True, False):
        variant = prepared.variant(planned, batch=batch)
        if variant is None:
            return None
        if variant.suspect and (batch or variant.suspect > 3):
            continue
        try:
            return _judged(partial(_run_once, variant, arrays), variant.arrays, prepared, planned)
        except (SuspectError, KernelError):
            variant.suspect += 1
        if not variant.program.layout.batched:
            return None
    return None


_COMPILE_AFTER = 5.0
"""Seconds of NumPy in one process that justify compiling scalar loops, which takes Numba one to four."""
_COMPILE_BYTE = 2e-4
"""Seconds that each byte of their source adds."""
_LOAD_AFTER = 0.2
"""Seconds that justify loading machine code which an earlier process left on disk."""
_TRIES = 3
"""Runs of loaded loops after which the faster of the two forms is kept."""


def _pays(loops: Loops, planned: Planned) -> bool:
    """Whether `auto` runs the loops: it waits as long as compiling takes, so that it never takes twice the best."""
    if loops.function is not None:
        return loops.tries < _TRIES or loops.best_s < planned.best_s
    if planned.source_s > _COMPILE_AFTER + _COMPILE_BYTE * len(loops.source):
        return True
    if planned.source_s < loops.look_again_s:
        return False
    # To look for a file costs as much as a small kernel: it is done at doubled intervals.
    loops.look_again_s = 2 * planned.source_s
    return compiled.is_stored(loops.source)


def _run_loops(loops: Loops, prepared: Prepared, planned: Planned, arrays: Sequence[Array]) -> list[Array] | None:
    """Run the compiled form; None if its outcome must be judged elsewhere."""
    if planned.plan.params.uninitialized != "nan" and not planned.plan.covered:
        return None
    if loops.function is None:
        loops.function = compiled.load(loops.source)
    started = time.perf_counter()
    loops.tries += 1
    try:
        results = _judged(partial(_loops_once, loops, arrays), loops.arrays, prepared, planned)
    except SuspectError:
        return None
    loops.best_s = min(loops.best_s, time.perf_counter() - started)
    return results


def _loops_once(loops: Loops, arrays: Sequence[Array], machine: Machine) -> list[Array]:
    operands, outputs = loops.arrays.begin(arrays, machine)
    masks = [
        np.zeros(o.shape if tracked else (1,) * o.ndim, np.bool_)
        for o, tracked in zip(outputs, loops.tracked, strict=True)
    ]
    assert loops.function is not None
    blanks = [np.full(1, machine.poison(dtype), dtype) for dtype in loops.blanks]
    outcome = loops.function(*map(np.ascontiguousarray, operands), *outputs, *masks, *loops.starts, *blanks)
    machine.unsure = outcome == 2
    written = all(m.all() for m, tracked in zip(loops.arrays.end(masks), loops.tracked, strict=True) if tracked)
    if outcome == 1 or (machine.params.uninitialized != "nan" and not written):
        raise SuspectError
    return loops.arrays.end(outputs)


def source_of(prepared: Prepared, args: Sequence[Numeric], params: InterpretParams) -> str:
    """Return the source that a call runs, or a comment that says why there is none."""
    why = debug_alone(prepared, params)
    cells, arrays = grid_and_arrays(prepared.call, args)
    planned = None if why else prepared.planned(cells, arrays, params)
    variant = None if planned is None else prepared.variant(planned, batch=True)
    if variant is None:
        return f"# kernel {prepared.call.name}: only debug mode can run it{why and ': '}{why}\n"
    return variant.program.source


def _machine(planned: Planned, *, filler: int = 0) -> Machine:
    call, plan = planned.plan.call, planned.plan
    return Machine(call.name, plan.params, plan.grid, parallel=call.parallel, filler=filler)


def _judged(
    once: Callable[[Machine], list[Array]], arrays: Arrays, prepared: Prepared, planned: Planned
) -> list[Array]:
    """Run once, and again if an output may depend on unwritten memory; `SuspectError` if it does.

    NaN shows it, or other fillers where NaN may hide.
    """
    machine = _machine(planned)
    results = once(machine)
    doubtful = arrays.padded or machine.unsure or machine.doubts
    if planned.plan.params.uninitialized == "nan" or not doubtful:
        return results
    if not prepared.fillers and any(np.isnan(result).any() for result in results):
        raise SuspectError
    for filler in range(1, prepared.fillers):
        others = once(_machine(planned, filler=filler))
        if not all(same(a, b) for a, b in zip(results, others, strict=True)):
            raise SuspectError
    return results


def _run_once(variant: Variant, arrays: Sequence[Array], machine: Machine) -> list[Array]:
    operands, outputs = variant.arrays.begin(arrays, machine)
    shadowed = list(zip(variant.arrays.outputs, outputs, variant.outputs, strict=True))
    done = [np.zeros(o.shape, np.bool_) for _, o, ref in shadowed if ref.masked]
    lanes = [
        watch_of(o.shape) if ref.use.involved else np.full(o.shape, -1, np.int64)
        for _, o, ref in shadowed
        if ref.contested
    ]
    variant.function(machine, *operands, *outputs, *done, *lanes, *variant.starts)
    if machine.late is not None:
        raise SuspectError
    masks = iter(done)
    if not all(output.cut(next(masks)).all() for output, _, ref in shadowed if ref.masked):
        raise SuspectError
    return variant.arrays.end(outputs)


def same(a: Array, b: Array) -> bool:
    """Whether two arrays are equal, NaN included."""
    if a.dtype.kind == "V":
        a, b = a.astype(np.float32), b.astype(np.float32)
    return bool(np.array_equal(a, b, equal_nan=a.dtype.kind in "fc"))
