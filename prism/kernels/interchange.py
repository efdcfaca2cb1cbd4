"""Kernels on JAX arrays: what a kernel writes is returned, and under a trace the kernel is a part of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from prism.errors import UsageError
from prism.kernels.exec.launch import Shape
from prism.kernels.exec.xla import DeviceLaunch, check_types, function, raise_fault
from prism.kernels.isa.program import Access
from prism.kernels.isa.verify import Verified
from prism.kernels.runs import Run, is_traced


def functional(run: Run, arrays: Mapping[str, Any]) -> Any:
    """Return the arrays that the program writes, alone or as a tuple; the given ones stay as they are.

    On `xla` they never leave their device; another executor runs on copies on the host. UsageError if that one is
    traced; FaultError where a lane faults, under a trace as the error of a callback that only a fault makes.
    """
    verified = run.verified
    written = [one.name for one in verified.program.buffers if one.access is not Access.READ]
    traced = any(is_traced(one) for one in (*arrays.values(), *run.scalars.values()))
    if 0 in run.shape[0]:
        found: Mapping[str, Any] = {name: jnp.asarray(arrays[name]) for name in written}
    elif run.executor == "xla":
        found = _traced(run, arrays) if traced else _launch(run)({name: jnp.asarray(a) for name, a in arrays.items()})
    elif traced:
        raise UsageError(
            f"a kernel under a JAX trace must run on the executor xla, got {run.executor!r}, which runs on the host; "
            "call it without .on(...), or outside of jax.jit"
        )
    else:
        found = {name: np.array(one) for name, one in arrays.items()}
        run.bind(found)()
        found = {name: jnp.asarray(found[name]) for name in written}
    results = tuple(found[name] for name in written)
    return results[0] if len(results) == 1 else results


@dataclass(frozen=True, slots=True)
class Placed:
    """A call of a kernel on arrays of JAX's of some form, with all that its form decides; its arguments are arrays.

    used, kept: where among the arguments the written buffers and the others are.
    """

    verified: Verified
    call: Callable[..., Any]
    used: tuple[int, ...]
    kept: tuple[int, ...]

    def __call__(self, given: Sequence[Any]) -> Any:
        """Return the written arrays, alone or as a tuple; FaultError where a lane faults."""
        written, faulted = self.call([given[k] for k in self.used], [given[k] for k in self.kept])
        if faulted is not None:
            raise_fault(self.verified, faulted)
        return written[0] if len(written) == 1 else tuple(written)


def placed(run: Run, names: Sequence[str], arrays: Mapping[str, Any]) -> Placed:
    """Return a run as a call whose arguments have these names, on arrays like these."""
    launch = _launch(run)
    used, kept = (tuple(names.index(name) for name in some) for some in launch.order)
    return Placed(run.verified, launch.ready(arrays), used, kept)


def _launch(run: Run) -> DeviceLaunch:
    """Return a run as a launch on arrays of JAX's."""
    scalars = {name: np.asarray(one)[()] if isinstance(one, jax.Array) else one for name, one in run.scalars.items()}
    return DeviceLaunch(run.verified, Shape(*run.shape), scalars)


def _traced(run: Run, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Make a run a part of the computation that is traced."""
    verified = run.verified
    check_types(verified, arrays)
    with jax.enable_x64(True):
        made, faulted = function(verified, Shape(*run.shape))(arrays, run.scalars)
        if faulted is not None:
            _report(verified, faulted)
        return {name: one.reshape(arrays[name].shape) for name, one in made.items()}


def _report(verified: Verified, faulted: Mapping[str, Any]) -> None:
    """Raise the fault from a callback, which runs only if there is one."""

    def on_host(**fault: Any) -> None:
        raise_fault(verified, fault)

    jax.lax.cond(
        faulted["kind"] != 0,
        lambda fault: jax.debug.callback(on_host, **fault),
        lambda _: None,
        dict(faulted),
    )
