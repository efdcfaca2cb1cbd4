"""Kernels on JAX arrays: what a kernel writes is returned, and under a trace the kernel is a part of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np

from prism.errors import UsageError
from prism.kernels.exec.launch import Shape
from prism.kernels.exec.xla import DeviceLaunch, check_types, function, raise_fault
from prism.kernels.isa.program import Access
from prism.kernels.isa.verify import Verified
from prism.kernels.runs import Run, is_traced

PLACED: Final = 64
"""Launches on JAX arrays that a kernel keeps for some types."""


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
        found = _traced(run, arrays) if traced else _placed(run)({name: jnp.asarray(a) for name, a in arrays.items()})
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


def _placed(run: Run) -> DeviceLaunch:
    """Return the launch of a run on arrays of JAX's, the same one for the same numbers."""
    scalars = {name: np.asarray(one)[()] if isinstance(one, jax.Array) else one for name, one in run.scalars.items()}
    key = (run.shape, *((type(one), repr(one)) for one in scalars.values()))
    kept = run.placed
    if key not in kept:
        while len(kept) >= PLACED:
            kept.pop(next(iter(kept)), None)
        kept[key] = DeviceLaunch(run.verified, Shape(*run.shape), scalars)
    return kept[key]


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
