"""A kernel call from arrays to arrays, in the mode that its parameters ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from prism.pallas import breakpoints, compat, debug, fast
from prism.pallas.call import Call
from prism.pallas.launch import Launch, judge_outputs, prepare, require_arity, run_steps
from prism.pallas.params import InterpretParams

Array = np.ndarray[Any, np.dtype[Any]]


class Tally:
    """How many kernels this process has run."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


_tally = Tally()


def kernels_run() -> int:
    """Return how many kernel calls the interpreter has run in this process, in any mode, eager or staged."""
    return _tally.count


def execute(prepared: fast.Prepared, args: Sequence[Any], params: InterpretParams) -> list[Array]:
    """Run a kernel and return its outputs; reports its mistakes as the parameters ask [PALLAS-1]."""
    require_arity(prepared.call, args)
    _tally.count += 1
    with np.errstate(all="ignore"):
        if params.mode != "debug" and params.trace is None and params.out_of_bounds == "raise":
            results = fast.run(prepared, args, params)
            if results is not None:
                return results
        return _debug(prepared.call, args, params)


def _debug(call: Call, args: Sequence[Any], params: InterpretParams) -> list[Array]:
    launch = _debug_run(call, args, params)
    results = launch.results()
    if params.uninitialized == "nan":
        return results
    if launch.machine.doubts or _has_padding(call):
        # Memory that nobody wrote holds another poison in a second run: an output that differs was computed from it.
        other = _debug_run(call, args, params, poison_flip=True)
        if any(not _same(a, b) for a, b in zip(_written(launch), _written(other), strict=True)):
            raise launch.machine.doubts[0] if launch.machine.doubts else _padding_report(launch, other)
    report = judge_outputs(launch)
    if report is not None:
        raise report
    return results


def _debug_run(call: Call, args: Sequence[Any], params: InterpretParams, *, poison_flip: bool = False) -> Launch:
    launch = prepare(call, args, params, poison_flip=poison_flip)
    kernel, consts = compat.open_jaxpr(call.jaxpr)
    watch = None if poison_flip else breakpoints.watcher(params.trace)
    env = debug.Environment(launch.machine, axes={name: k for k, name in enumerate(call.axis_names)}, watch=watch)
    run_steps(launch, lambda refs, env: debug.evaluate(kernel, consts, refs, env), env)
    return launch


def _has_padding(call: Call) -> bool:
    return any(low or high for block in call.inputs for low, high in block.padding)


def _written(launch: Launch) -> list[Array]:
    """Return the outputs with elements that nobody wrote blanked out, for they differ by construction."""
    results = []
    for result, operand in zip(launch.results(), launch.outputs, strict=True):
        if operand.written is None:
            results.append(result)
            continue
        interior = tuple(
            slice(low, low + n) for n, (low, _) in zip(operand.block.shape, operand.block.padding, strict=True)
        )
        results.append(np.where(operand.written[interior], result, np.zeros((), result.dtype)))
    return results


def _same(a: Array, b: Array) -> bool:
    if a.dtype.kind == "V":
        a, b = a.astype(np.float32), b.astype(np.float32)
    return bool(np.array_equal(a, b, equal_nan=a.dtype.kind in "fc"))


def _padding_report(launch: Launch, other: Launch) -> Exception:
    from prism.pallas.errors import UninitializedReadError

    for mine, theirs, operand in zip(_written(launch), _written(other), launch.outputs, strict=True):
        if _same(mine, theirs):
            continue
        a, b = (x.astype(np.float32) if x.dtype.kind == "V" else x for x in (mine, theirs))
        differs = (a != b) & ~((a != a) & (b != b))
        element = tuple(int(k) for k in np.argwhere(differs)[0])
        padded = next(block for block in launch.call.inputs if any(low or high for low, high in block.padding))
        launch.machine.site, launch.machine.step = compat.function_site(launch.call.jaxpr), ()
        return launch.machine.problem(
            UninitializedReadError,
            f"element {element} of the output {operand.block.name} is computed from the padding of {padded.name}, whose "
            f"shape {padded.shape} is not a multiple of its block {padded.sizes}",
            operand.block.name,
            element,
            operand.block.shape,
            remedy="mask the elements beyond the array's end before they are combined with others",
        )
    raise AssertionError("the outputs are equal")
