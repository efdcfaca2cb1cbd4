"""A kernel call from arrays to arrays, in the mode that its parameters ask for."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from prism.pallas import debug, fast
from prism.pallas.cache import Prepared
from prism.pallas.call import Call
from prism.pallas.chip import legality
from prism.pallas.dtypes import FILLERS, Array, Numeric
from prism.pallas.errors import KernelError, UninitializedReadError, UninitializedWarning
from prism.pallas.flight import starts_copies
from prism.pallas.launch import Launch, judge_outputs, prepare, run_steps
from prism.pallas.machine import Use
from prism.pallas.params import InterpretParams
from prism.pallas.planning import debug_alone


class Tally:
    """How many kernels this process has run."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


_tally = Tally()


def kernels_run() -> int:
    """Return how many kernel calls the interpreter has run in this process, in any mode, eager or staged."""
    return _tally.count


@dataclass(slots=True)
class Held:
    """Findings about unwritten memory that are kept until it is known whether anybody uses the value [PALLAS-11].

    `filler` says as what unwritten memory is read in the run at hand; only with the first are findings made.
    """

    filler: int = 0
    findings: list[UninitializedReadError] = field(default_factory=list)


def execute(
    prepared: Prepared, args: Sequence[Numeric], params: InterpretParams, held: Held | None = None
) -> list[Array]:
    """Run a kernel and return its outputs; reports its mistakes as the parameters ask [PALLAS-1].

    With `held`, outputs may depend on unwritten memory: the finding is put there.
    """
    if held is not None and held.filler:
        with np.errstate(all="ignore"):
            launch, error = _debug_run(_landing(prepared.call, params), args, params, filler=held.filler)
            if error is None:
                return launch.results()
            raise error
    _tally.count += 1
    if params.legality != "off":
        legality.judge(prepared, params)
    with np.errstate(all="ignore"):
        if not debug_alone(prepared, params):
            results = fast.run(prepared, args, params)
            if results is not None:
                return results
        return _debug(_landing(prepared.call, params), args, params, held)


def _landing(call: Call, params: InterpretParams) -> Call:
    """Return the call as one whose copies land late, if they do."""
    return replace(call, synchronises=True) if params.dma != "eager" and starts_copies(call.kernel) else call


def _debug(call: Call, args: Sequence[Numeric], params: InterpretParams, held: Held | None) -> list[Array]:
    launch, error = _debug_run(call, args, params)
    finding = None
    if params.uninitialized != "nan":
        if launch.machine.doubts:
            finding = _judged_doubts(call, args, params, launch, error)
        finding = finding or (None if error is not None else judge_outputs(launch))
    if error is not None:
        raise finding or error
    if finding is not None and held is not None:
        held.findings.append(finding)
    elif finding is not None:
        tell(finding, params)
    return launch.results()


def tell(finding: UninitializedReadError, params: InterpretParams) -> None:
    """Raise a finding about unwritten memory, or warn of it, as the parameters ask."""
    if params.uninitialized == "raise":
        raise finding
    warnings.warn(str(finding), UninitializedWarning, stacklevel=2)


def _debug_run(
    call: Call, args: Sequence[Numeric], params: InterpretParams, *, filler: int = 0, culprit: Use | None = None
) -> tuple[Launch, KernelError | None]:
    """Run a kernel equation by equation, up to the first report if there is one."""
    launch = prepare(call, args, params, filler=filler)
    launch.machine.culprit = culprit
    watch = None if filler else params.trace
    env = debug.Environment(launch.machine, axes={name: k for k, name in enumerate(call.axis_names)}, watch=watch)
    try:
        run_steps(launch, lambda refs, env: debug.evaluate(call.kernel, refs, env), env)
    except KernelError as error:
        return launch, error
    return launch, None


def _judged_doubts(
    call: Call, args: Sequence[Numeric], params: InterpretParams, launch: Launch, error: KernelError | None
) -> UninitializedReadError | None:
    """Return a report of the first line where another filler of unwritten memory changes an output, or the report."""
    doubts = launch.machine.doubts

    def differs(filler: int, culprit: Use | None) -> bool:
        other, problem = _debug_run(call, args, params, filler=filler, culprit=culprit)
        if error is not None or problem is not None:
            return error is None or problem is None or _gist(error) != _gist(problem)
        return any(not fast.same(a, b) for a, b in zip(_written(launch), _written(other), strict=True))

    fillers = range(1, FILLERS)
    if any(differs(filler, None) for filler in fillers):
        alone = (use for use in doubts if len(doubts) == 1 or any(differs(filler, use) for filler in fillers))
        return doubts[next(alone, next(iter(doubts)))]
    return None


def _gist(error: KernelError) -> tuple[object, ...]:
    return type(error), error.site, error.step, error.ref, error.index


def _written(launch: Launch) -> list[Array]:
    """Return the outputs with elements that nobody wrote blanked out, for they differ by construction."""
    results = []
    for result, operand in zip(launch.results(), launch.outputs, strict=True):
        if operand.written is None:
            results.append(result)
            continue
        written = operand.written[operand.block.interior]
        results.append(np.where(written, result, np.zeros((), result.dtype)))
    return results
