"""A kernel call from arrays to arrays, in the mode that its parameters ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from prism.pallas import breakpoints, compat, debug, fast
from prism.pallas.call import Call
from prism.pallas.launch import Launch, judge_outputs, prepare, run_steps
from prism.pallas.params import InterpretParams
from prism.pallas.prepared import Prepared

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


def execute(prepared: Prepared, args: Sequence[Any], params: InterpretParams) -> list[Array]:
    """Run a kernel and return its outputs; reports its mistakes as the parameters ask [PALLAS-1]."""
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
    if launch.machine.doubts:
        # Memory that nobody wrote holds another poison in a second run: an output that differs was computed from it.
        other = _debug_run(call, args, params, poison_flip=True)
        if any(not fast.same(a, b) for a, b in zip(_written(launch), _written(other), strict=True)):
            raise launch.machine.doubts[0]
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
